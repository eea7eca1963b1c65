package privacy

import (
	"bytes"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestKillWeakness: what is said of a secret that cannot be random.
func TestKillWeakness(t *testing.T) {
	steps := make([]byte, 32)
	for i := range steps {
		steps[i] = byte(200 - 3*i)
	}
	for want, secret := range map[string][]byte{
		"it has 31 bytes; want at least 32": goodSecret("a")[:31],
		"it is text; want random bytes":     []byte("correct horse battery staple, and more of it"),
		"its bytes hardly differ":           bytes.Repeat([]byte{0xa5, 0x5a}, 16),
		"it is a pattern":                   steps,
		"it is an example":                  emptyHash(),
		"":                                  goodSecret("a"),
	} {
		if got := weakness(secret); got != want {
			t.Errorf("weakness = %q; want %q", got, want)
		}
	}
	if got := weakness(append(goodSecret("b"), goodSecret("b")...)); got != "it is a pattern" {
		t.Errorf("weakness of a key, twice = %q; want that it is a pattern", got)
	}
}

// TestKillPatterns: what counts as an example, as a pattern and as text.
func TestKillPatterns(t *testing.T) {
	for _, row := range []struct {
		name string
		of   func([]byte) bool
		in   string
		want bool
	}{
		{"ascending", ascending, "\x00\x01\x02", true},
		{"ascending, two bytes", ascending, "\x00\x01", true},
		{"one byte", ascending, "\x00", false},
		{"ascending from 1", ascending, "\x01\x02\x03", false},
		{"in twos", ascending, "\x00\x02\x04", false},
		{"only its beginning", ascending, "\x00\x01\x05", false},
		{"steady", steady, "\x09\x07\x05", true},
		{"not steady at the end", steady, "\x09\x07\x05\x04", false},
		{"one byte, twice", periodic, "aa", true},
		{"two bytes, twice", periodic, "abab", true},
		{"cut within the piece", periodic, "abcabcab", true},
		{"once and a half", periodic, "abcab", false},
		{"the first sign of text", printable, " ", true},
		{"the last sign of text", printable, "~", true},
		{"before text", printable, "\x1f", false},
		{"behind text", printable, "\x7f", false},
		{"line feed", printable, "\n", true},
		{"carriage return", printable, "\r", true},
		{"tab", printable, "\t", true},
		{"vertical tab", printable, "\v", false},
	} {
		if got := row.of([]byte(row.in)); got != row.want {
			t.Errorf("%s: of(%q) = %v; want %v", row.name, row.in, got, row.want)
		}
	}
}

// TestKillKeyFileErrors: each file that holds no key is told apart, with the way
// out.
func TestKillKeyFileErrors(t *testing.T) {
	key := base64.RawStdEncoding.EncodeToString(goodSecret("file"))
	for _, row := range []struct{ name, text, want string }{
		{"longest", key + strings.Repeat("=", 4096-len(key)), ""},
		{"longer", key + strings.Repeat("=", 4097-len(key)), "has more than 4096 bytes\nhint: make one with: openssl rand -hex 32"},
		{"no key", "x", "want 32 bytes: raw, as 64 hex digits or as base64\nhint: make one with: openssl rand -hex 32"},
		{"the example", string(testSecret()), "pseudonym key is too weak: it is an example\nhint: make one with: openssl rand -hex 32"},
	} {
		t.Run(row.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "key")
			if err := os.WriteFile(path, []byte(row.text), 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := ReadSecret(path)
			if row.want == "" && err == nil {
				s.Close()
				return
			}
			if err == nil || row.want == "" || !strings.HasSuffix(err.Error(), row.want) {
				t.Errorf("ReadSecret: %v; want %q at the end", err, row.want)
			}
		})
	}
}

// TestKillRawKeys: 32 bytes are a key whatever the last of them is, and what
// fills base64 up is no part of it.
func TestKillRawKeys(t *testing.T) {
	raw := goodSecret("raw")
	raw[31] = '\n'
	for _, text := range [][]byte{raw, append(bytes.Clone(raw), '\n'), []byte(base64.StdEncoding.EncodeToString(raw)), []byte(base64.RawURLEncoding.EncodeToString(raw) + "==\n")} {
		if got, err := decodeKey(text); err != nil || !bytes.Equal(got, raw) {
			t.Errorf("decodeKey(%d bytes) = %d bytes, %v; want the key", len(text), len(got), err)
		}
	}
}

// TestKillEpochNames: what is no epoch has no length and no name.
func TestKillEpochNames(t *testing.T) {
	for in, want := range map[Epoch]string{"": "none", "2026": "none", "2026x1": "none", "2026y": "year", "2026q1": "quarter", "2026m01": "month"} {
		if got := in.Length(); got != want {
			t.Errorf("Length of %q = %q; want %q", in, got, want)
		}
	}
	for _, in := range []string{"", "2026", "2026x1", "20q6y", "2026qx", "2026m1", "2026q0", "1969y", "2026yy", "+026y"} {
		if got, ok := ParseEpoch(in); got != "" || ok {
			t.Errorf("ParseEpoch(%q) = %q, %v; want none", in, got, ok)
		}
	}
}

// TestKillEpochKeys: the keys of an epoch know it, and a release does not change
// the pseudonyms that they make.
func TestKillEpochKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, goodSecret("epoch"), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := ReadKeyFileOf(path, "it1", "2026q4")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if got, want := p.make(purposeUser, "x"), "p1.it12026q4.xg6knqhpm6yo4djeia4zx3xeoe"; got != want || p.Epoch() != "2026q4" {
		t.Errorf("pseudonym = %q of epoch %q; want %q of 2026q4", got, p.Epoch(), want)
	}
	if _, err := ReadKeyFileOf(path, "it1", "2026q5"); err == nil || !strings.Contains(err.Error(), "hint: ") {
		t.Errorf("ReadKeyFileOf an epoch that does not exist: %v; want an error with a hint", err)
	}
	s, err := ReadSecret(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	id := derivedKeyID(goodSecret("epoch"))
	for seen, want := range map[string]Epoch{id + "2026q4": "2026q4", id: ""} {
		if got, ok := s.EpochOf("", seen); got != want || !ok {
			t.Errorf("EpochOf(%q) = %q, %v; want %q", seen, got, ok, want)
		}
	}
}
