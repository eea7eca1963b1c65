package main

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// A universal binary is a table in big-endian order, then the programs as they
// are, see mach-o/fat.h. Pages of arm64 are 16 KiB: slices begin at multiples.
const (
	fatMagic   = 0xcafebabe
	machMagic  = 0xfeedfacf
	sliceAlign = 14 // a power of two
)

// universal joins 64-bit Mach-O programs of different processors.
func universal(programs [][]byte) ([]byte, error) {
	if len(programs) < 2 {
		return nil, errors.New("want two programs")
	}
	out := binary.BigEndian.AppendUint32(nil, fatMagic)
	out = binary.BigEndian.AppendUint32(out, uint32(len(programs)))
	seen := map[uint32]bool{}
	at := 1 << sliceAlign
	for _, p := range programs {
		if len(p) < 12 || binary.LittleEndian.Uint32(p) != machMagic {
			return nil, errors.New("not a 64-bit Mach-O program")
		}
		cpu, sub := binary.LittleEndian.Uint32(p[4:]), binary.LittleEndian.Uint32(p[8:])
		if seen[cpu] {
			return nil, fmt.Errorf("two programs for processor %#x", cpu)
		}
		seen[cpu] = true
		for _, v := range []uint32{cpu, sub, uint32(at), uint32(len(p)), sliceAlign} {
			out = binary.BigEndian.AppendUint32(out, v)
		}
		if at = alignUp(at + len(p)); at > 1<<31 {
			return nil, errors.New("larger than 2 GiB")
		}
	}
	for _, p := range programs {
		out = append(out, make([]byte, alignUp(len(out))-len(out))...)
		out = append(out, p...)
	}
	return out, nil
}

func alignUp(n int) int { return (n + 1<<sliceAlign - 1) &^ (1<<sliceAlign - 1) }
