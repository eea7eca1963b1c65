// Mutation breaks the value rules on purpose, in one place at a time, and asks
// their tests whether they notice. No file of the tree is changed: one build
// with all mutants in it is laid over the tree, and its test binary runs once
// for each, told by a variable of the environment which one it is; constants
// take a build each. It covers the files privacy/rules*.go, pseudonym*.go and
// tripwire*.go. A mutant that no test notices is a rule that no test holds,
// unless it is proven to be no change at all: those stand in equivalent.txt,
// each with the reason. Any other makes the run fail.
package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// The outcomes of a mutant.
const (
	killed     = "killed"
	tooLong    = "too long" // killed too, where the machine was quick enough for the others
	survived   = "survived"
	noBuild    = "not compiling"
	equivalent = "equivalent"
)

// noBuildMark is what "go test" prints where a package does not compile.
const noBuildMark = "[build failed]"

func main() {
	all := flag.Bool("all", false, "run every mutant")
	sample := flag.Int("sample", 150, "how many mutants to run: the same ones each time")
	only := flag.String("only", "", "only mutants whose name contains this")
	list := flag.Bool("list", false, "print the names of the mutants and run none")
	parallel := flag.Int("parallel", 2, "how many runs at a time")
	limit := flag.Duration("timeout", 20*time.Second, "the longest run; a longer one counts as killed")
	tests := flag.String("run", "Test|Fuzz", "the tests to ask")
	quick := flag.Bool("quick", false, "leave out the slow tests: more mutants survive")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ok, err := run(ctx, options{*all, *sample, *only, *list, *parallel, *limit, *tests, *quick})
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutation:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

type options struct {
	all      bool
	sample   int
	only     string
	list     bool
	parallel int
	limit    time.Duration
	tests    string
	quick    bool
}

// run reports whether every mutant that ran was killed or is known to change
// nothing.
func run(ctx context.Context, o options) (bool, error) {
	mutants, err := findAll("privacy")
	if err != nil {
		return false, err
	}
	known, err := readEquivalent(".ci/mutation/equivalent.txt", mutants)
	if err != nil {
		return false, err
	}
	total := len(mutants)
	mutants = choose(mutants, o)
	if o.list {
		for _, m := range mutants {
			fmt.Println(m.name)
		}
		return true, nil
	}
	start := time.Now()
	r, err := newRunner(ctx, o, mutants)
	if err != nil {
		return false, err
	}
	defer r.close()
	fmt.Printf("%d mutants, %d of them run; one build holds all but %d; ready after %.0f s\n",
		total, len(mutants), len(r.apart), time.Since(start).Seconds())
	outcomes, err := runAll(ctx, r, mutants, known)
	if err != nil {
		return false, err
	}
	fmt.Printf("%.0f s\n", time.Since(start).Seconds())
	return report(mutants, outcomes, known), nil
}

// choose takes the mutants that o asks for. A sample is taken by the hash of
// the name: a change elsewhere does not change it.
func choose(list []mutant, o options) []mutant {
	list = slices.DeleteFunc(list, func(m mutant) bool { return !strings.Contains(m.name, o.only) })
	if o.all || len(list) <= o.sample {
		return list
	}
	hash := func(m mutant) string { h := sha256.Sum256([]byte(m.name)); return string(h[:]) }
	slices.SortFunc(list, func(a, b mutant) int { return cmp.Compare(hash(a), hash(b)) })
	list = list[:o.sample]
	slices.SortFunc(list, func(a, b mutant) int { return cmp.Or(cmp.Compare(a.file, b.file), a.from-b.from) })
	return list
}

// runAll returns the outcome of each mutant.
func runAll(ctx context.Context, r *runner, mutants []mutant, known map[string]string) ([]string, error) {
	outcomes, errs := make([]string, len(mutants)), make([]error, len(mutants))
	next := make(chan int)
	var wg sync.WaitGroup
	for range max(1, r.parallel) {
		wg.Go(func() {
			for i := range next {
				if known[mutants[i].name] != "" {
					outcomes[i] = equivalent
					continue
				}
				outcomes[i], errs[i] = r.try(ctx, i)
				if outcomes[i] == survived {
					fmt.Println("survived:", mutants[i].place(), mutants[i].name)
				}
			}
		})
	}
	for i := range mutants {
		next <- i
	}
	close(next)
	wg.Wait()
	if err := ctx.Err(); err != nil { // one error, and not one for each
		return nil, err
	}
	return outcomes, errors.Join(errs...)
}

// alone runs the tests on one mutant, in a build of its own.
func alone(ctx context.Context, o options, m mutant) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "mutant")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, filepath.Base(m.file))
	if err := os.WriteFile(file, m.text(), 0o600); err != nil {
		return "", err
	}
	original, err := filepath.Abs(m.file)
	if err != nil {
		return "", err
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {original: file}})
	if err != nil {
		return "", err
	}
	out, err := ask(ctx, o, string(overlay))
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case err == nil:
		return survived, nil
	case strings.Contains(out, noBuildMark):
		return noBuild, nil
	case errors.As(err, &exit):
		return howKilled(out), nil
	}
	return "", err
}

// timeoutMark is what a test binary prints when its time is over.
const timeoutMark = "panic: test timed out after "

// howKilled tells a test that failed from one that did not end.
func howKilled(out string) string {
	if strings.Contains(out, timeoutMark) {
		return tooLong
	}
	return killed
}

// ask runs the tests with an overlay, and returns what they print.
func ask(ctx context.Context, o options, overlay string) (string, error) {
	file, err := os.CreateTemp("", "overlay*.json")
	if err != nil {
		return "", err
	}
	defer os.Remove(file.Name())
	if _, err := file.WriteString(overlay); err != nil {
		return "", err
	}
	if err := file.Close(); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "go", "test", "-count=1", "-short", "-failfast", "-vet=off",
		"-timeout", o.limit.String(), "-run", o.tests, "-overlay", file.Name(), "./privacy")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// report prints the list and the counts of each file, and reports whether none survived.
func report(mutants []mutant, outcomes []string, known map[string]string) bool {
	all, of := make(map[string]int), make(map[string]map[string]int)
	for i, m := range mutants {
		if of[m.file] == nil {
			of[m.file] = make(map[string]int)
		}
		all[outcomes[i]]++
		of[m.file][outcomes[i]]++
		fmt.Printf("%s\t%s:%d\t%s", outcomes[i], m.file, m.line, m.name)
		if outcomes[i] == equivalent {
			fmt.Printf("\t(%s)", known[m.name])
		}
		fmt.Println()
	}
	line := func(of string, n map[string]int) {
		fmt.Printf("%s: %d killed and %d that ran too long, %d survived, %d equivalent, %d not compiling\n",
			of, n[killed], n[tooLong], n[survived], n[equivalent], n[noBuild])
	}
	for _, file := range slices.Sorted(maps.Keys(of)) {
		line(file, of[file])
	}
	line("all", all)
	return all[survived] == 0
}
