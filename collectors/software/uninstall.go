package software

import (
	"strings"
	"time"
)

// entry is what Windows notes of a program so that it can be removed again: the
// values of one key below Uninstall.
type entry struct {
	name, version, publisher string
	installed                string // YYYYMMDD, by most
	parent, release          string
	component                bool // a part that no list shows
	msi                      bool // Windows Installer put it there
}

// pkg returns the entry as a package. It reports false for what is none: a part of
// the system or of another entry, and an update.
func (e entry) pkg() (pkg, bool) {
	p := pkg{name: tidy(e.name), version: tidy(e.version), vendor: tidy(e.publisher), source: "uninstall"}
	if p.name == "" || e.component || e.parent != "" || isUpdate(e.release) {
		return pkg{}, false
	}
	if e.msi {
		p.source = "msi"
	}
	if at, err := time.Parse("20060102", strings.TrimSpace(e.installed)); err == nil && at.Unix() > 0 {
		p.day = uint32(at.Unix() / 86400)
	}
	return p, true
}

// isUpdate knows the kinds of updates that stand beside what they update.
func isUpdate(release string) bool {
	switch strings.ToLower(strings.TrimSpace(release)) {
	case "hotfix", "security update", "software update", "update", "update rollup", "service pack":
		return true
	}
	return false
}
