package software

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
)

// Tags of rpm's headers, from rpm's format documentation (rpmtag.h).
const (
	tagName        = 1000
	tagVersion     = 1001
	tagRelease     = 1002
	tagEpoch       = 1003
	tagInstallTime = 1008
	tagVendor      = 1011

	maxTags = 1 << 12
)

// gpgKey is the name under which rpm keeps the keys that it trusts. They are no
// software.
const gpgKey = "gpg-pubkey"

// errStop ends a walk that has found what it looked for.
var errStop = errors.New("found")

// parseRPM reads the packages of rpm's database. Headers can be some MB, for they
// list every file: only the few values that are wanted are read.
func parseRPM(s *sqlite) ([]pkg, error) {
	root, err := s.rootOf("Packages")
	if err != nil {
		return nil, err
	}
	var list []pkg
	err = s.table(root, func(c *cell) error {
		cols, err := c.columns()
		if err != nil {
			return err
		}
		if len(cols) != 2 {
			return fmt.Errorf("table Packages has %d columns: %w", len(cols), errSQLite)
		}
		p, err := readHeader(c, cols[1])
		if err != nil {
			return err
		}
		if p.name != "" && p.name != gpgKey && len(list) <= maxPackages {
			list = append(list, p)
		}
		return nil
	})
	return list, err
}

// rootOf finds the page where a table begins in the schema: rows of type, name,
// table, root page and text.
func (s *sqlite) rootOf(table string) (uint32, error) {
	var root uint32
	err := s.table(1, func(c *cell) error {
		cols, err := c.columns()
		if err != nil || len(cols) < 4 {
			return err
		}
		kind, name := make([]byte, min(cols[0].size, 16)), make([]byte, min(cols[1].size, 64))
		if err := errors.Join(c.readAt(kind, cols[0].off), c.readAt(name, cols[1].off)); err != nil {
			return err
		}
		if string(kind) != "table" || string(name) != table || cols[3].kind < 1 || cols[3].kind > 4 {
			return nil
		}
		var number [4]byte
		if err := c.readAt(number[4-cols[3].size:], cols[3].off); err != nil {
			return err
		}
		root = binary.BigEndian.Uint32(number[:])
		return errStop
	})
	switch {
	case errors.Is(err, errStop):
		return root, nil
	case err == nil:
		err = errSQLite
	}
	return 0, fmt.Errorf("find the table %s: %w", table, err)
}

// readHeader reads a package from its header: the numbers of tags and of bytes,
// the tags, 16 bytes each, and the bytes that they point to.
func readHeader(c *cell, col column) (pkg, error) {
	var head [8]byte
	if col.size < int64(len(head)) {
		return pkg{}, nil
	}
	if err := c.readAt(head[:], col.off); err != nil {
		return pkg{}, err
	}
	tags := int64(binary.BigEndian.Uint32(head[:]))
	store := 8 + 16*tags
	if tags > maxTags || store > col.size {
		return pkg{}, fmt.Errorf("a package of %d tags: %w", tags, errSQLite)
	}
	index := make([]byte, 16*tags)
	if err := c.readAt(index, col.off+8); err != nil {
		return pkg{}, err
	}
	h := header{c, col.off + store, col.size - store}
	p := pkg{source: "rpm"}
	var epoch, release string
	for ; len(index) > 0; index = index[16:] {
		kind, at := binary.BigEndian.Uint32(index[4:]), int64(binary.BigEndian.Uint32(index[8:]))
		switch binary.BigEndian.Uint32(index) {
		case tagName:
			p.name = h.text(kind, at)
		case tagVersion:
			p.version = h.text(kind, at)
		case tagRelease:
			release = h.text(kind, at)
		case tagVendor:
			p.vendor = h.text(kind, at)
		case tagEpoch:
			epoch = strconv.FormatUint(uint64(h.number(kind, at)), 10) + ":"
		case tagInstallTime:
			p.day = h.number(kind, at) / 86400
		}
	}
	if release != "" {
		p.version += "-" + release
	}
	p.version = epoch + p.version
	return p, nil
}

// A header is the bytes that a package's tags point to.
type header struct {
	c    *cell
	off  int64
	size int64
}

// text returns a word: it ends with a zero byte. rpm's types 6, 8 and 9 are one
// word, a list and a list of languages; the first is taken.
func (h header) text(kind uint32, at int64) string {
	if kind != 6 && kind != 8 && kind != 9 || at < 0 || at >= h.size {
		return ""
	}
	buf := make([]byte, min(h.size-at, maxText))
	if h.c.readAt(buf, h.off+at) != nil {
		return ""
	}
	for i, b := range buf {
		if b == 0 {
			return tidy(string(buf[:i]))
		}
	}
	return tidy(string(buf))
}

// number returns a value of rpm's type 4, 32 bits.
func (h header) number(kind uint32, at int64) uint32 {
	var buf [4]byte
	if kind != 4 || at < 0 || at+4 > h.size || h.c.readAt(buf[:], h.off+at) != nil {
		return 0
	}
	return binary.BigEndian.Uint32(buf[:])
}
