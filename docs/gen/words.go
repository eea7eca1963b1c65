package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/discreet-agent/discreet/agent/view"
	"github.com/discreet-agent/discreet/privacy"
)

const wordsHead = `# What people are told

"privacy show", "privacy explain" and "privacy inventory" tell each kind of data and
each level in these words. They come from agent/view/words, a file for each language;
a works council and a data protection officer can read them here. Another language is
another file there: "make generate" names what it lacks.
`

// wordsPage writes docs/words.md: what each key and level is called in each
// language. A text that is missing is an error that names it.
func wordsPage() ([]byte, error) {
	var b bytes.Buffer
	var lacks []string
	b.WriteString(wordsHead)
	for _, lang := range view.Languages() {
		for _, m := range lang.Missing() {
			lacks = append(lacks, fmt.Sprintf("agent/view/words/%s.txt: %s", lang, m))
		}
		fmt.Fprintf(&b, "\n## %s\n\n| key | %s | %s | %s |\n|---|---|---|---|\n", lang, lang.Text("col.what"), lang.Text("col.level"), lang.Text("col.leaves"))
		for k := range privacy.NumKeys {
			info := k.Info()
			var levels []string
			for _, l := range info.Levels {
				levels = append(levels, l.String())
				fmt.Fprintf(&b, "| `%s` | %s | `%s` | %s |\n", info.Name, cell(lang.Key(info.Name)), l, cell(lang.Level(info.Name, l.String())))
			}
			for _, id := range lang.MissingKey(info.Name, levels) {
				lacks = append(lacks, fmt.Sprintf("agent/view/words/%s.txt: %s: no text", lang, id))
			}
		}
	}
	if len(lacks) > 0 {
		return nil, fmt.Errorf("words are missing:\n%s", strings.Join(lacks, "\n"))
	}
	return b.Bytes(), nil
}
