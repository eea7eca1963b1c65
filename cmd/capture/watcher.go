//go:build linux

package main

import (
	"context"
	"encoding/gob"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// watcher is a copy of this program that watches in a role of its own, so that
// its CPU time is not that of the workload.
type watcher struct {
	role string
	cmd  *exec.Cmd
	stop io.Closer
	out  *gob.Decoder
	cpu  time.Duration // at the last call of spent
}

// watch starts a watcher and waits until it sees.
func watch(ctx context.Context, role string) (*watcher, error) {
	w := &watcher{role: role, cmd: exec.CommandContext(ctx, "/proc/self/exe", "-role", role)}
	w.cmd.Stderr = os.Stderr
	in, err := w.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	w.stop, w.out = in, gob.NewDecoder(out)
	if err := w.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start watcher %s: %w", role, err)
	}
	var ready bool
	if err := w.out.Decode(&ready); err != nil {
		return nil, fmt.Errorf("watcher %s: %w", role, err)
	}
	w.spent()
	return w, nil
}

// spent returns the CPU time since the last call.
func (w *watcher) spent() time.Duration {
	now := cpuOf(w.cmd.Process.Pid)
	d := now - w.cpu
	w.cpu = now
	return d
}

// result ends the watcher and decodes what it saw.
func (w *watcher) result(v any) error {
	w.stop.Close()
	if err := w.out.Decode(v); err != nil {
		return fmt.Errorf("watcher %s: %w", w.role, err)
	}
	return w.cmd.Wait()
}

// play is the other side: it watches until its standard input ends.
func play(ctx context.Context, role string) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	out := gob.NewEncoder(os.Stdout)
	ready := func() { _ = out.Encode(true) }
	kind, arg, _ := strings.Cut(role, ":")
	switch kind {
	case "process":
		return watchProcesses(ctx, arg, ready, out)
	case "domain":
		return watchNames(ctx, arg, ready, out)
	case "contact":
		return callNames(context.Background(), arg)
	case "ticker":
		return tick(ctx, ready)
	case "glance":
		return glance(ctx, ready)
	case "poller":
		return pollProcesses(ctx, ready, out)
	case "connection":
		return watchConnections(ctx, arg, ready, out)
	case "netpoller":
		return pollConnections(ctx, ready, out)
	case "become":
		return become(arg)
	case "serve":
		return serveNet(ctx, out)
	case "call":
		return callNet(arg, out)
	}
	return fmt.Errorf("no role %q", role)
}

// cpuOf returns the CPU time of a process's threads to the nanosecond; the
// figures of /proc/PID/stat come in hundredths of a second.
func cpuOf(pid int) time.Duration {
	var sum int64
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // the thread ended
		}
		word, _, _ := strings.Cut(string(b), " ")
		n, _ := strconv.ParseInt(word, 10, 64)
		sum += n
	}
	return time.Duration(sum)
}

// each returns d for a thousand of n, in milliseconds.
func each(d time.Duration, n int) float64 {
	return d.Seconds() * 1000 / (float64(n) / 1000)
}
