package software

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// maxDpkgLine bounds a line of the status file. Lists of dependencies are the
// longest, a few kB; a longer one is an error of the file.
const maxDpkgLine = 1 << 20

// parseDpkg reads dpkg's status file: stanzas of "Key: value" lines, parted by
// empty lines (deb-control(5), dpkg(1) "package states"). A package that is
// unpacked counts, configured or not; one that left only its settings behind
// does not. The maintainer is a person, not a vendor, and is not read.
func parseDpkg(r io.Reader, day func(name, arch string) uint32) ([]pkg, error) {
	var list []pkg
	var p pkg
	var arch string
	var there bool
	flush := func() {
		if there && p.name != "" && len(list) <= maxPackages {
			p.source, p.day = "dpkg", day(p.name, arch)
			list = append(list, p)
		}
		p, arch, there = pkg{}, "", false
	}
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 16<<10), maxDpkgLine)
	for lines.Scan() {
		line := lines.Bytes()
		if len(line) == 0 {
			flush()
			continue
		}
		if line[0] == ' ' || line[0] == '\t' {
			continue // goes on with a value that is not read
		}
		key, value, _ := strings.Cut(string(line[:min(len(line), 4*maxText)]), ":")
		switch strings.ToLower(key) {
		case "package":
			p.name = tidy(value)
		case "version":
			p.version = tidy(value)
		case "origin":
			p.vendor = tidy(value)
		case "architecture":
			arch = tidy(value)
		case "status":
			there = unpacked(value)
		}
	}
	flush()
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read dpkg status: %w", err)
	}
	return list, nil
}

// unpacked reads the three words of a status: what is wanted, a flag, and what
// is.
func unpacked(status string) bool {
	words := strings.Fields(status)
	if len(words) != 3 {
		return false
	}
	switch words[2] {
	case "installed", "unpacked", "half-configured", "triggers-awaited", "triggers-pending":
		return true
	}
	return false
}
