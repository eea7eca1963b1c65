package spool

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
)

var errInjected = errors.New("injected")

// faultKinds are what an operation of the file system may answer.
var faultKinds = []struct {
	name  string
	err   error
	short bool // half of the write is done; a sync drops what it had to write
	ops   string
}{
	{"EIO", syscall.EIO, false, ""},
	{"EACCES", syscall.EACCES, false, "open create remove rename"},
	{"ENOSPC", syscall.ENOSPC, false, "write create"},
	{"short write", syscall.ENOSPC, true, "write"},
	{"lost sync", errSyncLost, true, "sync"},
}

// TestFaultAtEveryOperation lets one operation fail, or a few in a row, at every
// place in a life of the spool. Whatever fails, nothing synced is lost, nothing
// is handed out twice under one number, and afterwards the spool works again.
func TestFaultAtEveryOperation(t *testing.T) {
	seeds := 30
	if testing.Short() {
		seeds = 2
	}
	for _, kind := range faultKinds {
		t.Run(kind.name, func(t *testing.T) {
			runs, hits := 0, 0
			for seed := range seeds {
				for _, row := range []int{1, 4, 1000} {
					for at := 0; ; at++ {
						hit, more, err := faultLife(uint64(seed), at, row, kind.err, kind.short, kind.ops)
						if err != nil {
							t.Fatalf("seed %d, %d faults from operation %d on: %v", seed, row, at, err)
						}
						if runs++; hit {
							hits++
						}
						if !more {
							break
						}
					}
				}
			}
			t.Logf("%d lives, %d with a fault", runs, hits)
			if hits == 0 {
				t.Error("no operation failed; the test proves nothing")
			}
		})
	}
}

// faultLife lives a sound life, then one in which operations fail from the given
// one on, then checks that all is there. more is false when there are not so
// many operations.
func faultLife(seed uint64, at, row int, fault error, short bool, ops string) (hit, more bool, err error) {
	l := &life{r: rand.New(rand.NewPCG(seed, 11)), fs: newTestFS(), stats: &simStats{},
		epochs: map[Epoch]*modelEpoch{}, stamp: stampA}
	if err := l.use(); err != nil {
		return false, false, err
	}
	l.note()
	l.fs.crash(l.r, 0.5)

	n := 0
	l.fs.fault = func(op, name string) (error, bool) {
		if ops != "" && !slices.Contains(strings.Fields(ops), op) {
			return nil, false
		}
		n++
		if n <= at || n > at+row {
			return nil, false
		}
		hit = true
		return fmt.Errorf("%s %w: %w", op, errInjected, fault), short
	}
	l.faulty, l.failed = true, true
	if err := l.use(); err != nil {
		if l.s != nil || !errors.Is(err, errInjected) {
			return hit, n > at, err
		}
		// It did not open; it must when the fault is over.
	}
	l.fs.fault, l.faulty = nil, false
	if l.s != nil {
		if err := l.sync(); err != nil {
			return hit, n > at, fmt.Errorf("after the fault: %w", err)
		}
		l.s.Rewind()
		l.seen = l.seen[:0]
		if err := l.check(); err != nil {
			return hit, n > at, fmt.Errorf("after the fault: %w", err)
		}
		l.note()
	} else if d := l.fs.dirs[testDir]; d != nil {
		d.locked = false
	}
	l.fs.crash(l.r, 0)
	if err := l.use(); err != nil {
		return hit, n > at, fmt.Errorf("after the next open: %w", err)
	}
	return hit, n > at, nil
}
