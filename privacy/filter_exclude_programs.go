package privacy

import (
	"slices"
	"strings"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// programList is a list of programs as settings write it. An entry with a
// separator is a path, any other a name; one that ends in * stands for all that
// begins so.
type programList struct {
	names, paths           map[string]bool
	nameStarts, pathStarts []string // sorted, none the start of another
}

func newProgramList(entries []string, os OS) programList {
	l := programList{names: map[string]bool{}, paths: map[string]bool{}}
	for _, e := range entries {
		start, open := strings.CutSuffix(e, "*")
		isPath := strings.ContainsAny(e, `/\`)
		switch {
		case isPath && open:
			l.pathStarts = append(l.pathStarts, pathForm(start, os))
		case isPath:
			l.paths[pathForm(e, os)] = true
		case open:
			l.nameStarts = append(l.nameStarts, Canonical(start))
		default:
			l.names[nameForm(e)] = true
		}
	}
	l.nameStarts, l.pathStarts = shortest(l.nameStarts), shortest(l.pathStarts)
	return l
}

func (l *programList) empty() bool {
	return len(l.names)+len(l.paths)+len(l.nameStarts)+len(l.pathStarts) == 0
}

// holds reports whether a program of one of these names, or with this path, is
// in the list. All are in the form that nameForm and pathForm give.
func (l *programList) holds(names [2]string, path string) bool {
	for _, n := range names {
		if n != "" && (l.names[n] || begins(l.nameStarts, n)) {
			return true
		}
	}
	return path != "" && (l.paths[path] || begins(l.pathStarts, path))
}

// rawNames returns the names of a program: its own, and that of its file. A
// system may cut the first, as Linux does after 15 bytes.
func rawNames(p *eventv1.Program, os OS) [2]string {
	file := p.Path
	separators := "/"
	if os == Windows {
		separators = `/\`
	} else if os == Linux {
		file = strings.TrimSuffix(file, gone)
	}
	return [2]string{nameForm(p.Name), nameForm(file[strings.LastIndexAny(file, separators)+1:])}
}

// gone is what Linux appends to the path of a program whose file was replaced
// while it runs. https://man7.org/linux/man-pages/man5/proc_pid_exe.5.html
const gone = " (deleted)"

// nameForm returns the form in which names are compared: case does not count,
// nor does .exe.
func nameForm(v string) string { return strings.TrimSuffix(Canonical(v), ".exe") }

// pathForm returns the form in which paths are compared. Case counts on Linux
// only.
func pathForm(v string, os OS) string {
	switch os {
	case Windows:
		return Canonical(windowsForm(v))
	case Darwin:
		return Canonical(v)
	}
	return strings.TrimSuffix(v, gone)
}

// shortest returns the texts of list that begin with no other of it, sorted.
func shortest(list []string) []string {
	slices.Sort(list)
	var kept []string
	for _, s := range list {
		if n := len(kept); n == 0 || !strings.HasPrefix(s, kept[n-1]) {
			kept = append(kept, s)
		}
	}
	return kept
}

// begins reports whether v begins with one of starts, which are as shortest
// returns them: then it can only be the last one that does not sort after v.
func begins(starts []string, v string) bool {
	i, found := slices.BinarySearch(starts, v)
	return found || i > 0 && strings.HasPrefix(v, starts[i-1])
}
