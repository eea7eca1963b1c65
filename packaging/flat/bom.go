package main

import (
	"encoding/binary"
	"path"
	"slices"
	"strings"
	"time"
)

// A bill of materials is a store of numbered blocks and of names for some of them.
// Trees in it hold pairs of blocks: of a path its attributes, and its name with the
// number of its folder. All numbers are big-endian. Apple documents none of it;
// the layout is that of the public readers.
const (
	bomHeader  = 512
	bomLeafMax = 256 // pairs in a leaf
)

type bomStore struct {
	blocks [][]byte
	names  []bomName
}

type bomName struct {
	name  string
	block uint32
}

func (s *bomStore) add(b []byte) uint32 {
	s.blocks = append(s.blocks, b)
	return uint32(len(s.blocks))
}

func (s *bomStore) name(name string, block uint32) {
	s.names = append(s.names, bomName{name, block})
}

// fields lays numbers one after the other.
func fields(values ...any) []byte {
	var b []byte
	for _, v := range values {
		switch v := v.(type) {
		case uint8:
			b = append(b, v)
		case uint16:
			b = binary.BigEndian.AppendUint16(b, v)
		case uint32:
			b = binary.BigEndian.AppendUint32(b, v)
		case uint64:
			b = binary.BigEndian.AppendUint64(b, v)
		case string:
			b = append(b, v...)
		}
	}
	return b
}

// bomPair is a value and its key, by their blocks.
type bomPair struct{ value, key uint32 }

// tree adds a tree: leaves in a row, below one node where there are several.
func (s *bomStore) tree(blockSize uint32, pairs []bomPair) uint32 {
	count := max(1, (len(pairs)+bomLeafMax-1)/bomLeafMax)
	first := uint32(len(s.blocks) + 1)
	root := first
	node := fields(uint16(0), uint16(count), uint32(0), uint32(0))
	for i := range count {
		part := pairs[i*bomLeafMax : min((i+1)*bomLeafMax, len(pairs))]
		var next, before uint32
		if i+1 < count {
			next = first + uint32(i) + 1
		}
		if i > 0 {
			before = first + uint32(i) - 1
		}
		leaf := fields(uint16(1), uint16(len(part)), next, before)
		for _, p := range part {
			leaf = append(leaf, fields(p.value, p.key)...)
		}
		block := s.add(leaf)
		if len(part) > 0 {
			node = append(node, fields(block, part[len(part)-1].key)...)
		}
	}
	if count > 1 {
		root = s.add(node)
	}
	return s.add(fields("tree", uint32(1), root, blockSize, uint32(len(pairs)), uint8(0)))
}

// bill writes the bill of materials of a tree, which must begin with its root.
func bill(tree []entry, at time.Time) []byte {
	s := &bomStore{}
	s.name("BomInfo", s.add(fields(uint32(1), uint32(len(tree)+1), uint32(0))))
	s.name("Paths", s.tree(4096, s.paths(tree, at)))
	s.name("HLIndex", s.tree(4096, nil))
	s.name("VIndex", s.add(fields(uint32(1), s.tree(128, nil), uint32(0), uint8(0))))
	s.name("Size64", s.tree(4096, nil))
	return s.bytes()
}

// paths adds the attributes and names of a tree, and returns their pairs in the
// order of the folders' numbers, then of the names.
func (s *bomStore) paths(tree []entry, at time.Time) []bomPair {
	numbers := map[string]uint32{}
	for i, e := range tree {
		numbers[e.path] = uint32(i + 1)
	}
	type named struct {
		folder uint32
		name   string
		pair   bomPair
	}
	var all []named
	for i, e := range tree {
		var folder uint32
		if e.path != "." {
			folder = numbers[e.parent()]
		}
		attributes := s.add(attributes(e, at))
		n := named{folder, path.Base(e.path), bomPair{value: s.add(fields(uint32(i+1), attributes))}}
		n.pair.key = s.add(fields(folder, n.name, uint8(0)))
		all = append(all, n)
	}
	slices.SortFunc(all, func(a, b named) int {
		if a.folder != b.folder {
			return int(a.folder) - int(b.folder)
		}
		return strings.Compare(a.name, b.name)
	})
	var pairs []bomPair
	for _, n := range all {
		pairs = append(pairs, n.pair)
	}
	return pairs
}

// attributes is what the bill says of one entry.
func attributes(e entry, at time.Time) []byte {
	kind, sum, tail := uint8(1), checksum(e.data), fields(uint32(0), uint32(0))
	switch e.kind() {
	case typeDir:
		kind, sum, tail = 2, 0, fields(uint32(0))
	case typeLink:
		kind, tail = 3, fields(uint32(len(e.data)+1), string(e.data), uint8(0))
	}
	head := fields(kind, uint8(1), uint16(15), uint16(e.mode), uint32(0), e.gid, uint32(at.Unix()), uint32(len(e.data)), uint8(1), sum)
	return append(head, tail...)
}

// bytes lays the store out: header, blocks, names, index.
func (s *bomStore) bytes() []byte {
	var body []byte
	index := fields(uint32(len(s.blocks)+1), uint64(0)) // block 0 is none
	for _, b := range s.blocks {
		index = append(index, fields(uint32(bomHeader+len(body)), uint32(len(b)))...)
		body = append(body, b...)
	}
	index = append(index, fields(uint32(0))...) // no free blocks
	names := fields(uint32(len(s.names)))
	for _, n := range s.names {
		names = append(names, fields(n.block, uint8(len(n.name)), n.name)...)
	}
	namesAt := uint32(bomHeader + len(body))
	head := fields("BOMStore", uint32(1), uint32(len(s.blocks)), namesAt+uint32(len(names)), uint32(len(index)), namesAt, uint32(len(names)))
	head = append(head, make([]byte, bomHeader-len(head))...)
	return slices.Concat(head, body, names, index)
}

// checksum is what POSIX cksum prints.
func checksum(data []byte) uint32 {
	var sum uint32
	add := func(b byte) {
		sum = sum<<8 ^ checksumTable[byte(sum>>24)^b]
	}
	for _, b := range data {
		add(b)
	}
	for n := len(data); n > 0; n >>= 8 {
		add(byte(n))
	}
	return ^sum
}

var checksumTable = func() (table [256]uint32) {
	for i := range table {
		sum := uint32(i) << 24
		for range 8 {
			carry := sum>>31 == 1
			if sum <<= 1; carry {
				sum ^= 0x04c11db7
			}
		}
		table[i] = sum
	}
	return table
}()
