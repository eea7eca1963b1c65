package main

import (
	"encoding/binary"
	"unicode/utf16"
)

// resource returns the bytes of VS_VERSIONINFO.
// https://learn.microsoft.com/windows/win32/menurc/vs-versioninfo
func (v version) resource() ([]byte, error) {
	n, err := v.parts()
	if err != nil {
		return nil, err
	}
	const signature, structure, windowsNT, program = 0xfeef04bd, 0x10000, 0x40004, 1
	high, low := uint32(n[0])<<16|uint32(n[1]), uint32(n[2])<<16
	var fixed []byte
	for _, word := range []uint32{signature, structure, high, low, high, low, 0x3f, 0, windowsNT, program, 0, 0, 0} {
		fixed = binary.LittleEndian.AppendUint32(fixed, word)
	}
	var texts []byte
	for _, s := range [][2]string{
		{"CompanyName", "Discreet"}, {"FileDescription", v.description}, {"FileVersion", v.number}, {"InternalName", v.file},
		{"LegalCopyright", "Apache License 2.0"}, {"OriginalFilename", v.file}, {"ProductName", v.description}, {"ProductVersion", v.number},
	} {
		texts = append(pad(texts), block(s[0], wide(s[1]), len(utf16.Encode([]rune(s[1])))+1, true, nil)...)
	}
	table := block("040904B0", nil, 0, true, texts) // American English, UTF-16
	strings := block("StringFileInfo", nil, 0, true, table)
	translation := block("Translation", []byte{0x09, 0x04, 0xb0, 0x04}, 4, false, nil)
	children := append(pad(strings), block("VarFileInfo", nil, 0, true, translation)...)
	return block("VS_VERSION_INFO", fixed, len(fixed), false, children), nil
}

// block returns one node of the tree: its length, that of its value, whether that is
// text, its name, its value and its children, each at a multiple of four.
func block(name string, value []byte, length int, text bool, children []byte) []byte {
	b := make([]byte, 6)
	binary.LittleEndian.PutUint16(b[2:], uint16(length))
	if text {
		b[4] = 1
	}
	b = append(pad(append(b, wide(name)...)), value...)
	if len(children) > 0 {
		b = append(pad(b), children...)
	}
	binary.LittleEndian.PutUint16(b, uint16(len(b)))
	return b
}

func pad(b []byte) []byte {
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// wide returns text in UTF-16 with its end.
func wide(s string) []byte {
	var b []byte
	for _, u := range append(utf16.Encode([]rune(s)), 0) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}
