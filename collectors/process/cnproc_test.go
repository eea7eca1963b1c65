package process

import (
	"encoding/binary"
	"testing"

	"github.com/discreet-agent/discreet/collectors/netlink"
)

// encodeEvent writes the data of a message as the connector does.
func encodeEvent(what uint32, words ...uint32) []byte {
	var b []byte
	for _, w := range []uint32{connectorIndex, connectorValue, 5, 0, 0, what, 0} {
		b = binary.NativeEndian.AppendUint32(b, w)
	}
	b = binary.NativeEndian.AppendUint64(b, 123456789)
	for _, w := range words {
		b = binary.NativeEndian.AppendUint32(b, w)
	}
	return b
}

func TestParseProcEvent(t *testing.T) {
	const at = 123456789
	tests := []struct {
		name string
		in   []byte
		want procEvent
		ok   bool
	}{
		{"fork", encodeEvent(whatFork, 10, 11, 20, 20), procEvent{what: whatFork, at: at, pid: 20, leader: true, parent: 11}, true},
		{"thread", encodeEvent(whatFork, 10, 11, 21, 20), procEvent{what: whatFork, at: at, pid: 20, parent: 11}, true},
		{"exec", encodeEvent(whatExec, 20, 20), procEvent{what: whatExec, at: at, pid: 20, leader: true}, true},
		{"uid", encodeEvent(whatUID, 20, 20, 4242, 0), procEvent{what: whatUID, at: at, pid: 20, leader: true, uid: 4242}, true},
		{"exit", encodeEvent(whatExit, 20, 20, 768, 17), procEvent{what: whatExit, at: at, pid: 20, leader: true, status: 768}, true},
		{"exit of a thread", encodeEvent(whatExit, 21, 20, 0, 17), procEvent{what: whatExit, at: at, pid: 20}, true},
		{"acknowledged", encodeEvent(whatAck, 0), procEvent{at: at}, true},
		{"refused", encodeEvent(whatAck, 1), procEvent{at: at, status: 1}, true},
		{"group id", encodeEvent(0x40, 20, 20, 5, 5), procEvent{}, false},
		{"cut fork", encodeEvent(whatFork, 10, 11, 20), procEvent{}, false},
		{"cut exit", encodeEvent(whatExit, 10, 11), procEvent{}, false},
		{"cut head", encodeEvent(whatExec)[:30], procEvent{}, false},
		{"empty", nil, procEvent{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, ok := parseProcEvent(tt.in); got != tt.want || ok != tt.ok {
				t.Errorf("parseProcEvent() = %+v, %v; want %+v, %v", got, ok, tt.want, tt.ok)
			}
		})
	}
	other := encodeEvent(whatExec, 20, 20)
	other[0]++
	if _, ok := parseProcEvent(other); ok {
		t.Error("parseProcEvent() = true for another connector's message; want false")
	}
}

func TestEndingOf(t *testing.T) {
	tests := []struct {
		name   string
		status uint32
		want   ending
	}{
		{"success", 0, ending{}},
		{"exit 3", 3 << 8, ending{code: 3}},
		{"killed", 9, ending{signal: 9}},
		{"dumped core", 0x80 | 11, ending{signal: 11}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := endingOf(tt.status); got != tt.want {
				t.Errorf("endingOf(%#x) = %+v; want %+v", tt.status, got, tt.want)
			}
		})
	}
}

func TestProgramsAreShared(t *testing.T) {
	c := make(programs)
	a, b := c.path([]byte("/usr/bin/true")), c.path([]byte("/usr/bin/true"))
	if a != b || a.name != "true" || a.path != "/usr/bin/true" {
		t.Errorf("path() = %p, %p of %+v; want one", a, b, *a)
	}
	if n := c.named([]byte("/usr/bin/true")); n == a || n.path != "" {
		t.Errorf("named() = %+v; want one without a path", *n)
	}
	for i := range 3 * maxPrograms {
		c.path(binary.NativeEndian.AppendUint32(nil, uint32(i)))
	}
	if len(c) > maxPrograms {
		t.Errorf("%d programs are kept; want at most %d", len(c), maxPrograms)
	}
}

func FuzzParseProcEvent(f *testing.F) {
	f.Add(encodeEvent(whatFork, 10, 11, 20, 20))
	f.Add(encodeEvent(whatExit, 20, 20, 768, 17))
	f.Add(listenRequest())
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, ok := parseProcEvent(b); ok && len(b) < connectorSize+eventHead+4 {
			t.Errorf("parseProcEvent(%d bytes) = %+v; want nothing", len(b), e)
		}
	})
}

func BenchmarkParseProcEvent(b *testing.B) {
	data := encodeEvent(whatFork, 10, 11, 20, 20)
	frame := append(netlink.AppendHeader(nil, netlink.TypeDone, 0, 0, len(data)), data...)
	b.ReportAllocs()
	for b.Loop() {
		m, _, _ := netlink.Next(frame)
		if _, ok := parseProcEvent(m.Data); !ok {
			b.Fatal("not parsed")
		}
	}
}
