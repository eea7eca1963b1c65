package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// event is a line of "go test -json", cmd/test2json.
type event struct {
	Action, Package, Test, Output string
}

// outcome counts what the tests under Wine came to.
type outcome struct {
	passed, failed int
	skips          []string          // the reasons, as the tests gave them
	said           map[string]string // package and test -> what it printed
}

// packages lists what runs without being named, one a line.
const packages = ".ci/wine/packages"

// page is where every reason for a skip must stand.
const page = "docs/platforms.md"

// test runs the tests of some packages, built for Windows, under Wine, one package
// after the other: they share one desktop, and some look at what is in front. A skip for
// a reason that docs/platforms.md does not have is a failure: what is not tested
// is said.
func (w *windows) test(ctx context.Context, args []string) error {
	if len(args) == 0 {
		list, err := os.ReadFile(packages)
		if err != nil {
			return err
		}
		args = strings.Fields(string(list))
	}
	c := exec.CommandContext(ctx, "go", append([]string{"test", "-json", "-count=1", "-short", "-p=1", "-tags", "grpcnotrace",
		"-overlay", w.overlay(), "-exec", w.wine}, args...)...)
	c.Env = append(w.env, "GOOS=windows", "GOARCH=amd64", "CGO_ENABLED=0")
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	o := outcome{said: map[string]string{}}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		o.take(lines.Bytes())
	}
	err = errors.Join(lines.Err(), c.Wait())
	fmt.Printf("under Wine: %d tests passed, %d failed, %d skipped\n", o.passed, o.failed, len(o.skips))
	if err != nil {
		return err
	}
	if o.passed == 0 {
		return errors.New("no test ran")
	}
	return unsaid(o.skips)
}

func (w *windows) overlay() string {
	for _, v := range w.env {
		if file, ok := strings.CutPrefix(v, "WINE_OVERLAY="); ok {
			return file
		}
	}
	return ""
}

// take counts one line, and prints what failed.
func (o *outcome) take(line []byte) {
	var e event
	if json.Unmarshal(line, &e) != nil {
		fmt.Printf("%s\n", line)
		return
	}
	name := e.Package + " " + e.Test
	switch e.Action {
	case "output", "build-output":
		o.said[name] += e.Output
		if e.Action == "build-output" {
			fmt.Print(e.Output)
		}
		return
	case "pass":
		if e.Test != "" {
			o.passed++
		} else {
			fmt.Println("ok  ", e.Package)
		}
	case "fail":
		fmt.Print(o.said[name])
		if e.Test != "" {
			o.failed++
		}
	case "skip":
		if e.Test != "" {
			o.skips = append(o.skips, reason(o.said[name]))
		}
	default:
		return
	}
	delete(o.said, name)
}

// reason finds what a test gave as the reason of its skip in what it printed: the
// text after "file_test.go:12: ".
func reason(said string) string {
	for line := range strings.Lines(said) {
		_, text, ok := strings.Cut(line, "_test.go:")
		if _, text, has := strings.Cut(text, ": "); ok && has {
			return strings.TrimSpace(text)
		}
	}
	return "no reason given"
}

// unsaid fails for reasons that the page does not have.
//
// What -short leaves out is not about Windows: it runs elsewhere.
func unsaid(reasons []string) error {
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	slices.Sort(reasons)
	var errs []error
	for _, r := range slices.Compact(reasons) {
		if !strings.HasPrefix(r, "short: ") && !bytes.Contains(text, []byte(r)) {
			errs = append(errs, fmt.Errorf("skipped, and %s does not say so: %s", page, r))
		}
	}
	return errors.Join(errs...)
}
