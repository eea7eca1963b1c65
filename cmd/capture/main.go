//go:build linux

// Command capture measures how much of what happens on this machine the agent's
// sources see, and what that costs: beside the truth that the workload itself
// knows, and beside a poller that asks gopsutil once a second, in the same run.
// "make bench-capture" runs it, as root.
//
// Each part is a file of its own with a function in parts.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// part is one thing that is measured.
type part struct {
	name string
	run  func(context.Context, *bench) error
}

func parts() []part {
	return []part{
		{"process", processPart},
		{"connection", connectionPart},
		{"domain", domainPart},
		{"footprint", footprintPart},
	}
}

// bench is what every part is given.
type bench struct {
	scale float64       // of all counts
	span  time.Duration // of the footprint
	bin   string        // the folder with both programs
}

// count scales a number of things to do.
func (b *bench) count(n int) int { return max(10, int(float64(n)*b.scale)) }

func main() {
	role := flag.String("role", "", "what a copy of this program is, for its own use")
	only := flag.String("only", "", "the one part to run")
	b := &bench{}
	flag.Float64Var(&b.scale, "scale", 1, "share of the full counts")
	flag.DurationVar(&b.span, "span", 10*time.Minute, "how long the footprint is measured; 0: not at all")
	flag.StringVar(&b.bin, "bin", "bin", "folder with discreet-agent and discreet-gateway")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := errorOf(ctx, b, *role, *only)
	if err != nil {
		fmt.Fprintln(os.Stderr, "capture:", err)
		os.Exit(1)
	}
}

func errorOf(ctx context.Context, b *bench, role, only string) error {
	if role != "" {
		return play(ctx, role)
	}
	if os.Getuid() != 0 {
		return fmt.Errorf("measure: %w; hint: run it as root", os.ErrPermission)
	}
	fmt.Printf("kernel %s, %d CPUs, load before %s\n", release(), runtime.NumCPU(), load())
	for _, p := range parts() {
		if only != "" && only != p.name || p.name == "footprint" && b.span == 0 {
			continue
		}
		fmt.Printf("\n%s\n", p.name)
		if err := p.run(ctx, b); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

func release() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return "unknown"
	}
	return unix.ByteSliceToString(u.Release[:])
}

func load() string {
	b, _ := os.ReadFile("/proc/loadavg")
	if len(b) > 14 {
		b = b[:14]
	}
	return string(b)
}
