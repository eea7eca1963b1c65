package configs

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
)

// fakeNotifier tells what the test tells it.
type fakeNotifier struct {
	events chan fsnotify.Event
	errs   chan error
	addErr error
}

func newFakeNotifier() *fakeNotifier {
	return &fakeNotifier{events: make(chan fsnotify.Event), errs: make(chan error)}
}

func (n *fakeNotifier) Add(string) error              { return n.addErr }
func (n *fakeNotifier) Remove(string) error           { return nil }
func (n *fakeNotifier) Close() error                  { return nil }
func (n *fakeNotifier) Events() <-chan fsnotify.Event { return n.events }
func (n *fakeNotifier) Errors() <-chan error          { return n.errs }

// locked is a files whose one file the test changes while it is watched, and
// that counts how often it is read.
type locked struct {
	sync.Mutex
	text  string
	reads int
}

func (l *locked) set(text string) {
	l.Lock()
	defer l.Unlock()
	l.text = text
}

func (l *locked) count() int {
	l.Lock()
	defer l.Unlock()
	return l.reads
}

func (l *locked) Read(name string) ([]byte, os.FileMode, error) {
	l.Lock()
	defer l.Unlock()
	l.reads++
	return memory{"/nowhere/agent.yaml": l.text}.Read(name)
}

func (l *locked) Key(string) (regKey, error) { return regKey{}, os.ErrNotExist }

func (l *locked) List(string) ([]string, error) { return nil, os.ErrNotExist }

// watched runs a watcher over fakes, inside a bubble of synctest.
type watched struct {
	disk  *locked
	note  *fakeNotifier
	open  func() (notifier, error)
	due   time.Duration // after the start time alone changes what the files say; 0: never
	start time.Time

	mu   sync.Mutex      // guards what follows
	told []time.Duration // when changed was called
}

// times returns when changed was called.
func (wd *watched) times() []time.Duration {
	wd.mu.Lock()
	defer wd.mu.Unlock()
	return slices.Clone(wd.told)
}

// during runs f while the watcher runs.
func (wd *watched) during(t *testing.T, f func()) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		wd.disk, wd.note, wd.start = &locked{text: "{}"}, newFakeNotifier(), time.Now()
		w := newWatcher(AgentPaths{File: "/nowhere/agent.yaml"}, func() {
			wd.mu.Lock()
			defer wd.mu.Unlock()
			wd.told = append(wd.told, time.Since(wd.start))
		})
		w.disk, w.open = wd.disk, func() (notifier, error) { return wd.note, nil }
		if wd.open != nil {
			w.open = wd.open
		}
		if wd.due > 0 {
			w.until = func() time.Duration {
				if len(wd.times()) > 0 {
					return math.MaxInt64
				}
				return wd.due - time.Since(wd.start)
			}
			w.due = func() bool { return w.until() <= 0 }
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		sources, _ := readSources(w.paths, w.disk, w.table)
		seen := digest(sources)
		go func() { done <- w.run(ctx, seen) }()
		synctest.Wait()
		f()
		synctest.Wait()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run() = %v; want nil", err)
		}
	})
}

func (wd *watched) write(text string) {
	wd.disk.set(text)
	wd.note.events <- fsnotify.Event{}
}

func TestWatchTellsOncePerSettledChange(t *testing.T) {
	var wd watched
	wd.during(t, func() {
		for i := range 1000 {
			wd.write(strconv.Itoa(i))
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Hour)
		if got := len(wd.times()); got != 1 || wd.times()[0] > 3*time.Second {
			t.Errorf("1,000 writes in a second = %d calls at %v; want one within 3s", got, wd.times())
		}
		for i := range 3 {
			wd.write("again" + strconv.Itoa(i))
			time.Sleep(5 * time.Second)
		}
		if got := len(wd.times()); got != 4 {
			t.Errorf("three more settled changes = %d calls in all; want 4", got)
		}
	})
}

func TestWatchDoesNotWaitForever(t *testing.T) {
	var wd watched
	wd.during(t, func() {
		for i := range 100 {
			wd.write(strconv.Itoa(i))
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(time.Hour)
		told := wd.times()
		for i, before := 0, time.Duration(0); i < len(told); i++ {
			if told[i]-before > 3*time.Second {
				t.Errorf("writes that never settle are told at %v; want each within 3s", told)
			}
			before = told[i]
		}
		if last := told[len(told)-1]; last < 9900*time.Millisecond || last > 13*time.Second || len(told) > 6 {
			t.Errorf("told at %v; want the last write at 9.9s told once, and few before", told)
		}
	})
}

func TestWatchIgnoresWhatChangesNothing(t *testing.T) {
	var wd watched
	wd.during(t, func() {
		for range 50 {
			wd.note.events <- fsnotify.Event{}
		}
		wd.write("x")
		wd.write("{}") // back again before it settled
		wd.note.errs <- fsnotify.ErrEventOverflow
		time.Sleep(time.Hour)
		if got := len(wd.times()); got != 0 {
			t.Errorf("%d calls; want none: the files are as they were", got)
		}
	})
}

func TestWatchRestsBetweenPolls(t *testing.T) {
	var wd watched
	wd.during(t, func() {
		before := wd.disk.count()
		time.Sleep(10*time.Minute + time.Second)
		if got := wd.disk.count() - before; got != 10 {
			t.Errorf("%d reads in ten quiet minutes; want one a minute", got)
		}
		wd.disk.set("x") // and nobody notifies
		time.Sleep(62 * time.Second)
		if got := len(wd.times()); got != 1 {
			t.Errorf("%d calls after a change that nobody notified of; want the poll to find it", got)
		}
	})
}

func TestWatchPollsWithoutANotifier(t *testing.T) {
	for name, open := range map[string]func() (notifier, error){
		"none can be made": func() (notifier, error) { return nil, errors.New("too many open files") },
		"no watches are left": func() (notifier, error) {
			n := newFakeNotifier()
			n.addErr = errors.New("no space left on device")
			return n, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			wd := watched{open: open}
			wd.during(t, func() {
				time.Sleep(time.Hour)
				for i := range 5 {
					changed := time.Since(wd.start)
					wd.disk.set(strconv.Itoa(i))
					time.Sleep(10 * time.Second)
					if told := wd.times(); len(told) != i+1 || told[i]-changed > 3*time.Second {
						t.Fatalf("change at %v told at %v; want it once within 3s", changed, told)
					}
				}
			})
		})
	}
}

func TestWatchTakesTheNotifierUpAgain(t *testing.T) {
	var tries atomic.Int32
	var wd watched
	wd.open = func() (notifier, error) {
		if tries.Add(1) < 3 {
			return nil, errors.New("too many open files")
		}
		return wd.note, nil
	}
	wd.during(t, func() {
		time.Sleep(5 * time.Minute)
		if got := tries.Load(); got != 3 {
			t.Fatalf("asked %d times for a notifier; want until there is one", got)
		}
		before := wd.disk.count()
		time.Sleep(10*time.Minute - time.Second)
		if got := wd.disk.count() - before; got > 10 {
			t.Errorf("%d reads in ten minutes; want the slow poll again", got)
		}
		close(wd.note.events) // it has died
		time.Sleep(10 * time.Second)
		wd.disk.set("x")
		time.Sleep(3 * time.Second)
		if got := len(wd.times()); got != 1 {
			t.Errorf("%d calls after the notifier died; want the poll to find the change", got)
		}
	})
}

// TestWatchRealFiles changes real files in every way in which tools do.
func TestWatchRealFiles(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "etc", "discreet") // not there yet
	p := AgentPathsFor(filepath.Join(dir, "agent.yaml"))
	p.Optional = true
	told := make(chan [32]byte, 100)
	w := newWatcher(p, nil)
	w.changed = func() { told <- w.seen }
	w.settle, w.maxDelay, w.pollQuiet = 20*time.Millisecond, 100*time.Millisecond, time.Hour // the poll must not help
	sources, _ := readSources(p, diskFiles{}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- w.run(ctx, digest(sources)) }()

	loader := NewLoader(p, "")
	level := func(word string) string { return "privacy: {username: " + word + "}" }
	replace := func(file, text string) {
		put(t, file+".new", text)
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	remove := func(path string) {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
	}
	link := func(target, path string) {
		if err := os.Symlink(target, path+".new"); err != nil {
			t.Skipf("no symbolic links here: %v", err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			if os.Getenv("DISCREET_WINE") != "" {
				t.Skip("Wine 8.0: a symbolic link is made and cannot be renamed; all other ways of writing a settings file passed before this")
			}
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		name string
		do   func()
		want string
	}{
		{"the folder appears", func() { put(t, p.File, level("drop")) }, "drop"},
		{"plain write", func() { put(t, p.File, level("cleartext")) }, "cleartext"},
		{"atomic rename", func() { replace(p.File, level("drop")) }, "drop"},
		{"write after the rename", func() { put(t, p.File, level("cleartext")) }, "cleartext"},
		{"remove and make again", func() { remove(p.File); put(t, p.File, level("drop")) }, "drop"},
		{"remove", func() { remove(p.File) }, "hashed"},
		{"make again", func() { put(t, p.File, level("drop")) }, "drop"},
		{"conf.d appears", func() { put(t, filepath.Join(p.ConfDir, "a.yaml"), level("cleartext")) }, "cleartext"},
		{"write in conf.d", func() { put(t, filepath.Join(p.ConfDir, "a.yaml"), level("hashed")) }, "hashed"},
		{"policy.d appears", func() { put(t, filepath.Join(p.PolicyDir, "a.yaml"), level("drop")) }, "drop"},
		{"policy.d and conf.d go", func() { remove(p.PolicyDir); remove(p.ConfDir) }, "drop"},
		{"file becomes a link", func() {
			put(t, filepath.Join(root, "v1", "a"), level("cleartext"))
			link(filepath.Join(root, "v1", "a"), p.File)
		}, "cleartext"},
		{"write behind the link", func() { put(t, filepath.Join(root, "v1", "a"), level("hashed")) }, "hashed"},
		{"link swap", func() {
			put(t, filepath.Join(root, "v2", "a"), level("drop"))
			link(filepath.Join(root, "v2", "a"), p.File)
		}, "drop"},
		{"the folder goes and comes", func() { remove(dir); put(t, p.File, level("cleartext")) }, "cleartext"},
	} {
		step.do()
		if got := decision(t, loader.Load(), "username").Level.String(); got != step.want {
			t.Fatalf("%s: username = %s; want %s", step.name, got, step.want)
		}
		sources, _ := readSources(p, diskFiles{}, nil)
		await(t, step.name, told, digest(sources))
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("run() = %v; want nil", err)
	}
}

// await waits until the watcher has told of a state of the files. On the way to
// it there may be others: a file that is removed and made again was gone.
func await(t *testing.T, name string, told <-chan [32]byte, want [32]byte) {
	t.Helper()
	late := time.After(30 * time.Second)
	for {
		select {
		case got := <-told:
			if got == want {
				return
			}
		case <-late:
			t.Fatalf("%s: not told of", name)
		}
	}
}

func TestLoaderWatchMissesNothing(t *testing.T) {
	p := AgentPathsFor(filepath.Join(t.TempDir(), "agent.yaml"))
	put(t, p.File, "{}")
	l := NewLoader(p, "")
	good(t, l.Load())
	put(t, p.File, "privacy: {username: drop}") // before Watch
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	calls := 0
	if err := l.Watch(ctx, func() { calls++; cancel() }); err != nil || calls != 1 {
		t.Errorf("Watch() = %v after %d calls; want one for the change before it", err, calls)
	}
}

func TestWatch(t *testing.T) {
	p := AgentPathsFor(filepath.Join(t.TempDir(), "agent.yaml"))
	put(t, p.File, "{}")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	stop := time.AfterFunc(300*time.Millisecond, func() { put(t, p.File, "log: {}") })
	defer stop.Stop()
	calls := 0
	if err := Watch(ctx, p, func() { calls++; cancel() }); err != nil || calls != 1 {
		t.Errorf("Watch() = %v after %d calls; want one", err, calls)
	}
}

// TestWatchTellsWhenTimeIsDue: a bundle that begins or a notice that ends is told
// at its time, once, and costs no poll before.
func TestWatchTellsWhenTimeIsDue(t *testing.T) {
	wd := &watched{due: 90 * time.Second}
	wd.during(t, func() {
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if got := wd.times(); !slices.Equal(got, []time.Duration{90 * time.Second}) {
			t.Errorf("told at %v; want once, at 1m30s", got)
		}
	})
}
