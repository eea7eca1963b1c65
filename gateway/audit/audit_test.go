package audit

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var when = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func deletion(events int64) Entry {
	return Entry{Who: "root", Action: "subject.delete", Kind: "person", Outcome: OK, Subjects: 1, Events: events, When: when}
}

// written returns a record of n lines and its path.
func written(t testing.TB, n int) (*Log, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	l, err := Open(path)
	if err != nil {
		t.Fatalf("Open() = %v; want nil", err)
	}
	for i := range n {
		if err := l.Record(context.Background(), deletion(int64(i))); err != nil {
			t.Fatalf("Record() = %v; want nil", err)
		}
	}
	return l, path
}

func TestShow(t *testing.T) {
	l, path := written(t, 5)
	for _, c := range []struct{ n, first, count int }{{0, 1, 5}, {2, 4, 2}, {9, 1, 5}} {
		got, err := l.Show(c.n)
		if err != nil || len(got) != c.count || got[0].Number != int64(c.first) {
			t.Errorf("Show(%d) = %d entries, %v; want %d from number %d", c.n, len(got), err, c.count, c.first)
		}
	}
	got, _ := l.Show(1)
	want := deletion(4)
	want.Number, want.Code = 5, 104
	if got[0] != want {
		t.Errorf("Show(1) = %+v; want %+v", got[0], want)
	}
	if err := l.Verify(); err != nil {
		t.Errorf("Verify() = %v; want nil", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("mode of the record = %v, %v; want for its owner alone", info.Mode(), err)
	}
}

func TestRecordRefuses(t *testing.T) {
	l, _ := written(t, 0)
	for name, change := range map[string]func(*Entry){
		"unknown action":  func(e *Entry) { e.Action = "subject.delete jdoe" },
		"no action":       func(e *Entry) { e.Action = "" },
		"unknown kind":    func(e *Entry) { e.Kind = "jdoe" },
		"unknown outcome": func(e *Entry) { e.Outcome = "jdoe" },
		"nobody":          func(e *Entry) { e.Who = "" },
		"two lines":       func(e *Entry) { e.Who = "jdoe\n{}" },
		"long name":       func(e *Entry) { e.Who = strings.Repeat("x", 129) },
		"negative":        func(e *Entry) { e.Events = -1 },
	} {
		e := deletion(1)
		change(&e)
		err := l.Record(context.Background(), e)
		if err == nil {
			t.Errorf("%s: Record() = nil; want an error", name)
		} else if strings.Contains(err.Error(), "jdoe") {
			t.Errorf("%s: Record() = %v; want no value in it", name, err)
		}
	}
	if got, err := l.Show(0); err != nil || len(got) != 0 {
		t.Errorf("Show(0) = %d, %v; want nothing", len(got), err)
	}
}

// TestVerify breaks a good record in every way that it can.
func TestVerify(t *testing.T) {
	_, path := written(t, 4)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(good, []byte("\n"))[:4]
	join := func(order ...int) []byte {
		var out []byte
		for _, i := range order {
			out = append(out, lines[i]...)
		}
		return out
	}
	for name, bad := range map[string][]byte{
		"first removed":  join(1, 2, 3),
		"middle removed": join(0, 2, 3),
		"last removed":   join(0, 1, 2),
		"all removed":    {},
		"reordered":      join(0, 2, 1, 3),
		"repeated":       join(0, 1, 1, 2, 3),
		"edited":         bytes.Replace(good, []byte(`"events":2`), []byte(`"events":9`), 1),
		"who edited":     bytes.Replace(good, []byte("root"), []byte("toor"), 1),
		"cut":            good[:len(good)-20],
		"space added":    bytes.Replace(good, []byte("}\n"), []byte("} \n"), 1),
		"line too long":  append(slices.Clone(good), bytes.Repeat([]byte("x"), 3*maxLine)...),
		"empty line":     append(slices.Clone(good), '\n'),
	} {
		l, broken := written(t, 4)
		if err := os.WriteFile(broken, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := l.Verify(); !errors.Is(err, ErrBroken) {
			t.Errorf("%s: Verify() = %v; want ErrBroken", name, err)
		}
		// The record goes on, and the break can still be seen.
		if err := l.Record(context.Background(), deletion(1)); err != nil {
			t.Errorf("%s: Record() = %v; want nil", name, err)
		}
		if err := l.Verify(); !errors.Is(err, ErrBroken) {
			t.Errorf("%s, one line later: Verify() = %v; want ErrBroken", name, err)
		}
	}
}

// TestVerifyEveryByte flips each byte of a record in turn.
func TestVerifyEveryByte(t *testing.T) {
	l, path := written(t, 2)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range good {
		bad := slices.Clone(good)
		bad[i] ^= 1
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := l.Verify(); !errors.Is(err, ErrBroken) {
			t.Fatalf("Verify() with byte %d flipped = %v; want ErrBroken", i, err)
		}
	}
}

// TestCrash leaves half a line, as a crash in the middle of a write does, and a
// head that is one line behind.
func TestCrash(t *testing.T) {
	l, path := written(t, 2)
	older, err := os.ReadFile(path + ".head")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Record(context.Background(), deletion(2)); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"n":4,"wh`); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Close(), os.WriteFile(path+".head", older, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := l.Record(context.Background(), deletion(3)); err != nil {
		t.Fatalf("Record() after a crash = %v; want nil", err)
	}
	if got, err := l.Show(0); err != nil || len(got) != 4 || got[3].Number != 4 {
		t.Errorf("Show(0) = %d, %v; want 4", len(got), err)
	}
	if err := l.Verify(); err != nil {
		t.Errorf("Verify() = %v; want nil", err)
	}
}

// TestTwoWriters lets two openings, as two processes have them, write at once.
func TestTwoWriters(t *testing.T) {
	a, path := written(t, 0)
	b, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for _, l := range []*Log{a, b} {
		for range 2 {
			wg.Go(func() {
				for range 10 {
					if err := l.Record(context.Background(), deletion(1)); err != nil {
						t.Errorf("Record() = %v; want nil", err)
					}
				}
			})
		}
	}
	wg.Wait()
	if got, err := a.Show(0); err != nil || len(got) != 40 {
		t.Errorf("Show(0) = %d, %v; want 40", len(got), err)
	}
	if err := a.Verify(); err != nil {
		t.Errorf("Verify() = %v; want nil", err)
	}
}

// TestLockWaits proves that the lock is one: whoever does not get it gives up
// with its context.
func TestLockWaits(t *testing.T) {
	l, path := written(t, 1)
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := lockFile(context.Background(), f); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := l.Record(ctx, deletion(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("Record() while another has the lock = %v; want Canceled", err)
	}
}

func FuzzDecode(f *testing.F) {
	text, _, err := encode(deletion(1), origin.Hash)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(bytes.TrimSuffix(text, []byte("\n")))
	f.Add([]byte(hashMark))
	f.Add([]byte(`{"n":1,"hash":""}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if l, err := decode(text); err == nil && l.Hash == "" {
			t.Errorf("decode(%q) = a line without a hash", text)
		}
	})
}
