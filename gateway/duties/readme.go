package duties

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/discreet-agent/discreet/gateway"
)

// readme says in words what the archive holds.
func (a *archive) readme(retention time.Duration) []byte {
	var b bytes.Buffer
	people, machines, rows := 0, 0, 0
	for _, s := range a.subjects {
		if s.Kind == gateway.Person {
			people++
		} else {
			machines++
		}
	}
	for _, t := range a.sorted() {
		rows += t.rows
	}
	fmt.Fprintf(&b, "What is stored about you\n========================\n\n")
	fmt.Fprintf(&b, "This archive holds all %d events that Discreet keeps about %s.\n", rows, who(people, machines))
	fmt.Fprintf(&b, "subjects.csv lists the names under which they are known.\n")
	if retention > 0 {
		fmt.Fprintf(&b, "Events are deleted %d days after they happened, by whole days.\n", int(retention.Hours()/24))
	}
	if a.sealed > 0 {
		b.WriteString("sealed_names.csv lists the names that devices sealed for the data protection officer.\nNobody else can open them. The column name is filled where the officer opened them\nfor this archive.\n")
	}
	b.WriteString(about)
	if a.hidden > 0 {
		fmt.Fprintf(&b, "\nIn %d rows the machine was used by somebody else. The name is left out there.\n", a.hidden)
	}
	fmt.Fprintf(&b, "\nThe files\n---------\n")
	for _, t := range a.sorted() {
		files := t.name + ".csv"
		if t.parts > 1 {
			files += fmt.Sprintf(" to %s-%d.csv", t.name, t.parts)
		}
		fmt.Fprintf(&b, "\n%s: %d rows, from %s to %s\n", files, t.rows, clock(time.UnixMilli(t.first)), clock(time.UnixMilli(t.last)))
		b.WriteString(wrap("columns: " + t.describe()))
	}
	if rows == 0 {
		b.WriteString("\nThere are no events.\n")
	}
	return b.Bytes()
}

func who(people, machines int) string {
	var parts []string
	for _, p := range []struct {
		n         int
		one, many string
	}{{people, "one person", "people"}, {machines, "one machine", "machines"}} {
		switch {
		case p.n == 1:
			parts = append(parts, p.one)
		case p.n > 1:
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.many))
		}
	}
	return strings.Join(parts, " and ")
}

const about = `
A text like p1.k1.abc... is a pseudonym. It stands for a name: the device made it
with a key before the event left, and the name itself was never sent. One name
gives one pseudonym for as long as the key is the same. @system and @service
stand for accounts of the system, which are no person's.

Times are UTC. Where bucket_seconds is not 0, the time is the beginning of an
interval of that length, and nothing finer was sent. An empty cell was not
measured, or the policy did not let it leave the device. A cell that a
spreadsheet would run as a formula begins with an apostrophe.
Behind a column stands in brackets what it can reveal, under the name that the
policy has for it; columns without brackets describe the machine or a program.
`

func (t *table) describe() string {
	parts := append([]string{}, leading...)
	for _, c := range t.columns {
		name := c.name
		if c.class != "" {
			name += " [" + c.class + "]"
		}
		parts = append(parts, name)
	}
	return strings.Join(parts, ", ")
}

// wrap breaks text into lines of at most 78 bytes, set in by two.
func wrap(text string) string {
	var b strings.Builder
	width := 0
	for i, word := range strings.Split(text, ", ") {
		switch {
		case i == 0:
			b.WriteString("  ")
			width = 2
		case width+len(", ")+len(word) > 78:
			b.WriteString(",\n  ")
			width = 2
		default:
			b.WriteString(", ")
			width += len(", ")
		}
		b.WriteString(word)
		width += len(word)
	}
	b.WriteByte('\n')
	return b.String()
}
