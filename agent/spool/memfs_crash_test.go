package spool

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// crash takes the power away and gives it back. keep is the part of the unsynced
// changes that survives, from 0 to 1.
func (m *memFS) crash(r *rand.Rand, keep float64) {
	for _, path := range slices.Sorted(maps.Keys(m.dirs)) { // a seed gives one run
		d := m.dirs[path]
		if path == rootDir {
			continue
		}
		if !d.exists && r.Float64() >= keep {
			delete(m.dirs, path)
			continue
		}
		d.locked = false
		if !d.exists { // the name came through, by luck
			d.exists = true
		}
		for _, c := range d.changes {
			if r.Float64() < keep {
				c.apply(d.durable)
			}
		}
		d.changes = d.changes[:0]
		clear(d.names)
		for _, name := range slices.Sorted(maps.Keys(d.durable)) {
			f := d.durable[name]
			f.crash(r, keep)
			f.name = name
			d.names[name] = f
		}
	}
}

func (f *memFile) crash(r *rand.Rand, keep float64) {
	if len(f.writes) == 0 {
		f.data = append(f.data[:0], f.durable...)
		return
	}
	for _, w := range f.writes {
		if r.Float64() >= keep {
			continue
		}
		if w.b != nil && r.IntN(3) == 0 { // torn: a part of it, or with a piece left out
			w.b = slices.Clone(w.b)
			cut := r.IntN(len(w.b) + 1)
			if r.IntN(2) == 0 {
				w.b = w.b[:cut]
			} else {
				clear(w.b[cut:min(len(w.b), cut+512)])
			}
			if len(w.b) == 0 {
				continue
			}
		}
		f.durable = w.apply(f.durable)
	}
	f.data = append(f.data[:0], f.durable...)
	f.writes = f.writes[:0]
}

// clone returns a file system with the same durable and volatile state and no
// faults.
func (m *memFS) clone() *memFS {
	c := newMemFS()
	c.free = m.free
	for path, d := range m.dirs {
		if path == rootDir {
			continue
		}
		cd := &memDir{fs: c, path: path, exists: d.exists, names: map[string]*memFile{}, durable: map[string]*memFile{}}
		for name, f := range d.names {
			cf := &memFile{dir: cd, name: name, data: slices.Clone(f.data), durable: slices.Clone(f.data)}
			cd.names[name], cd.durable[name] = cf, cf
		}
		c.dirs[path] = cd
	}
	return c
}
