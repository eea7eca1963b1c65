package main

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestGUID: names are of version 5, differ, and are the same in every version: what
// is installed is known by them.
func TestGUID(t *testing.T) {
	form := regexp.MustCompile(`^[0-9A-F]{8}-[0-9A-F]{4}-5[0-9A-F]{3}-[89AB][0-9A-F]{3}-[0-9A-F]{12}$`)
	if a, b := guid("upgrade "+usual), guid("upgrade "+without); !form.MatchString(a) || a == b {
		t.Errorf("guid() = %s, %s; want two names of version 5", a, b)
	}
	const first = "A3851C6B-E599-5596-8BDF-F08459371360"
	if got := guid("upgrade " + usual); got != first {
		t.Errorf("guid(upgrade) = %s; want %s: with another, no upgrade finds what is installed", got, first)
	}
}

func TestSettings(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range settings() {
		if seen[s.property] || seen[s.path] || s.property != strings.ToUpper(s.property) || len("Keep_"+s.property) > 72 {
			t.Errorf("%s for %s: want each once, in capitals, short enough for the tables", s.property, s.path)
		}
		seen[s.property], seen[s.path] = true, true
		if strings.Contains(s.path, "tighten") || strings.HasPrefix(s.path, "trust.") {
			t.Errorf("%s can be chosen at install", s.path)
		}
	}
	for _, want := range []string{"GATEWAY", "CAPIN", "TOKENFILE", "ASSETID", "TAGS", "PRESET", "PRIVACY_USERNAME", "PRIVACY_QUIET_HOURS"} {
		if !seen[want] {
			t.Errorf("no property %s", want)
		}
	}
}

// TestWrite: both templates are filled whole.
func TestWrite(t *testing.T) {
	for _, p := range []product{{usual, "1.2.3", "amd64"}, {without, "1.2.3", "arm64"}} {
		dir := t.TempDir()
		if err := p.write("../windows", dir); err != nil {
			t.Fatal(err)
		}
		for _, file := range []string{"agent.wxs", "agent.sql"} {
			text, err := os.ReadFile(filepath.Join(dir, file))
			if err != nil || bytes.ContainsRune(text, '@') || !bytes.Contains(text, []byte("1.2.3")) {
				t.Errorf("%s of %s: %v; want it filled", file, p.name, err)
			}
		}
	}
	if err := (product{usual, "1.2.3", "amd64"}).write(t.TempDir(), t.TempDir()); err == nil {
		t.Error("write() without templates = nil; want an error")
	}
}

// written is a summary information with two times.
func written() []byte {
	le := binary.LittleEndian
	b := append([]byte("before"), make([]byte, headLength)...)
	b = append(append(b, summary...), 48, 0, 0, 0)
	b = le.AppendUint32(le.AppendUint32(b, 0), 3)
	for _, row := range [][2]uint32{{2, 32}, {created, 40}, {saved, 52}} {
		b = le.AppendUint32(le.AppendUint32(b, row[0]), row[1])
	}
	b = le.AppendUint64(b, 7)
	for range 2 {
		b = le.AppendUint64(le.AppendUint32(b, isTime), 1)
	}
	return b
}

func TestStamp(t *testing.T) {
	b := written()
	at := time.Date(2026, 9, 21, 14, 13, 20, 0, time.UTC)
	if err := stampBytes(b, at.Unix()); err != nil {
		t.Fatal(err)
	}
	want := binary.LittleEndian.AppendUint64(nil, 134344736000000000)
	if got := bytes.Count(b, want); got != 2 {
		t.Errorf("the time stands there %d times in % x; want twice", got, b[len(b)-24:])
	}
	for name, spoilt := range map[string][]byte{
		"nothing": nil, "no summary": []byte("MSI"), "two": append(written(), written()...), "cut off": written()[:80],
		"another type": bytes.ReplaceAll(written(), []byte{isTime, 0, 0, 0}, []byte{3, 0, 0, 0}),
	} {
		if err := stampBytes(spoilt, 1); err == nil {
			t.Errorf("stampBytes(%s) = nil; want an error", name)
		}
	}
}

func FuzzStamp(f *testing.F) {
	f.Add(written())
	f.Add(summary)
	f.Fuzz(func(t *testing.T, data []byte) {
		size := len(data)
		if _ = stampBytes(data, 1); len(data) != size {
			t.Error("stampBytes() changed the length")
		}
	})
}
