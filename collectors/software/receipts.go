package software

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/configs/plist"
)

const (
	// receiptsDir holds a property list for each package that was installed.
	receiptsDir = "private/var/db/receipts"
	// bundleInfo is where an application says what it is.
	bundleInfo = "Contents/Info.plist"
)

// applicationDirs are those of the whole machine. What comes with the system lies
// in /System/Applications and goes by the system's version.
var applicationDirs = [...]string{"Applications", "Applications/Utilities"}

// receipts reads what macOS keeps of packages and applications below root.
type receipts struct {
	root  string
	stats *collectors.Stats
	stamp string // of the last look
}

func (r *receipts) path(parts ...string) string {
	return filepath.Join(append([]string{r.root}, parts...)...)
}

func (r *receipts) changed() bool { return r.sight() != r.stamp }

// sight tells the times of the folders and of each application's description: an
// application may be updated in its place.
func (r *receipts) sight() string {
	var b strings.Builder
	see := func(path string) {
		if fi, err := os.Stat(r.path(path)); err == nil {
			fmt.Fprintf(&b, "%s %d %d\n", path, fi.Size(), fi.ModTime().UnixNano())
		}
	}
	see(receiptsDir)
	for _, dir := range applicationDirs {
		see(dir)
		for _, name := range r.bundles(dir) {
			see(filepath.Join(dir, name, bundleInfo))
		}
	}
	return b.String()
}

// look reads all of them. A file that cannot be read is counted and left out.
func (r *receipts) look() ([]pkg, error) {
	before := r.sight()
	entries, err := os.ReadDir(r.path(receiptsDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list receipts: %w", err)
	}
	var list []pkg
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".plist") || len(list) > maxPackages {
			continue
		}
		if n := r.read(receiptsDir, e.Name()); n != nil {
			list = appendReceipt(list, n)
		}
	}
	for _, dir := range applicationDirs {
		for _, name := range r.bundles(dir) {
			if n := r.read(dir, name, bundleInfo); n != nil {
				list = append(list, applicationOf(name, n))
			}
		}
	}
	r.stamp = before // what changed meanwhile is seen at the next look
	return sortPackages(list), nil
}

// bundles returns the names of the applications in a folder.
func (r *receipts) bundles(dir string) []string {
	entries, err := os.ReadDir(r.path(dir))
	if err != nil {
		return nil // not every machine has each
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() && strings.HasSuffix(e.Name(), ".app") && len(names) < maxPackages {
			names = append(names, e.Name())
		}
	}
	return names
}

// read reads one property list, or returns nil. Only a regular file is opened: a
// pipe would block. An application without a description is none.
func (r *receipts) read(parts ...string) *plist.Node {
	path := r.path(parts...)
	fi, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && fi.Mode().IsRegular() {
		if n := readPlist(path); n != nil {
			return n
		}
	}
	r.stats.AddLost(1)
	return nil
}

func readPlist(path string) *plist.Node {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, plist.MaxFile+1))
	if err != nil {
		return nil
	}
	n, err := plist.Parse(data)
	if err != nil {
		return nil
	}
	return n
}

// appendReceipt appends the package of a receipt, if it names one.
func appendReceipt(list []pkg, n *plist.Node) []pkg {
	p := pkg{source: "receipt", name: tidy(n.String("PackageIdentifier")), version: tidy(n.String("PackageVersion"))}
	if p.name == "" {
		return list
	}
	if day := n.Get("InstallDate"); day != nil && day.Kind == plist.Date {
		if at, err := time.Parse(time.RFC3339, day.Text); err == nil {
			p.day = dayOf(at)
		}
	}
	return append(list, p)
}

// applicationOf returns the application in a folder. Its name is what it calls
// itself, else what the folder is called.
func applicationOf(folder string, n *plist.Node) pkg {
	p := pkg{source: "application", name: strings.TrimSuffix(folder, ".app"), version: n.String("CFBundleShortVersionString")}
	for _, key := range []string{"CFBundleName", "CFBundleDisplayName"} {
		if name := n.String(key); name != "" {
			p.name = name
		}
	}
	if p.version == "" {
		p.version = n.String("CFBundleVersion")
	}
	p.name, p.version = tidy(p.name), tidy(p.version)
	return p
}
