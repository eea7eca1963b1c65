package view

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// section is a part of the page: a head, then rows of a name and a text, or
// plain paragraphs.
type section struct {
	head  string
	pairs [][2]string
	text  []string
}

// WriteText writes the page for a terminal.
func (p Page) WriteText(w io.Writer, l Lang) error {
	b := &strings.Builder{}
	b.WriteString(l.Text("page.title") + "\n\n" + l.Text("page.intro") + "\n" + p.state(l) + "\n")
	first, rest := p.sections(l)
	first.write(b)
	fmt.Fprintf(b, "\n%s\n", l.Text("head.keys"))
	t := tabwriter.NewWriter(b, 0, 4, 2, ' ', 0)
	fmt.Fprintf(t, "%s\t%s\t%s\n", strings.ToUpper(l.Text("col.key")), strings.ToUpper(l.Text("col.level")), strings.ToUpper(l.Text("col.by")))
	for _, k := range p.Keys {
		fmt.Fprintf(t, "%s\t%s\t%s\n", k.Key, k.Level, clean(k.By(l)))
	}
	t.Flush()
	fmt.Fprintln(b)
	for _, k := range p.Keys {
		fmt.Fprintf(b, "%s: %s: %s.\n", k.Key, l.Key(k.Key), l.Level(k.Key, k.Level))
	}
	for _, s := range rest {
		s.write(b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (s section) write(b *strings.Builder) {
	fmt.Fprintf(b, "\n%s\n", s.head)
	for _, kv := range s.pairs {
		fmt.Fprintf(b, "  %s: %s\n", kv[0], clean(kv[1]))
	}
	for _, text := range s.text {
		fmt.Fprintf(b, "  %s\n", clean(text))
	}
}

func (p Page) state(l Lang) string {
	switch {
	case p.OnlyHealth:
		return l.Text("page.only_health")
	case p.Live:
		return l.Text("page.live")
	}
	return l.Text("page.file")
}

// sections returns what stands before and after the kinds of data.
func (p Page) sections(l Lang) (first section, rest []section) {
	said := func(v string) string {
		if strings.TrimSpace(v) == "" {
			return l.Text("who.unsaid")
		}
		return v
	}
	first = section{head: l.Text("head.who"), pairs: [][2]string{
		{l.Text("who.set_by"), said(p.SetBy)},
		{l.Text("who.purpose"), said(p.Purpose)},
		{l.Text("who.basis"), said(p.LegalBasis)},
		{l.Text("who.contact"), said(p.Contact)},
		{l.Text("who.retention"), l.Text("who.days", "days", strconv.Itoa(p.Retention))},
		{l.Text("who.recipient"), p.recipient(l)},
		{l.Text("who.preset"), p.Preset},
		{l.Text("who.digest"), p.Digest},
		{l.Text("who.pseudonyms"), l.Text("pseudonym." + p.Pseudonyms)},
	}}
	if p.Since != nil {
		first.pairs = append(first.pairs, [2]string{l.Text("who.since"), p.Since.Local().Format(time.DateTime)})
	}
	floor := l.Text("change.nofloor")
	if len(p.Floor) > 0 {
		floor = l.Text("change.floor", "keys", strings.Join(p.Floor, ", "))
	}
	rest = []section{
		{head: l.Text("head.never"), text: []string{l.Text("never.text")}},
		{head: l.Text("head.change"), text: append(p.due(l), l.Text("change.rule"), floor)},
		{head: l.Text("head.pause"), text: p.Pause.Words(l)},
		{head: l.Text("head.rights"), text: []string{l.Text("rights.whoami"), l.Text("rights.preview")}},
	}
	return first, rest
}

// due says what was announced to change, and when.
func (p Page) due(l Lang) []string {
	var all []string
	for _, c := range p.Pending {
		all = append(all, c.Words(l))
	}
	if len(p.Pending) == 0 {
		all = append(all, l.Text("change.none"))
	}
	if len(p.Signers) > 0 {
		all = append(all, l.Text("change.signed", "keys", strings.Join(p.Signers, ", ")))
	}
	return all
}

// Words says in plain words what will change, and when.
func (c Pending) Words(l Lang) string {
	when := c.From.Local().Format(time.DateTime)
	if c.After == "" {
		return l.Text("change.loose", "when", when, "key", c.Key)
	}
	return l.Text("change.due", "when", when, "key", c.Key, "before", c.Before, "after", c.After)
}

func (p Page) recipient(l Lang) string { return Recipient(p.Gateway, l) }

// Recipient says who gets the data.
func Recipient(gateway string, l Lang) string {
	if gateway == "" {
		return l.Text("who.nogateway")
	}
	return l.Text("who.gateway", "address", gateway)
}

// By says in plain words who decided a level, and where.
func (k PageKey) By(l Lang) string {
	by := l.Layer(k.Layer)
	if k.Source != "" {
		by += ": " + k.Source
	}
	if k.BoundBy != "" {
		by += " (" + l.Text("bound."+k.BoundBy) + ")"
	}
	return by
}

// Words says in plain words whether a pause may be asked for, and whether one
// holds.
func (p Pause) Words(l Lang) []string {
	if !p.Allowed {
		return []string{l.Text("pause.refused")}
	}
	longest := strings.TrimSuffix((time.Duration(p.Max) * time.Second).String(), "0s")
	words := []string{l.Text("pause.allowed", "max", longest, "count", strconv.Itoa(p.PerDay)), l.Text("pause.seen")}
	if p.Until != nil {
		words = append(words, l.Text("pause.on", "until", p.Until.Local().Format("15:04:05")))
	}
	return words
}

// Clean is a text that came from settings or the system, fit for a terminal.
func Clean(s string) string { return clean(s) }

// clean takes from a text of the settings what would steer a terminal or turn
// the direction of writing.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return ' '
		}
		return r
	}, s)
}
