package privacy

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// goodSecret looks random and is the same in every run.
func goodSecret(seed string) []byte {
	sum := sha256.Sum256([]byte(seed))
	return sum[:]
}

func TestNewPseudonymsRefuses(t *testing.T) {
	descending := bytes.Clone(testSecret())
	for i := range descending {
		descending[i] = 255 - 3*byte(i)
	}
	half := goodSecret("a")[:16]
	empty := sha256.Sum256(nil)
	for _, row := range []struct {
		name   string
		id     string
		secret []byte
	}{
		{"nothing", "k1", nil},
		{"31 bytes", "k1", goodSecret("a")[:31]},
		{"zeros", "k1", make([]byte, 32)},
		{"one byte", "k1", bytes.Repeat([]byte{0xa5}, 64)},
		{"the vectors' key", "k1", testSecret()},
		{"longer than the vectors' key, the same way", "k1", append(testSecret(), 32, 33, 34)},
		{"steps of minus three", "k1", descending},
		{"a word, repeated", "k1", []byte(strings.Repeat("changeme", 4))},
		{"a sentence", "k1", []byte("correct horse battery staple, and more of it")},
		{"hex digits, not decoded", "k1", []byte(hex.EncodeToString(goodSecret("a")))},
		{"a long password", "k1", []byte("Zq8#rT2!vK9@mX4$wB7%nC1^pL5&hD3*")},
		{"a short key, twice", "k1", append(bytes.Clone(half), half...)},
		{"a short key, padded", "k1", append(bytes.Clone(half), make([]byte, 16)...)},
		{"a key, repeated", "k1", append(goodSecret("a"), goodSecret("a")...)},
		{"SHA-256 of nothing", "k1", empty[:]},
		{"no id", "", goodSecret("a")},
		{"id in upper case", "K1", goodSecret("a")},
		{"id with a dot", "k.1", goodSecret("a")},
		{"long id", strings.Repeat("k", 17), goodSecret("a")},
	} {
		t.Run(row.name, func(t *testing.T) {
			p, err := NewPseudonyms(row.id, row.secret)
			if err == nil || p != nil {
				t.Fatalf("NewPseudonyms = %v, nil; want an error", p)
			}
			if !strings.Contains(err.Error(), "hint: ") {
				t.Errorf("NewPseudonyms: %q; want a hint", err)
			}
			if row.id == "k1" && !errors.Is(err, ErrWeakKey) {
				t.Errorf("NewPseudonyms: %q; want ErrWeakKey", err)
			}
			if len(row.secret) > 3 && strings.Contains(err.Error(), string(row.secret)) {
				t.Errorf("NewPseudonyms: %q holds the key", err)
			}
		})
	}
}

func TestNewSecretIsTaken(t *testing.T) {
	for range 1000 {
		secret, err := NewSecret()
		if err != nil || len(secret) != 32 {
			t.Fatalf("NewSecret() = %d bytes, %v; want 32", len(secret), err)
		}
		p, err := NewPseudonyms("k1", secret)
		if err != nil {
			t.Fatalf("NewPseudonyms refuses a fresh secret: %v", err)
		}
		if p.KeyID() != "k1" {
			t.Fatalf("KeyID() = %q; want k1", p.KeyID())
		}
	}
}

// TestPurposes checks that one text has as many pseudonyms as purposes.
func TestPurposes(t *testing.T) {
	seen := make(map[string]purpose)
	for _, seed := range []string{"a", "b"} {
		p, err := NewPseudonyms("k1", goodSecret(seed))
		if err != nil {
			t.Fatal(err)
		}
		for kind := range numPurposes {
			out := p.make(kind, "jdoe")
			if other, ok := seen[out]; ok {
				t.Errorf("purposes %d and %d share the pseudonym of one text", kind, other)
			}
			seen[out] = kind
		}
	}
}

func TestNoKeyMeansNoPseudonym(t *testing.T) {
	var p *Pseudonyms
	ctx := testContext(Linux)
	for name, got := range map[string]string{
		"user": UserPseudonym(p, ctx, "jdoe", ""), "device": DevicePseudonym(p, "x"), "upn": UPNPseudonym(p, "a@b.c"), "id": p.KeyID(),
	} {
		if got != "" {
			t.Errorf("%s without a key = %q; want nothing", name, got)
		}
	}
	if got := UserPseudonym(p, ctx, "root", ""); got != roleSystem {
		t.Errorf("UserPseudonym(root) without a key = %q; want %q", got, roleSystem)
	}
}

// TestDutiesAgreeWithTheFilter finds what the filter made, by name.
func TestDutiesAgreeWithTheFilter(t *testing.T) {
	keys := testKeys(t)
	for _, v := range vectors(t) {
		if strings.Contains(v.policy, "key=none") || !strings.HasSuffix(v.policy, "=hashed") {
			continue
		}
		ctx, got := testContext(v.system()), ""
		switch v.field {
		case "username":
			name, sid, _ := strings.Cut(v.in, "|")
			got = UserPseudonym(keys, ctx, name, sid)
		case "upn":
			got = UPNPseudonym(keys, v.in)
		case "device_name":
			got = DevicePseudonym(keys, v.in)
		default:
			continue
		}
		if got != v.want {
			t.Errorf("%s: pseudonym of %q = %q; want %q", v.id, v.in, got, v.want)
		}
	}
}

func TestReadKeyFile(t *testing.T) {
	dir := t.TempDir()
	secret := goodSecret("file")
	want, err := NewPseudonyms("k1", secret)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name string
		text []byte
		ok   bool
	}{
		{"raw", secret, true},
		{"raw and newline", append(bytes.Clone(secret), '\n'), true},
		{"hex", []byte(hex.EncodeToString(secret)), true},
		{"hex in capitals and newline", []byte(strings.ToUpper(hex.EncodeToString(secret)) + "\n"), true},
		{"base64", []byte(base64.StdEncoding.EncodeToString(secret)), true},
		{"base64 and newline", []byte(base64.StdEncoding.EncodeToString(secret) + "\r\n"), true},
		{"base64 for URLs", []byte(base64.RawURLEncoding.EncodeToString(secret)), true},
		{"two newlines", []byte(hex.EncodeToString(secret) + "\n\n"), false},
		{"empty", nil, false},
		{"short", secret[:31], false},
		{"hex of 31 bytes", []byte(hex.EncodeToString(secret[:31])), false},
		{"text of 32 letters", []byte(strings.Repeat("changeme", 4)), false},
		{"the vectors' key", testSecret(), false},
		{"large", make([]byte, 1<<20), false},
	} {
		t.Run(row.name, func(t *testing.T) {
			path := filepath.Join(dir, strings.ReplaceAll(row.name, " ", "_"))
			if err := os.WriteFile(path, row.text, 0o600); err != nil {
				t.Fatal(err)
			}
			p, err := ReadKeyFile(path, "k1")
			if (err == nil) != row.ok {
				t.Fatalf("ReadKeyFile = %v; want success: %t", err, row.ok)
			}
			if err != nil {
				if !strings.Contains(err.Error(), "hint: ") || len(row.text) > 8 && strings.Contains(err.Error(), string(row.text[:8])) {
					t.Errorf("ReadKeyFile: %q; want a hint, and nothing of the key", err)
				}
				return
			}
			if got, want := p.make(purposeUser, "x"), want.make(purposeUser, "x"); got != want {
				t.Errorf("pseudonym = %q; want %q", got, want)
			}
		})
	}
}

func TestReadKeyFileDerivesItsID(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	secret := goodSecret("file")
	if err := os.WriteFile(path, secret, 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := ReadKeyFile(path, "")
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(append([]byte("discreet key id"), secret...))
	if want := hex.EncodeToString(sum[:4]); p.KeyID() != want {
		t.Errorf("KeyID() = %q; want %q", p.KeyID(), want)
	}
	if _, err := ReadKeyFile(filepath.Join(t.TempDir(), "missing"), ""); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("ReadKeyFile of no file: %v; want ErrNotExist", err)
	}
}
