package software

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// pkg is one installed package.
type pkg struct {
	source  string // dpkg, rpm, desktop, msi, uninstall, pkg
	name    string
	version string
	vendor  string
	day     uint32 // of its installation, days since 1970 UTC; 0 where unknown
}

func (p pkg) compare(q pkg) int {
	return cmp.Or(strings.Compare(p.source, q.source), strings.Compare(p.name, q.name), strings.Compare(p.version, q.version))
}

// sortPackages sorts list and drops what stands twice, as a package for two
// architectures does.
func sortPackages(list []pkg) []pkg {
	slices.SortFunc(list, pkg.compare)
	return slices.CompactFunc(list, func(p, q pkg) bool { return p.compare(q) == 0 })
}

// A change is what became of one package.
type change struct {
	pkg
	change eventv1.SoftwareChange
}

// diff returns what happened between two sorted lists. One version in place of
// one other is an update; where several are installed side by side, as kernels
// are, each comes and goes by itself.
func diff(before, after []pkg) []change {
	var out []change
	for len(before) > 0 || len(after) > 0 {
		var name pkg
		switch {
		case len(before) == 0:
			name = after[0]
		case len(after) == 0 || sameName(before[0], after[0]) < 0:
			name = before[0]
		default:
			name = after[0]
		}
		b, a := prefix(before, name), prefix(after, name)
		before, after = before[len(b):], after[len(a):]
		out = appendChanges(out, b, a)
	}
	return out
}

func sameName(p, q pkg) int {
	return cmp.Or(strings.Compare(p.source, q.source), strings.Compare(p.name, q.name))
}

// prefix returns the packages of that name at the start of list.
func prefix(list []pkg, name pkg) []pkg {
	n := 0
	for n < len(list) && sameName(list[n], name) == 0 {
		n++
	}
	return list[:n]
}

func appendChanges(out []change, before, after []pkg) []change {
	has := func(list []pkg, p pkg) bool {
		return slices.ContainsFunc(list, func(q pkg) bool { return q.version == p.version })
	}
	if len(before) == 1 && len(after) == 1 {
		if before[0].version != after[0].version {
			out = append(out, change{after[0], eventv1.SoftwareChange_SOFTWARE_CHANGE_UPDATED})
		}
		return out
	}
	for _, p := range before {
		if !has(after, p) {
			out = append(out, change{p, eventv1.SoftwareChange_SOFTWARE_CHANGE_REMOVED})
		}
	}
	for _, p := range after {
		if !has(before, p) {
			out = append(out, change{p, eventv1.SoftwareChange_SOFTWARE_CHANGE_INSTALLED})
		}
	}
	return out
}

// tidy returns a word of a database as an event may carry it: valid UTF-8
// without control characters, at most maxText bytes.
func tidy(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return -1
		}
		return r
	}, s)
	s = strings.TrimSpace(s)
	if len(s) > maxText {
		s = s[:maxText]
		for len(s) > 0 && !utf8.ValidString(s) {
			s = s[:len(s)-1]
		}
	}
	return s
}
