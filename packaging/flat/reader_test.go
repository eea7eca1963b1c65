package main

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"path"
)

// What follows reads packages, and shares nothing with what writes them.

// readPackage is an archive as its own table describes it.
type readPackage struct {
	files     map[string][]byte // by path, as they were before compression
	folders   []string
	tocSum    []byte
	signature []byte
	certs     [][]byte
}

type tocFile struct {
	Name string    `xml:"name"`
	Type string    `xml:"type"`
	Data *tocData  `xml:"data"`
	Kids []tocFile `xml:"file"`
}

type tocData struct {
	Length   int `xml:"length"`
	Offset   int `xml:"offset"`
	Size     int `xml:"size"`
	Encoding struct {
		Style string `xml:"style,attr"`
	} `xml:"encoding"`
	Extracted string `xml:"extracted-checksum"`
	Archived  string `xml:"archived-checksum"`
}

type tocRoot struct {
	TOC struct {
		Sum struct {
			Style  string `xml:"style,attr"`
			Offset int    `xml:"offset"`
			Size   int    `xml:"size"`
		} `xml:"checksum"`
		Signature *struct {
			Offset int      `xml:"offset"`
			Size   int      `xml:"size"`
			Certs  []string `xml:"KeyInfo>X509Data>X509Certificate"`
		} `xml:"signature"`
		Files []tocFile `xml:"file"`
	} `xml:"toc"`
}

// readXar reads an archive and holds every checksum against what it is of.
func readXar(b []byte) (*readPackage, error) {
	if len(b) < 28 || string(b[:4]) != "xar!" {
		return nil, errors.New("no archive")
	}
	head, packed := binary.BigEndian.Uint16(b[4:]), binary.BigEndian.Uint64(b[8:])
	if head != 28 || binary.BigEndian.Uint16(b[6:]) != 1 || binary.BigEndian.Uint32(b[24:]) != 1 || packed > uint64(len(b))-28 {
		return nil, errors.New("another kind of archive")
	}
	table, heap := b[28:28+packed], b[28+packed:]
	plain, err := inflate(table)
	if err != nil || uint64(len(plain)) != binary.BigEndian.Uint64(b[16:]) {
		return nil, fmt.Errorf("table of contents: %d bytes, %v", len(plain), err)
	}
	var toc tocRoot
	if err := xml.Unmarshal(plain, &toc); err != nil {
		return nil, err
	}
	sum := sha1.Sum(table)
	p := &readPackage{files: map[string][]byte{}, tocSum: sum[:]}
	if s := toc.TOC.Sum; s.Style != "sha1" || s.Size != 20 || !bytes.Equal(heap[s.Offset:s.Offset+s.Size], sum[:]) {
		return nil, errors.New("the table of contents is not what its checksum says")
	}
	if s := toc.TOC.Signature; s != nil {
		p.signature = heap[s.Offset : s.Offset+s.Size]
		for _, c := range s.Certs {
			raw, err := base64.StdEncoding.DecodeString(c)
			if err != nil {
				return nil, err
			}
			p.certs = append(p.certs, raw)
		}
	}
	return p, p.take("", toc.TOC.Files, heap)
}

func (p *readPackage) take(dir string, files []tocFile, heap []byte) error {
	for _, f := range files {
		name := path.Join(dir, f.Name)
		if f.Type == "directory" {
			p.folders = append(p.folders, name)
			if err := p.take(name, f.Kids, heap); err != nil {
				return err
			}
			continue
		}
		d := f.Data
		if d == nil || d.Offset < 0 || d.Length < 0 || d.Offset+d.Length > len(heap) {
			return fmt.Errorf("%s: lies outside the archive", name)
		}
		kept := heap[d.Offset : d.Offset+d.Length]
		plain := kept
		if d.Encoding.Style == "application/x-gzip" {
			var err error
			if plain, err = inflate(kept); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		if hexSum(kept) != d.Archived || hexSum(plain) != d.Extracted || len(plain) != d.Size {
			return fmt.Errorf("%s: not what its checksums say", name)
		}
		p.files[name] = plain
	}
	return nil
}

func hexSum(b []byte) string {
	sum := sha1.Sum(b)
	return hex.EncodeToString(sum[:])
}

func inflate(b []byte) ([]byte, error) {
	r, err := zlib.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func gunzip(b []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// billed is what a bill of materials says of one path.
type billed struct {
	mode               uint16
	uid, gid, size     uint32
	time, sum          uint32
	link               string
	folder, number     uint32
	kind, architecture int
}

// billReader reads a bill of materials. Whatever is out of its bounds panics, which
// the caller turns into an error.
type billReader struct {
	b     []byte
	index []byte
}

func (r *billReader) block(number uint32) []byte {
	if number == 0 || number >= binary.BigEndian.Uint32(r.index) {
		panic(fmt.Sprintf("no block %d", number))
	}
	at := r.index[4+8*number:]
	return r.b[binary.BigEndian.Uint32(at):][:binary.BigEndian.Uint32(at[4:])]
}

// readBill returns every path with what the bill says of it.
func readBill(b []byte) (paths map[string]billed, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("damaged bill: %v", p)
		}
	}()
	if string(b[:8]) != "BOMStore" || binary.BigEndian.Uint32(b[8:]) != 1 {
		return nil, errors.New("no bill of materials")
	}
	u := func(at int) uint32 { return binary.BigEndian.Uint32(b[at:]) }
	r := &billReader{b: b, index: b[u(16):][:u(20)]}
	named := map[string]uint32{}
	vars := b[u(24):][:u(28)]
	count := binary.BigEndian.Uint32(vars)
	vars = vars[4:]
	for range count {
		n := vars[4]
		named[string(vars[5:5+n])] = binary.BigEndian.Uint32(vars)
		vars = vars[5+n:]
	}
	for _, want := range []string{"BomInfo", "Paths", "HLIndex", "VIndex", "Size64"} {
		if named[want] == 0 {
			return nil, fmt.Errorf("no %s in the bill", want)
		}
	}
	byNumber := map[uint32]string{}
	paths = map[string]billed{}
	tree := r.block(named["Paths"])
	for _, pair := range r.leaves(binary.BigEndian.Uint32(tree[8:])) {
		key, value := r.block(pair[1]), r.block(pair[0])
		e := r.attributes(r.block(binary.BigEndian.Uint32(value[4:])))
		e.number, e.folder = binary.BigEndian.Uint32(value), binary.BigEndian.Uint32(key)
		name := string(key[4 : len(key)-1])
		if e.folder != 0 {
			up, ok := byNumber[e.folder]
			if !ok {
				return nil, fmt.Errorf("%s stands before its folder", name)
			}
			name = up + "/" + name
		}
		byNumber[e.number] = name
		paths[name] = e
	}
	if n := binary.BigEndian.Uint32(tree[16:]); int(n) != len(paths) || binary.BigEndian.Uint32(r.block(named["BomInfo"])[4:]) != n+1 {
		return nil, fmt.Errorf("%d paths; the tree says %d", len(paths), n)
	}
	return paths, nil
}

// leaves walks down to the first leaf, then along the row, and holds the row
// against the node above it.
func (r *billReader) leaves(root uint32) (pairs [][2]uint32) {
	var above []uint32
	node := r.block(root)
	if binary.BigEndian.Uint16(node) == 0 {
		for i := range int(binary.BigEndian.Uint16(node[2:])) {
			above = append(above, binary.BigEndian.Uint32(node[12+8*i:]))
		}
		root = above[0]
	}
	var row []uint32
	for before := uint32(0); root != 0; {
		leaf := r.block(root)
		if binary.BigEndian.Uint16(leaf) != 1 || binary.BigEndian.Uint32(leaf[8:]) != before {
			panic("the row of leaves is broken")
		}
		for i := range int(binary.BigEndian.Uint16(leaf[2:])) {
			at := leaf[12+8*i:]
			pairs = append(pairs, [2]uint32{binary.BigEndian.Uint32(at), binary.BigEndian.Uint32(at[4:])})
		}
		row = append(row, root)
		before, root = root, binary.BigEndian.Uint32(leaf[4:])
	}
	if above != nil && fmt.Sprint(above) != fmt.Sprint(row) {
		panic("leaves and node differ")
	}
	return pairs
}

func (r *billReader) attributes(b []byte) billed {
	e := billed{kind: int(b[0]), architecture: int(binary.BigEndian.Uint16(b[2:])), mode: binary.BigEndian.Uint16(b[4:])}
	for i, p := range []*uint32{&e.uid, &e.gid, &e.time, &e.size} {
		*p = binary.BigEndian.Uint32(b[6+4*i:])
	}
	e.sum = binary.BigEndian.Uint32(b[23:])
	if n := binary.BigEndian.Uint32(b[27:]); n > 0 {
		e.link = string(b[31 : 31+n-1])
	}
	return e
}
