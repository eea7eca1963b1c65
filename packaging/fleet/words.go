package fleet

import (
	"embed"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/discreet-agent/discreet/agent/view"
	"github.com/discreet-agent/discreet/configs"
)

// words holds the texts for each language: a line is "id = text", {name} stands for
// a value. What levels mean is told in the words of agent/view, as people at the
// device are told it.
//
//go:embed words/*.txt
var words embed.FS

// language is one language of the templates.
type language struct {
	code, culture string
	texts         map[string]string
	levels        view.Lang
	lacks         map[string]bool
}

// loadLanguages returns the languages, English first.
func loadLanguages() ([]*language, error) {
	var all []*language
	for _, c := range []struct{ code, culture string }{{"en", "en-US"}, {"de", "de-DE"}} {
		data, err := words.ReadFile("words/" + c.code + ".txt")
		if err != nil {
			return nil, fmt.Errorf("read words: %w", err)
		}
		l := &language{code: c.code, culture: c.culture, texts: map[string]string{}, lacks: map[string]bool{}}
		l.levels, _ = view.ParseLang(c.code)
		for line := range strings.Lines(string(data)) {
			if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
				continue
			}
			id, text, ok := strings.Cut(line, " = ")
			if _, twice := l.texts[id]; !ok || twice {
				return nil, fmt.Errorf("packaging/fleet/words/%s.txt: %q says nothing, or says it twice", c.code, line)
			}
			l.texts[id] = text
		}
		all = append(all, l)
	}
	return all, nil
}

// missing returns the ids that a text was asked for and that have none.
func (l *language) missing() []string { return slices.Sorted(maps.Keys(l.lacks)) }

// text returns the text of an id with its values, given as name, value, name, value.
func (l *language) text(id string, values ...string) string {
	text, ok := l.texts[id]
	if !ok {
		l.lacks[id] = true
		return id
	}
	for i := 0; i+1 < len(values); i += 2 {
		text = strings.ReplaceAll(text, "{"+values[i]+"}", values[i+1])
	}
	return text
}

// docID names the text of a key. The keys below tighten and the floor are those of
// privacy again; collectors are all alike.
func docID(path string) string {
	for _, again := range []string{"privacy.tighten.", "privacy_floor."} {
		if rest, ok := strings.CutPrefix(path, again); ok {
			return "privacy." + rest
		}
	}
	if parts := strings.Split(path, "."); parts[0] == "collectors" && len(parts) > 1 {
		parts[1] = "*"
		return strings.Join(parts, ".")
	}
	return path
}

// doc says what a key is. English is in the table of keys, and in the catalogue
// only where the table speaks of files.
func (l *language) doc(s configs.Setting) string {
	id := "doc." + docID(s.Path)
	if _, ok := l.texts[id]; !ok && l.code == "en" && s.Doc != "" {
		return s.Doc
	}
	return l.text(id, "name", last(s.Path))
}

// choice says what a choice is: a level in the words that people are told it in,
// any other as a file spells it.
func (l *language) choice(s configs.Setting, choice string) string {
	if s.Level == "" {
		return choice
	}
	return choice + ": " + l.levels.Level(s.Level, choice)
}

// want says what a value looks like.
func (l *language) want(s configs.Setting) string {
	switch s.Form {
	case configs.FormChoice:
		return l.text("want.choice", "choices", strings.Join(s.Choices, ", "))
	case configs.FormSwitch:
		return l.text("want.switch")
	case configs.FormNumber:
		return l.text("want.number", "min", strconv.FormatInt(s.Min, 10), "max", strconv.FormatInt(s.Max, 10))
	case configs.FormList:
		return l.text("want.list", "each", l.text("want."+s.Kind, "max", strconv.FormatInt(s.Max, 10)))
	case configs.FormEntries:
		return l.text("want.entries")
	}
	return l.text("want."+s.Kind, "max", strconv.FormatInt(s.Max, 10))
}

// unset says what holds where a policy does not name the key.
func (l *language) unset(s configs.Setting) string {
	switch {
	case strings.HasPrefix(s.Path, "privacy.tighten.") || strings.HasPrefix(s.Path, "privacy_floor."):
		return l.text("unset.bound")
	case s.Level != "":
		return l.text("unset.level", "level", s.Balanced)
	}
	if def := plain(s); def != "" {
		return l.text("unset.default", "default", def)
	}
	return l.text("unset.nothing")
}

// plain writes a default in one word; "" where there is none.
func plain(s configs.Setting) string {
	switch v := s.Default.(type) {
	case string:
		return v
	case int:
		return strconv.Itoa(v)
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}

// help is the text beside a setting in a dialog.
func (l *language) help(s configs.Setting, windows bool) string {
	lines := []string{l.doc(s) + ".", ""}
	switch {
	case strings.HasPrefix(s.Path, "privacy.tighten."):
		lines = append(lines, l.text("help.tighten"))
	case strings.HasPrefix(s.Path, "privacy_floor."):
		lines = append(lines, l.text("help.floor"))
	}
	lines = append(lines, l.text("help.key", "key", s.Path, "want", l.want(s)))
	switch {
	case s.Path == "privacy.preset":
		lines = append(lines, l.text("help.preset"))
	case s.Level != "":
		lines = append(lines, l.text("help.strictest"))
	case windows && s.Form == configs.FormSwitch:
		lines = append(lines, l.text("help.switch"))
	case windows && s.Form == configs.FormEntries:
		lines = append(lines, l.text("help.entries"))
	case windows && s.Form == configs.FormList:
		lines = append(lines, l.text("help.list"))
	}
	if s.Example != "" {
		lines = append(lines, l.text("help.example", "example", strings.Trim(s.Example, `"`)))
	}
	return strings.Join(append(lines, l.unset(s), l.text("help.explain", "key", s.Path)), "\n")
}

// last returns the last word of a path.
func last(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }

// section returns the path above a path, "" at the top.
func section(path string) string {
	if i := strings.LastIndexByte(path, '.'); i >= 0 {
		return path[:i]
	}
	return ""
}

// id is a path as an id of XML: words joined by underscores.
func id(path string) string { return strings.ReplaceAll(path, ".", "_") }

// splitPath returns the words of a path, none of the empty one.
func splitPath(path string) []string {
	if path == "" {
		return nil
	}
	return strings.Split(path, ".")
}
