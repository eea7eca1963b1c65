package configs

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

// The pace of a watch. A change is told at most maxDelay after it was
// made while the system notifies, and pollBlind+settle/2 after it where it cannot.
const (
	settle    = time.Second      // nothing has happened for this long
	maxDelay  = 2 * time.Second  // under writes that never settle
	pollQuiet = time.Minute      // for what the system does not notify of: network disks, links into other folders
	pollBlind = 2 * time.Second  // while there is no notifier at all
	retry     = 30 * time.Second // how often one is asked for again then
)

// notifier tells of changes in folders. fsnotify is the one; tests have others.
type notifier interface {
	Add(dir string) error
	Remove(dir string) error
	Close() error
	Events() <-chan fsnotify.Event
	Errors() <-chan error
}

type fsNotifier struct{ *fsnotify.Watcher }

func (n fsNotifier) Events() <-chan fsnotify.Event { return n.Watcher.Events }
func (n fsNotifier) Errors() <-chan error          { return n.Watcher.Errors }

func newFSNotifier() (notifier, error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	return fsNotifier{w}, nil
}

// Watch calls changed once after each settled change of the files that p names,
// counted from the state in which it finds them, until ctx is done. It watches
// folders, not files, so that a file that is replaced, removed or linked anew is
// seen too. Where the system cannot notify it polls. changed runs in Watch's
// goroutine and must not block for long.
func Watch(ctx context.Context, p AgentPaths, changed func()) error {
	w := newWatcher(p, changed)
	return w.run(ctx, w.now())
}

// Watch is the package's Watch, counted from what the last Load read: nothing
// that happens between the two is missed.
func (l *Loader) Watch(ctx context.Context, changed func()) error {
	l.mu.Lock()
	seen := l.seen
	l.mu.Unlock()
	return l.watcher(changed).run(ctx, seen)
}

func (l *Loader) watcher(changed func()) *watcher {
	w := newWatcher(l.paths, changed)
	w.due, w.until, w.read, w.table = l.due, l.until, l.read, l.table
	return w
}

// until returns how long the files that Load read last say the same.
func (l *Loader) until() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.next.IsZero() {
		return math.MaxInt64
	}
	return l.next.Sub(l.now())
}

// due reports, once for each Load, whether the files say something else by now.
func (l *Loader) due() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.next.IsZero() || l.now().Before(l.next) {
		return false
	}
	l.next = time.Time{}
	return true
}

// watcher is one run of Watch. Only its own goroutine touches it.
type watcher struct {
	paths    AgentPaths
	changed  func()
	disk     files
	open     func() (notifier, error)
	openKeys func([]string) keyWatch
	due      func() bool          // whether time alone has changed what the files say
	until    func() time.Duration // how long it will not
	read     <-chan struct{}      // until may say something else; nil: never
	table    []key                // what keys of the registry are read by
	keys     keyWatch             // nil: there is no registry

	settle, maxDelay, pollQuiet, pollBlind, retry time.Duration

	note      notifier // nil while there is none
	watched   []string
	blind     bool // some folder is not watched
	keysBlind bool // nor are the keys of the registry
	opened    time.Time
	seen      [32]byte
	since     time.Time // of the first event that is not settled; zero: none
	last      time.Time // of the last one
}

func newWatcher(p AgentPaths, changed func()) *watcher {
	never := func() time.Duration { return math.MaxInt64 }
	return &watcher{paths: p, changed: changed, table: agentKeys(SystemPlaces()), disk: diskFiles{}, open: newFSNotifier, openKeys: newKeyWatch, due: func() bool { return false }, until: never,
		settle: settle, maxDelay: maxDelay, pollQuiet: pollQuiet, pollBlind: pollBlind, retry: retry}
}

func (w *watcher) run(ctx context.Context, seen [32]byte) error {
	w.seen = seen
	defer w.drop()
	if w.keys = w.openKeys(w.paths.registryKeys()); w.keys != nil {
		defer w.keys.Close()
	}
	w.arm()
	w.rewatch()
	w.look() // what happened before the folders were watched
	timer := time.NewTimer(w.wait())
	defer timer.Stop()
	for {
		var events <-chan fsnotify.Event
		var errs <-chan error
		if w.note != nil {
			events, errs = w.note.Events(), w.note.Errors()
		}
		select {
		case <-ctx.Done():
			return nil
		case _, ok := <-events:
			w.event(ok)
		case _, ok := <-errs: // an overflow, mostly: something was missed
			w.event(ok)
		case <-w.changedKeys():
			w.arm()
			w.event(true)
		case <-w.read: // only the timer is set anew
		case <-timer.C:
			w.tick()
		}
		timer.Reset(w.wait())
	}
}

// event notes that something happened, at the disk or in the registry. What it was
// does not matter: the digest says whether it concerns us. A notifier that has ended
// is dropped.
func (w *watcher) event(alive bool) {
	if !alive {
		w.drop()
	}
	w.last = time.Now()
	if w.since.IsZero() {
		w.since = w.last
	}
}

// wait returns how long nothing is to be done.
func (w *watcher) wait() time.Duration {
	now, calm := time.Now(), w.settle
	if w.blind || w.keysBlind {
		calm /= 2 // the poll has taken its part of the time
	}
	switch {
	case !w.since.IsZero():
		return max(0, min(w.last.Add(calm).Sub(now), w.since.Add(w.maxDelay).Sub(now)))
	case w.blind || w.keysBlind:
		return w.pollBlind
	}
	// The clock can be set: it is looked at with each quiet poll.
	return max(0, min(w.until(), w.pollQuiet))
}

// tick is called when wait has passed: something has settled, or it is time to
// look unasked.
func (w *watcher) tick() {
	if w.since.IsZero() {
		if w.keysBlind {
			w.arm()
		}
		w.rewatch()
		w.look()
		if w.due() {
			w.changed()
		}
		return
	}
	w.since = time.Time{}
	w.rewatch()
	if now := w.now(); now != w.seen {
		w.seen = now
		w.changed()
	}
}

// look starts to wait for a change to settle if there is one.
func (w *watcher) look() {
	if w.now() != w.seen {
		w.event(true)
	}
}

func (w *watcher) now() [32]byte {
	sources, _ := readSources(w.paths, w.disk, w.table)
	return digest(sources)
}

func (w *watcher) drop() {
	if w.note != nil {
		_ = w.note.Close() // nothing is lost with it
		w.note, w.watched = nil, nil
	}
	w.blind = true
}

// rewatch watches the folders that matter now. A folder that was removed and
// made again has lost its watch, so all of them are added again each time;
// adding twice is nothing.
func (w *watcher) rewatch() {
	if w.note == nil {
		if !w.opened.IsZero() && time.Since(w.opened) < w.retry {
			return
		}
		w.opened = time.Now()
		note, err := w.open()
		if err != nil {
			w.blind = true
			return
		}
		w.note = note
	}
	// A folder that comes just before the one above it is watched, and gets its file
	// just after that was looked for, is told by nobody: so look whether one has come.
	for range 3 {
		dirs := w.folders()
		w.cover(dirs)
		if slices.Equal(dirs, w.folders()) {
			return
		}
	}
}

// cover watches these folders and no others.
func (w *watcher) cover(dirs []string) {
	for _, d := range w.watched {
		if !slices.Contains(dirs, d) {
			_ = w.note.Remove(d) // it may be gone already
		}
	}
	w.watched, w.blind = w.watched[:0], false
	for _, d := range dirs {
		if err := w.note.Add(d); err != nil {
			w.blind = true // no watches left: polling is slower and sees as much
			continue
		}
		w.watched = append(w.watched, d)
	}
}

// folders returns the folders in which a change can concern us: those of the
// files, those that links lead to, and in the place of one that is not there the
// nearest that is.
func (w *watcher) folders() []string {
	var dirs []string
	add := func(dir string) {
		for dir != "" {
			if st, err := os.Stat(dir); err == nil && st.IsDir() {
				break
			}
			up := filepath.Dir(dir)
			if up == dir {
				return
			}
			dir = up
		}
		if dir != "" && !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	file := func(path string) {
		if path == "" {
			return
		}
		add(filepath.Dir(path))
		if real, err := filepath.EvalSymlinks(path); err == nil && real != path {
			add(filepath.Dir(real))
		}
	}
	file(w.paths.File)
	file(w.paths.PushFile)
	file(w.paths.TakenFile)
	file(w.paths.FloorFile)
	file(w.paths.Preferences)
	for _, dir := range []string{w.paths.ConfDir, w.paths.PolicyDir} {
		if dir == "" {
			continue
		}
		file(dir)
		add(dir)
		names, _, _ := listYAML(dir, w.disk)
		for _, name := range names {
			file(filepath.Join(dir, name))
		}
	}
	return dirs
}
