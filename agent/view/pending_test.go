package view

import (
	"strings"
	"testing"
	"time"
)

// TestPageTellsWhatIsComing: what a signed floor will loosen stands in both forms of
// the page, with its time and in plain words, in place of the word that nothing will.
func TestPageTellsWhatIsComing(t *testing.T) {
	at := time.Date(2026, 12, 8, 9, 30, 0, 0, time.Local)
	p := Page{Preset: "balanced", Pseudonyms: "device_key", Signers: []string{"ab12", "cd34"}, Pending: []Pending{
		{Key: "username", Before: "drop", After: "cleartext", From: at}, {Key: "privacy.exclude_programs", From: at}}}
	for _, l := range Languages() {
		text, html := &strings.Builder{}, &strings.Builder{}
		if err := p.WriteText(text, l); err != nil {
			t.Fatal(err)
		}
		if err := p.WriteHTML(html, l); err != nil {
			t.Fatal(err)
		}
		for form, out := range map[string]string{"text": text.String(), "html": html.String()} {
			for _, want := range []string{"2026-12-08 09:30", "privacy.exclude_programs", "ab12, cd34", "cleartext"} {
				if !strings.Contains(out, want) {
					t.Errorf("%s in %s lacks %q", form, l, want)
				}
			}
			if strings.Contains(out, l.Text("change.none")) {
				t.Errorf("%s in %s says that nothing will change", form, l)
			}
		}
	}
}
