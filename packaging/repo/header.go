package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// The tags of an rpm's header that a repository tells. See rpm's format documentation,
// https://rpm-software-management.github.io/rpm/manual/tags.html
const (
	tagName        = 1000
	tagVersion     = 1001
	tagRelease     = 1002
	tagEpoch       = 1003
	tagSummary     = 1004
	tagDescription = 1005
	tagBuildTime   = 1006
	tagBuildHost   = 1007
	tagSize        = 1009
	tagVendor      = 1011
	tagLicense     = 1014
	tagPackager    = 1015
	tagGroup       = 1016
	tagURL         = 1020
	tagArch        = 1022
	tagModes       = 1030
	tagSource      = 1044
	tagDirOf       = 1116
	tagBases       = 1117
	tagDirs        = 1118

	sigPayload = 1007 // in the header of signatures: the size of the archive
)

// relation is a list of what a package provides or needs: names, how they compare,
// versions.
type relation struct{ name, flags, version uint32 }

var (
	provides  = relation{1047, 1112, 1113}
	requires  = relation{1049, 1048, 1050}
	conflicts = relation{1054, 1053, 1055}
	obsoletes = relation{1090, 1114, 1115}
)

var errRPM = errors.New("not an rpm")

const (
	leadSize   = 96
	introSize  = 16
	entrySize  = 16
	maxEntries = 1 << 16
)

// header is one header of an rpm.
type header struct {
	entries map[uint32][3]uint32 // of a tag: type, offset, count
	store   []byte
	size    int // of all of it, as it lies in the file
}

// readRPM reads both headers of a package, and where the second one lies.
func readRPM(b []byte) (signature, main header, start int, err error) {
	if len(b) < leadSize || !bytes.HasPrefix(b, []byte{0xed, 0xab, 0xee, 0xdb}) {
		return signature, main, 0, fmt.Errorf("%w: no lead", errRPM)
	}
	if signature, err = readHeader(b[leadSize:]); err != nil {
		return signature, main, 0, err
	}
	start = leadSize + (signature.size+7)/8*8 // the first one is padded
	if start > len(b) {
		return signature, main, 0, fmt.Errorf("%w: cut short", errRPM)
	}
	main, err = readHeader(b[start:])
	return signature, main, start, err
}

func readHeader(b []byte) (header, error) {
	if len(b) < introSize || !bytes.HasPrefix(b, []byte{0x8e, 0xad, 0xe8, 0x01}) {
		return header{}, fmt.Errorf("%w: no header", errRPM)
	}
	count, size := uint64(binary.BigEndian.Uint32(b[8:])), uint64(binary.BigEndian.Uint32(b[12:]))
	end := introSize + entrySize*count + size
	if count > maxEntries || end > uint64(len(b)) {
		return header{}, fmt.Errorf("%w: cut short", errRPM)
	}
	h := header{entries: map[uint32][3]uint32{}, store: b[end-size : end], size: int(end)}
	for i := range count {
		e := b[introSize+entrySize*i:]
		h.entries[binary.BigEndian.Uint32(e)] = [3]uint32{binary.BigEndian.Uint32(e[4:]), binary.BigEndian.Uint32(e[8:]), binary.BigEndian.Uint32(e[12:])}
	}
	return h, nil
}

// texts returns the strings of a tag; none where it has none.
func (h header) texts(tag uint32) []string {
	e, ok := h.entries[tag]
	if !ok || e[0] != 6 && e[0] != 8 && e[0] != 9 || uint64(e[1]) > uint64(len(h.store)) {
		return nil
	}
	var all []string
	rest := h.store[e[1]:]
	for range e[2] {
		s, more, ok := bytes.Cut(rest, []byte{0})
		if !ok {
			return nil
		}
		all, rest = append(all, string(s)), more
	}
	return all
}

func (h header) text(tag uint32) string {
	if all := h.texts(tag); len(all) > 0 {
		return all[0]
	}
	return ""
}

// numbers returns the numbers of a tag, of 16, 32 or 64 bits.
func (h header) numbers(tag uint32) []uint64 {
	e := h.entries[tag]
	width := map[uint32]uint64{3: 2, 4: 4, 5: 8}[e[0]]
	if width == 0 || uint64(e[1])+width*uint64(e[2]) > uint64(len(h.store)) {
		return nil
	}
	all := make([]uint64, e[2])
	for i := range all {
		b := h.store[uint64(e[1])+width*uint64(i):]
		switch width {
		case 2:
			all[i] = uint64(binary.BigEndian.Uint16(b))
		case 4:
			all[i] = uint64(binary.BigEndian.Uint32(b))
		case 8:
			all[i] = binary.BigEndian.Uint64(b)
		}
	}
	return all
}

func (h header) number(tag uint32) uint64 {
	if all := h.numbers(tag); len(all) > 0 {
		return all[0]
	}
	return 0
}
