package privacy

import "strings"

// programPath is built on a list of what may leave: below the system's own
// directories the path, scrubbed; anywhere else the kind of place and the name
// of the file. A form of path that nobody thought of is such a place.
func (r *rules) programPath(l Level, v string) string {
	return r.kept(&r.paths, l, v, (*rules).programPathOf)
}

func (r *rules) programPathOf(l Level, v string) string {
	switch l {
	case Generalised:
		return r.generalPath(v)
	case Cleartext:
		return cut(validText(v, "?"), maxPath)
	}
	return ""
}

// The kinds of place.
const (
	placeSystem = "" // the path may leave
	placeUser   = "<user>"
	placeOther  = "<other>"
	placeShare  = "<unc>"
)

func (r *rules) generalPath(v string) string {
	v, _, _ = strings.Cut(v, "\x00")
	v = strings.TrimSuffix(v, " (deleted)") // the kernel's mark, proc_pid_exe(5)
	v = validText(v, "?")
	if v == "" {
		return ""
	}
	place, separator := placeOther, "/"
	switch r.ctx.OS {
	case Windows:
		v, separator = windowsForm(v), `\`
		place = windowsPlace(v)
	case Linux, Darwin:
		place = unixPlace(v, r.ctx.OS == Darwin)
	}
	dir, base := splitPath(v, separator)
	if separator == "/" && !strings.HasPrefix(v, "/") {
		_, base = splitPath(base, `\`) // no path of this system: maybe of another
	}
	base, _, _ = strings.Cut(base, ":")
	if place == placeSystem {
		if out := r.scrub(dir+base, maxInput); len(out) <= maxPath {
			return out
		}
		place = placeOther
	}
	base = r.scrub(base, maxName)
	return place + separator + "…" + separator + base
}

// splitPath returns the path up to its last separator, and what follows it.
func splitPath(v, separator string) (dir, base string) {
	i := strings.LastIndex(v, separator) + 1 // a separator is one byte
	return v[:i], v[i:]
}

// lowerASCII lowers A to Z only: another letter that folds to one of these
// makes another directory.
func lowerASCII(s string) string {
	return strings.Map(func(c rune) rune {
		if 'A' <= c && c <= 'Z' {
			return c + 'a' - 'A'
		}
		return c
	}, s)
}

// belowAny reports whether a path lies below one of the directories.
func belowAny(path string, dirs []string) bool {
	for _, dir := range dirs {
		if rest, ok := strings.CutPrefix(path, dir); ok && len(rest) > 1 && (rest[0] == '/' || rest[0] == '\\') {
			return true
		}
	}
	return false
}
