package netlink

import (
	"bytes"
	"encoding/binary"
	"testing"
)

func message(kind uint16, data string) []byte {
	return append(AppendHeader(nil, kind, 0, 7, len(data)), data...)
}

func attr(kind uint16, data string) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(attrSize+len(data)))
	return append(binary.NativeEndian.AppendUint16(b, kind), data...)
}

func TestNext(t *testing.T) {
	two := append(append(message(9, "abc"), 0), message(TypeDone, "")...)
	m, rest, ok := Next(two)
	if !ok || m.Type != 9 || m.Seq != 7 || string(m.Data) != "abc" {
		t.Errorf("Next() = %v, %v; want type 9, seq 7, abc", m, ok)
	}
	m, rest, ok = Next(rest)
	if !ok || m.Type != TypeDone || len(m.Data) != 0 || len(rest) != 0 {
		t.Errorf("Next() = %v, %d bytes, %v; want the end", m, len(rest), ok)
	}
	whole := message(9, "abc")
	for n := range len(whole) {
		if _, _, ok := Next(whole[:n]); ok {
			t.Errorf("Next(first %d of %d bytes) = true; want false", n, len(whole))
		}
	}
	short := bytes.Clone(whole)
	binary.NativeEndian.PutUint32(short, HeaderSize-1)
	if _, _, ok := Next(short); ok {
		t.Error("Next() = true for a length below that of the header; want false")
	}
}

func TestNextAttr(t *testing.T) {
	b := append(append(attr(2, "abcde"), 0, 0, 0), attr(5, "")...)
	kind, data, rest, ok := NextAttr(b)
	if !ok || kind != 2 || string(data) != "abcde" {
		t.Errorf("NextAttr() = %d, %q, %v; want 2, abcde", kind, data, ok)
	}
	kind, data, rest, ok = NextAttr(rest)
	if !ok || kind != 5 || len(data) != 0 || len(rest) != 0 {
		t.Errorf("NextAttr() = %d, %q, %v; want 5, nothing", kind, data, ok)
	}
	if _, _, _, ok := NextAttr([]byte{3, 0, 1, 0}); ok {
		t.Error("NextAttr() = true for a length below that of the header; want false")
	}
}

func TestErrorNumber(t *testing.T) {
	eperm := int32(-1)
	if got := ErrorNumber(binary.NativeEndian.AppendUint32(nil, uint32(eperm))); got != 1 {
		t.Errorf("ErrorNumber(-1) = %d; want 1", got)
	}
	if got := ErrorNumber([]byte{1}); got != 0 {
		t.Errorf("ErrorNumber(cut short) = %d; want 0", got)
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(append(message(9, string(attr(1, "abcd"))), message(TypeDone, "")...))
	f.Fuzz(func(t *testing.T, b []byte) {
		steps := 0
		for {
			m, rest, ok := Next(b)
			if !ok {
				break
			}
			for a := m.Data; ; {
				_, _, next, ok := NextAttr(a)
				if !ok {
					break
				}
				a = next
				steps++
			}
			ErrorNumber(m.Data)
			if len(rest) >= len(b) {
				t.Fatal("Next() does not advance")
			}
			b = rest
			steps++
		}
		if steps > 1<<20 {
			t.Errorf("%d steps; want them bounded by the input", steps)
		}
	})
}
