package main

import (
	"bytes"
	"debug/pe"
	"encoding/binary"
	"errors"
	"fmt"
)

// Types of resources.
const (
	typeVersion  = 16
	typeManifest = 24
)

type resource struct {
	kind uint32
	data []byte
}

// Places in the headers of a 64-bit program, counted from the signature "PE".
// https://learn.microsoft.com/windows/win32/debug/pe-format
const (
	atSections  = 4 + 2
	atImageSize = 24 + 56
	atResources = 24 + 112 + 2*8
	headerSize  = 24 + 240 // and then the sections
	sectionSize = 40
	readable    = 0x40000040 // initialised data that can be read
)

// appendResources adds a section with resources to a program that has none. Not to
// be done after it was signed.
func appendResources(data []byte, list []resource) ([]byte, error) {
	f, err := pe.NewFile(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("not a program for Windows: %w", err)
	}
	head, ok := f.OptionalHeader.(*pe.OptionalHeader64)
	if !ok || f.SizeOfOptionalHeader != 240 || head.NumberOfRvaAndSizes != 16 || len(f.Sections) == 0 {
		return nil, errors.New("not a program for 64 bits")
	}
	if head.DataDirectory[pe.IMAGE_DIRECTORY_ENTRY_RESOURCE].Size != 0 || f.Section(".rsrc") != nil {
		return nil, errors.New("it has resources already")
	}
	at := int(binary.LittleEndian.Uint32(data[0x3c:]))
	entry := at + headerSize + sectionSize*len(f.Sections)
	if entry+sectionSize > int(head.SizeOfHeaders) {
		return nil, errors.New("no room for a section in its headers")
	}
	last := f.Sections[len(f.Sections)-1]
	address := up(last.VirtualAddress+max(last.VirtualSize, last.Size), head.SectionAlignment)
	body := directory(address, list)
	data = bytes.Clone(data)
	offset := up(uint32(len(data)), head.FileAlignment)
	data = append(data, make([]byte, int(offset)-len(data))...)
	size := up(uint32(len(body)), head.FileAlignment)
	data = append(data, append(body, make([]byte, int(size)-len(body))...)...)

	le := binary.LittleEndian
	le.PutUint16(data[at+atSections:], f.NumberOfSections+1)
	le.PutUint32(data[at+atImageSize:], up(address+uint32(len(body)), head.SectionAlignment))
	le.PutUint32(data[at+atResources:], address)
	le.PutUint32(data[at+atResources+4:], uint32(len(body)))
	copy(data[entry:], ".rsrc\x00\x00\x00")
	for i, word := range []uint32{uint32(len(body)), address, size, offset, 0, 0, 0, readable} {
		le.PutUint32(data[entry+8+4*i:], word)
	}
	return data, nil
}

func up(n, to uint32) uint32 { return (n + to - 1) / to * to }

// directory returns the tree of resources: by type, by name, by language; each has
// one name, 1, and one language. Its data follow it.
func directory(address uint32, list []resource) []byte {
	le := binary.LittleEndian
	const table, row, leaf, below = 16, 8, 16, uint32(1 << 31)
	count := uint32(len(list))
	names := table + row*count
	languages := names + (table+row)*count
	leaves := languages + (table+row)*count
	var b []byte
	node := func(rows ...[2]uint32) {
		b = append(b, make([]byte, 14)...)
		b = le.AppendUint16(b, uint16(len(rows)))
		for _, r := range rows {
			b = le.AppendUint32(le.AppendUint32(b, r[0]), r[1])
		}
	}
	var kinds [][2]uint32
	for i, r := range list {
		kinds = append(kinds, [2]uint32{r.kind, below | names + (table+row)*uint32(i)})
	}
	node(kinds...)
	for i := range list {
		node([2]uint32{1, below | languages + (table+row)*uint32(i)})
	}
	const english = 0x409
	for i := range list {
		node([2]uint32{english, leaves + leaf*uint32(i)})
	}
	start := leaves + leaf*count
	for _, r := range list {
		for _, word := range []uint32{address + start, uint32(len(r.data)), 0, 0} {
			b = le.AppendUint32(b, word)
		}
		start = up(start+uint32(len(r.data)), 8)
	}
	for _, r := range list {
		b = append(b, r.data...)
		for len(b)%8 != 0 {
			b = append(b, 0)
		}
	}
	return b
}
