package view

import (
	"slices"
	"testing"
)

// german is the language that tests compare English with.
func german(t *testing.T) Lang {
	t.Helper()
	l, ok := ParseLang("de")
	if !ok {
		t.Fatal("there is no German")
	}
	return l
}

// TestCatalogueIsComplete names what each language lacks.
func TestCatalogueIsComplete(t *testing.T) {
	all := Languages()
	if len(all) < 2 || all[0].String() != "en" {
		t.Fatalf("Languages() = %v; want English first, and German", all)
	}
	for _, l := range all {
		for _, lacks := range l.Missing() {
			t.Errorf("words/%s.txt: %s", l, lacks)
		}
	}
	if n := len(English.get().order); n < 100 {
		t.Errorf("catalogue has %d texts; want all of them", n)
	}
}

func TestParseWordsRefuses(t *testing.T) {
	l := parseWords("xx", "# a remark\n\na.b = one\na.b = twice\nnothing\nempty = \nc = {x} and {y}\r\n")
	if want := []string{"a.b = twice", "nothing", "empty ="}; !slices.Equal(l.wrong, want) {
		t.Errorf("parseWords: wrong = %q; want %q", l.wrong, want)
	}
	if l.texts["a.b"] != "one" || l.texts["c"] != "{x} and {y}" || len(l.texts) != 2 {
		t.Errorf("parseWords: texts = %q", l.texts)
	}
	if got := placeholders("{y} and {x}"); !slices.Equal(got, []string{"x", "y"}) {
		t.Errorf("placeholders = %q", got)
	}
}

func TestParseLang(t *testing.T) {
	for in, want := range map[string]string{
		"de": "de", "de_AT.UTF-8": "de", "DE-ch": "de", "de@euro": "de",
		"en_GB.UTF-8": "en", "C": "en", "C.UTF-8": "en", "fr_FR": "en", "": "en",
	} {
		if got, _ := ParseLang(in); got.String() != want {
			t.Errorf("ParseLang(%q) = %s; want %s", in, got, want)
		}
	}
}

func TestText(t *testing.T) {
	if got := german(t).Text("pause.left", "left", "3"); got != "Heute noch mögliche Pausen: 3." {
		t.Errorf("Text = %q; want the count in it", got)
	}
	if got := English.Text("no.such"); got != "no.such" {
		t.Errorf("Text(no.such) = %q; want the id", got)
	}
	if got := Lang(200).Text("pause.off"); got != English.Text("pause.off") {
		t.Errorf("Text of no language = %q; want English", got)
	}
}
