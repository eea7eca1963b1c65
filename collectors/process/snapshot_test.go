package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/collectors/libproc"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// fakeLists is a system that the test moves.
type fakeLists struct {
	list  []libproc.Process
	ended map[uint32]uint32
	err   error
	asked []uint32 // whose path was asked for
}

func (f *fakeLists) processes() ([]libproc.Process, error) { return f.list, f.err }

func (f *fakeLists) describe(p libproc.Process) (string, account) {
	f.asked = append(f.asked, p.PID)
	if p.PID == 40 {
		return "", account{"uid:502", "502"} // not told
	}
	return fmt.Sprintf("/Applications/P%d.app/Contents/MacOS/p%d", p.PID, p.PID), account{"jdoe", "501"}
}

func (f *fakeLists) ends(ended func(pid, status uint32)) error {
	for pid, status := range f.ended {
		ended(pid, status)
	}
	clear(f.ended)
	return nil
}

// TestSnapshot follows one table of processes over several looks.
func TestSnapshot(t *testing.T) {
	boot := time.Unix(1790000000, 0)
	at := func(s int) time.Time { return boot.Add(time.Duration(s) * time.Second) }
	f := &fakeLists{ended: map[uint32]uint32{}}
	var got []string
	emit := func(e *eventv1.Event) {
		switch k := e.Kind.(type) {
		case *eventv1.Event_ProcessStart:
			s := k.ProcessStart
			got = append(got, fmt.Sprintf("start %d %s %s child=%v inventory=%v", s.Pid, s.Program.Name, s.User.Name, s.ParentStartKey != 0, s.Inventory))
		case *eventv1.Event_ProcessStop:
			s := k.ProcessStop
			got = append(got, fmt.Sprintf("stop %d %s code=%d signal=%d after=%dms", s.Pid, s.Program.Name, s.ExitCode, s.Signal, s.LifetimeMs))
		}
	}
	s := newSnapshot(collectors.Env{Stats: &collectors.Stats{}}, f)
	s.report = newReporter(emit, eventv1.Rung_RUNG_POLL)
	kernel, launchd := libproc.Process{PID: 0, Name: "kernel_task"}, libproc.Process{PID: 1, Start: at(-100), Name: "launchd"}
	ten, eleven := libproc.Process{PID: 10, Parent: 1, Start: at(1)}, libproc.Process{PID: 11, Parent: 10, Start: at(2)}
	zombie := eleven
	zombie.Zombie = true
	again := libproc.Process{PID: 10, Parent: 1, Start: at(9)}
	forty := libproc.Process{PID: 40, Parent: 1, Start: at(19), Name: "short-name"}
	young := libproc.Process{PID: 50, Parent: 1, Start: at(19).Add(950 * time.Millisecond)}
	for _, look := range []struct {
		name  string
		list  []libproc.Process
		ended map[uint32]uint32
		want  []string
	}{
		{"inventory", []libproc.Process{kernel, launchd, ten}, nil, []string{"start 1 p1 jdoe child=false inventory=true", "start 10 p10 jdoe child=true inventory=true"}},
		{"a child starts", []libproc.Process{kernel, launchd, ten, eleven}, nil, []string{"start 11 p11 jdoe child=true inventory=false"}},
		{"it ends and is not waited for", []libproc.Process{launchd, ten, zombie}, map[uint32]uint32{11: 3 << 8}, []string{"stop 11 p11 code=3 signal=0 after=8000ms"}},
		{"a pid is used anew, the first was killed", []libproc.Process{launchd, again}, map[uint32]uint32{10: 9}, []string{"stop 10 p10 code=0 signal=9 after=14000ms", "start 10 p10 jdoe child=true inventory=false"}},
		{"one without a path, one too young", []libproc.Process{launchd, again, forty, young}, nil, []string{"start 40 short-name uid:502 child=true inventory=false"}},
		{"the young one, and an end that nobody told", []libproc.Process{launchd, forty, young}, nil, []string{"start 50 p50 jdoe child=true inventory=false", "stop 10 p10 code=0 signal=0 after=16000ms"}},
		{"nothing new", []libproc.Process{launchd, forty, young}, map[uint32]uint32{77: 1}, nil},
	} {
		got, f.list, f.ended = nil, look.list, look.ended
		if err := s.scan(at(int(s.scans)*5), s.scans == 0); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, look.want) {
			t.Errorf("%s: %q; want %q", look.name, got, look.want)
		}
	}
	if len(s.table) != len(s.starts) || len(s.ended) != 0 || len(f.asked) != 6 {
		t.Errorf("%d processes, %d starts, %d ends kept, paths asked for %v; want each asked once and nothing left over", len(s.table), len(s.starts), len(s.ended), f.asked)
	}
}

// TestSnapshotEnds: it looks every five seconds, ends with its context, and an
// error ends it.
func TestSnapshotEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeLists{list: []libproc.Process{{PID: 1, Start: time.Now().Add(-time.Hour)}}}
		s := newSnapshot(collectors.Env{Log: slog.New(slog.DiscardHandler), Stats: &collectors.Stats{}}, f)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.run(ctx, func(*eventv1.Event) {}) }()
		time.Sleep(time.Minute + time.Second)
		cancel()
		if err := <-done; err != nil || s.scans != 13 {
			t.Errorf("run() = %v after %d looks in a minute; want nil after 13", err, s.scans)
		}
		f.err = fmt.Errorf("list: %w", fs.ErrPermission)
		if err := s.run(t.Context(), nil); !errors.Is(err, collectors.ErrDenied) {
			t.Errorf("run() = %v; want it denied", err)
		}
	})
}
