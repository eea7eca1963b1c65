package process

import (
	"encoding/binary"
	"testing"
)

func attr(kind uint16, data []byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(data)))
	b = append(binary.NativeEndian.AppendUint16(b, kind), data...)
	return append(b, make([]byte, -len(b)&3)...)
}

// taskstatsOf is a message of a version and a size.
func taskstatsOf(version uint16, size int) []byte {
	s := make([]byte, 416)
	order := binary.NativeEndian
	order.PutUint16(s, version)
	order.PutUint32(s[128:], 71)
	order.PutUint64(s[152:], 3000)
	order.PutUint64(s[160:], 1000)
	order.PutUint64(s[200:], 2048)
	order.PutUint64(s[248:], 4096)
	order.PutUint64(s[256:], 8192)
	order.PutUint32(s[groupAt:], 70)
	s = s[:size]
	both := append(attr(1, []byte{71, 0, 0, 0}), attr(taskstatsFigures, s)...)
	return append([]byte{2, 1, 0, 0}, attr(taskstatsThread, both)...)
}

func TestParseTaskstats(t *testing.T) {
	tests := []struct {
		name    string
		version uint16
		size    int
		pid     uint32
		ok      bool
	}{
		{"thread of a process", 13, 416, 70, true},
		{"before the process was told", 11, 368, 71, true},
		{"lies about its version", 13, 360, 71, true},
		{"too short", 13, 262, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			u, ok := parseTaskstats(taskstatsOf(tt.version, tt.size))
			want := usage{tt.pid, 3e6, 1e6, 2 << 20, 4096, 8192}
			if ok != tt.ok || ok && u != want {
				t.Errorf("parseTaskstats() = %+v, %v; want %+v, %v", u, ok, want, tt.ok)
			}
		})
	}
	whole := taskstatsOf(13, 416)
	for n := range len(whole) {
		if _, ok := parseTaskstats(whole[:n]); ok {
			t.Errorf("parseTaskstats(first %d bytes) = true; want false", n)
		}
	}
}

func TestUsageAdds(t *testing.T) {
	u := usage{pid: 1, userNS: 5, systemNS: 1, rssBytes: 9, readBytes: 2, written: 3}
	u.add(usage{pid: 1, userNS: 5, systemNS: 2, rssBytes: 7, readBytes: 2, written: 4})
	if want := (usage{1, 10, 3, 9, 4, 7}); u != want {
		t.Errorf("add() = %+v; want %+v: sums, and the larger memory", u, want)
	}
}

func FuzzTaskstats(f *testing.F) {
	f.Add(taskstatsOf(13, 416))
	f.Add(taskstatsOf(8, 328))
	f.Fuzz(func(t *testing.T, b []byte) {
		if u, ok := parseTaskstats(b); ok && (u.userNS < 0 || u.systemNS < 0) {
			t.Errorf("CPU time = %d, %d; want none below zero", u.userNS, u.systemNS)
		}
	})
}
