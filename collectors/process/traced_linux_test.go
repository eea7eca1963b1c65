package process

import (
	"encoding/binary"
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/collectors/procfs"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// fed is the rung without a kernel below it, and what it emitted in short.
type fed struct {
	*traced
	stats collectors.Stats
	said  []string
}

func newFed() *fed {
	f := &fed{}
	env := testEnv(&f.stats)
	f.traced = &traced{env: env, living: make(map[uint64]*process)}
	f.watch = newWatch(env, func(e *eventv1.Event) {
		e = proto.Clone(e).(*eventv1.Event)
		if s := e.GetProcessStart(); s != nil {
			f.said = append(f.said, fmt.Sprintf("start %d %s", s.GetStartKey()>>22, s.GetProgram().GetName()))
		}
		if s := e.GetProcessStop(); s != nil {
			f.said = append(f.said, fmt.Sprintf("stop %d %s code %d", s.GetStartKey()>>22, s.GetProgram().GetName(), s.GetExitCode()))
		}
	}, eventv1.Rung_RUNG_EBPF)
	return f
}

// did feeds a record: at the tick start a process with pid 7 began.
func (f *fed) did(kind uint32, start int64, name string, code uint32) {
	b := make([]byte, endSize)
	if kind == kindExec {
		b = rawExec(0, name+"\x00")
	}
	order := binary.LittleEndian
	order.PutUint32(b, kind)
	order.PutUint32(b[4:], 7)
	order.PutUint64(b[8:], uint64(start*tick))
	order.PutUint64(b[16:], uint64(start*tick)+5)
	if kind != kindExec {
		order.PutUint32(b[28:], code<<8)
	}
	f.handle(b)
}

func (f *fed) want(t *testing.T, want ...string) {
	t.Helper()
	if fmt.Sprint(f.said) != fmt.Sprint(want) {
		t.Errorf("events = %q; want %q", f.said, want)
	}
}

// TestRecycledPid: the pid is another's before the first one's end is told.
func TestRecycledPid(t *testing.T) {
	f := newFed()
	f.did(kindExec, 100, "first", 0)
	f.did(kindExit, 100, "", 1)
	f.did(kindExec, 101, "second", 0)
	f.did(kindFree, 100, "", 1)
	f.did(kindExit, 101, "", 2)
	f.did(kindFree, 101, "", 2)
	f.want(t, "start 100 first", "start 101 second", "stop 100 first code 1", "stop 101 second code 2")
	if len(f.living) != 0 {
		t.Errorf("%d processes in the table; want none", len(f.living))
	}
}

func TestEndsInOddOrder(t *testing.T) {
	f := newFed()
	f.did(kindFree, 90, "", 0) // never seen
	f.did(kindExit, 91, "", 0)
	f.did(kindExec, 100, "a", 0)
	f.did(kindFree, 100, "", 3) // the exit's record was lost
	f.did(kindFree, 100, "", 4) // told twice
	f.did(kindExec, 101, "b", 0)
	f.did(kindExit, 101, "", 5)
	f.did(kindExit, 101, "", 6)
	f.did(kindFree, 101, "", 5)
	f.handle(nil)
	f.handle([]byte("short"))
	f.want(t, "start 100 a", "stop 100 a code 3", "start 101 b", "stop 101 b code 5")
}

func TestTableIsBounded(t *testing.T) {
	f := newFed()
	for i := range int64(maxProcesses) {
		f.living[procfs.Key(uint64(i), 7)] = &process{prog: &program{}}
	}
	f.did(kindExec, maxProcesses+1, "more", 0)
	f.want(t)
	if f.stats.Lost() != 1 || len(f.living) != maxProcesses {
		t.Errorf("Lost() = %d, %d in the table; want 1, %d", f.stats.Lost(), len(f.living), maxProcesses)
	}
}

// BenchmarkRecord is one program: its exec, its exit, its end.
func BenchmarkRecord(b *testing.B) {
	f := newFed()
	f.watch.report.emit = func(*eventv1.Event) {}
	exec, end := rawExec(0, "ls\x00bin\x00usr\x00"), make([]byte, endSize)
	order := binary.LittleEndian
	order.PutUint32(end[4:], 77)
	start := uint64(5e9)
	b.ReportAllocs()
	for b.Loop() {
		start += uint64(tick)
		order.PutUint64(exec[8:], start)
		order.PutUint64(end[8:], start)
		f.handle(exec)
		order.PutUint32(end, kindExit)
		f.handle(end)
		order.PutUint32(end, kindFree)
		f.handle(end)
		f.exited = f.exited[:0]
	}
}
