package sqlite

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/discreet-agent/discreet/gateway"
	"github.com/discreet-agent/discreet/gateway/store/storetest"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// open opens the store in dir at the suite's present time.
func open(t testing.TB, dir string, o Options) *Store {
	t.Helper()
	if o.Now == nil {
		o.Now = func() time.Time { return storetest.Now }
	}
	s, err := Open(context.Background(), dir, o)
	if err != nil {
		t.Fatalf("Open() = %v; want nil", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close() = %v; want nil", err)
		}
	})
	return s
}

func TestSuite(t *testing.T) {
	storetest.Run(t, func(t *testing.T, dir string) gateway.Store { return open(t, dir, Options{}) })
}

// TestSuiteFewFiles runs the suite with fewer open files than days.
func TestSuiteFewFiles(t *testing.T) {
	storetest.Run(t, func(t *testing.T, dir string) gateway.Store { return open(t, dir, Options{OpenDays: 2}) })
}

// TestBrokenClock sends records again after the gateway's day has changed, and
// after a time that lay ahead has come.
func TestBrokenClock(t *testing.T) {
	now := storetest.Now
	s := open(t, filepath.Join(t.TempDir(), "store"), Options{Now: func() time.Time { return now }})
	batch := []*eventv1.Event{
		{TimeUnixMs: 0}, // a dead battery
		{TimeUnixMs: now.Add(36 * time.Hour).UnixMilli()},
	}
	for day := range 4 {
		if err := s.Append(context.Background(), "dev", gateway.Epoch{1}, 1, batch); err != nil {
			t.Fatal(err)
		}
		if tot, err := s.Totals(context.Background()); err != nil || tot.Events != 2 || tot.Duplicates != 0 || tot.Skipped != int64(2*day) {
			t.Errorf("day %d: Totals() = %+v, %v; want 2 events, %d skipped", day, tot, err, 2*day)
		}
		now = now.AddDate(0, 0, 1)
	}
}

// TestTotalsFindsDuplicates plants a row that no Append would write, on another
// day: Totals must count and not assume.
func TestTotalsFindsDuplicates(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "store"), Options{})
	batch := []*eventv1.Event{event("a", "", 0), event("a", "", 1)}
	if err := s.Append(context.Background(), "dev", gateway.Epoch{1}, 1, batch); err != nil {
		t.Fatal(err)
	}
	err := s.days.with(context.Background(), dayOf(storetest.Now.UnixMilli()), func(f *dayFile) error {
		_, err := f.insert.Exec(1, 1, 2, 13, storetest.Now.UnixMilli(), nil, []byte{})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if tot, err := s.Totals(context.Background()); err != nil || tot.Duplicates != 1 {
		t.Errorf("Totals() = %+v, %v; want 1 duplicate", tot, err)
	}
}

// TestModes refuses a folder that others may enter, and keeps files to their
// owner.
func TestModes(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if s, err := Open(context.Background(), dir, Options{}); err == nil {
		t.Errorf("Open(folder of mode 0755) = nil; want an error")
		s.Close()
	}
	dir = filepath.Join(dir, "store")
	s := open(t, dir, Options{})
	if err := s.Append(context.Background(), "dev", gateway.Epoch{1}, 1, []*eventv1.Event{event("a", "", 0)}); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) < 6 {
		t.Fatalf("ReadDir() = %d files, %v; want databases and their logs", len(entries), err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode of %s = %v, %v; want 0600", e.Name(), info.Mode(), err)
		}
	}
}

// TestExpireUnlinks finds no file of a day that is gone, also not through a
// second opening that had it open.
func TestExpireUnlinks(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	a, b := open(t, dir, Options{}), open(t, dir, Options{})
	for i, s := range []*Store{a, b} {
		if err := s.Append(context.Background(), "dev", gateway.Epoch{1}, uint64(i+1), []*eventv1.Event{event("a", "", 5)}); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := a.Expire(context.Background(), storetest.Now.AddDate(0, 0, -1)); err != nil || n != 2 {
		t.Errorf("Expire() = %d, %v; want 2", n, err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "ev-*")); err != nil || len(left) != 0 {
		t.Errorf("files of days = %q, %v; want none", left, err)
	}
	if err := b.Append(context.Background(), "dev", gateway.Epoch{1}, 1, []*eventv1.Event{event("a", "", 5), event("a", "", 5), event("a", "", 5)}); err != nil {
		t.Fatal(err)
	}
	if tot, err := b.Totals(context.Background()); err != nil || tot.Events != 0 {
		t.Errorf("Totals() = %+v, %v; want 0 events", tot, err)
	}
	if n, err := b.Acked(context.Background(), "dev", gateway.Epoch{1}); err != nil || n != 3 {
		t.Errorf("Acked() = %d, %v; want 3", n, err)
	}
	if len(b.days.open) != 0 {
		t.Errorf("the second opening holds %d files; want 0: their blocks would stay on the disk", len(b.days.open))
	}
}

// TestRetention refuses what is older without an Expire.
func TestRetention(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "store"), Options{Retention: 48 * time.Hour})
	batch := []*eventv1.Event{event("old", "", 3), event("edge", "", 2), event("new", "", 0)}
	if err := s.Append(context.Background(), "dev", gateway.Epoch{1}, 1, batch); err != nil {
		t.Fatal(err)
	}
	if tot, err := s.Totals(context.Background()); err != nil || tot.Events != 2 {
		t.Errorf("Totals() = %+v, %v; want 2 events", tot, err)
	}
	if n, err := s.Acked(context.Background(), "dev", gateway.Epoch{1}); err != nil || n != 3 {
		t.Errorf("Acked() = %d, %v; want 3", n, err)
	}
}

// TestNewerSchema refuses a store of a newer gateway.
func TestNewerSchema(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s := open(t, dir, Options{})
	if _, err := s.meta.Exec(`PRAGMA user_version = 99`); err != nil {
		t.Fatal(err)
	}
	if other, err := Open(context.Background(), dir, Options{}); err == nil {
		t.Errorf("Open(newer schema) = nil; want an error")
		other.Close()
	}
}
