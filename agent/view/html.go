package view

import (
	"crypto/sha256"
	"encoding/base64"
	"io"
	"strings"
	"time"
)

// style is the whole look of the page. The page names its digest, so that no
// other style holds. On a narrow screen a row of the wide table becomes a block,
// and each cell says of itself what column it is.
const style = `:root{color-scheme:light dark}` +
	`body{font:16px/1.5 system-ui,sans-serif;max-width:64rem;margin:0 auto;padding:1rem 1.25rem 3rem;color:#1b1b1b;background:#fff}` +
	`h1{font-size:1.7rem;line-height:1.2}h2{font-size:1.2rem;line-height:1.3;margin:2rem 0 .5rem}` +
	`table{border-collapse:collapse;width:100%}caption{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}` +
	`th,td{text-align:left;vertical-align:top;padding:.45rem .75rem .45rem 0;border-bottom:1px solid #ccc;overflow-wrap:break-word}` +
	`.said th{width:14rem;font-weight:600}code{font-size:.9em;overflow-wrap:normal}.state{border-left:.3rem solid #1a6b3c;padding:.4rem .8rem}.fault{border-color:#b00020}` +
	`@media(max-width:44rem){.said th,.said td{display:block;width:auto;border:0;padding:.1rem 0;overflow-wrap:anywhere}.said tr{display:block;padding:.4rem 0;border-bottom:1px solid #ccc}` +
	`.keys thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}.keys tr{display:block;padding:.6rem 0;border-bottom:1px solid #ccc}` +
	`.keys th,.keys td{display:block;border:0;padding:.1rem 0;overflow-wrap:anywhere}.keys td::before{content:attr(data-col) ": ";color:#555}}` +
	`@media(prefers-color-scheme:dark){body{color:#eee;background:#181818}th,td,.said tr,.keys tr{border-color:#444}.keys td::before{color:#bbb}.state{border-color:#6c9}.fault{border-color:#f88}}` +
	`@media print{:root{color-scheme:light}body{max-width:none;padding:0;font-size:10pt;color:#000;background:#fff}tr{break-inside:avoid}h2{break-after:avoid}thead{display:table-header-group}}`

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
	h.tag("<style>" + style + "</style>\n</head>\n<body>\n<main>\n")
	h.in("<h1>", l.Text("page.title"), "</h1>\n")
	h.in("<p>", l.Text("page.intro"), "</p>\n")
	state := `<p class="state"><strong>`
	if p.OnlyHealth {
		state = `<p class="state fault"><strong>`
	}
	h.in(state, p.state(l), "</strong></p>\n")
	first, rest := p.sections(l)
	h.section(first)
	h.keys(p.Keys, l)
	for _, s := range rest {
		h.section(s)
	}
	h.tag("</main>\n")
	if p.Made != nil {
		h.in("<footer><p>", l.Text("page.made", "when", p.Made.Local().Format(time.DateTime)), "</p></footer>\n")
	}
	h.tag("</body>\n</html>\n")
	_, err := io.WriteString(w, h.b.String())
	return err
}

func (p *page) section(s section) {
	p.in("<h2>", s.head, "</h2>\n")
	if len(s.pairs) > 0 {
		p.in("<table class=\"said\">\n<caption>", s.head, "</caption>\n<tbody>\n")
		for _, kv := range s.pairs {
			p.in("<tr><th scope=\"row\">", kv[0], "</th>")
			p.in("<td>", kv[1], "</td></tr>\n")
		}
		p.tag("</tbody>\n</table>\n")
	}
	for _, text := range s.text {
		p.in("<p>", text, "</p>\n")
	}
}

// keys writes the wide table. The roles keep it a table for a screen reader where
// the style lays its rows out as blocks.
func (p *page) keys(keys []PageKey, l Lang) {
	p.in("<h2>", l.Text("head.keys"), "</h2>\n<table class=\"keys\" role=\"table\">\n")
	p.in("<caption>", l.Text("head.keys"), "</caption>\n<thead>\n<tr role=\"row\">")
	for _, id := range []string{"col.key", "col.what", "col.leaves", "col.by"} {
		p.in("<th scope=\"col\" role=\"columnheader\">", l.Text(id), "</th>")
	}
	p.tag("</tr>\n</thead>\n<tbody>\n")
	cell := func(col string) { p.in("<td role=\"cell\" data-col=\"", l.Text(col), "\">") }
	for _, k := range keys {
		p.in("<tr role=\"row\"><th scope=\"row\" role=\"rowheader\"><code>", k.Key, "</code></th>")
		cell("col.what")
		p.in("", l.Key(k.Key), "</td>")
		cell("col.leaves")
		p.in("", l.Level(k.Key, k.Level), "")
		p.in(" (<code>", k.Level, "</code>)</td>")
		cell("col.by")
		p.in("", k.By(l), "</td></tr>\n")
	}
	p.tag("</tbody>\n</table>\n")
}
