package view

import (
	"strings"
	"time"
)

// Pending is one thing that a signed floor will loosen.
type Pending struct {
	Key  string    `json:"key"`
	From string    `json:"from,omitempty"` // levels; "" for a list
	To   string    `json:"to,omitempty"`
	At   time.Time `json:"at"`
}

// coming says what will loosen and when, and who signed the floor.
func (p Page) coming(l Lang) []string {
	var words []string
	for _, c := range p.Pending {
		at := c.At.Local().Format("2006-01-02 15:04")
		if c.From == "" {
			words = append(words, l.Text("change.list", "at", at, "key", c.Key))
			continue
		}
		words = append(words, l.Text("change.level", "at", at, "key", c.Key, "what", l.Key(c.Key), "from", l.Level(c.Key, c.From), "to", l.Level(c.Key, c.To)))
	}
	if words == nil {
		words = append(words, l.Text("change.none"))
	}
	if len(p.Signers) > 0 {
		words = append(words, l.Text("change.signed", "keys", strings.Join(p.Signers, ", ")))
	}
	return words
}
