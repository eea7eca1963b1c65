package view

import (
	"crypto/sha256"
	"encoding/base64"
	"io"
	"strings"
)

// style is the whole look of the page. The page names its digest, so that no
// other style holds.
const style = `body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1b1b;background:#fff}` +
	`h1,h2{line-height:1.2}table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.4rem .6rem;border-bottom:1px solid #ccc;overflow-wrap:anywhere}` +
	`code{font-size:.9em}@media(prefers-color-scheme:dark){body{color:#eee;background:#181818}th,td{border-color:#444}}`

// page writes HTML. What is handed to text is escaped; tags are constants of
// this file.
type page struct{ b strings.Builder }

func (p *page) tag(constant string) { p.b.WriteString(constant) }

func (p *page) text(s string) { p.b.WriteString(escape(s)) }

// in writes a text between an opening and a closing tag.
func (p *page) in(open, s, end string) {
	p.tag(open)
	p.text(s)
	p.tag(end)
}

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;", "`", "&#96;")

// escape makes a text safe between tags and in a quoted attribute.
func escape(s string) string { return escaper.Replace(clean(strings.ToValidUTF8(s, "\uFFFD"))) }

// WriteHTML writes the page as one file that needs nothing else: no script, no
// picture, no address of anything.
func (p Page) WriteHTML(w io.Writer, l Lang) error {
	sum := sha256.Sum256([]byte(style))
	h := &page{}
	h.tag("<!doctype html>\n<html lang=\"" + l.String() + "\">\n<head>\n<meta charset=\"utf-8\">\n")
	h.tag(`<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-` +
		base64.StdEncoding.EncodeToString(sum[:]) + `'; base-uri 'none'; form-action 'none'">` + "\n")
	h.tag("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"referrer\" content=\"no-referrer\">\n")
	h.in("<title>", l.Text("page.title"), "</title>\n")
	h.tag("<style>" + style + "</style>\n</head>\n<body>\n")
	h.in("<h1>", l.Text("page.title"), "</h1>\n")
	h.in("<p>", l.Text("page.intro"), "</p>\n")
	h.in("<p><strong>", p.state(l), "</strong></p>\n")
	first, rest := p.sections(l)
	h.section(first)
	h.keys(p.Keys, l)
	for _, s := range rest {
		h.section(s)
	}
	h.tag("</body>\n</html>\n")
	_, err := io.WriteString(w, h.b.String())
	return err
}

func (p *page) section(s section) {
	p.in("<h2>", s.head, "</h2>\n")
	if len(s.pairs) > 0 {
		p.tag("<table>\n")
		for _, kv := range s.pairs {
			p.in("<tr><th scope=\"row\">", kv[0], "</th>")
			p.in("<td>", kv[1], "</td></tr>\n")
		}
		p.tag("</table>\n")
	}
	for _, text := range s.text {
		p.in("<p>", text, "</p>\n")
	}
}

func (p *page) keys(keys []PageKey, l Lang) {
	p.in("<h2>", l.Text("head.keys"), "</h2>\n<table>\n<tr>")
	for _, id := range []string{"col.key", "col.what", "col.leaves", "col.by"} {
		p.in("<th scope=\"col\">", l.Text(id), "</th>")
	}
	p.tag("</tr>\n")
	for _, k := range keys {
		p.in("<tr><td><code>", k.Key, "</code></td>")
		p.in("<td>", l.Key(k.Key), "</td>")
		p.in("<td>", l.Level(k.Key, k.Level), "")
		p.in(" (<code>", k.Level, "</code>)</td>")
		by := l.Layer(k.Layer)
		if k.Source != "" {
			by += ": " + k.Source
		}
		if k.BoundBy != "" {
			by += " (" + l.Text("bound."+k.BoundBy) + ")"
		}
		p.in("<td>", by, "</td></tr>\n")
	}
	p.tag("</table>\n")
}
