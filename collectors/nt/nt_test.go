package nt

import (
	"encoding/binary"
	"testing"
	"unicode/utf16"
)

const base = 0x7ff6_0000_0000

// entry is one process of a snapshot that a test writes.
type entry struct {
	pid, parent, session uint32
	created              int64
	user, kernel         uint64
	set, peak, in, out   uint64
	name                 string
	threads              int
}

// snapshot writes entries as the system does: each with its threads and its name
// behind it, the last one with no next.
func snapshot(entries ...entry) []byte {
	order := binary.LittleEndian
	var b []byte
	for i, e := range entries {
		const threadSize = 80
		one := make([]byte, processSize+e.threads*threadSize)
		name := utf16.Encode([]rune(e.name))
		order.PutUint64(one[offCreated:], uint64(e.created))
		order.PutUint64(one[offUser:], e.user)
		order.PutUint64(one[offKernel:], e.kernel)
		order.PutUint16(one[offName:], uint16(2*len(name)))
		order.PutUint16(one[offName+2:], uint16(2*len(name)+2))
		order.PutUint64(one[offName+8:], base+uint64(len(b)+len(one)))
		order.PutUint64(one[offPID:], uint64(e.pid))
		order.PutUint64(one[offParent:], uint64(e.parent))
		order.PutUint32(one[offSession:], e.session)
		order.PutUint64(one[offSet:], e.set)
		order.PutUint64(one[offPeakSet:], e.peak)
		order.PutUint64(one[offRead:], e.in)
		order.PutUint64(one[offWritten:], e.out)
		for _, u := range append(name, 0) {
			one = order.AppendUint16(one, u)
		}
		for len(one)%8 != 0 {
			one = append(one, 0)
		}
		if i < len(entries)-1 {
			order.PutUint32(one, uint32(len(one)))
		}
		b = append(b, one...)
	}
	return b
}

var some = []entry{
	{pid: 0, threads: 4},
	{pid: 4, name: "System", threads: 200, created: epoch + 10_000},
	{
		pid: 4242, parent: 4, session: 1, created: epoch + 17_000_000_000_000_000, user: 7, kernel: 9,
		set: 10 << 20, peak: 20 << 20, in: 3, out: 5, name: "größer.exe", threads: 2,
	},
}

func TestEachProcess(t *testing.T) {
	var got []entry
	whole := EachProcess(snapshot(some...), base, func(p *Process) bool {
		got = append(got, entry{
			p.PID, p.Parent, p.Session, p.Created, p.UserTime, p.KernelTime,
			p.WorkingSet, p.PeakWorkingSet, p.ReadBytes, p.WrittenBytes, Text(p.Name), 0,
		})
		return true
	})
	if !whole || len(got) != len(some) {
		t.Fatalf("EachProcess = %v with %d entries; want true with %d", whole, len(got), len(some))
	}
	for i, want := range some {
		want.threads = 0
		if got[i] != want {
			t.Errorf("entry %d = %+v; want %+v", i, got[i], want)
		}
	}
}

// TestEachProcessCut: nothing that is cut short makes it read beyond the end, and
// only the whole of it counts as whole.
func TestEachProcessCut(t *testing.T) {
	b := snapshot(some...)
	last := len(snapshot(some[:2]...))
	for n := range b {
		seen := 0
		whole := EachProcess(b[:n:n], base, func(p *Process) bool { seen++; _ = Text(p.Name); return true })
		if want := n >= last+processSize; whole != want {
			t.Fatalf("cut to %d of %d bytes: whole %v with %d entries; want %v", n, len(b), whole, seen, want)
		}
	}
}

func TestEachProcessRefuses(t *testing.T) {
	order := binary.LittleEndian
	for name, spoil := range map[string]func(b []byte){
		"next in the entry itself": func(b []byte) { order.PutUint32(b, 8) },
		"next beyond the end":      func(b []byte) { order.PutUint32(b, 1<<31) },
	} {
		b := snapshot(some...)
		spoil(b)
		if EachProcess(b, base, func(*Process) bool { return true }) {
			t.Errorf("%s: taken as whole; want refused", name)
		}
	}
	for name, address := range map[string]uint64{"before": base - 2, "at the end": base + 1<<30, "wraps": ^uint64(0)} {
		b := snapshot(entry{pid: 8, name: "x.exe"})
		order.PutUint64(b[offName+8:], address)
		EachProcess(b, base, func(p *Process) bool {
			if p.Name != nil {
				t.Errorf("a name %s the buffer: %d bytes; want none", name, len(p.Name))
			}
			return true
		})
	}
}

func TestEachProcessStops(t *testing.T) {
	seen := 0
	if !EachProcess(snapshot(some...), base, func(*Process) bool { seen++; return false }) || seen != 1 {
		t.Errorf("told to stop: %d entries; want 1", seen)
	}
}

func TestTimes(t *testing.T) {
	for _, c := range []struct {
		name     string
		filetime int64
		ms       int64
		key      uint64
	}{
		{"unknown", 0, 0, 0},
		{"before 1970", epoch - 1, 0, 0},
		{"1970 and 1.5 s", epoch + 15_000_000, 1500, 1500<<22 | 77},
	} {
		if ms := UnixMS(c.filetime); ms != c.ms {
			t.Errorf("%s: UnixMS(%d) = %d; want %d", c.name, c.filetime, ms, c.ms)
		}
		if key := Key(c.filetime, 77); key != c.key {
			t.Errorf("%s: Key(%d, 77) = %d; want %d", c.name, c.filetime, key, c.key)
		}
	}
}

func TestText(t *testing.T) {
	for name, c := range map[string]struct {
		in   []byte
		want string
	}{
		"none":            {nil, ""},
		"half a unit":     {[]byte{'a', 0, 'b'}, "a"},
		"ends at a zero":  {[]byte{'a', 0, 0, 0, 'b', 0}, "a"},
		"half a pair":     {[]byte{0, 0xd8}, "\ufffd"},
		"a pair":          {[]byte{0x3d, 0xd8, 0, 0xde}, "😀"},
		"another letters": {[]byte{0xf6, 0}, "ö"},
	} {
		if got := Text(c.in); got != c.want {
			t.Errorf("%s: Text(% x) = %q; want %q", name, c.in, got, c.want)
		}
	}
}

func TestBaseName(t *testing.T) {
	for in, want := range map[string]string{`C:\a\b.exe`: "b.exe", "b.exe": "b.exe", "": "", `\Device\x/y`: "y"} {
		if got := BaseName(in); got != want {
			t.Errorf("BaseName(%q) = %q; want %q", in, got, want)
		}
	}
}

func FuzzEachProcess(f *testing.F) {
	f.Add(snapshot(some...), uint64(base))
	f.Add([]byte{}, uint64(0))
	f.Fuzz(func(t *testing.T, b []byte, base uint64) {
		n := 0
		EachProcess(b, base, func(p *Process) bool {
			if n++; len(p.Name) > len(b) {
				t.Fatalf("a name of %d bytes in %d", len(p.Name), len(b))
			}
			_ = Text(p.Name)
			return n < 1000
		})
	})
}

func BenchmarkEachProcess(b *testing.B) {
	var all []entry
	for i := range 300 {
		all = append(all, entry{pid: uint32(4 * i), name: "some_program.exe", threads: 8, created: epoch + 1})
	}
	buf := snapshot(all...)
	b.ReportAllocs()
	for b.Loop() {
		EachProcess(buf, base, func(*Process) bool { return true })
	}
}
