package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"
)

// summary is how a property set of general information begins, and where its
// section lies behind that.
// https://learn.microsoft.com/windows/win32/stg/structure-of-the-property-set-stream
var summary = []byte{0xe0, 0x85, 0x9f, 0xf2, 0xf9, 0x4f, 0x68, 0x10, 0xab, 0x91, 0x08, 0x00, 0x2b, 0x27, 0xb3, 0xd9}

const (
	headLength = 28 // before the name above
	created    = 12
	saved      = 13
	isTime     = 0x40
)

// stamp writes a time into a package as that of its making: the tools write the
// clock's, so that no two builds would be the same.
func stamp(file string, at int64) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read the package: %w", err)
	}
	if err := stampBytes(data, at); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return os.WriteFile(file, data, 0o644)
}

func stampBytes(data []byte, at int64) error {
	name := bytes.Index(data, summary)
	if name < headLength || bytes.Count(data, summary) != 1 {
		return errors.New("not one summary information in it")
	}
	word := func(i int) (int, error) {
		if i < 0 || i+4 > len(data) {
			return 0, errors.New("its summary information is cut off")
		}
		return int(binary.LittleEndian.Uint32(data[i:])), nil
	}
	offset, err := word(name + len(summary))
	if err != nil {
		return err
	}
	section := name - headLength + offset
	count, err := word(section + 4)
	if err != nil {
		return err
	}
	set := 0
	for i := range min(count, 64) {
		id, err := word(section + 8 + 8*i)
		if err != nil {
			return err
		}
		if id != created && id != saved {
			continue
		}
		place, err := word(section + 12 + 8*i)
		if err != nil {
			return err
		}
		kind, err := word(section + place)
		if err != nil || kind != isTime || section+place+12 > len(data) {
			return errors.New("the time of its making is not where it should be")
		}
		binary.LittleEndian.PutUint64(data[section+place+4:], fileTime(at))
		set++
	}
	if set != 2 {
		return fmt.Errorf("%d times of making in it; want 2", set)
	}
	return nil
}

// fileTime returns seconds since 1970 as Windows counts: in 100 ns since 1601.
func fileTime(at int64) uint64 {
	const since1601 = 11644473600
	return uint64(at+since1601) * uint64(time.Second/(100*time.Nanosecond))
}
