package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// suite is the one suite of the archive, component its one part.
const (
	suite     = "stable"
	component = "main"
)

// maxControl bounds the part of a deb that describes it.
const maxControl = 1 << 20

// writeApt writes pool/ and dists/ as https://wiki.debian.org/DebianRepository/Format
// has them.
func writeApt(debs []string, out string, at time.Time) error {
	if len(debs) == 0 {
		return nil
	}
	slices.Sort(debs)
	lists := map[string]*bytes.Buffer{} // by architecture
	for _, file := range debs {
		b, err := place(file, filepath.Join(out, "pool"))
		if err != nil {
			return err
		}
		control, err := controlOf(b)
		if err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(file), err)
		}
		arch := field(control, "Architecture")
		if arch == "" {
			return fmt.Errorf("%s: it names no architecture", filepath.Base(file))
		}
		if lists[arch] == nil {
			lists[arch] = &bytes.Buffer{}
		}
		fmt.Fprintf(lists[arch], "%s\nFilename: pool/%s\nSize: %d\nSHA256: %s\n\n", strings.TrimSpace(control), filepath.Base(file), len(b), sum(b))
	}
	var archs []string
	var sums strings.Builder
	for arch := range lists {
		archs = append(archs, arch)
	}
	slices.Sort(archs)
	for _, arch := range archs {
		plain := lists[arch].Bytes()
		small, err := zip(plain)
		if err != nil {
			return err
		}
		for name, b := range map[string][]byte{"Packages": plain, "Packages.gz": small} {
			if err := put(filepath.Join(out, "dists", suite, component, "binary-"+arch, name), b); err != nil {
				return err
			}
		}
		dir := path.Join(component, "binary-"+arch)
		fmt.Fprintf(&sums, " %s %d %s/Packages\n %s %d %s/Packages.gz\n", sum(plain), len(plain), dir, sum(small), len(small), dir)
	}
	release := fmt.Sprintf("Origin: Discreet\nLabel: Discreet\nSuite: %s\nCodename: %s\nDate: %s\nArchitectures: %s\nComponents: %s\nDescription: Discreet agent and gateway\nSHA256:\n%s",
		suite, suite, at.Format("Mon, 02 Jan 2006 15:04:05 UTC"), strings.Join(archs, " "), component, sums.String())
	return put(filepath.Join(out, "dists", suite, "Release"), []byte(release))
}

// field returns a field of a control file.
func field(control, name string) string {
	for line := range strings.Lines(control) {
		if v, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

var errDeb = errors.New("not a deb of ours")

// controlOf returns the control file of a deb: an archive of ar, in it an archive of
// tar, in it the file. See deb(5).
func controlOf(deb []byte) (string, error) {
	rest, ok := bytes.CutPrefix(deb, []byte("!<arch>\n"))
	if !ok {
		return "", fmt.Errorf("%w: no archive of ar", errDeb)
	}
	for len(rest) >= 60 {
		name := strings.TrimRight(strings.TrimSpace(string(rest[:16])), "/")
		size, err := strconv.ParseUint(strings.TrimSpace(string(rest[48:58])), 10, 31)
		if err != nil || size > uint64(len(rest)-60) {
			return "", fmt.Errorf("%w: cut short", errDeb)
		}
		body := rest[60 : 60+size]
		if name == "control.tar.gz" {
			return fromTar(body)
		}
		rest = rest[60+min(size+size%2, uint64(len(rest)-60)):]
	}
	return "", fmt.Errorf("%w: no control.tar.gz", errDeb)
}

func fromTar(packed []byte) (string, error) {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return "", fmt.Errorf("%w: %w", errDeb, err)
	}
	for t := tar.NewReader(io.LimitReader(z, maxControl)); ; {
		h, err := t.Next()
		if err != nil {
			return "", fmt.Errorf("%w: no control file", errDeb)
		}
		if path.Base(h.Name) == "control" {
			b, err := io.ReadAll(t)
			return string(b), err
		}
	}
}
