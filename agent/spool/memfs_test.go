package spool

import (
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// memFS is a file system in memory that can lose power. What was not synced is
// then kept, lost or torn: of the writes to a file any may be missing or cut
// short, and so may any change of names since the last sync of its directory.
type memFS struct {
	dirs map[string]*memDir // by path; the root is there
	free int64              // what the disk can still take; negative: no end
	ops  int                // operations that change something, counted

	// fuse is how many operations are left before the power goes; negative: no
	// end. Without power every operation fails.
	fuse int

	// fault may answer an error in place of an operation. short asks that half of
	// a write is done first.
	fault func(op, name string) (err error, short bool)
	// lie turns operations into nothing that claims success.
	lie func(op, name string) bool
	// create may answer another file than the new one.
	create func(d *memDir, name string) *memFile
	// change may change what is written.
	change func(name string, b []byte) []byte
}

type memDir struct {
	fs       *memFS
	path     string
	names    map[string]*memFile
	durable  map[string]*memFile
	changes  []nameChange
	exists   bool // in its parent, durably
	locked   bool
	modified time.Time
}

type nameChange struct {
	from, to string // from alone: removed; to alone: created
	file     *memFile
}

type memFile struct {
	dir     *memDir
	name    string
	data    []byte
	durable []byte
	writes  []memWrite
}

// memWrite is one change of a file; a nil b cuts the file at off.
type memWrite struct {
	off int64
	b   []byte
}

func newMemFS() *memFS {
	m := &memFS{dirs: map[string]*memDir{}, free: -1, fuse: -1}
	m.dirs[rootDir] = &memDir{fs: m, path: rootDir, exists: true}
	return m
}

var errNoPower = errors.New("no power")

// step counts an operation and returns what the test wants of it.
func (m *memFS) step(op, name string) (err error, short bool) {
	m.ops++
	if m.fuse == 0 {
		return errNoPower, false
	}
	m.fuse = max(m.fuse-1, -1)
	if m.fault != nil {
		return m.fault(op, name)
	}
	return nil, false
}

func (m *memFS) lies(op, name string) bool { return m.lie != nil && m.lie(op, name) }

func (m *memFS) Mkdir(dir string) error {
	if m.dirs[dir] != nil {
		return fs.ErrExist
	}
	if m.dirs[filepath.Dir(dir)] == nil {
		return fs.ErrNotExist
	}
	if err, _ := m.step("mkdir", dir); err != nil {
		return err
	}
	m.dirs[dir] = &memDir{fs: m, path: dir, names: map[string]*memFile{}, durable: map[string]*memFile{}}
	return nil
}

func (m *memFS) SyncDir(dir string) error {
	if err, _ := m.step("syncparent", dir); err != nil {
		return err
	}
	if m.lies("syncparent", dir) {
		return nil
	}
	for path, d := range m.dirs {
		if filepath.Dir(path) == dir {
			d.exists = true
		}
	}
	return nil
}

func (m *memFS) OpenDir(dir string) (Dir, error) {
	d := m.dirs[dir]
	if d == nil {
		return nil, fs.ErrNotExist
	}
	if d.locked {
		return nil, ErrLocked
	}
	d.locked = true
	return d, nil
}

func (d *memDir) List() ([]FileInfo, error) {
	var list []FileInfo
	for name, f := range d.names {
		list = append(list, FileInfo{Name: name, Size: int64(len(f.data)), ModTime: d.modified})
	}
	return list, nil
}

func (d *memDir) Open(name string) (File, error) {
	f := d.names[name]
	if f == nil {
		return nil, fs.ErrNotExist
	}
	if err, _ := d.fs.step("open", name); err != nil {
		return nil, err
	}
	return f, nil
}

func (d *memDir) Create(name string) (File, error) {
	if d.names[name] != nil {
		return nil, fs.ErrExist
	}
	if err, _ := d.fs.step("create", name); err != nil {
		return nil, err
	}
	if d.fs.create != nil {
		if f := d.fs.create(d, name); f != nil {
			return &shiftedFile{memFile: f, base: int64(len(f.data))}, nil
		}
	}
	f := &memFile{dir: d, name: name}
	d.names[name] = f
	d.changes = append(d.changes, nameChange{to: name, file: f})
	return f, nil
}

func (d *memDir) Rename(from, to string) error {
	f := d.names[from]
	if f == nil {
		return fs.ErrNotExist
	}
	if err, _ := d.fs.step("rename", from); err != nil {
		return err
	}
	delete(d.names, from)
	d.names[to] = f
	d.changes = append(d.changes, nameChange{from: from, to: to, file: f})
	return nil
}

func (d *memDir) Remove(name string) error {
	f := d.names[name]
	if f == nil {
		return fs.ErrNotExist
	}
	if err, _ := d.fs.step("remove", name); err != nil {
		return err
	}
	delete(d.names, name)
	if d.fs.free >= 0 {
		d.fs.free += int64(len(f.data))
	}
	d.changes = append(d.changes, nameChange{from: name, file: f})
	return nil
}

func (d *memDir) Sync() error {
	if err, _ := d.fs.step("syncdir", d.path); err != nil {
		return err
	}
	if d.fs.lies("syncdir", d.path) {
		return nil
	}
	for _, c := range d.changes {
		c.apply(d.durable)
	}
	d.changes = d.changes[:0]
	return nil
}

func (c nameChange) apply(names map[string]*memFile) {
	if c.from != "" && names[c.from] == c.file {
		delete(names, c.from)
	}
	if c.to != "" {
		names[c.to] = c.file
	}
}

func (d *memDir) Free() (int64, error) {
	if d.fs.free < 0 {
		return 1 << 50, nil
	}
	return d.fs.free, nil
}

func (d *memDir) Close() error {
	d.locked = false
	return nil
}

func (f *memFile) ReadAt(b []byte, off int64) (int, error) {
	if f.dir.fs.fault != nil {
		if err, _ := f.dir.fs.step("read", f.name); err != nil {
			return 0, err
		}
	}
	if off >= int64(len(f.data)) {
		return 0, io.EOF
	}
	n := copy(b, f.data[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) WriteAt(b []byte, off int64) (int, error) {
	m := f.dir.fs
	err, short := m.step("write", f.name)
	if err != nil && !short {
		return 0, err
	}
	if short {
		b = b[:len(b)/2]
	}
	if m.change != nil {
		b = m.change(f.name, b)
	}
	if grow := off + int64(len(b)) - int64(len(f.data)); m.free >= 0 && grow > 0 {
		if grow > m.free {
			b = b[:max(0, int64(len(b))-(grow-m.free))]
			m.free, err = 0, syscall.ENOSPC
		} else {
			m.free -= grow
		}
	}
	w := memWrite{off, slices.Clone(b)}
	f.data = w.apply(f.data)
	f.writes = append(f.writes, w)
	return len(b), err
}

func (f *memFile) Truncate(size int64) error {
	if err, _ := f.dir.fs.step("truncate", f.name); err != nil {
		return err
	}
	if m := f.dir.fs; m.free >= 0 {
		m.free += max(0, int64(len(f.data))-size)
	}
	w := memWrite{off: size}
	f.data = w.apply(f.data)
	f.writes = append(f.writes, w)
	return nil
}

func (w memWrite) apply(data []byte) []byte {
	end := w.off + int64(len(w.b))
	if w.b == nil && int64(len(data)) > end {
		return data[:end]
	}
	for int64(len(data)) < end {
		data = append(data, make([]byte, end-int64(len(data)))...)
	}
	copy(data[w.off:], w.b)
	return data
}

// errSyncLost is a sync that failed and dropped what it should have written.
var errSyncLost = errors.New("sync failed")

func (f *memFile) Sync() error {
	err, short := f.dir.fs.step("sync", f.name)
	if errors.Is(err, errSyncLost) || short {
		f.writes = f.writes[:0] // and the next sync will claim success
	}
	if err != nil {
		return err
	}
	if f.dir.fs.lies("sync", f.name) {
		return nil
	}
	f.durable = append(f.durable[:0], f.data...)
	f.writes = f.writes[:0]
	return nil
}

func (f *memFile) Close() error { return nil }

// shiftedFile writes behind what a file holds already.
type shiftedFile struct {
	*memFile
	base int64
}

func (f *shiftedFile) WriteAt(b []byte, off int64) (int, error) {
	return f.memFile.WriteAt(b, off+f.base)
}
func (f *shiftedFile) ReadAt(b []byte, off int64) (int, error) {
	return f.memFile.ReadAt(b, off+f.base)
}
