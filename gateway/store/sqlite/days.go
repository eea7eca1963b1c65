package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// day counts UTC days since 1970.
type day int64

const msPerDay = 24 * 60 * 60 * 1000

// dayOf returns the day of a time in milliseconds, which is not negative.
func dayOf(ms int64) day { return day(ms / msPerDay) }

// file returns the name of the day's file.
func (d day) file() string {
	return "ev-" + time.Unix(int64(d)*86400, 0).UTC().Format("20060102") + ".db"
}

// parseDay reads the name of a day file.
func parseDay(name string) (day, bool) {
	stamp, ok := strings.CutPrefix(name, "ev-")
	if !ok {
		return 0, false
	}
	if stamp, ok = strings.CutSuffix(stamp, ".db"); !ok {
		return 0, false
	}
	t, err := time.Parse("20060102", stamp)
	if err != nil {
		return 0, false
	}
	return day(t.Unix() / 86400), true
}

// errGone says that a day's file was removed.
var errGone = errors.New("day is gone")

// days opens day files and keeps some of them open.
type days struct {
	dir string
	max int

	mu   sync.Mutex
	idle *sync.Cond       // a file came out of use; on mu
	open map[day]*dayFile // mu
	tick int64            // mu
}

// dayFile is one open day file.
type dayFile struct {
	day     day
	db      *sql.DB
	insert  *sql.Stmt
	info    fs.FileInfo // of the file as it was opened
	writing sync.Mutex  // one writer of the file at a time; others would poll

	refs int   // days.mu
	used int64 // days.mu
}

func newDays(dir string, max int) *days {
	d := &days{dir: dir, max: max, open: map[day]*dayFile{}}
	d.idle = sync.NewCond(&d.mu)
	return d
}

// list returns the days that have a file, oldest first. It asks the folder
// every time, since another process may have changed it.
func (d *days) list() ([]day, error) {
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return nil, fmt.Errorf("list days: %w", err)
	}
	var found []day
	for _, e := range entries {
		if n, ok := parseDay(e.Name()); ok {
			found = append(found, n)
		}
	}
	slices.Sort(found)
	d.sweep(found)
	return found, nil
}

// sweep closes the files of days that another process removed: as long as they
// are open, their blocks stay on the disk.
func (d *days) sweep(there []day) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for n, f := range d.open {
		if _, ok := slices.BinarySearch(there, n); !ok && f.refs == 0 {
			delete(d.open, n)
			f.close()
		}
	}
}

// get returns the file of n, and errGone where there is none and make is false.
// The caller gives it back with put.
func (d *days) get(ctx context.Context, n day, make bool) (*dayFile, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	path := filepath.Join(d.dir, n.file())
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) && !make {
		return nil, errGone
	}
	f := d.open[n]
	// Another process may have removed the file, and this one must not write
	// into what no name leads to any more.
	if f != nil && (err != nil || !os.SameFile(info, f.info)) {
		delete(d.open, n)
		if f.refs == 0 {
			f.close()
		}
		f = nil
	}
	if f == nil {
		if f, err = openDay(ctx, path, n); err != nil {
			return nil, err
		}
		d.open[n] = f
	}
	d.tick++
	f.refs, f.used = f.refs+1, d.tick
	d.evict()
	return f, nil
}

func openDay(ctx context.Context, path string, n day) (*dayFile, error) {
	db, err := openFile(ctx, path, daySchema, wal)
	if err != nil {
		return nil, err
	}
	f := &dayFile{day: n, db: db}
	if f.info, err = os.Stat(path); err == nil {
		f.insert, err = db.PrepareContext(ctx, `INSERT INTO event(source, epoch, seq, kind, time_ms, subject, body) VALUES(?,?,?,?,?,?,?)`)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open day: %w", err), db.Close())
	}
	return f, nil
}

// put gives back what get returned.
func (d *days) put(f *dayFile) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f.refs--
	if f.refs > 0 {
		return
	}
	if d.open[f.day] != f { // removed meanwhile
		f.close()
	}
	d.evict()
	d.idle.Broadcast()
}

// evict closes the files that were not used for longest, down to max. The
// caller holds mu.
func (d *days) evict() {
	for len(d.open) > d.max {
		var oldest *dayFile
		for _, f := range d.open {
			if f.refs == 0 && (oldest == nil || f.used < oldest.used) {
				oldest = f
			}
		}
		if oldest == nil {
			return // all in use; put comes back here
		}
		delete(d.open, oldest.day)
		oldest.close()
	}
}

// remove closes the day's file, once nobody here uses it, and unlinks it. It
// reports false where the system does not let go of it, as Windows does while
// another process has it open.
func (d *days) remove(n day) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.open[n] != nil && d.open[n].refs > 0 {
		d.idle.Wait()
	}
	if f := d.open[n]; f != nil {
		delete(d.open, n)
		f.close()
	}
	path := filepath.Join(d.dir, n.file())
	gone := true
	// The log goes first: without its database it would stay for ever.
	for _, p := range []string{path + "-wal", path + "-shm", path} {
		if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			gone = false
		}
	}
	return gone
}

// close closes every file.
func (d *days) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var errs []error
	for n, f := range d.open {
		delete(d.open, n)
		errs = append(errs, f.close())
	}
	return errors.Join(errs...)
}

func (f *dayFile) close() error { return errors.Join(f.insert.Close(), f.db.Close()) }

// each calls f for every day from lo to hi that has a file, oldest first. A day
// that is removed meanwhile is left out.
func (d *days) each(ctx context.Context, lo, hi day, f func(*dayFile) error) error {
	all, err := d.list()
	if err != nil {
		return err
	}
	for _, n := range all {
		if n < lo || n > hi {
			continue
		}
		if err := d.with(ctx, n, f); err != nil && !errors.Is(err, errGone) {
			return err
		}
	}
	return nil
}

// with calls f with the file of n, or returns errGone.
func (d *days) with(ctx context.Context, n day, f func(*dayFile) error) error {
	df, err := d.get(ctx, n, false)
	if err != nil {
		return err
	}
	defer d.put(df)
	return f(df)
}

// everyDay are bounds for each that leave nothing out.
const (
	firstDay day = 0
	lastDay  day = 1 << 40
)
