package view

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// hostile are texts of the settings that would steer a browser or a terminal.
func hostile() Page {
	made := time.Date(2026, 5, 4, 9, 0, 0, 0, time.UTC)
	return Page{
		Preset: "balanced", Pseudonyms: "device_key",
		SetBy:   `<script>alert(1)</script>`,
		Purpose: "a\x1b[2Jb\u202ec", Contact: `" onmouseover='x' <img src=//evil.example>`,
		LegalBasis: "\xff\xfe & co", Gateway: `gw.example:8443"><link rel=stylesheet href=//evil.example>`,
		Keys:    []PageKey{{Key: "username", Level: "hashed", Layer: "file", Source: `" onclick="x"</td><script>:3`}},
		Pending: []Pending{{Key: "username", Before: "hashed", After: "cleartext", From: made}, {Key: "pause<b>", From: made}},
		Made:    &made,
	}
}

func render(t *testing.T, p Page, l Lang) string {
	t.Helper()
	b := &strings.Builder{}
	if err := p.WriteHTML(b, l); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// onPage are the elements that the page may hold, and their attributes.
var onPage = map[string][]string{
	"html": {"lang"}, "head": nil, "meta": {"charset", "http-equiv", "content", "name"}, "title": nil, "style": nil,
	"body": nil, "main": nil, "footer": nil, "h1": nil, "h2": nil, "p": {"class"}, "strong": nil, "code": nil,
	"table": {"class", "role"}, "caption": nil, "thead": nil, "tbody": nil, "tr": {"role"},
	"th": {"scope", "role"}, "td": {"role", "data-col"},
}

// elements parses a page as XML with HTML's void elements, strictly enough that
// each tag must be closed in turn, and refuses what may not stand on it.
func elements(t *testing.T, out string) map[string]int {
	t.Helper()
	dec := xml.NewDecoder(strings.NewReader(strings.TrimPrefix(out, "<!doctype html>")))
	dec.AutoClose, dec.Entity = []string{"meta"}, xml.HTMLEntity
	dec.Strict = false // for the void elements alone: depth is checked below
	seen, depth := map[string]int{}, []string{}
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("page cannot be parsed: %v", err)
		}
		switch e := tok.(type) {
		case xml.StartElement:
			attrs, known := onPage[e.Name.Local]
			if !known {
				t.Errorf("page holds <%s>", e.Name.Local)
			}
			for _, a := range e.Attr {
				if !slices.Contains(attrs, a.Name.Local) {
					t.Errorf("<%s> has the attribute %s", e.Name.Local, a.Name.Local)
				}
			}
			seen[e.Name.Local]++
			depth = append(depth, e.Name.Local)
		case xml.EndElement:
			if len(depth) == 0 || depth[len(depth)-1] != e.Name.Local {
				t.Fatalf("</%s> closes %v", e.Name.Local, depth)
			}
			depth = depth[:len(depth)-1]
		}
	}
	if len(depth) != 0 {
		t.Errorf("page leaves open %v", depth)
	}
	return seen
}

func TestS60PageIsOneFileWithoutScript(t *testing.T) {
	for _, l := range Languages() {
		out := render(t, hostile(), l)
		seen := elements(t, out)
		for name, want := range map[string]int{"html": 1, "main": 1, "h1": 1, "h2": 6, "title": 1, "table": 2, "caption": 2, "style": 1} {
			if seen[name] != want {
				t.Errorf("page in %s has %d <%s>; want %d", l, seen[name], name, want)
			}
		}
		for _, never := range []string{"http:", "https:", "//", "@import", "url(", "\x1b", "\u202e", "\xff"} {
			if body := strings.ReplaceAll(out, "=//evil.example", ""); strings.Contains(body, never) {
				t.Errorf("page in %s holds %q", l, never)
			}
		}
		for _, want := range []string{"default-src 'none'", "&lt;script&gt;alert(1)", "style-src 'sha256-", `<html lang="` + l.String() + `">`, "color-scheme:light dark", "@media print", l.Text("never.text")} {
			if !strings.Contains(out, want) {
				t.Errorf("page in %s lacks %q", l, want)
			}
		}
	}
}

// TestPageTellsWhatWillChange looks for what was announced, and for its absence.
func TestPageTellsWhatWillChange(t *testing.T) {
	for _, l := range Languages() {
		p := hostile()
		when := p.Made.Local().Format(time.DateTime)
		if out, want := render(t, p, l), l.Text("change.due", "when", when, "key", "username", "before", "hashed", "after", "cleartext"); !strings.Contains(out, want) {
			t.Errorf("page in %s lacks %q", l, want)
		}
		p.Pending = nil
		if out := render(t, p, l); !strings.Contains(out, l.Text("change.none")) {
			t.Errorf("page in %s does not say that nothing will change", l)
		}
	}
}

// TestPageContrast computes the contrast of every colour of text on its ground,
// as WCAG 2 does: 4.5 at least.
func TestPageContrast(t *testing.T) {
	for _, pair := range [][2]string{{"1b1b1b", "ffffff"}, {"555555", "ffffff"}, {"eeeeee", "181818"}, {"bbbbbb", "181818"}} {
		a, b := luminance(pair[0]), luminance(pair[1])
		if got := (max(a, b) + 0.05) / (min(a, b) + 0.05); got < 4.5 {
			t.Errorf("contrast of #%s on #%s = %.2f; want 4.5", pair[0], pair[1], got)
		}
	}
	known := []string{"1b1b1b", "fff", "555", "ccc", "1a6b3c", "b00020", "eee", "181818", "444", "bbb", "6c9", "f88", "000"}
	for _, m := range regexp.MustCompile(`#([0-9a-f]{3,6})\b`).FindAllStringSubmatch(style, -1) {
		if !slices.Contains(known, m[1]) {
			t.Errorf("style has the colour #%s, whose contrast nobody looked at", m[1])
		}
	}
}

func TestTextPageCannotSteerTheTerminal(t *testing.T) {
	b := &strings.Builder{}
	if err := hostile().WriteText(b, English); err != nil {
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

// luminance is the relative luminance of a colour of six hex digits.
func luminance(hex string) float64 {
	var rgb [3]float64
	for i := range rgb {
		n, _ := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		if rgb[i] = float64(n) / 255; rgb[i] <= 0.04045 {
			rgb[i] /= 12.92
		} else {
			rgb[i] = math.Pow((rgb[i]+0.055)/1.055, 2.4)
		}
	}
	return 0.2126*rgb[0] + 0.7152*rgb[1] + 0.0722*rgb[2]
}
