package configs

import (
	"strconv"
	"strings"
)

// Plain is what may be told of a setting to somebody outside the company: its
// value where it is a level, a switch, a number, a size, a duration or a word of
// our own list; of everything else, such as an address, a name, a path or a list,
// only whether it is set. Its file is told by its layer.
type Plain struct {
	Key     string `json:"key"`
	Value   string `json:"value"`
	Default string `json:"default,omitempty"`
	Layer   string `json:"layer"`
	Line    int    `json:"line,omitempty"`
	BoundBy string `json:"bound_by,omitempty"`
}

// What Plain says of a value that it does not tell.
const (
	plainSet    = "(set)"
	plainNotSet = "(not set)"
)

// tellable reports whether every value of the kind is one of a closed list or a
// number. A new kind is not, until it is named here.
func (kd kind) tellable() bool {
	switch kd {
	case kindLevel, kindBool, kindNumber, kindSize, kindDuration, kindEnum:
		return true
	}
	return false
}

// Plain returns every setting, in the order of the sample file.
func (l *Loaded) Plain() []Plain {
	all := make([]Plain, 0, len(l.index.order))
	for _, name := range l.index.order {
		e, err := l.Explain(name)
		if err != nil {
			continue // every name comes from the table
		}
		p := Plain{Key: name, Layer: e.Layer, Line: lineOf(e.Source), BoundBy: e.BoundBy}
		switch {
		case l.index.rows[name].kind.tellable():
			p.Value, p.Default = e.Value, e.Default
		case e.Value == e.Default:
			p.Value = plainNotSet
		default:
			p.Value = plainSet
		}
		all = append(all, p)
	}
	return all
}

// PlainFault is the place of a fault, without the name of the file and without
// what stands there.
type PlainFault struct {
	Line int    `json:"line,omitempty"`
	Col  int    `json:"col,omitempty"`
	Key  string `json:"key"` // a key that exists, or "(no such key)"
}

// PlainFaults returns the places of all faults.
func (l *Loaded) PlainFaults() []PlainFault {
	faults := make([]PlainFault, 0, len(l.Faults))
	for _, f := range l.Faults {
		p := PlainFault{Line: f.Line, Col: f.Col, Key: "(no such key)"}
		if name, _, _ := strings.Cut(f.Key, "["); l.index.rows[name] != nil {
			p.Key = name
		}
		faults = append(faults, p)
	}
	return faults
}

// lineOf returns the line of file:line, 0 where there is none.
func lineOf(source string) int {
	n, err := strconv.Atoi(source[strings.LastIndexByte(source, ':')+1:])
	if err != nil {
		return 0
	}
	return n
}
