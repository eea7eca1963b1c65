package process

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/collectors/nt"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// filetime is a time of the tests, in seconds after the beginning of 2026.
func filetime(s int64) int64 { return 116444736000000000 + (1767225600+s)*10_000_000 }

// heldFake is a process that is held; closed counts.
type heldFake struct {
	f      nt.Figures
	err    error
	closed *int
}

func (h heldFake) Figures() (nt.Figures, error) { return h.f, h.err }
func (h heldFake) Close()                       { *h.closed++ }

// desk plays a Windows: what is asked of it, and what was told.
type desk struct {
	*table
	asks   map[uint32]asked
	asked  int
	closed int
	told   []string
	stats  collectors.Stats
}

func newDesk() *desk {
	d := &desk{asks: map[uint32]asked{}}
	emit := func(ev *eventv1.Event) {
		switch {
		case ev.GetProcessStart() != nil:
			e := ev.GetProcessStart()
			d.told = append(d.told, fmt.Sprintf("start %d %s %q of %d by %s inventory %v",
				e.GetPid(), e.GetProgram().GetName(), e.GetProgram().GetPath(), e.GetParentStartKey()&(1<<22-1), e.GetUser().GetName(), e.GetInventory()))
		case ev.GetProcessStop() != nil:
			e := ev.GetProcessStop()
			d.told = append(d.told, fmt.Sprintf("stop %d %s code %d after %d ms cpu %d+%d rss %d io %d+%d",
				e.GetPid(), e.GetProgram().GetName(), e.GetExitCode(), e.GetLifetimeMs(), e.GetCpuUserMs(), e.GetCpuSystemMs(), e.GetMaxRssBytes(), e.GetReadBytes(), e.GetWrittenBytes()))
		}
	}
	d.table = newTable(&d.stats, newReporter(emit, eventv1.Rung_RUNG_POLL), func(pid uint32, _ int64) asked {
		d.asked++
		return d.asks[pid]
	})
	return d
}

func utf16le(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = append(b, byte(u), byte(u>>8))
	}
	return b
}

func walk(ps ...nt.Process) func(func(*nt.Process) bool) error {
	return func(do func(*nt.Process) bool) error {
		for i := range ps {
			do(&ps[i])
		}
		return nil
	}
}

func (d *desk) expect(t *testing.T, when string, want ...string) {
	t.Helper()
	slices.Sort(d.told)
	slices.Sort(want)
	if !slices.Equal(d.told, want) {
		t.Errorf("%s: told\n\t%q; want\n\t%q", when, d.told, want)
	}
	d.told = nil
}

func TestTableLooks(t *testing.T) {
	d := newDesk()
	shell := nt.Process{PID: 100, Parent: 4, Created: filetime(1), Name: utf16le("explorer.exe")}
	edit := nt.Process{PID: 200, Parent: 100, Created: filetime(2), Name: utf16le("edit.exe"), UserTime: 15_000, KernelTime: 25_000, PeakWorkingSet: 7, ReadBytes: 8, WrittenBytes: 9}
	d.asks[100] = asked{path: `C:\Windows\explorer.exe`, user: account{`LAB\ann`, "S-1-5-21-1"}}
	kernel := []nt.Process{{PID: 0}, {PID: 4, Name: utf16le("System"), Created: filetime(0)}}
	look := func(when string, ps ...nt.Process) {
		t.Helper()
		if err := d.look(walk(append(ps, kernel...)...), when == "first", true); err != nil {
			t.Fatalf("%s: %v", when, err)
		}
	}
	look("first", edit, shell) // a child before its parent
	d.expect(t, "first",
		`start 100 explorer.exe "C:\\Windows\\explorer.exe" of 4 by LAB\ann inventory true`,
		`start 200 edit.exe "" of 100 by  inventory true`)
	look("the same", edit, shell)
	d.expect(t, "the same")
	if d.asked != 2 {
		t.Errorf("asked %d times; want once for each process", d.asked)
	}
	again := nt.Process{PID: 200, Parent: 100, Created: filetime(9), Name: utf16le("other.exe")}
	look("a pid used anew", again, shell)
	d.expect(t, "a pid used anew",
		"start 200 other.exe \"\" of 100 by  inventory false",
		fmt.Sprintf("stop 200 edit.exe code 0 after %d ms cpu 1+2 rss 7 io 8+9", time.Now().UnixMilli()-nt.UnixMS(filetime(2))))
}

// TestTableHeld: the last figures of one that was held are the system's, and it is
// let go.
func TestTableHeld(t *testing.T) {
	d := newDesk()
	one := func(pid uint32) nt.Process {
		return nt.Process{PID: pid, Created: filetime(5), Name: utf16le("x.exe"), UserTime: 10_000}
	}
	ended := nt.Figures{Created: filetime(5), Ended: filetime(7), Code: 0xc0000005, UserTime: 30_000, KernelTime: 40_000, PeakWorkingSet: 1, ReadBytes: 2, WrittenBytes: 3}
	d.asks[8] = asked{held: heldFake{f: ended, closed: &d.closed}}
	d.asks[12] = asked{held: heldFake{err: errors.New("gone"), closed: &d.closed}}
	d.asks[16] = asked{held: heldFake{closed: &d.closed}}
	if err := d.look(walk(one(8), one(12), one(16)), true, true); err != nil {
		t.Fatal(err)
	}
	d.told = nil
	if err := d.look(walk(one(16)), false, true); err != nil {
		t.Fatal(err)
	}
	after := time.Now().UnixMilli() - nt.UnixMS(filetime(5))
	d.expect(t, "ends",
		"stop 8 x.exe code -1073741819 after 2000 ms cpu 3+4 rss 1 io 2+3",
		fmt.Sprintf("stop 12 x.exe code 0 after %d ms cpu 1+0 rss 0 io 0+0", after))
	if d.closed != 2 {
		t.Errorf("let go %d; want the 2 that ended", d.closed)
	}
	if d.close(); d.closed != 3 {
		t.Errorf("let go %d at the end; want all 3", d.closed)
	}
}

// TestTableNews: what events tell, beside snapshots.
func TestTableNews(t *testing.T) {
	d := newDesk()
	d.start(8, 4, 1, filetime(3), "b.exe", `C:\a\b.exe`)
	d.expect(t, "start", `start 8 b.exe "C:\\a\\b.exe" of 0 by  inventory false`)
	d.start(8, 4, 1, filetime(3), "b.exe", `C:\a\b.exe`)
	d.expect(t, "told again")
	d.start(12, 8, 1, filetime(4), "c.exe", "")
	d.expect(t, "a file of no drive", `start 12 c.exe "" of 8 by  inventory false`)
	if err := d.look(walk(nt.Process{PID: 8, Created: filetime(3), Name: utf16le("b.exe"), UserTime: 10_000, ReadBytes: 5000}), false, false); err != nil {
		t.Fatal(err)
	}
	d.expect(t, "a snapshot of the same")
	d.stop(8, nt.Figures{Created: filetime(2), Ended: filetime(4)})
	d.expect(t, "an end of another with its pid")
	d.stop(8, nt.Figures{Created: filetime(3), Ended: filetime(4), Code: 3, ReadBytes: 4096, WrittenBytes: 8192})
	d.expect(t, "end", "stop 8 b.exe code 3 after 1000 ms cpu 1+0 rss 0 io 5000+8192")
	d.stop(8, nt.Figures{Created: filetime(3), Ended: filetime(4)})
	d.expect(t, "told again")
}

// TestTableFails: a look that fails enters nobody, and the next takes them.
func TestTableFails(t *testing.T) {
	d := newDesk()
	d.asks[8] = asked{held: heldFake{closed: &d.closed}}
	one := nt.Process{PID: 8, Created: filetime(3), Name: utf16le("b.exe")}
	broken := errors.New("broken")
	err := d.look(func(do func(*nt.Process) bool) error { do(&one); return broken }, false, true)
	if !errors.Is(err, broken) || d.closed != 1 || len(d.living) != 0 {
		t.Errorf("look = %v with %d let go and %d living; want %v, 1, 0", err, d.closed, len(d.living), broken)
	}
	if err := d.look(walk(one), false, true); err != nil {
		t.Fatal(err)
	}
	d.expect(t, "the next look", `start 8 b.exe "" of 0 by  inventory false`)
}
