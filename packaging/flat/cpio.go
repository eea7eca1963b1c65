package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"time"
)

// archive writes a tree as a compressed cpio archive of the old portable form, in
// which every number is octal text. The installer takes no other.
func archive(tree []entry, at time.Time) ([]byte, error) {
	var b bytes.Buffer
	for i, e := range tree {
		if err := record(&b, i+1, e, at); err != nil {
			return nil, err
		}
	}
	if err := record(&b, 0, entry{path: "TRAILER!!!"}, time.Unix(0, 0)); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func record(b *bytes.Buffer, number int, e entry, at time.Time) error {
	if number > 0o777777 || len(e.data) > 0o77777777777 {
		return fmt.Errorf("%s: does not fit into the archive", e.path)
	}
	links := 1
	if e.kind() == typeDir {
		links = 2
	}
	fmt.Fprintf(b, "070707%06o%06o%06o%06o%06o%06o%06o%011o%06o%011o%s\x00", 0, number, e.mode, 0, e.gid, links, 0, at.Unix(), len(e.path)+1, len(e.data), e.path)
	b.Write(e.data)
	return nil
}
