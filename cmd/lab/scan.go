package lab

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf16"

	"golang.org/x/text/unicode/norm"
)

// Forms returns the byte forms in which a name could stand in a file: as it is,
// in upper and lower case, decomposed, UTF-16, hexadecimal, base64 at each of
// the three alignments, and percent-encoded.
func Forms(name string) [][]byte {
	var forms [][]byte
	add := func(b []byte) {
		for _, have := range forms {
			if bytes.Equal(have, b) {
				return
			}
		}
		if len(b) > 0 {
			forms = append(forms, b)
		}
	}
	for _, s := range []string{name, strings.ToUpper(name), strings.ToLower(name), norm.NFD.String(name)} {
		add([]byte(s))
		add([]byte(hex.EncodeToString([]byte(s))))
		add([]byte(url.PathEscape(s)))
		var wide []byte
		for _, u := range utf16.Encode([]rune(s)) {
			wide = append(wide, byte(u), byte(u>>8))
		}
		add(wide)
		for shift := range 3 {
			enc := base64.RawStdEncoding.EncodeToString(append(make([]byte, shift), s...))
			// The letters at the edges depend on the neighbours: leave them out.
			from := (shift*8 + 5) / 6
			if to := len(enc) - 1; to-from >= 6 {
				add([]byte(enc[from:to]))
			}
		}
	}
	return forms
}

// Hit is a file in which a name was found.
type Hit struct{ File, Name string }

// Scan searches every file below the folders for every form of the names.
func Scan(names []string, dirs ...string) ([]Hit, error) {
	var hits []Hit
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			b, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			for _, name := range names {
				for _, form := range Forms(name) {
					if bytes.Contains(b, form) {
						hits = append(hits, Hit{file, name})
						break
					}
				}
			}
			return nil
		})
		if err != nil {
			return hits, err
		}
	}
	return hits, nil
}
