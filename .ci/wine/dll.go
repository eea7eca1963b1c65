package main

import (
	"bytes"
	"encoding/binary"
)

// The places of the parts of the stand-in, and of the tables in its one section.
// https://learn.microsoft.com/windows/win32/debug/pe-format
const (
	sectionRVA  = 0x1000
	sectionFile = 0x200
	directory   = 0  // IMAGE_EXPORT_DIRECTORY
	addresses   = 40 // one address: that of the forwarder's text
	names       = 44 // one pointer to a name
	ordinals    = 48 // one number
	texts       = 52
)

// standIn returns bcryptprimitives.dll for a Wine that has none: a library with
// no code that hands its one export on, ProcessPrng to SystemFunction036 of
// advapi32, which is the same source of random bytes. Go programs ask for it when
// they start.
func standIn() []byte {
	library, symbol, target := "bcryptprimitives.dll\x00", "ProcessPrng\x00", "advapi32.SystemFunction036\x00"
	rva := func(at int) uint32 { return uint32(sectionRVA + at) }
	atSymbol := texts + len(library)
	atTarget := atSymbol + len(symbol)

	var section bytes.Buffer
	put(&section, []uint32{0, 0, 0, rva(texts), 1, 1, 1, rva(addresses), rva(names), rva(ordinals)},
		rva(atTarget), rva(atSymbol), []uint16{0, 0})
	section.WriteString(library + symbol + target)
	size := uint32(section.Len())

	var image bytes.Buffer
	dos := make([]byte, 64)
	copy(dos, "MZ")
	binary.LittleEndian.PutUint32(dos[60:], uint32(len(dos))) // where the next header is
	image.Write(dos)
	image.WriteString("PE\x00\x00")
	const amd64, sections, optional, kind = 0x8664, 1, 240, 0x2022 // executable, large addresses, library
	put(&image, []uint16{amd64, sections}, []uint32{0, 0, 0}, []uint16{optional, kind})
	// The optional header of a 64-bit image: no entry point, six parts of version,
	// what it takes in memory and in the file, stack and heap, 16 directories.
	put(&image, []uint16{0x20b, 0}, []uint32{0, 0x200, 0, 0, sectionRVA}, uint64(0x180000000),
		[]uint32{0x1000, 0x200}, []uint16{6, 0, 0, 0, 6, 0}, []uint32{0, 0x2000, 0x200, 0},
		[]uint16{3, 0x160}, []uint64{0x100000, 0x1000, 0x100000, 0x1000}, []uint32{0, 16},
		rva(directory), size, make([]uint32, 30))
	image.WriteString(".edata\x00\x00")
	const readable = 0x40000040
	put(&image, []uint32{size, sectionRVA, 0x200, sectionFile, 0, 0, 0, readable})
	image.Write(make([]byte, sectionFile-image.Len()))
	image.Write(section.Bytes())
	image.Write(make([]byte, 2*sectionFile-image.Len()))
	return image.Bytes()
}

// put writes numbers as the format has them, lowest byte first.
func put(b *bytes.Buffer, values ...any) {
	for _, v := range values {
		_ = binary.Write(b, binary.LittleEndian, v) // a buffer takes everything
	}
}
