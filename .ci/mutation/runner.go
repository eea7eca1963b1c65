package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// first are the value rows, which most mutants fail in a few hundredths of a
// second; slow are the tests that take half a second and more each, asked last.
const (
	first = "^(TestRules|TestKill.*|TestLeakVectors|TestLengths|TestTripwire|TestBuckets|TestRedact.*)$"
	slow  = "^(FuzzEveryRule|TestTripwireAgreesWithScrub|TestS56RedactionOnlyDrops|TestTwoPeopleLookAlike|" +
		"TestLeakVectorsInEvents|TestKeptIsExact|TestCheckClocks|TestLearnIsBounded|TestKeptTellsFieldsApart|TestTripwireInScripts)$"
	none = "^$"
)

// runner runs the tests on mutants: on those of the schema in its one binary,
// on the others in a build for each.
type runner struct {
	options
	*schema
	work   string
	binary string
}

// newRunner builds the mutants, and sees that the tests pass without one.
func newRunner(ctx context.Context, o options, mutants []mutant) (*runner, error) {
	s, err := newSchema("privacy", mutants)
	if err != nil {
		return nil, err
	}
	work, err := os.MkdirTemp("", "mutation")
	if err != nil {
		return nil, err
	}
	r := &runner{options: o, schema: s, work: work, binary: filepath.Join(work, "privacy.test")}
	if err := s.compile(ctx, r.binary); err != nil {
		r.close()
		return nil, err
	}
	if out, err := r.ask(ctx, 0, o.tests, none); err != nil {
		r.close()
		return nil, fmt.Errorf("the tests fail without a mutant: %w\n%s", err, out)
	}
	return r, nil
}

func (r *runner) close() { os.RemoveAll(r.work) }

// try returns the outcome of the mutant with index i.
func (r *runner) try(ctx context.Context, i int) (string, error) {
	switch {
	case r.out[i]:
		return noBuild, nil
	case r.apart[i]:
		return alone(ctx, r.options, r.mutants[i])
	}
	steps := [][2]string{{first, none}, {r.tests, slow}, {slow, none}}
	if r.quick {
		steps = steps[:2]
	}
	for _, step := range steps {
		out, err := r.ask(ctx, i+1, step[0], step[1])
		var exit *exec.ExitError
		switch {
		case ctx.Err() != nil:
			return "", ctx.Err()
		case errors.As(err, &exit):
			return howKilled(out), nil
		case err != nil:
			return "", err
		}
	}
	return survived, nil
}

// ask runs the tests of the schema's binary as one mutant; 0 is none.
func (r *runner) ask(ctx context.Context, number int, tests, skip string) (string, error) {
	cmd := exec.CommandContext(ctx, r.binary, "-test.short", "-test.failfast",
		"-test.timeout", r.limit.String(), "-test.run", tests, "-test.skip", skip)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), selector+"="+strconv.Itoa(number))
	out, err := cmd.CombinedOutput()
	return string(out), err
}
