package view

import (
	"strings"
)

// Lang is a language that people are told things in.
type Lang uint8

// The languages. Another one is a constant here, its name in langNames, and its
// column in the catalogue: a test names what is missing.
const (
	English Lang = iota
	German
	numLangs
)

var langNames = [numLangs]string{"en", "de"}

// String returns the language's code.
func (l Lang) String() string {
	if l >= numLangs {
		return langNames[English]
	}
	return langNames[l]
}

// ParseLang returns the language of a code or a locale, such as de or
// de_AT.UTF-8, and false for one that there is no text in.
func ParseLang(name string) (Lang, bool) {
	name = strings.ToLower(name)
	if i := strings.IndexAny(name, "_-.@"); i >= 0 {
		name = name[:i]
	}
	for l, n := range langNames {
		if n == name {
			return Lang(l), true
		}
	}
	return English, false
}

// message is one text in every language. {name} stands for a value.
type message [numLangs]string

// Text returns the message in a language, with each {name} replaced by its
// value; values come as name, value, name, value. An id that there is no text
// for is returned as it is.
func (l Lang) Text(id string, values ...string) string {
	m, ok := find(id)
	if !ok {
		return id
	}
	if l >= numLangs {
		l = English
	}
	for i := range len(values) / 2 {
		values[2*i] = "{" + values[2*i] + "}"
	}
	return strings.NewReplacer(values...).Replace(m[l])
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
	_, ok := find(id)
	return ok
}

func find(id string) (message, bool) {
	for _, part := range [...]map[string]message{pageTexts, keyTexts, levelTexts, bundleTexts} {
		if m, ok := part[id]; ok {
			return m, true
		}
	}
	return message{}, false
}
