package view

import (
	"embed"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
)

// words holds the message catalogue: a file for each language, named by its code,
// with a line "id = text" for each message. {name} in a text stands for a value.
// Another language is another file: Missing and the tests say what it lacks.
//
//go:embed words/*.txt
var words embed.FS

// Lang is a language that people are told things in. The zero Lang is English.
type Lang uint8

// English is the language in which a text is told that another one lacks.
const English Lang = 0

// language is one file of the catalogue.
type language struct {
	code  string
	texts map[string]string
	order []string // ids as the file has them
	wrong []string // lines that say nothing, or say it twice
}

// catalogue reads the files once, when the first text is asked for: an agent that
// nobody asks holds none of them.
var catalogue = sync.OnceValue(func() []language {
	names, _ := fs.Glob(words, "words/*.txt")
	var all []language
	for _, name := range names {
		data, _ := words.ReadFile(name)
		all = append(all, parseWords(strings.TrimSuffix(path.Base(name), ".txt"), string(data)))
	}
	slices.SortStableFunc(all, func(a, b language) int {
		switch {
		case a.code == b.code:
			return 0
		case a.code == "en":
			return -1
		case b.code == "en":
			return 1
		}
		return strings.Compare(a.code, b.code)
	})
	return all
})

// parseWords reads one file. Empty lines and those that begin with # say nothing.
func parseWords(code, text string) language {
	l := language{code: code, texts: map[string]string{}}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		id, words, ok := strings.Cut(line, " = ")
		id, words = strings.TrimSpace(id), strings.TrimSpace(words)
		if _, twice := l.texts[id]; !ok || words == "" || twice {
			l.wrong = append(l.wrong, line)
			continue
		}
		l.texts[id] = words
		l.order = append(l.order, id)
	}
	return l
}

// Languages returns every language that there is a file of, English first.
func Languages() []Lang {
	var all []Lang
	for i := range catalogue() {
		all = append(all, Lang(i))
	}
	return all
}

// get returns the language's file; that of English where there is none.
func (l Lang) get() language {
	all := catalogue()
	if int(l) >= len(all) {
		return all[English]
	}
	return all[l]
}

// String returns the language's code.
func (l Lang) String() string { return l.get().code }

// ParseLang returns the language of a code or a locale, such as de or
// de_AT.UTF-8, and false for one that there is no text in.
func ParseLang(name string) (Lang, bool) {
	name = strings.ToLower(name)
	if i := strings.IndexAny(name, "_-.@"); i >= 0 {
		name = name[:i]
	}
	for i, l := range catalogue() {
		if l.code == name {
			return Lang(i), true
		}
	}
	return English, false
}

// Text returns the message in a language, with each {name} replaced by its
// value; values come as name, value, name, value. What the language lacks is
// told in English, and an id that there is no text for is returned as it is.
func (l Lang) Text(id string, values ...string) string {
	text, ok := l.find(id)
	if !ok {
		return id
	}
	pairs := slices.Clone(values)
	for i := range len(pairs) / 2 {
		pairs[2*i] = "{" + pairs[2*i] + "}"
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// find returns the text of an id, in English where l has none.
func (l Lang) find(id string) (string, bool) {
	if text, ok := l.get().texts[id]; ok {
		return text, true
	}
	text, ok := English.get().texts[id]
	return text, ok
}

// Key says in plain words what a kind of data is.
func (l Lang) Key(key string) string { return l.Text("key." + key) }

// Knows reports whether key is a kind of data.
func (l Lang) Knows(key string) bool { return has("key." + key) }

// Level says in plain words how much of a kind of data leaves at a level.
func (l Lang) Level(key, level string) string {
	if id := "level." + key + "." + level; has(id) {
		return l.Text(id)
	}
	return l.Text("level." + level)
}

// Layer says in plain words who speaks in a layer of the settings.
func (l Lang) Layer(layer string) string { return l.Text("layer." + layer) }

func has(id string) bool {
	_, ok := English.find(id)
	return ok
}

// Missing names what the language lacks: lines that cannot be read, ids that
// English has and it has not, ids that English does not know, and texts whose
// {names} are not those of English.
func (l Lang) Missing() []string {
	own, all := l.get(), English.get()
	lacks := slices.Clone(own.wrong)
	for _, id := range all.order {
		text, ok := own.texts[id]
		if !ok {
			lacks = append(lacks, id+": no text")
		} else if !slices.Equal(placeholders(text), placeholders(all.texts[id])) {
			lacks = append(lacks, id+": other {names} than in English")
		}
	}
	for _, id := range own.order {
		if _, ok := all.texts[id]; !ok {
			lacks = append(lacks, id+": not in English")
		}
	}
	return lacks
}

// MissingKey names what the language lacks to speak of a key and its levels.
func (l Lang) MissingKey(key string, levels []string) []string {
	var lacks []string
	texts := l.get().texts
	if texts["key."+key] == "" {
		lacks = append(lacks, "key."+key)
	}
	for _, level := range levels {
		if texts["level."+key+"."+level] == "" && texts["level."+level] == "" {
			lacks = append(lacks, "level."+key+"."+level)
		}
	}
	return lacks
}

// placeholders returns the {names} in a text, sorted.
func placeholders(text string) []string {
	var names []string
	for _, part := range strings.Split(text, "{")[1:] {
		name, _, _ := strings.Cut(part, "}")
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
