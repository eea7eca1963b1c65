package fleet

import (
	"bytes"
	"encoding/xml"
	"strings"
)

// writer writes XML by hand, line by line: the order and form of the lines are what
// a person compares between two versions.
type writer struct {
	b     bytes.Buffer
	depth int
}

// line writes one line.
func (w *writer) line(parts ...string) {
	w.b.WriteString(strings.Repeat("  ", w.depth))
	for _, p := range parts {
		w.b.WriteString(p)
	}
	w.b.WriteByte('\n')
}

// open writes the start of an element and goes one deeper.
func (w *writer) open(name string, attrs ...string) {
	w.line("<", name, attributes(attrs), ">")
	w.depth++
}

// shut writes the end of an element.
func (w *writer) shut(name string) {
	w.depth--
	w.line("</", name, ">")
}

// empty writes an element without content.
func (w *writer) empty(name string, attrs ...string) {
	w.line("<", name, attributes(attrs), "/>")
}

// leaf writes an element with text in it.
func (w *writer) leaf(name, text string, attrs ...string) {
	w.line("<", name, attributes(attrs), ">", escape(text), "</", name, ">")
}

// comment writes a comment on one line. Nothing in it is escaped, and two hyphens
// would end it.
func (w *writer) comment(text string) {
	w.line("<!-- ", strings.ReplaceAll(text, "--", "-"), " -->")
}

// attributes writes names and values, given in turn.
func attributes(pairs []string) string {
	var b strings.Builder
	for i := 0; i+1 < len(pairs); i += 2 {
		b.WriteString(" " + pairs[i] + `="` + escape(pairs[i+1]) + `"`)
	}
	return b.String()
}

// escape writes text so that XML reads it back. Line ends stay: dialogs show them.
func escape(s string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(s)) // a Buffer takes everything
	return strings.NewReplacer("&#xA;", "\n", "&#39;", "'", "&#34;", "&quot;").Replace(b.String())
}
