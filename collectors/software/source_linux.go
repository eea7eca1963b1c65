package software

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// rungs: the databases of dpkg and rpm, and menu entries.
var rungs = []eventv1.Rung{eventv1.Rung_RUNG_NATIVE}

const (
	dpkgStatus = "var/lib/dpkg/status"
	dpkgInfo   = "var/lib/dpkg/info"
)

// rpmDatabases are where distributions keep it, the newer place first.
var rpmDatabases = [...]string{"usr/lib/sysimage/rpm/rpmdb.sqlite", "var/lib/rpm/rpmdb.sqlite"}

// rpmOther are databases of rpm in the forms that are not read.
var rpmOther = [...]string{"usr/lib/sysimage/rpm/Packages.db", "var/lib/rpm/Packages.db", "var/lib/rpm/Packages"}

// desktopDirs hold the menu entries of what came to the whole machine without a
// package manager above: Flatpak, Snap, and what IT copied there. Entries of
// packages lie elsewhere and would only repeat them.
var desktopDirs = [...]string{
	"usr/local/share/applications",
	"var/lib/flatpak/exports/share/applications",
	"var/lib/snapd/desktop/applications",
}

// databases reads the package databases below root.
type databases struct {
	root  string
	stamp string // of the last look
}

func newSource(env collectors.Env) (source, error) {
	d := &databases{root: "/"}
	if d.sight() == "" {
		for _, path := range rpmOther {
			if _, err := os.Stat(d.path(path)); err == nil {
				return nil, fmt.Errorf("rpm's database is not in the form sqlite: %w", collectors.ErrUnsupported)
			}
		}
		return nil, fmt.Errorf("no database of dpkg or rpm: %w", collectors.ErrUnsupported)
	}
	return d, nil
}

func (d *databases) path(parts ...string) string {
	return filepath.Join(append([]string{d.root}, parts...)...)
}

// changed looks at the times and sizes of the files that a change would touch.
func (d *databases) changed() bool {
	return d.sight() != d.stamp
}

func (d *databases) sight() string {
	var b strings.Builder
	see := func(path string) {
		if fi, err := os.Stat(d.path(path)); err == nil {
			fmt.Fprintf(&b, "%s %d %d\n", path, fi.Size(), fi.ModTime().UnixNano())
		}
	}
	see(dpkgStatus)
	for _, path := range rpmDatabases {
		see(path)
		see(path + "-wal")
	}
	for _, dir := range desktopDirs {
		see(dir)
	}
	return b.String()
}

// look reads all of them. Where one was written meanwhile it is read again, a
// few times: a list half old and half new would tell of changes that were none.
func (d *databases) look() ([]pkg, error) {
	var list []pkg
	for range 3 {
		before := d.sight()
		var err error
		if list, err = d.read(); err != nil {
			return nil, err
		}
		if d.sight() == before {
			d.stamp = before
			return sortPackages(list), nil
		}
	}
	return nil, errors.New("the package databases keep changing")
}

func (d *databases) read() ([]pkg, error) {
	list, err := d.readDpkg()
	if err != nil {
		return nil, err
	}
	for _, path := range rpmDatabases {
		more, err := d.readRPM(path)
		if err != nil {
			return nil, err
		}
		if len(more) > 0 {
			list = append(list, more...)
			break // the other is a link to it, or what an upgrade left
		}
	}
	for _, dir := range desktopDirs {
		list = append(list, d.readDesktop(dir)...)
	}
	return list, nil
}

func (d *databases) readDpkg() ([]pkg, error) {
	f, err := os.Open(d.path(dpkgStatus))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open dpkg status: %w", err)
	}
	defer f.Close()
	// dpkg writes a package's list of files when it unpacks it.
	return parseDpkg(f, func(name, arch string) uint32 {
		for _, file := range []string{name + ".list", name + ":" + arch + ".list"} {
			if fi, err := os.Stat(d.path(dpkgInfo, filepath.Base(file))); err == nil {
				return dayOf(fi.ModTime())
			}
		}
		return 0
	})
}

func (d *databases) readRPM(path string) ([]pkg, error) {
	db, size, err := open(d.path(path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open rpm database: %w", err)
	}
	defer db.Close()
	wal, walSize, err := open(d.path(path + "-wal"))
	if err == nil {
		defer wal.Close()
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open rpm database's log: %w", err)
	}
	s, err := openSQLite(db, size, wal, walSize)
	if err != nil {
		return nil, fmt.Errorf("read rpm database: %w", err)
	}
	list, err := parseRPM(s)
	if err != nil {
		return nil, fmt.Errorf("read rpm database: %w", err)
	}
	return list, nil
}

func open(path string) (*os.File, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	fi, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, fi.Size(), nil
}

func (d *databases) readDesktop(dir string) []pkg {
	entries, err := os.ReadDir(d.path(dir))
	if err != nil {
		return nil // most machines have none of these
	}
	var list []pkg
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".desktop") || len(list) > maxPackages {
			continue
		}
		f, err := os.Open(d.path(dir, e.Name()))
		if err != nil {
			continue
		}
		p := pkg{source: "desktop", name: parseDesktop(f)}
		if fi, err := f.Stat(); err == nil {
			p.day = dayOf(fi.ModTime())
		}
		f.Close()
		if p.name != "" {
			list = append(list, p)
		}
	}
	return list
}
