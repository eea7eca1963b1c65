// Package plist reads property lists, the files in which macOS keeps settings and
// descriptions, in both of their forms. It is bounded: a file can make no more of
// itself than the constants say. It writes none.
package plist

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// MaxFile bounds the bytes of a file.
const MaxFile = 1 << 20

// The bounds of what is in it. A binary file may name the same object many times,
// so nodes and text are counted as they are used.
const (
	maxDepth = 16
	maxNodes = 20000
	maxText  = 4 << 20
)

var (
	errDeep  = fmt.Errorf("nested more than %d deep", maxDepth)
	errLarge = fmt.Errorf("more than %d values or %d MiB of text", maxNodes, maxText>>20)
)

// Kind is the type of a value.
type Kind uint8

// The types of values.
const (
	Dict    Kind = iota // Items are keys and values in turn
	Array               // Items are its values
	String              // Text is it
	Integer             // Text is decimal; what does not fit into 64 bits is described
	Real                // Text is decimal
	Bool                // Text is true or false
	Data                // its bytes are not kept
	Date                // Text is RFC 3339, or empty where it cannot be
)

// Node is one value.
type Node struct {
	Kind  Kind
	Text  string
	Items []*Node
}

// Parse reads an XML or binary property list. A key may stand twice in a
// dictionary.
func Parse(data []byte) (*Node, error) {
	switch {
	case len(data) > MaxFile:
		return nil, errors.New("larger than 1 MiB")
	case bytes.HasPrefix(data, []byte(binaryMagic)):
		return parseBinary(data)
	}
	return parseXML(data)
}

// Get returns the first value of a key in a dictionary, or nil.
func (n *Node) Get(key string) *Node {
	if n == nil || n.Kind != Dict {
		return nil
	}
	for i := 0; i+1 < len(n.Items); i += 2 {
		if n.Items[i].Text == key {
			return n.Items[i+1]
		}
	}
	return nil
}

// String returns the text of a key in a dictionary, or "" where there is none.
func (n *Node) String(key string) string {
	if v := n.Get(key); v != nil && v.Kind == String {
		return v.Text
	}
	return ""
}

// budget counts what a file makes of itself.
type budget struct{ nodes, text int }

func (b *budget) take(text int) error {
	b.nodes++
	if b.text += text; b.nodes > maxNodes || b.text > maxText {
		return errLarge
	}
	return nil
}

func scalar(kind Kind, text string) *Node { return &Node{Kind: kind, Text: text} }

func truth(v bool) *Node { return scalar(Bool, strconv.FormatBool(v)) }
