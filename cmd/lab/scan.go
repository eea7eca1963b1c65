package lab

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf16"

	"golang.org/x/text/unicode/norm"
)

// Form is one way in which a name can stand in a file.
type Form struct {
	Kind  string
	Bytes []byte
}

// Forms returns the byte forms in which a name could stand in a file: as it is,
// in upper, lower and title case, composed and decomposed, and each of these in
// UTF-8, UTF-16LE, hexadecimal, base64 at each of the three alignments, percent
// form and with the escapes of JSON.
func Forms(name string) []Form {
	var forms []Form
	seen := map[string]bool{}
	for _, s := range spellings(name) {
		for _, f := range encodings(s) {
			if !seen[string(f.Bytes)] && len(f.Bytes) > 0 {
				seen[string(f.Bytes)] = true
				forms = append(forms, f)
			}
		}
	}
	return forms
}

// spellings returns what a program may make of a name without encoding it.
func spellings(name string) []string {
	var all []string
	first := []rune(name)
	title := ""
	if len(first) > 0 {
		title = strings.ToUpper(string(first[:1])) + strings.ToLower(string(first[1:]))
	}
	for _, s := range []string{name, strings.ToUpper(name), strings.ToLower(name), title} {
		all = append(all, s, norm.NFD.String(s), norm.NFC.String(s))
	}
	return all
}

func encodings(s string) []Form {
	b := []byte(s)
	h := hex.EncodeToString(b)
	var wide []byte
	var some, every strings.Builder
	for _, u := range utf16.Encode([]rune(s)) {
		wide = append(wide, byte(u), byte(u>>8))
		fmt.Fprintf(&every, `\u%04x`, u)
		if u < 0x80 {
			some.WriteByte(byte(u))
		} else {
			fmt.Fprintf(&some, `\u%04x`, u)
		}
	}
	var percent strings.Builder
	for _, c := range b {
		fmt.Fprintf(&percent, "%%%02X", c)
	}
	path := url.PathEscape(s)
	forms := []Form{
		{"utf-8", b}, {"utf-16le", wide}, {"hex", []byte(h)}, {"hex upper", []byte(strings.ToUpper(h))},
		{"percent", []byte(path)}, {"percent lower", []byte(lowerPercent(path))},
		{"percent every byte", []byte(percent.String())}, {"percent every byte lower", []byte(strings.ToLower(percent.String()))},
		{"json", []byte(some.String())}, {"json upper", []byte(upperEscapes(some.String()))},
		{"json every letter", []byte(every.String())}, {"json every letter upper", []byte(upperEscapes(every.String()))},
	}
	for shift := range 3 {
		padded := append(make([]byte, shift), b...)
		// The letters at the edges depend on the neighbours: leave them out.
		from, to := (shift*8+5)/6, len(padded)*8/6
		if to-from >= 6 {
			forms = append(forms,
				Form{fmt.Sprintf("base64 at %d", shift), []byte(base64.RawStdEncoding.EncodeToString(padded)[from:to])},
				Form{fmt.Sprintf("base64 url at %d", shift), []byte(base64.RawURLEncoding.EncodeToString(padded)[from:to])})
		}
	}
	return forms
}

// lowerPercent writes the digits of %XX in lower case and leaves the rest.
func lowerPercent(s string) string {
	b := []byte(s)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:i+3], bytes.ToLower(b[i+1:i+3]))
		}
	}
	return string(b)
}

// upperEscapes writes the digits of \uxxxx in upper case and leaves the rest.
func upperEscapes(s string) string {
	b := []byte(s)
	for i := 0; i+5 < len(b); i++ {
		if b[i] == '\\' && b[i+1] == 'u' {
			copy(b[i+2:i+6], bytes.ToUpper(b[i+2:i+6]))
		}
	}
	return string(b)
}

// Hit is a file in which a name was found, and in which form.
type Hit struct{ File, Name, Form string }

// Searcher looks for names in all their forms.
type Searcher struct {
	names []string
	forms [][]Form
}

// NewSearcher prepares the forms of the names.
func NewSearcher(names ...string) *Searcher {
	s := &Searcher{names: names}
	for _, n := range names {
		s.forms = append(s.forms, Forms(n))
	}
	return s
}

// In returns the names found in b, each once; where stands in the hits.
func (s *Searcher) In(where string, b []byte) []Hit {
	var hits []Hit
	for i, forms := range s.forms {
		for _, f := range forms {
			if bytes.Contains(b, f.Bytes) {
				hits = append(hits, Hit{where, s.names[i], f.Kind})
				break
			}
		}
	}
	return hits
}

// Files searches every file below the folders, their names and those of the
// folders included.
func (s *Searcher) Files(dirs ...string) (hits []Hit, files int, err error) {
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if file != dir {
				hits = append(hits, s.In("the name of "+file, []byte(d.Name()))...)
			}
			if !d.Type().IsRegular() {
				return nil
			}
			b, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			files++
			hits = append(hits, s.In(file, b)...)
			return nil
		})
		if err != nil {
			return hits, files, err
		}
	}
	return hits, files, nil
}

// Scan searches every file below the folders for every form of the names.
func Scan(names []string, dirs ...string) ([]Hit, error) {
	hits, _, err := NewSearcher(names...).Files(dirs...)
	return hits, err
}
