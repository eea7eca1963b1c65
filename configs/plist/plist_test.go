package plist

import (
	"encoding/binary"
	"os"
	"slices"
	"strings"
	"testing"
)

// show writes a node on one line.
func show(n *Node) string {
	var parts []string
	for _, i := range n.Items {
		parts = append(parts, show(i))
	}
	switch n.Kind {
	case Dict:
		return "{" + strings.Join(parts, ", ") + "}"
	case Array:
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return n.Text
}

// TestDates reads the day of both forms.
func TestDates(t *testing.T) {
	for name, data := range map[string][]byte{
		"XML":    []byte(`<plist><date>2026-11-24T13:00:00Z</date></plist>`),
		"binary": binaryOf("\x33\x41\xc8\x5a\xe0\xe8\x00\x00\x00"),
	} {
		n, err := Parse(data)
		if err != nil || n.Kind != Date || n.Text != "2026-11-24T13:00:00Z" {
			t.Errorf("%s: Parse() = %+v, %v; want 2026-11-24T13:00:00Z", name, n, err)
		}
	}
	for _, data := range []string{"<plist><date>tomorrow</date></plist>", string(binaryOf("\x33\x7f\xf8\x00\x00\x00\x00\x00\x00")), string(binaryOf("\x33\x7f\xef\xff\xff\xff\xff\xff\xff"))} {
		if n, err := Parse([]byte(data)); err != nil || n.Kind != Date || n.Text != "" {
			t.Errorf("Parse(%q) = %+v, %v; want a date that is none", data, n, err)
		}
	}
}

// TestBinary holds what the reader must refuse and what a writer rarely
// writes. The objects are given by hand; the first is the root.
func TestBinary(t *testing.T) {
	for _, c := range []struct {
		name    string
		objects []string
		want    string // the node, or the error
	}{
		{"empty dict", []string{"\xd0"}, "{}"},
		{"bool", []string{"\x09"}, "true"},
		{"one byte", []string{"\x10\xff"}, "255"},
		{"eight bytes", []string{"\x13\xff\xff\xff\xff\xff\xff\xff\xfe"}, "-2"},
		{"sixteen bytes", []string{"\x14" + strings.Repeat("\xff", 16)}, "a number of 128 bits"},
		{"float", []string{"\x22\x3f\x80\x00\x00"}, "1"},
		{"double", []string{"\x23\x40\x00\x00\x00\x00\x00\x00\x00"}, "2"},
		{"UTF-16", []string{"\x62\x00\xe4\xd8\x00"}, "ä\ufffd"},
		{"shared object", []string{"\xa2\x01\x01", "\x51a"}, "[a, a]"},
		{"null", []string{"\x00"}, "damaged"},
		{"itself", []string{"\xa1\x00"}, errDeep.Error()},
		{"doubled 2^15 times", doublings(15), errLarge.Error()},
		{"no such object", []string{"\xa1\x07"}, "damaged"},
		{"a list that ends early", []string{"\xaf\x10\xff\x00"}, "damaged"},
		{"a length that is none", []string{"\x5f\x33"}, "damaged"},
		{"a length of 2^63", []string{"\x5f\x13\x80\x00\x00\x00\x00\x00\x00\x00"}, "damaged"},
		{"a dict of 2^63", []string{"\xdf\x13\x80\x00\x00\x00\x00\x00\x00\x00"}, "damaged"},
		{"a key that is a number", []string{"\xd1\x01\x01", "\x10\x01"}, "damaged"},
		{"ASCII that is none", []string{"\x51\xff"}, "damaged"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n, err := Parse(binaryOf(c.objects...))
			got := ""
			if err != nil {
				got = err.Error()
			} else {
				got = show(n)
			}
			if got != c.want {
				t.Errorf("Parse(%q) = %s; want %s", c.objects, got, c.want)
			}
		})
	}
}

// doublings makes lists that each name the next one twice.
func doublings(n byte) []string {
	var objects []string
	for i := range n {
		objects = append(objects, string([]byte{0xa2, i + 1, i + 1}))
	}
	return append(objects, "\x09")
}

// binaryOf lays objects into a binary property list.
func binaryOf(objects ...string) []byte {
	b := []byte(binaryMagic)
	var table []byte
	for _, o := range objects {
		table = binary.BigEndian.AppendUint16(table, uint16(len(b)))
		b = append(b, o...)
	}
	at := len(b)
	b = append(append(b, table...), 0, 0, 0, 0, 0, 0, 2, 1)
	for _, v := range []int{len(objects), 0, at} {
		b = binary.BigEndian.AppendUint64(b, uint64(v))
	}
	return b
}

// TestBinaryCut: no part of a good file, and no changed byte, makes the reader
// panic or read what is not there.
func TestBinaryCut(t *testing.T) {
	data, err := os.ReadFile("../testdata/preferences/binary.plist")
	if err != nil {
		t.Fatal(err)
	}
	for i := range data {
		if _, err := Parse(data[:i]); err == nil {
			t.Errorf("Parse of the first %d of %d bytes = nil; want an error", i, len(data))
		}
		for _, v := range []byte{0, 0xff, data[i] ^ 0x80} {
			changed := slices.Clone(data)
			changed[i] = v
			_, _ = Parse(changed)
		}
	}
}

// FuzzParse: no file makes the reader panic or make more of itself than the bounds
// say.
func FuzzParse(f *testing.F) {
	for _, form := range []string{"xml", "binary"} {
		data, err := os.ReadFile("../testdata/preferences/" + form + ".plist")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add(binaryOf("\xa1\x00"))
	f.Add(binaryOf(doublings(15)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := Parse(data)
		if err != nil {
			return
		}
		if got := countNodes(n); got > maxNodes {
			t.Errorf("Parse() gives %d nodes; want at most %d", got, maxNodes)
		}
		_, _ = n.Get("a"), n.String("a")
	})
}

func countNodes(n *Node) int {
	sum := 1
	for _, k := range n.Items {
		sum += countNodes(k)
	}
	return sum
}
