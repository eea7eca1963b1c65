package view

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

var placeholder = regexp.MustCompile(`\{[a-z]+\}`)

// TestCatalogueIsComplete refuses a text that lacks a language or a placeholder.
func TestCatalogueIsComplete(t *testing.T) {
	n := 0
	for _, part := range []map[string]message{pageTexts, keyTexts, levelTexts, bundleTexts} {
		for id, m := range part {
			n++
			want := placeholder.FindAllString(m[English], -1)
			slices.Sort(want)
			for l := range numLangs {
				got := placeholder.FindAllString(m[l], -1)
				slices.Sort(got)
				if strings.TrimSpace(m[l]) == "" || !slices.Equal(got, want) {
					t.Errorf("%s in %s = %q; want a text with the placeholders %q", id, l, m[l], want)
				}
			}
		}
	}
	if n < 100 {
		t.Errorf("catalogue has %d texts; want all of them", n)
	}
}

func TestParseLang(t *testing.T) {
	for in, want := range map[string]Lang{
		"de": German, "de_AT.UTF-8": German, "DE-ch": German, "de@euro": German,
		"en_GB.UTF-8": English, "C": English, "C.UTF-8": English, "fr_FR": English, "": English,
	} {
		if got, _ := ParseLang(in); got != want {
			t.Errorf("ParseLang(%q) = %s; want %s", in, got, want)
		}
	}
}

func TestText(t *testing.T) {
	if got := German.Text("who.days", "days", "30"); got != "30 Tage, so die Regel" {
		t.Errorf("Text = %q; want the days in it", got)
	}
	if got := English.Text("no.such"); got != "no.such" {
		t.Errorf("Text(no.such) = %q; want the id", got)
	}
}

// hostile are texts of the settings that would steer a browser or a terminal.
var hostile = Page{
	Preset: "balanced", Pseudonyms: "device_key",
	SetBy:   `<script>alert(1)</script>`,
	Purpose: "a\x1b[2Jb\u202ec", Contact: `" onmouseover='x' <img src=//evil.example>`,
	LegalBasis: "\xff\xfe & co",
	Keys:       []PageKey{{Key: "username", Level: "hashed", Layer: "file", Source: "</td><script>:3"}},
}

func TestS60PageIsOneFileWithoutScript(t *testing.T) {
	for l := range numLangs {
		b := &strings.Builder{}
		if err := hostile.WriteHTML(b, l); err != nil {
			t.Fatal(err)
		}
		out := b.String()
		for _, never := range []string{"<script", "<img", "src=\"", "href=", "http:", "https:", "@import", "url(", "\x1b", "\u202e", "\xff", " onmouseover='"} {
			if strings.Contains(out, never) {
				t.Errorf("page in %s holds %q", l, never)
			}
		}
		for _, want := range []string{"default-src 'none'", "&lt;script&gt;alert(1)", "style-src 'sha256-", `<html lang="` + l.String() + `">`, l.Text("change.none"), l.Text("never.text")} {
			if !strings.Contains(out, want) {
				t.Errorf("page in %s lacks %q", l, want)
			}
		}
	}
}

func TestTextPageCannotSteerTheTerminal(t *testing.T) {
	b := &strings.Builder{}
	if err := hostile.WriteText(b, English); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(b.String(), "\x1b\u202e") {
		t.Errorf("page holds control characters: %q", b.String())
	}
}

func FuzzEscape(f *testing.F) {
	f.Add(`<a href="x">'&`)
	f.Fuzz(func(t *testing.T, in string) {
		if out := escape(in); strings.ContainsAny(out, "<>\"'`\x00\x1b") {
			t.Errorf("escape(%q) = %q; want no character of markup", in, out)
		}
	})
}
