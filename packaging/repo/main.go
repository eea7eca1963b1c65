// Command repo writes what apt and dnf read before they install: an apt archive and an
// rpm repository, each a folder that any web server can serve, made of the packages in
// one folder. The same packages give the same bytes. Signing is left to
// packaging/publish, which has gpg.
//
//	go run ./packaging/repo -packages dist/packages -out dist/repo -time 1790000000
package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

func main() {
	packages := flag.String("packages", "dist/packages", "the folder with deb and rpm files")
	out := flag.String("out", "dist/repo", "the folder to write, anew")
	at := flag.Int64("time", 0, "the time that the repositories bear, in seconds since 1970")
	flag.Parse()
	if err := write(*packages, *out, time.Unix(*at, 0).UTC()); err != nil {
		fmt.Fprintln(os.Stderr, "repo:", err)
		os.Exit(1)
	}
}

// write makes both repositories below out.
func write(packages, out string, at time.Time) error {
	debs, err := filepath.Glob(filepath.Join(packages, "*.deb"))
	if err != nil {
		return err
	}
	rpms, err := filepath.Glob(filepath.Join(packages, "*.rpm"))
	if err != nil {
		return err
	}
	if len(debs)+len(rpms) == 0 {
		return fmt.Errorf("%s holds no deb and no rpm; hint: make packages", packages)
	}
	return errors.Join(writeApt(debs, filepath.Join(out, "apt"), at), writeRPM(rpms, filepath.Join(out, "rpm"), at))
}

// place puts a copy of the file into dir and returns its bytes.
func place(file, dir string) ([]byte, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return b, put(filepath.Join(dir, filepath.Base(file)), b)
}

func put(file string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, b, 0o644)
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// zip compresses without a name and a time, so that equal bytes stay equal.
func zip(b []byte) ([]byte, error) {
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(b); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
