package software

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// shelf is a source and a memory that a test fills.
type shelf struct {
	mu      sync.Mutex // guards what follows
	list    []pkg
	touched bool
	err     error
	saved   []byte
	saves   int
}

func (s *shelf) changed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.touched
}

func (s *shelf) look() ([]pkg, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.touched = false
	return slices.Clone(s.list), s.err
}

func (s *shelf) Load() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.saved, nil
}

func (s *shelf) Save(b []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saved = slices.Clone(b)
	s.saves++
	return nil
}

func (s *shelf) put(list ...pkg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list, s.touched = sortPackages(list), true
}

// count returns how often something was kept.
func (s *shelf) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.saves
}

// run starts the collector on s. What it emits is collected as words.
func run(t *testing.T, s *shelf) (told func() string, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	c := &Collector{collectors.Env{Log: slog.New(slog.DiscardHandler), Stats: &collectors.Stats{}, Memory: s}, s, time.Now}
	var mu sync.Mutex
	var words []string
	done := make(chan error)
	go func() {
		done <- c.Run(ctx, func(ev *eventv1.Event) {
			sw := ev.GetSoftware()
			change := strings.ToLower(strings.TrimPrefix(sw.GetChange().String(), "SOFTWARE_CHANGE_"))
			mu.Lock()
			defer mu.Unlock()
			words = append(words, change+" "+sw.GetName()+" "+sw.GetVersion())
		})
	}()
	told = func() string {
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		w := strings.Join(words, ", ")
		words = nil
		return w
	}
	return told, func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run() = %v; want nil", err)
		}
	}
}

func TestTellsWhatChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		check := func(what, got, want string) {
			t.Helper()
			if got != want {
				t.Errorf("%s: told %q; want %q", what, got, want)
			}
		}
		a1, a2 := pkg{source: "dpkg", name: "a", version: "1"}, pkg{source: "dpkg", name: "a", version: "2"}
		b, k := pkg{source: "dpkg", name: "b", version: "1"}, pkg{source: "rpm", name: "kernel", version: "1"}
		k2 := pkg{source: "rpm", name: "kernel", version: "2"}
		s := &shelf{}
		s.put(a1, k)
		told, stop := run(t, s)
		check("first start", told(), "present a 1, present kernel 1")
		time.Sleep(lookEvery)
		check("nothing changed", told(), "")
		s.put(a2, b, k)
		time.Sleep(lookEvery)
		check("update and install", told(), "updated a 2, installed b 1")
		s.put(a2, b, k, k2)
		time.Sleep(lookEvery)
		check("a second kernel", told(), "installed kernel 2")
		stop()

		s.put(a2, k2)
		told, stop = run(t, s)
		check("while it was stopped", told(), "removed b 1, removed kernel 1")
		time.Sleep(announceEvery)
		check("a month later", told(), "present a 2, present kernel 2")
		stop()
		s.saved = []byte("software1\tx\n")
		told, stop = run(t, s)
		check("a damaged memory", told(), "present a 2, present kernel 2")
		stop()
	})
}

// TestCrashTellsAgain: what was told and could not be on disk yet is not kept, so
// that a start after a crash tells it again.
func TestCrashTellsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{}
		s.put(pkg{source: "dpkg", name: "a", version: "1"})
		told, stop := run(t, s)
		if got := told(); got != "present a 1" {
			t.Errorf("told %q", got)
		}
		if n := s.count(); n != 0 {
			t.Errorf("saved %d times before the next look; want 0", n)
		}
		time.Sleep(lookEvery)
		synctest.Wait()
		if n := s.count(); n != 1 {
			t.Errorf("saved %d times after the next look; want 1", n)
		}
		stop()
		if n := s.count(); n != 1 {
			t.Errorf("saved %d times for one change; want 1", n)
		}
	})
}

func TestDatabaseThatFailsRestarts(t *testing.T) {
	s := &shelf{err: errors.New("damaged"), touched: true}
	c := &Collector{collectors.Env{Log: slog.New(slog.DiscardHandler), Stats: &collectors.Stats{}}, s, time.Now}
	if err := c.Run(t.Context(), nil); !errors.Is(err, s.err) {
		t.Errorf("Run() = %v; want %v", err, s.err)
	}
}

func TestMemory(t *testing.T) {
	m := &memory{time.Unix(1700000000, 0), []pkg{{"dpkg", "a b", "1:2~3", "Vendor, Inc.", 20000}, {"rpm", "c", "", "", 0}}}
	got, err := parseMemory(m.format())
	if err != nil || !got.announced.Equal(m.announced) || !slices.Equal(got.packages, m.packages) {
		t.Errorf("parseMemory(format()) = %v, %v; want %v", got, err, m)
	}
	for _, bad := range []string{"x", "software1\t1\na\tb\n", "software1\t1\na\tb\tc\td\te\n", "software2\t1\n"} {
		if _, err := parseMemory([]byte(bad)); err == nil {
			t.Errorf("parseMemory(%q) took it", bad)
		}
	}
}

func FuzzMemory(f *testing.F) {
	f.Add([]byte("software1\t1700000000\ndpkg\ta\t1\t\t20000\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		m, err := parseMemory(in)
		if err != nil || len(in) == 0 {
			return
		}
		again, err := parseMemory(m.format())
		if err != nil || !slices.Equal(again.packages, m.packages) {
			t.Errorf("parseMemory(format()) = %v, %v; want %v", again, err, m)
		}
	})
}

func TestTidy(t *testing.T) {
	for in, want := range map[string]string{
		" a\tb\x1b[1m ": "ab[1m", "caf\xc3\xa9": "café", "x\xffy": "xy",
		strings.Repeat("é", maxText): strings.Repeat("é", maxText/2),
	} {
		if got := tidy(in); got != want {
			t.Errorf("tidy(%q) = %q; want %q", in, got, want)
		}
	}
}
