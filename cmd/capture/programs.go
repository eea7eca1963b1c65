//go:build linux

package main

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// stranger is the uid of the unprivileged half of the programs.
const stranger = 4242

// ran is a program that the workload ran to its end, as wait4(2) tells.
type ran struct {
	pid, uid, code int
	path           string
	cpu            time.Duration
}

// programs is a series of them.
type programs struct {
	name    string
	n       int
	each    time.Duration // between two starts; 0: as fast as two runners can
	path    string
	argv    []string // the last argument is the exit code, where code is set
	hasCode bool
}

// run runs them and returns the truth.
func (w programs) run(ctx context.Context) ([]ran, error) {
	runners := 2
	if w.each > 0 {
		runners = 1
	}
	truth := make([][]ran, runners)
	errs := make([]error, runners)
	var wait sync.WaitGroup
	for k := range runners {
		wait.Go(func() {
			began := time.Now()
			for i := k; i < w.n && ctx.Err() == nil; i += runners {
				if w.each > 0 {
					time.Sleep(time.Until(began.Add(time.Duration(i) * w.each)))
				}
				r, err := w.one(i)
				if err != nil {
					errs[k] = err
					return
				}
				truth[k] = append(truth[k], r)
			}
		})
	}
	wait.Wait()
	var all []ran
	for k := range runners {
		if errs[k] != nil {
			return nil, errs[k]
		}
		all = append(all, truth[k]...)
	}
	return all, ctx.Err()
}

func (w programs) one(i int) (ran, error) {
	r := ran{path: w.path}
	argv := append([]string(nil), w.argv...)
	if w.hasCode {
		r.code = i % 7
		argv[len(argv)-1] += fmt.Sprint(r.code)
	}
	attr := &syscall.ProcAttr{Dir: "/", Env: []string{}, Sys: &syscall.SysProcAttr{}}
	if i%2 == 1 {
		r.uid = stranger
		attr.Sys.Credential = &syscall.Credential{Uid: stranger, Gid: stranger}
	}
	var err error
	if r.pid, err = syscall.ForkExec(w.path, argv, attr); err != nil {
		return r, fmt.Errorf("run %s: %w", w.path, err)
	}
	var status syscall.WaitStatus
	var use syscall.Rusage
	for {
		_, err = syscall.Wait4(r.pid, &status, 0, &use)
		if err != syscall.EINTR {
			break
		}
	}
	if err != nil || status.ExitStatus() != r.code {
		return r, fmt.Errorf("run %s: exit %d, %v; want %d", w.path, status.ExitStatus(), err, r.code)
	}
	r.cpu = time.Duration(use.Utime.Nano() + use.Stime.Nano())
	return r, nil
}

// processPart runs the programs before every watcher.
func processPart(ctx context.Context, b *bench) error {
	shell, err := filepath.EvalSymlinks("/bin/sh")
	if err != nil {
		return err
	}
	sleep, err := filepath.EvalSymlinks("/bin/sleep")
	if err != nil {
		return err
	}
	loads := []programs{
		{name: "about 1 ms, as fast as two runners can", n: b.count(10000), path: shell, argv: []string{"sh", "-c", "exit "}, hasCode: true},
		{name: "5 ms, 50 a second", n: b.count(1000), each: 20 * time.Millisecond, path: sleep, argv: []string{"sleep", "0.005"}},
	}
	for _, w := range loads {
		fmt.Printf("%d programs of %s, half as root, half as uid %d\n", w.n, w.name, stranger)
		for _, rung := range []string{"ebpf", "netlink"} {
			if err := w.beside(ctx, b, rung); err != nil {
				return err
			}
		}
	}
	return nil
}

// beside runs the programs before the collector on one rung, the poller, and the
// whole agent on the same rung, all at once.
func (w programs) beside(ctx context.Context, b *bench, rung string) error {
	agent, err := serve(ctx, b, "collectors: {process: {rung: "+rung+"}}\n")
	if err != nil {
		return err
	}
	defer agent.close()
	var watchers []*watcher
	for _, role := range []string{"process:" + rung, "poller:"} {
		v, err := watch(ctx, role)
		if err != nil {
			return err
		}
		watchers = append(watchers, v)
	}
	if err := agent.begin(ctx, "process"); err != nil {
		return err
	}
	for _, v := range watchers {
		v.spent()
	}
	began := time.Now()
	truth, err := w.run(ctx)
	if err != nil {
		return err
	}
	span := time.Since(began)
	time.Sleep(2500 * time.Millisecond) // two reads of the ring, and two looks of the poller
	fmt.Printf("  in %.1f s: %.0f a second\n", span.Seconds(), float64(len(truth))/span.Seconds())
	if err := agent.report(ctx, "process", len(truth)); err != nil {
		return err
	}
	for _, v := range watchers {
		cpu := v.spent()
		var got sight
		if err := v.result(&got); err != nil {
			return err
		}
		fmt.Printf("  %-20s %v  lost %d  %.1f ms of CPU per 1,000\n", got.Rung, compare(truth, got.Seen), got.Lost, each(cpu, len(truth)))
	}
	return nil
}
