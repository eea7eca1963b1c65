package process

import (
	"encoding/binary"
	"testing"
)

// rawExec is an exec's record as the kernel writes it.
func rawExec(flags uint32, parts string) []byte {
	b := make([]byte, execSize, execSize+len(parts))
	order := binary.LittleEndian
	order.PutUint32(b, kindExec)
	order.PutUint32(b[4:], 77)
	order.PutUint64(b[8:], 5_000_000_000)
	order.PutUint64(b[16:], 5_001_000_000)
	order.PutUint64(b[24:], 1_000_000_000)
	order.PutUint32(b[32:], 11)
	order.PutUint32(b[36:], 1000)
	order.PutUint32(b[40:], flags)
	order.PutUint32(b[44:], uint32(len(parts)))
	return append(b, parts...)
}

func TestParseRecord(t *testing.T) {
	whole := rawExec(0, "ls\x00bin\x00usr\x00")
	r, ok := parseRecord(whole)
	if !ok || r.kind != kindExec || r.pid != 77 || r.start != 5e9 || r.at != 5001e6 || r.parentStart != 1e9 || r.parent != 11 || r.uid != 1000 || r.cut {
		t.Errorf("parseRecord() = %+v, %v; want every field", r, ok)
	}
	if got := string(appendPath(nil, r.parts)); got != "/usr/bin/ls" {
		t.Errorf("appendPath() = %q; want /usr/bin/ls", got)
	}
	if got := string(lastPart(r.parts)); got != "ls" {
		t.Errorf("lastPart() = %q; want ls", got)
	}
	for n := range execSize {
		if _, ok := parseRecord(whole[:n]); ok {
			t.Errorf("parseRecord(first %d bytes) = true; want false", n)
		}
	}
	end := make([]byte, endSize)
	binary.LittleEndian.PutUint32(end, kindFree)
	binary.LittleEndian.PutUint32(end[28:], 3<<8)
	binary.LittleEndian.PutUint64(end[32:], 600_000)
	if r, ok := parseRecord(end); !ok || r.status != 768 || r.cpu != 600_000 {
		t.Errorf("parseRecord() = %+v, %v; want status 768, cpu 600000", r, ok)
	}
	binary.LittleEndian.PutUint32(end, 9)
	if _, ok := parseRecord(end); ok {
		t.Error("parseRecord(kind 9) = true; want false")
	}
}

func TestAppendPath(t *testing.T) {
	tests := []struct{ name, parts, want string }{
		{"nothing", "", ""},
		{"one part", "init\x00", "/init"},
		{"no zero at the end", "ab", "/a"},
		{"empty parts", "\x00\x00", "//"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(appendPath(nil, []byte(tt.parts))); got != tt.want {
				t.Errorf("appendPath(%q) = %q; want %q", tt.parts, got, tt.want)
			}
		})
	}
}

func TestShares(t *testing.T) {
	tests := []struct {
		name              string
		cpu, utime, stime uint64
		user, system      int64
	}{
		{"no ticks", 600_000, 0, 0, 600_000, 0},
		{"user only", 600_000, 4_000_000, 0, 600_000, 0},
		{"system only", 600_000, 0, 4_000_000, 0, 600_000},
		{"both", 8_000_000, 3_000_000, 1_000_000, 6_000_000, 2_000_000},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := record{cpu: tt.cpu, utime: tt.utime, stime: tt.stime}
			if user, system := r.shares(); user != tt.user || system != tt.system {
				t.Errorf("shares() = %d, %d; want %d, %d", user, system, tt.user, tt.system)
			}
		})
	}
}

// TestSettle: parts of milliseconds add up over the ends of one program.
func TestSettle(t *testing.T) {
	prog := &program{}
	sum := uint64(0)
	for range 1000 {
		p := process{prog: prog, userNS: 600_000}
		p.settle()
		sum += p.cpuUserMS
	}
	if sum != 600 {
		t.Errorf("CPU time of 1000 programs of 0.6 ms = %d ms; want 600", sum)
	}
}

func FuzzRecord(f *testing.F) {
	f.Add(rawExec(0, "ls\x00bin\x00"))
	f.Add(rawExec(cutShort, "\xff\n\x00\x00"))
	f.Add(make([]byte, endSize))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, ok := parseRecord(b)
		if !ok {
			return
		}
		r.shares()
		path := appendPath(nil, r.parts)
		if len(path) > len(r.parts)+1 || len(lastPart(r.parts)) > len(r.parts) {
			t.Errorf("%d bytes of parts make a path of %d", len(r.parts), len(path))
		}
	})
}
