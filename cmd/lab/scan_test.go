package lab

import (
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"golang.org/x/text/unicode/norm"
)

// TestFindsEveryForm writes a name into files as other programs would, and looks
// for it. The encodings are made here by other means than in Forms.
func TestFindsEveryForm(t *testing.T) {
	const name = "zzëf31b2c9"
	wide := func(s string) string {
		var b strings.Builder
		for _, u := range utf16.Encode([]rune(s)) {
			b.Write([]byte{byte(u & 0xff), byte(u >> 8)})
		}
		return b.String()
	}
	for _, c := range []struct{ form, text string }{
		{"as it is", "user=" + name},
		{"upper case", strings.ToUpper(name)},
		{"title case", "Zzëf31b2c9"},
		{"decomposed", norm.NFD.String(name)},
		{"decomposed, upper case", norm.NFD.String(strings.ToUpper(name))},
		{"utf-16le", "\xff\xfe" + wide(`C:\Users\`+name)},
		{"hex", hex.EncodeToString([]byte("u:" + name))},
		{"hex, upper case", strings.ToUpper(hex.EncodeToString([]byte(name)))},
		{"hex of upper case", hex.EncodeToString([]byte(strings.ToUpper(name)))},
		{"base64 at 0", base64.StdEncoding.EncodeToString([]byte(name + "/bin"))},
		{"base64 at 1", base64.StdEncoding.EncodeToString([]byte("x" + name + "/bin"))},
		{"base64 at 2", base64.StdEncoding.EncodeToString([]byte("xy" + name + "?"))},
		{"base64 url", base64.URLEncoding.EncodeToString([]byte("/home/" + name))},
		{"base64 of the decomposed", base64.StdEncoding.EncodeToString([]byte("/" + norm.NFD.String(name)))},
		{"percent in a path", "/home/" + url.PathEscape(name)},
		{"percent in a query", url.Values{"u": {name}}.Encode()},
		{"percent, lower case", "zz%c3%abf31b2c9"},
		{"percent, every byte", "%7A%7A%C3%AB%66%33%31%62%32%63%39"},
		{"json escape", `{"u":"zz\u00ebf31b2c9"}`},
		{"json escape, upper case", `{"u":"zz\u00EBf31b2c9"}`},
		{"json, every letter", `\u007a\u007a\u00eb\u0066\u0033\u0031\u0062\u0032\u0063\u0039`},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "control"), []byte("before "+c.text+" after"), 0o600); err != nil {
			t.Fatal(err)
		}
		hits, err := Scan([]string{name, "zzabsent"}, dir)
		if err != nil || len(hits) != 1 || hits[0].Name != name {
			t.Errorf("Scan of a file with the name %s = %v, %v; want one hit", c.form, hits, err)
		}
	}
}

// TestFindsBase64OfEverything: whatever stands before and after a name, and in
// either alphabet, the letters that belong to it alone are found.
func TestFindsBase64OfEverything(t *testing.T) {
	s := NewSearcher("zz7fa31b2c")
	for before := range 7 {
		for after := range 4 {
			text := strings.Repeat("\xff", before) + "zz7fa31b2c" + strings.Repeat("\xfe", after)
			for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding} {
				if len(s.In("", []byte(enc.EncodeToString([]byte(text))))) != 1 {
					t.Errorf("not found in base64 after %d and before %d bytes", before, after)
				}
			}
		}
	}
}

func TestFindsNamesOfFiles(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "of-ZZ7FA31B2C", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	hits, err := Scan([]string{"zz7fa31b2c"}, dir)
	if err != nil || len(hits) != 1 {
		t.Errorf("Scan of a folder called so = %v, %v; want one hit", hits, err)
	}
}

func TestFormsAreDistinct(t *testing.T) {
	var all []string
	for _, f := range Forms("zzëf31b2c9") {
		if slices.Contains(all, string(f.Bytes)) {
			t.Errorf("%s stands twice", f.Kind)
		}
		all = append(all, string(f.Bytes))
	}
	if len(all) < 60 {
		t.Errorf("there are %d forms; want the product of spellings and encodings", len(all))
	}
	if len(Forms("")) != 0 {
		t.Error("the empty name has a form, which every file would hold")
	}
}
