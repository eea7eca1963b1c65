package plist

import (
	"encoding/binary"
	"errors"
	"math"
	"strconv"
	"time"
	"unicode/utf16"
)

// binaryMagic begins the binary form. Version 00 is the only one that preferences
// are written in. The format is described in Apple's CFBinaryPList.c.
const binaryMagic = "bplist00"

var errDamaged = errors.New("damaged")

// binaryReader is a binary property list: objects, then a table of their places,
// then a trailer.
type binaryReader struct {
	objects []byte // from the magic up to the table
	table   []byte
	places  int // bytes of a place in the table
	ref     int // bytes of a number of an object
	count   uint64
	budget  budget
}

func parseBinary(data []byte) (*Node, error) {
	const trailer = 32
	if len(data) < len(binaryMagic)+trailer {
		return nil, errDamaged
	}
	t := data[len(data)-trailer:]
	p := binaryReader{places: int(t[6]), ref: int(t[7]), count: binary.BigEndian.Uint64(t[8:])}
	root, at := binary.BigEndian.Uint64(t[16:]), binary.BigEndian.Uint64(t[24:])
	end := uint64(len(data) - trailer)
	if p.places < 1 || p.places > 8 || p.ref < 1 || p.ref > 8 || at < uint64(len(binaryMagic)) || at > end || p.count > (end-at)/uint64(p.places) {
		return nil, errDamaged
	}
	p.objects, p.table = data[:at], data[at:end]
	return p.object(root, 0)
}

// object reads the object of a number. Depth bounds what names itself.
func (p *binaryReader) object(number uint64, depth int) (*Node, error) {
	if depth > maxDepth {
		return nil, errDeep
	}
	if number >= p.count {
		return nil, errDamaged
	}
	at := bigEndian(p.table[number*uint64(p.places):][:p.places])
	if at < uint64(len(binaryMagic)) || at >= uint64(len(p.objects)) {
		return nil, errDamaged
	}
	marker, rest := p.objects[at], p.objects[at+1:]
	high, low := marker>>4, marker&0xf
	switch {
	case marker == 0x08 || marker == 0x09:
		return p.one(truth(marker == 0x09))
	case high == 1 && low <= 4:
		return p.integer(rest, 1<<low)
	case high == 2 && (low == 2 || low == 3):
		return p.real(rest, 1<<low)
	case marker == 0x33:
		return p.date(rest)
	}
	n, rest, err := length(low, rest)
	if err != nil {
		return nil, err
	}
	switch high {
	case 4:
		return p.one(scalar(Data, ""))
	case 5, 6:
		return p.text(high == 6, n, rest)
	case 0xa:
		items, err := p.list(n, rest, depth)
		return &Node{Kind: Array, Items: items}, err
	case 0xd:
		return p.dict(n, rest, depth)
	}
	return nil, errDamaged
}

// length reads a length: the low half of the marker, or an integer behind it.
func length(low byte, rest []byte) (n uint64, after []byte, err error) {
	if low != 0xf {
		return uint64(low), rest, nil
	}
	if len(rest) == 0 || rest[0]>>4 != 1 || rest[0]&0xf > 3 {
		return 0, nil, errDamaged
	}
	size := 1 << (rest[0] & 0xf)
	if rest = rest[1:]; len(rest) < size {
		return 0, nil, errDamaged
	}
	return bigEndian(rest[:size]), rest[size:], nil
}

func (p *binaryReader) one(n *Node) (*Node, error) {
	return n, p.budget.take(len(n.Text))
}

// integer reads a number: up to four bytes have no sign, eight have one. Sixteen
// are written for what does not fit into eight, and fit no setting either.
func (p *binaryReader) integer(b []byte, size int) (*Node, error) {
	if len(b) < size {
		return nil, errDamaged
	}
	if size > 8 {
		return p.one(scalar(Integer, "a number of 128 bits"))
	}
	return p.one(scalar(Integer, strconv.FormatInt(int64(bigEndian(b[:size])), 10)))
}

func (p *binaryReader) real(b []byte, size int) (*Node, error) {
	if len(b) < size {
		return nil, errDamaged
	}
	v := math.Float64frombits(bigEndian(b[:size]))
	if size == 4 {
		v = float64(math.Float32frombits(uint32(bigEndian(b[:size]))))
	}
	return p.one(scalar(Real, strconv.FormatFloat(v, 'g', -1, 64)))
}

// date reads seconds since 2001.
func (p *binaryReader) date(b []byte) (*Node, error) {
	if len(b) < 8 {
		return nil, errDamaged
	}
	const epoch, longest = 978307200, 1 << 40
	v := math.Float64frombits(bigEndian(b[:8]))
	if !(math.Abs(v) < longest) {
		return p.one(scalar(Date, ""))
	}
	return p.one(scalar(Date, time.Unix(epoch+int64(v), 0).UTC().Format(time.RFC3339)))
}

func (p *binaryReader) text(wide bool, n uint64, b []byte) (*Node, error) {
	if !wide {
		if n > uint64(len(b)) {
			return nil, errDamaged
		}
		for _, c := range b[:n] {
			if c >= 0x80 {
				return nil, errDamaged
			}
		}
		return p.one(scalar(String, string(b[:n])))
	}
	if n > uint64(len(b))/2 {
		return nil, errDamaged
	}
	units := make([]uint16, n)
	for i := range units {
		units[i] = binary.BigEndian.Uint16(b[2*i:])
	}
	return p.one(scalar(String, string(utf16.Decode(units))))
}

// list reads the objects that n numbers name.
func (p *binaryReader) list(n uint64, b []byte, depth int) ([]*Node, error) {
	if err := p.budget.take(0); err != nil {
		return nil, err
	}
	if n > uint64(len(b)/p.ref) {
		return nil, errDamaged
	}
	var items []*Node
	for i := range int(n) {
		item, err := p.object(bigEndian(b[i*p.ref:][:p.ref]), depth+1)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return items, nil
}

func (p *binaryReader) dict(n uint64, b []byte, depth int) (*Node, error) {
	if n > uint64(len(b)/p.ref)/2 {
		return nil, errDamaged
	}
	keys, err := p.list(n, b, depth)
	if err != nil {
		return nil, err
	}
	values, err := p.list(n, b[int(n)*p.ref:], depth)
	if err != nil {
		return nil, err
	}
	pairs := make([]*Node, 0, 2*n)
	for i, k := range keys {
		if k.Kind != String {
			return nil, errDamaged
		}
		pairs = append(pairs, k, values[i])
	}
	return &Node{Kind: Dict, Items: pairs}, nil
}

func bigEndian(b []byte) uint64 {
	var v uint64
	for _, c := range b {
		v = v<<8 | uint64(c)
	}
	return v
}
