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

	"github.com/discreet-agent/discreet/cmd/lab"
)

// resident is a process that is let be and measured.
type resident struct {
	name          string
	pid           int
	lab           *lab.Lab // of an agent
	before, after reading
	sent          [2]uint64 // bytes, before and after
}

// reading is where a process stands.
type reading struct {
	at        time.Time
	cpu       time.Duration
	switches  int
	rss, peak float64 // MiB
}

func (r *resident) look() reading {
	n := reading{at: time.Now(), cpu: cpuOf(r.pid), switches: switches(r.pid)}
	n.rss, n.peak = memory(r.pid)
	return n
}

// standing is the part of "discreet-agent status --json" that is looked at.
type standing struct {
	Gateway struct {
		Connected bool   `json:"connected"`
		BytesSent uint64 `json:"bytes_sent"`
	} `json:"gateway"`
}

func (r *resident) status(ctx context.Context) (s standing) {
	if r.lab != nil {
		_ = r.lab.AgentJSON(ctx, &s, "status") // zero where it does not answer
	}
	return s
}

// figures are what a resident took.
type figures struct{ cpu, wakes, rss, peak, bits float64 }

func (r *resident) figures() figures {
	span := r.after.at.Sub(r.before.at).Seconds()
	return figures{
		cpu:   (r.after.cpu - r.before.cpu).Seconds() * 1000 * 60 / span,
		wakes: float64(r.after.switches-r.before.switches) / span,
		rss:   r.after.rss, peak: r.after.peak,
		bits: float64(r.sent[1]-r.sent[0]) * 8 / span,
	}
}

// bare and poll are the names of the peers that all others are compared with.
const (
	bare = "bare Go program, 1 s ticker"
	poll = "gopsutil poller, 10 s"
)

func (f *footprint) print() {
	by := map[string]figures{}
	for _, r := range f.all {
		by[r.name] = r.figures()
	}
	fmt.Printf("  %-28s %10s %10s %9s %9s %9s %12s %12s\n", "", "CPU ms/min", "wake-ups/s", "RSS MiB", "most MiB", "bit/s", "wakes : bare", "CPU : poller")
	for _, r := range f.all {
		n := by[r.name]
		if n.rss == 0 {
			fmt.Printf("  %-28s ended early\n", r.name)
			continue
		}
		bits := "-"
		if r.lab != nil {
			bits = fmt.Sprintf("%.0f", n.bits)
		}
		fmt.Printf("  %-28s %10.1f %10.2f %9.1f %9.1f %9s %12.2f %12.3f\n",
			r.name, n.cpu, n.wakes, n.rss, n.peak, bits, n.wakes/by[bare].wakes, n.cpu/by[poll].cpu)
	}
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
