package software

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// What the reader of SQLite files refuses to follow further. rpm's own files are
// far below each of them.
const (
	maxDepth   = 12
	maxPages   = 1 << 20
	maxColumns = 16
)

var errSQLite = errors.New("not a database that can be read")

// A table file is read as https://www.sqlite.org/fileformat2.html describes it,
// one table from its first row to its last. It takes no lock and writes nothing:
// who reads while another writes must look whether the file changed meanwhile.
// The whole of SQLite would be three times the size of all collectors.
type sqlite struct {
	db     io.ReaderAt
	wal    io.ReaderAt
	frames map[uint32]int64 // pages that lie in the log, and where
	size   int              // of a page
	usable int              // bytes of a page that hold content
	pages  uint32           // in the file and its log
	budget int              // pages that may still be read
}

// openSQLite reads the head of db and of its write-ahead log, which may be nil.
func openSQLite(db io.ReaderAt, size int64, wal io.ReaderAt, walSize int64) (*sqlite, error) {
	var head [100]byte
	if _, err := db.ReadAt(head[:], 0); err != nil {
		return nil, fmt.Errorf("read the head: %w", err)
	}
	s := &sqlite{db: db, size: int(binary.BigEndian.Uint16(head[16:]))}
	if s.size == 1 {
		s.size = 64 << 10
	}
	if string(head[:16]) != "SQLite format 3\x00" || s.size < 512 || s.size&(s.size-1) != 0 {
		return nil, fmt.Errorf("head: %w", errSQLite)
	}
	s.usable = s.size - int(head[20])
	if s.usable < 480 {
		return nil, fmt.Errorf("head: %w", errSQLite)
	}
	s.pages = uint32(min(size/int64(s.size), maxPages))
	if wal != nil && walSize > 0 {
		s.wal = wal
		if err := s.readLog(walSize); err != nil {
			return nil, err
		}
	}
	s.budget = 4*int(s.pages) + 64
	return s, nil
}

// page reads a whole page.
func (s *sqlite) page(n uint32) ([]byte, error) {
	page := make([]byte, s.size)
	return page, s.read(page, n, 0)
}

// read fills buf from the page n, from the byte off on.
func (s *sqlite) read(buf []byte, n uint32, off int) error {
	s.budget--
	if n == 0 || n > s.pages || s.budget < 0 || off+len(buf) > s.size {
		return fmt.Errorf("page %d of %d: %w", n, s.pages, errSQLite)
	}
	from, at := s.db, int64(n-1)*int64(s.size)
	if frame, ok := s.frames[n]; ok {
		from, at = s.wal, frame
	}
	if _, err := from.ReadAt(buf, at+int64(off)); err != nil {
		return fmt.Errorf("read page %d: %w", n, err)
	}
	return nil
}

// A cell is one row of a table: its first bytes, and where the rest lies.
type cell struct {
	s     *sqlite
	total int64  // bytes of the row
	local []byte // those in the page
	next  uint32 // the page where the rest begins; 0: none
}

// readAt fills buf with the row's bytes from off on. It walks the chain of pages
// and reads of those that it passes over only where the next one lies.
func (c *cell) readAt(buf []byte, off int64) error {
	if off < 0 || off+int64(len(buf)) > c.total {
		return fmt.Errorf("a row of %d bytes is too short: %w", c.total, errSQLite)
	}
	if off < int64(len(c.local)) {
		n := copy(buf, c.local[off:])
		buf, off = buf[n:], off+int64(n)
	}
	start, each := int64(len(c.local)), int64(c.s.usable-4)
	for page := c.next; len(buf) > 0; start += each {
		if off < start+each {
			part := buf[:min(int64(len(buf)), start+each-off)]
			if err := c.s.read(part, page, int(4+off-start)); err != nil {
				return err
			}
			buf, off = buf[len(part):], off+int64(len(part))
		}
		var link [4]byte
		if len(buf) > 0 {
			if err := c.s.read(link[:], page, 0); err != nil {
				return err
			}
		}
		page = binary.BigEndian.Uint32(link[:])
	}
	return nil
}

// table calls row for each row of the table whose tree begins at root.
func (s *sqlite) table(root uint32, row func(*cell) error) error {
	return s.walk(root, 0, row)
}

func (s *sqlite) walk(n uint32, depth int, row func(*cell) error) error {
	if depth > maxDepth {
		return fmt.Errorf("a tree deeper than %d: %w", maxDepth, errSQLite)
	}
	page, err := s.page(n)
	if err != nil {
		return err
	}
	head := 0
	if n == 1 {
		head = 100
	}
	count := int(binary.BigEndian.Uint16(page[head+3:]))
	switch page[head] {
	case 0x0d:
		return s.leaf(page, head+8, count, row)
	case 0x05:
	default:
		return fmt.Errorf("page %d is of no table: %w", n, errSQLite)
	}
	for i := range count {
		at, err := s.pointer(page, head+12+2*i)
		if err != nil {
			return err
		}
		if err := s.walk(binary.BigEndian.Uint32(page[at:]), depth+1, row); err != nil {
			return err
		}
	}
	return s.walk(binary.BigEndian.Uint32(page[head+8:]), depth+1, row)
}

// pointer returns where a cell begins. Four bytes at least follow.
func (s *sqlite) pointer(page []byte, at int) (int, error) {
	if at+2 > s.usable {
		return 0, fmt.Errorf("too many cells: %w", errSQLite)
	}
	p := int(binary.BigEndian.Uint16(page[at:]))
	if p+4 > s.usable {
		return 0, fmt.Errorf("a cell beyond its page: %w", errSQLite)
	}
	return p, nil
}

func (s *sqlite) leaf(page []byte, first, count int, row func(*cell) error) error {
	for i := range count {
		at, err := s.pointer(page, first+2*i)
		if err != nil {
			return err
		}
		body := page[at:s.usable]
		total, n := varint(body)
		_, m := varint(body[n:])
		if n == 0 || m == 0 || total < 0 {
			return fmt.Errorf("a cell without a size: %w", errSQLite)
		}
		c := &cell{s: s, total: total}
		local := s.local(total)
		body = body[n+m:]
		if int64(local) < total {
			if local+4 > len(body) {
				return fmt.Errorf("a cell beyond its page: %w", errSQLite)
			}
			c.next = binary.BigEndian.Uint32(body[local:])
		} else if local > len(body) {
			return fmt.Errorf("a cell beyond its page: %w", errSQLite)
		}
		c.local = body[:local]
		if err := row(c); err != nil {
			return err
		}
	}
	return nil
}

// local returns how many bytes of a row of a table lie in its page.
func (s *sqlite) local(total int64) int {
	most := s.usable - 35
	if total <= int64(most) {
		return int(total)
	}
	least := (s.usable-12)*32/255 - 23
	k := least + int((total-int64(least))%int64(s.usable-4))
	if k <= most {
		return k
	}
	return least
}

// A column is one value of a row.
type column struct {
	kind int64 // the serial type
	off  int64 // where its bytes begin in the row
	size int64
}

// columns reads the head of a row's record.
func (c *cell) columns() ([]column, error) {
	var buf [9 * (maxColumns + 1)]byte
	head := buf[:min(int64(len(buf)), c.total)]
	if err := c.readAt(head, 0); err != nil {
		return nil, err
	}
	size, n := varint(head)
	if n == 0 || size < int64(n) || size > int64(len(head)) {
		return nil, fmt.Errorf("the head of a row: %w", errSQLite)
	}
	var list []column
	off := size
	for head = head[n:size]; len(head) > 0; {
		kind, n := varint(head)
		if n == 0 || kind < 0 || len(list) == maxColumns {
			return nil, fmt.Errorf("the head of a row: %w", errSQLite)
		}
		col := column{kind, off, width(kind)}
		off += col.size
		if col.size < 0 || off > c.total {
			return nil, fmt.Errorf("a value beyond its row: %w", errSQLite)
		}
		list, head = append(list, col), head[n:]
	}
	return list, nil
}

// width returns the bytes of a value of a serial type.
func width(kind int64) int64 {
	if kind >= 12 {
		return (kind - 12) / 2
	}
	return [...]int64{0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0}[kind]
}

// varint reads a number of up to nine bytes, and returns how many it took; 0
// where b ends before.
func varint(b []byte) (int64, int) {
	var v uint64
	for i := range min(len(b), 9) {
		if i == 8 {
			return int64(v<<8 | uint64(b[8])), 9
		}
		v = v<<7 | uint64(b[i]&0x7f)
		if b[i] < 0x80 {
			return int64(v), i + 1
		}
	}
	return 0, 0
}
