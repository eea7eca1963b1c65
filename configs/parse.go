package configs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// maxFile bounds a file of settings.
const maxFile = 1 << 20

// parse turns the bytes of a file into the root map of its one document. YAML's
// ways to say one thing at a place and mean it at another (anchors, aliases,
// merge keys, tags, further documents) are refused. The root may be usable where
// there are faults; it is nil where there is none.
func parse(file string, data []byte) (*yaml.Node, []Fault) {
	whole := func(text, hint string) []Fault { return []Fault{{File: file, Text: text, Hint: hint}} }
	switch {
	case len(data) > maxFile:
		return nil, whole("larger than 1 MiB", "")
	case !utf8.Valid(data):
		line, col := badByte(data)
		return nil, []Fault{{File: file, Line: line, Col: col, Text: "not UTF-8", Hint: "save the file as UTF-8"}}
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	err := dec.Decode(&doc)
	switch {
	case errors.Is(err, io.EOF) || err == nil && emptyRoot(&doc):
		return nil, whole("no settings in it; it may have been cut off", "write {} for a file without settings")
	case err != nil:
		return nil, []Fault{syntaxFault(file, err)}
	}
	root := doc.Content[0]
	var faults []Fault
	var next yaml.Node
	if err := dec.Decode(&next); err == nil {
		faults = append(faults, Fault{File: file, Line: next.Line, Col: next.Column, Text: "a second document, want one", Hint: "use one file for each under conf.d"})
	} else if !errors.Is(err, io.EOF) {
		faults = append(faults, syntaxFault(file, err))
	}
	faults = append(faults, refused(file, root)...)
	if root.Kind != yaml.MappingNode {
		if root.Kind != yaml.AliasNode {
			faults = append(faults, Fault{File: file, Line: root.Line, Col: root.Column, Text: "a " + nodeName(root) + ", want a map of keys"})
		}
		return nil, faults
	}
	return root, faults
}

func emptyRoot(doc *yaml.Node) bool {
	return len(doc.Content) == 0 || doc.Content[0].Kind == yaml.ScalarNode && doc.Content[0].ShortTag() == "!!null"
}

func badByte(data []byte) (line, col int) {
	line, col = 1, 1
	for len(data) > 0 {
		r, n := utf8.DecodeRune(data)
		switch {
		case r == utf8.RuneError && n == 1:
			return line, col
		case r == '\n':
			line, col = line+1, 1
		default:
			col++
		}
		data = data[n:]
	}
	return line, col
}

// syntaxFault takes the line out of the parser's text, which is all that it
// tells. What the parser quotes from the file is left out.
func syntaxFault(file string, err error) Fault {
	text := strings.TrimPrefix(strings.SplitN(err.Error(), "\n", 2)[0], "yaml: ")
	f := Fault{File: file, Text: "not YAML: " + text}
	if rest, ok := strings.CutPrefix(text, "line "); ok {
		number, what, _ := strings.Cut(rest, ": ")
		if line, err := strconv.Atoi(number); err == nil {
			f.Line, f.Col, f.Text = line, 1, "not YAML: "+what
		}
	}
	if strings.Contains(f.Text, "unknown anchor") {
		f.Text = "an alias, want the value itself"
	}
	return f
}

// refused looks at every node below n for what parse does not take.
func refused(file string, n *yaml.Node) []Fault {
	var faults []Fault
	add := func(n *yaml.Node, text string) {
		if len(faults) <= maxFaults {
			faults = append(faults, Fault{File: file, Line: n.Line, Col: n.Column, Text: text, Hint: "write the value out"})
		}
	}
	stack := []*yaml.Node{n}
	for len(stack) > 0 {
		n := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		switch {
		case n.Kind == yaml.AliasNode:
			add(n, "an alias, want the value itself")
		case n.Anchor != "":
			add(n, "an anchor, want plain values")
		case n.Kind == yaml.ScalarNode && n.ShortTag() == "!!merge":
			add(n, "a merge key, want plain keys")
		case n.Style&yaml.TaggedStyle != 0:
			add(n, fmt.Sprintf("the tag %.40q, want plain values", n.Tag))
		}
		stack = append(stack, n.Content...)
	}
	return faults
}
