package configs

import (
	"fmt"
	"slices"
	"strings"
)

// Fault is one mistake in one file. Its text shows the refused value unless that
// may be personal.
type Fault struct {
	File string `json:"file"`
	Line int    `json:"line"` // 0 where the whole file is meant
	Col  int    `json:"col"`
	Key  string `json:"key"`  // dotted; "" where the whole file is meant
	Text string `json:"text"` // what is wrong, what is wanted
	Hint string `json:"hint"` // the way out; may be empty
}

// Place returns "file:line:col", or the place alone where it has no lines.
func (f Fault) Place() string {
	if f.Line == 0 {
		return f.File
	}
	return fmt.Sprintf("%s:%d:%d", f.File, f.Line, f.Col)
}

// String returns "file:line:col: key: text; hint: …". A key of the registry names
// the section already.
func (f Fault) String() string {
	var b strings.Builder
	b.WriteString(f.Place())
	name := f.Key
	if inRegistry(f.File) {
		_, name = keyOf("", name)
	}
	if name != "" {
		b.WriteString(": " + name)
	}
	b.WriteString(": " + f.Text)
	if f.Hint != "" {
		b.WriteString("; hint: " + f.Hint)
	}
	return b.String()
}

// Warning is something that is allowed and yet worth a look.
type Warning struct {
	File string `json:"file,omitempty"` // with the line, where one is meant
	Key  string `json:"key,omitempty"`
	Text string `json:"text"`
	Hint string `json:"hint,omitempty"`
}

// String returns the warning on one line.
func (w Warning) String() string {
	s := w.Text
	if w.Key != "" {
		s = w.Key + ": " + s
	}
	if w.File != "" {
		s = w.File + ": " + s
	}
	if w.Hint != "" {
		s += "; hint: " + w.Hint
	}
	return s
}

// maxFaults bounds what is told about one file.
const maxFaults = 100

// sortFaults puts the faults of one file into the order of their places, and
// cuts them to maxFaults.
func sortFaults(faults []Fault) []Fault {
	slices.SortStableFunc(faults, func(a, b Fault) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Col - b.Col
	})
	if more := len(faults) - maxFaults; more > 0 {
		last := faults[maxFaults]
		faults = append(faults[:maxFaults:maxFaults], Fault{File: last.File, Line: last.Line, Col: last.Col, Text: fmt.Sprintf("and %d more", more)})
	}
	return faults
}
