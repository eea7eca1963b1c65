package main

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"strings"
	"time"
)

// xarFile is a file of the package, or a folder where it holds others.
type xarFile struct {
	name   string
	data   []byte
	pack   bool // compress it; what is compressed already is not
	inside []*xarFile

	kept []byte // as it lies in the heap
	at   int
}

// The table of contents has SHA-1 checksums and a header of 28 bytes, as in the
// packages that Apple's own tools write. They guard against damage; who made the
// package is what the signature and the transport say.
const (
	xarMagic      = 0x78617221
	xarHeader     = 28
	checksumSHA1  = 1
	appleEpoch    = 978307200 // 2001 in seconds since 1970
	zlibEncoding  = "application/x-gzip"
	plainEncoding = "application/octet-stream"
)

// xar writes an archive: header, compressed table of contents, heap. The heap
// begins with the checksum of the table, then its signature.
func xar(files []*xarFile, at time.Time, s *signer) ([]byte, error) {
	heap := make([]byte, sha1.Size+s.size())
	if err := fillHeap(&heap, files); err != nil {
		return nil, err
	}
	toc := contents(files, at, s)
	packed, err := deflate([]byte(toc))
	if err != nil {
		return nil, err
	}
	sum := sha1.Sum(packed)
	copy(heap, sum[:])
	if s != nil {
		signature, err := s.sign(sum[:])
		if err != nil {
			return nil, err
		}
		copy(heap[sha1.Size:], signature)
	}
	head := fields(uint32(xarMagic), uint16(xarHeader), uint16(1), uint64(len(packed)), uint64(len(toc)), uint32(checksumSHA1))
	return bytes.Join([][]byte{head, packed, heap}, nil), nil
}

func deflate(data []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := zlib.NewWriterLevel(&b, zlib.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func fillHeap(heap *[]byte, files []*xarFile) error {
	for _, f := range files {
		if f.inside != nil {
			if err := fillHeap(heap, f.inside); err != nil {
				return err
			}
			continue
		}
		f.kept = f.data
		if f.pack {
			var err error
			if f.kept, err = deflate(f.data); err != nil {
				return err
			}
		}
		f.at = len(*heap)
		*heap = append(*heap, f.kept...)
	}
	return nil
}

// contents writes the table of contents.
func contents(files []*xarFile, at time.Time, s *signer) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s<xar><toc><checksum style=\"sha1\"><offset>0</offset><size>%d</size></checksum>", xml.Header, sha1.Size)
	fmt.Fprintf(&b, "<creation-time>%s</creation-time>", at.Format("2006-01-02T15:04:05"))
	if s != nil {
		fmt.Fprintf(&b, "<signature-creation-time>%d.0</signature-creation-time>", at.Unix()-appleEpoch)
		fmt.Fprintf(&b, `<signature style="RSA"><offset>%d</offset><size>%d</size><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data>`, sha1.Size, s.size())
		for _, c := range s.chain {
			fmt.Fprintf(&b, "<X509Certificate>%s</X509Certificate>", base64.StdEncoding.EncodeToString(c.Raw))
		}
		b.WriteString("</X509Data></KeyInfo></signature>")
	}
	number := 0
	for _, f := range files {
		f.write(&b, &number)
	}
	b.WriteString("</toc></xar>\n")
	return b.String()
}

func (f *xarFile) write(b *strings.Builder, number *int) {
	*number++
	kind, mode := "file", "0644"
	if f.inside != nil {
		kind, mode = "directory", "0755"
	}
	fmt.Fprintf(b, `<file id="%d"><name>%s</name><type>%s</type><mode>%s</mode><uid>0</uid><gid>0</gid><user>root</user><group>wheel</group>`, *number, escaped(f.name), kind, mode)
	if f.inside == nil {
		encoding := plainEncoding
		if f.pack {
			encoding = zlibEncoding
		}
		fmt.Fprintf(b, `<data><length>%d</length><encoding style="%s"/><offset>%d</offset><size>%d</size>`, len(f.kept), encoding, f.at, len(f.data))
		fmt.Fprintf(b, `<extracted-checksum style="sha1">%s</extracted-checksum><archived-checksum style="sha1">%s</archived-checksum></data>`, sha1Hex(f.data), sha1Hex(f.kept))
	}
	for _, in := range f.inside {
		in.write(b, number)
	}
	b.WriteString("</file>")
}

func sha1Hex(data []byte) string {
	sum := sha1.Sum(data)
	return hex.EncodeToString(sum[:])
}

func escaped(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder takes everything
	return b.String()
}
