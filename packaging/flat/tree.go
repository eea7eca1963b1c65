package main

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// The types of a file in its mode, as Unix has them.
const (
	typeMask = 0o170000
	typeDir  = 0o040000
	typeFile = 0o100000
	typeLink = 0o120000
)

// entry is one file, folder or link of a tree.
type entry struct {
	path string // "." or "./a/b"
	mode uint32 // with the type
	gid  uint32
	data []byte // of a file; of a link where it leads
}

func (e entry) kind() uint32 { return e.mode & typeMask }

// adminFolders are folders of the system that belong to the group admin. All else
// belongs to root and wheel.
var adminFolders = []string{"./Applications", "./Library/Application Support"}

const groupAdmin = 80

// readTree reads a folder. Rights come from the files, owners do not.
func readTree(root string) ([]entry, error) {
	var out []entry
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		e, err := readEntry(file, d)
		if err != nil {
			return err
		}
		e.path = "."
		if rel != "." {
			e.path = "./" + filepath.ToSlash(rel)
		}
		if slices.Contains(adminFolders, e.path) {
			e.gid = groupAdmin
		}
		if e.path == "./Applications" {
			e.mode = typeDir | 0o775
		}
		out = append(out, e)
		return nil
	})
	slices.SortFunc(out, func(a, b entry) int { return strings.Compare(a.path, b.path) })
	return out, err
}

func readEntry(file string, d fs.DirEntry) (entry, error) {
	info, err := d.Info()
	if err != nil {
		return entry{}, err
	}
	mode := uint32(info.Mode().Perm())
	switch {
	case d.IsDir():
		return entry{mode: typeDir | mode}, nil
	case d.Type() == fs.ModeSymlink:
		to, err := os.Readlink(file)
		return entry{mode: typeLink | 0o755, data: []byte(to)}, err
	case d.Type().IsRegular():
		data, err := os.ReadFile(file)
		return entry{mode: typeFile | mode, data: data}, err
	}
	return entry{}, fmt.Errorf("%s: neither file nor folder nor link", file)
}

// parent returns the path of the folder that an entry lies in.
func (e entry) parent() string {
	if dir := path.Dir(strings.TrimPrefix(e.path, "./")); dir != "." {
		return "./" + dir
	}
	return "."
}

// kilobytes returns what the files of a tree take, each rounded up.
func kilobytes(tree []entry) int {
	sum := 0
	for _, e := range tree {
		sum += (len(e.data) + 1023) / 1024
	}
	return sum
}
