package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"slices"
	"time"
)

// The cursor says how far each epoch is freed. It lies in two files that are
// written in turn, so that one is whole at any moment. It may be behind the
// truth, never ahead of it. Numbers are little-endian:
//
//	magic 4, length of all 4, generation 8, epochs 4, then for each epoch: id 16,
//	freed 8, spans 4, then for each span: first 8, last 8; CRC-32C 4 of all before
const (
	cursorMagic = 0x55435344 // "DSCU"
	cursorFixed = 20
	cursorEpoch = 28
	cursorSpan  = 16
	maxCursor   = 1 << 20
)

var cursorNames = [2]string{"cursor.a", "cursor.b"}

// cursor holds the two files. The spool's flushMu guards it.
type cursor struct {
	slots [2]File // nil: to be made anew
	gen   uint64
}

// position is what the cursor says of one epoch.
type position struct {
	id      Epoch
	freed   uint64
	refused []span
}

func encodeCursor(gen uint64, list []position) []byte {
	le := binary.LittleEndian
	b := make([]byte, 0, cursorFixed+cursorEpoch*len(list)+4)
	b = le.AppendUint32(b, cursorMagic)
	b = le.AppendUint32(b, 0)
	b = le.AppendUint64(b, gen)
	b = le.AppendUint32(b, uint32(len(list)))
	for _, p := range list {
		b = append(b, p.id[:]...)
		b = le.AppendUint64(b, p.freed)
		b = le.AppendUint32(b, uint32(len(p.refused)))
		for _, r := range p.refused {
			b = le.AppendUint64(b, r.first)
			b = le.AppendUint64(b, r.last)
		}
	}
	le.PutUint32(b[4:], uint32(len(b)+4))
	return le.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// decodeCursor reads what encodeCursor wrote; what follows it is left alone. It
// is false for anything else.
func decodeCursor(b []byte) (gen uint64, list []position, ok bool) {
	le := binary.LittleEndian
	if len(b) < cursorFixed+4 || le.Uint32(b) != cursorMagic {
		return 0, nil, false
	}
	size := int(le.Uint32(b[4:]))
	if size < cursorFixed+4 || size > len(b) || crc32.Checksum(b[:size-4], castagnoli) != le.Uint32(b[size-4:]) {
		return 0, nil, false
	}
	gen, n := le.Uint64(b[8:]), le.Uint32(b[16:])
	for b = b[cursorFixed : size-4]; n > 0; n-- {
		if len(b) < cursorEpoch {
			return 0, nil, false
		}
		p := position{freed: le.Uint64(b[16:])}
		copy(p.id[:], b)
		spans := int(le.Uint32(b[24:]))
		b = b[cursorEpoch:]
		if spans > len(b)/cursorSpan || p.freed > maxNumber {
			return 0, nil, false
		}
		for ; spans > 0; spans-- {
			r := span{le.Uint64(b), le.Uint64(b[8:])}
			if r.first == 0 || r.last < r.first || r.last > maxNumber {
				return 0, nil, false
			}
			p.refused = append(p.refused, r)
			b = b[cursorSpan:]
		}
		list = append(list, p)
	}
	return gen, list, len(b) == 0 && gen < maxNumber
}

// loadCursor reads the newer of the two files that is whole. found is false
// where there is no such file at all, not even a broken one.
func (s *Spool) loadCursor(files map[string]FileInfo) (list []position, found bool) {
	for i, name := range cursorNames {
		info, there := files[name]
		if !there {
			continue
		}
		found = true
		if info.Other || info.Size > maxCursor {
			continue
		}
		f, err := s.dir.Open(name)
		if err != nil {
			continue
		}
		b := make([]byte, info.Size)
		err = readFull(f, b, 0)
		gen, l, ok := decodeCursor(b)
		if err != nil || !ok || gen < s.cursor.gen || gen%2 != uint64(i) {
			f.Close() // broken, or the older one: made anew when its turn comes
			continue
		}
		s.cursor.gen, list = gen, l
		s.cursor.close()
		s.cursor.slots[i] = f
	}
	s.settleCursor()
	return list, found
}

// settleCursor makes the file durable that the cursor was read from. A killed
// process may have written it and not synced it, and the other one is overwritten
// next. Where that fails this one is the next to be written.
func (s *Spool) settleCursor() {
	slot := s.cursor.gen % 2
	if f := s.cursor.slots[slot]; f != nil && f.Sync() != nil {
		s.cursor.close()
		s.cursor.gen++
		s.cursorDirty = time.Now()
	}
}

// positions returns how far each epoch is freed, and takes it for written. The
// caller holds flushMu and mu.
func (s *Spool) positions() []position {
	var list []position
	for _, e := range s.epochs {
		if e.freed > 0 && !(e.gone && e.goneAt < s.synced) {
			list = append(list, position{e.id, e.freed, slices.Clone(e.refused)})
		}
	}
	s.cursorDirty = time.Time{}
	return list
}

// saveCursor writes down what positions returned. The caller holds flushMu.
func (s *Spool) saveCursor(list []position) error {
	err := s.writeCursor(encodeCursor(s.cursor.gen+1, list))
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.cursorDirty = time.Now()
		return fmt.Errorf("write the spool's cursor: %w", err)
	}
	for _, p := range list {
		s.epoch(p.id).saved = p.freed
	}
	return nil
}

func (s *Spool) writeCursor(b []byte) (err error) {
	slot := (s.cursor.gen + 1) % 2
	f := s.cursor.slots[slot]
	fresh := f == nil
	if fresh {
		if err := s.dir.Remove(cursorNames[slot]); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if f, err = s.dir.Create(cursorNames[slot]); err != nil {
			return err
		}
	}
	if err = writeAll(f, b, 0); err == nil {
		err = f.Sync()
	}
	if err == nil && fresh {
		err = s.syncDir()
	}
	if err != nil {
		// After a failed sync the file is not trusted again.
		f.Close()
		s.cursor.slots[slot] = nil
		return err
	}
	s.cursor.slots[slot] = f
	s.cursor.gen++
	return nil
}

func (c *cursor) close() {
	for i, f := range c.slots {
		if f != nil {
			f.Close()
			c.slots[i] = nil
		}
	}
}
