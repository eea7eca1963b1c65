//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// footprintPart lets the agent be for a minute on each rung of its process
// collector, and prints what it takes. The machine is as busy as it is: the
// events that came meanwhile stand beside it.
func footprintPart(ctx context.Context, b *bench) error {
	span := time.Duration(float64(time.Minute) * b.scale)
	for _, rung := range []string{"ebpf", "netlink", "poll"} {
		s, err := serve(ctx, b, "collectors: {process: {rung: "+rung+"}}\n")
		if err != nil {
			return err
		}
		err = s.rest(ctx, span)
		s.close()
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *served) rest(ctx context.Context, span time.Duration) error {
	if err := s.begin(ctx, "process"); err != nil {
		return err
	}
	pid := s.agent.Cmd.Process.Pid
	wakes := switches(pid)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(span):
	}
	cpu, took := s.spent()
	wakes = switches(pid) - wakes
	rss, peak := memory(pid)
	after, err := s.state(ctx, "process")
	if err != nil {
		return err
	}
	fmt.Printf("  agent, default policy, rung %s: %.0f ms of CPU a minute, %.1f wake-ups a second, RSS %.1f MiB (most %.1f), %d events of programs\n",
		after.Rung, cpu.Seconds()*1000*60/took.Seconds(), float64(wakes)/took.Seconds(), rss, peak, after.Events-s.before.Events)
	return nil
}

// switches returns how often the threads of a process went to sleep by
// themselves.
func switches(pid int) (n int) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	for _, f := range files {
		n += field(f, "voluntary_ctxt_switches:")
	}
	return n
}

// memory returns the resident memory, and its peak, in MiB.
func memory(pid int) (now, peak float64) {
	f := fmt.Sprintf("/proc/%d/status", pid)
	return float64(field(f, "VmRSS:")) / 1024, float64(field(f, "VmHWM:")) / 1024
}

// field returns the number behind a key in a file of /proc.
func field(file, key string) int {
	b, _ := os.ReadFile(file)
	_, rest, _ := strings.Cut("\n"+string(b), "\n"+key)
	words := strings.Fields(rest)
	if len(words) == 0 {
		return 0
	}
	n, _ := strconv.Atoi(words[0])
	return n
}
