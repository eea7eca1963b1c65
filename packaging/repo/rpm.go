package main

import (
	"encoding/xml"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// The namespaces of repodata, which dnf, zypper and yum read.
const (
	nsCommon = "http://linux.duke.edu/metadata/common"
	nsRPM    = "http://linux.duke.edu/metadata/rpm"
	nsFiles  = "http://linux.duke.edu/metadata/filelists"
	nsOther  = "http://linux.duke.edu/metadata/other"
	nsRepo   = "http://linux.duke.edu/metadata/repo"
)

type checksum struct {
	Type  string `xml:"type,attr"`
	ID    string `xml:"pkgid,attr,omitempty"`
	Value string `xml:",chardata"`
}

type version struct {
	Epoch   uint64 `xml:"epoch,attr"`
	Version string `xml:"ver,attr"`
	Release string `xml:"rel,attr"`
}

type entry struct {
	Name    string  `xml:"name,attr"`
	Flags   string  `xml:"flags,attr,omitempty"`
	Epoch   *uint64 `xml:"epoch,attr"`
	Version string  `xml:"ver,attr,omitempty"`
	Release string  `xml:"rel,attr,omitempty"`
}

type entries struct {
	Entries []entry `xml:"rpm:entry"`
}

type fileEntry struct {
	Type string `xml:"type,attr,omitempty"`
	Path string `xml:",chardata"`
}

type format struct {
	License string `xml:"rpm:license"`
	Vendor  string `xml:"rpm:vendor"`
	Group   string `xml:"rpm:group"`
	Host    string `xml:"rpm:buildhost"`
	Source  string `xml:"rpm:sourcerpm"`
	Range   struct {
		Start int `xml:"start,attr"`
		End   int `xml:"end,attr"`
	} `xml:"rpm:header-range"`
	Provides  *entries    `xml:"rpm:provides"`
	Requires  *entries    `xml:"rpm:requires"`
	Conflicts *entries    `xml:"rpm:conflicts"`
	Obsoletes *entries    `xml:"rpm:obsoletes"`
	Files     []fileEntry `xml:"file"`
}

// primary is a package as a search for it needs it.
type primary struct {
	XMLName     xml.Name `xml:"package"`
	Type        string   `xml:"type,attr"`
	Name        string   `xml:"name"`
	Arch        string   `xml:"arch"`
	Version     version  `xml:"version"`
	Checksum    checksum `xml:"checksum"`
	Summary     string   `xml:"summary"`
	Description string   `xml:"description"`
	Packager    string   `xml:"packager"`
	URL         string   `xml:"url"`
	Time        struct {
		File  int64  `xml:"file,attr"`
		Build uint64 `xml:"build,attr"`
	} `xml:"time"`
	Size struct {
		Package   int    `xml:"package,attr"`
		Installed uint64 `xml:"installed,attr"`
		Archive   uint64 `xml:"archive,attr"`
	} `xml:"size"`
	Location struct {
		Href string `xml:"href,attr"`
	} `xml:"location"`
	Format format `xml:"format"`
}

// listed is a package in the lists of files and of changes.
type listed struct {
	XMLName xml.Name    `xml:"package"`
	ID      string      `xml:"pkgid,attr"`
	Name    string      `xml:"name,attr"`
	Arch    string      `xml:"arch,attr"`
	Version version     `xml:"version"`
	Files   []fileEntry `xml:"file"`
}

// writeRPM copies the packages and writes repodata/ beside them.
func writeRPM(rpms []string, out string, at time.Time) error {
	if len(rpms) == 0 {
		return nil
	}
	slices.Sort(rpms)
	var first []primary
	var files, others []listed
	for _, file := range rpms {
		b, err := place(file, out)
		if err != nil {
			return err
		}
		p, all, err := describe(b, filepath.Base(file), at)
		if err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(file), err)
		}
		l := listed{ID: p.Checksum.Value, Name: p.Name, Arch: p.Arch, Version: p.Version}
		first, others = append(first, p), append(others, l)
		l.Files = all
		files = append(files, l)
	}
	return writeRepodata(filepath.Join(out, "repodata"), at, []any{
		struct {
			XMLName  xml.Name `xml:"metadata"`
			NS       string   `xml:"xmlns,attr"`
			RPM      string   `xml:"xmlns:rpm,attr"`
			Count    int      `xml:"packages,attr"`
			Packages []primary
		}{NS: nsCommon, RPM: nsRPM, Count: len(first), Packages: first},
		struct {
			XMLName  xml.Name `xml:"filelists"`
			NS       string   `xml:"xmlns,attr"`
			Count    int      `xml:"packages,attr"`
			Packages []listed
		}{NS: nsFiles, Count: len(files), Packages: files},
		struct {
			XMLName  xml.Name `xml:"otherdata"`
			NS       string   `xml:"xmlns,attr"`
			Count    int      `xml:"packages,attr"`
			Packages []listed
		}{NS: nsOther, Count: len(others), Packages: others},
	})
}

// describe returns a package's entry, and all its files.
func describe(b []byte, name string, at time.Time) (primary, []fileEntry, error) {
	sig, h, start, err := readRPM(b)
	if err != nil {
		return primary{}, nil, err
	}
	p := primary{Type: "rpm", Name: h.text(tagName), Arch: h.text(tagArch), Summary: h.text(tagSummary), Description: h.text(tagDescription),
		Version:  version{h.number(tagEpoch), h.text(tagVersion), h.text(tagRelease)},
		Packager: h.text(tagPackager), URL: h.text(tagURL), Checksum: checksum{"sha256", "YES", sum(b)}}
	if p.Name == "" || p.Arch == "" || p.Version.Version == "" {
		return p, nil, fmt.Errorf("%w: no name, architecture or version", errRPM)
	}
	p.Time.File, p.Time.Build = at.Unix(), h.number(tagBuildTime)
	p.Size.Package, p.Size.Installed, p.Size.Archive = len(b), h.number(tagSize), sig.number(sigPayload)
	p.Location.Href = name
	f := &p.Format
	f.License, f.Vendor, f.Group, f.Host, f.Source = h.text(tagLicense), h.text(tagVendor), h.text(tagGroup), h.text(tagBuildHost), h.text(tagSource)
	f.Range.Start, f.Range.End = start, start+h.size
	f.Provides, f.Requires, f.Conflicts, f.Obsoletes = h.relations(provides), h.relations(requires), h.relations(conflicts), h.relations(obsoletes)
	all := h.files()
	for _, file := range all {
		if strings.HasPrefix(file.Path, "/etc/") || strings.Contains(file.Path, "bin/") { // what others may require by its path
			f.Files = append(f.Files, file)
		}
	}
	return p, all, nil
}

func (h header) files() []fileEntry {
	bases, dirs, dirOf, modes := h.texts(tagBases), h.texts(tagDirs), h.numbers(tagDirOf), h.numbers(tagModes)
	var all []fileEntry
	for i, base := range bases {
		if i >= len(dirOf) || dirOf[i] >= uint64(len(dirs)) {
			return all
		}
		f := fileEntry{Path: dirs[dirOf[i]] + base}
		if i < len(modes) && modes[i]&0o170000 == 0o040000 {
			f.Type = "dir"
		}
		all = append(all, f)
	}
	return all
}

// relations returns a list of what a package provides or needs; nil for none. What
// rpm itself must be able to do is no package.
func (h header) relations(r relation) *entries {
	names, flags, versions := h.texts(r.name), h.numbers(r.flags), h.texts(r.version)
	list := &entries{}
	for i, name := range names {
		e := entry{Name: name}
		if strings.HasPrefix(name, "rpmlib(") {
			continue
		}
		if i < len(flags) && i < len(versions) && versions[i] != "" {
			e.Flags = map[uint64]string{2: "LT", 4: "GT", 8: "EQ", 10: "LE", 12: "GE"}[flags[i]&14]
			e.Epoch = new(uint64)
			v := versions[i]
			if epoch, rest, ok := strings.Cut(v, ":"); ok {
				if _, err := fmt.Sscan(epoch, e.Epoch); err == nil {
					v = rest
				}
			}
			e.Version, e.Release, _ = strings.Cut(v, "-")
		}
		list.Entries = append(list.Entries, e)
	}
	if len(list.Entries) == 0 {
		return nil
	}
	return list
}
