package identity

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/discreet-agent/discreet/gateway/access"
)

func newTestToken(t testing.TB) string {
	t.Helper()
	now := time.Now()
	secret, _, err := access.NewToken("sha256:"+strings.Repeat("ab", 32), access.TokenOptions{Group: "g", Uses: 1, Now: now, Expires: now.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

func utf16Bytes(s string, little bool) []byte {
	var out []byte
	for _, u := range utf16.Encode([]rune("\ufeff" + s)) {
		if little {
			out = append(out, byte(u), byte(u>>8))
		} else {
			out = append(out, byte(u>>8), byte(u))
		}
	}
	return out
}

func TestParseToken(t *testing.T) {
	secret := newTestToken(t)
	pin := [32]byte(bytes.Repeat([]byte{0xab}, 32))
	tests := []struct {
		name string
		in   []byte
		ok   bool
	}{
		{"plain", []byte(secret), true},
		{"line", []byte(secret + "\n"), true},
		{"Windows line", []byte("  " + secret + "\r\n"), true},
		{"UTF-8 with mark", []byte("\ufeff" + secret), true},
		{"UTF-16 as PowerShell writes it", utf16Bytes(secret+"\r\n", true), true},
		{"UTF-16 big-endian", utf16Bytes(secret, false), true},
		{"nothing", nil, false},
		{"prefix only", []byte("dt1."), false},
		{"other version", []byte("dt2." + secret[4:]), false},
		{"one letter less", []byte(secret[:len(secret)-1]), false},
		{"one letter more", []byte(secret + "A"), false},
		{"two tokens", []byte(secret + "\n" + secret), false},
		{"a letter changed", []byte(secret[:20] + swapLetter(secret[20]) + secret[21:]), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseToken(tt.in)
			if !tt.ok {
				if !errors.Is(err, ErrTokenRefused) {
					t.Fatalf("parseToken() = %v; want ErrTokenRefused", err)
				}
				if strings.Contains(err.Error(), secret[6:16]) {
					t.Errorf("parseToken() = %v; want no token in it", err)
				}
				return
			}
			if err != nil || got.text != secret || got.pin != pin {
				t.Errorf("parseToken() = pin %x, %v; want %x", got.pin, err, pin)
			}
			for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
				if s := fmt.Sprintf(verb, got); strings.Contains(s, secret[6:16]) {
					t.Errorf("Sprintf(%s) holds the token", verb)
				}
			}
		})
	}
}

func swapLetter(c byte) string {
	if c == 'A' {
		return "B"
	}
	return "A"
}

// FuzzParseToken checks that both sides read the same tokens.
func FuzzParseToken(f *testing.F) {
	secret := newTestToken(f)
	f.Add([]byte(secret))
	f.Add(utf16Bytes(secret, true))
	f.Add([]byte("dt1."))
	f.Fuzz(func(t *testing.T, in []byte) {
		tok, err := parseToken(in)
		if err != nil {
			return
		}
		there, err := access.ParseToken(tok.text)
		if err != nil {
			t.Fatalf("the gateway refuses what the agent takes: %v", err)
		}
		if want := fmt.Sprintf("sha256:%x", tok.pin); there.Pin != want {
			t.Errorf("pin = %s; want %s", there.Pin, want)
		}
	})
}

func TestParseDeviceURI(t *testing.T) {
	const id = "0b8a3c1e-5d2f-4a6b-9c7d-1e2f3a4b5c6d"
	tests := []struct {
		name, in string
		ok       bool
	}{
		{"good", "spiffe://corp.example/device/" + id, true},
		{"upper case id", "spiffe://corp.example/device/" + strings.ToUpper(id), false},
		{"no domain", "spiffe:///device/" + id, false},
		{"path in front", "spiffe://corp.example/x/device/" + id, false},
		{"path behind", "spiffe://corp.example/device/" + id + "/x", false},
		{"other scheme", "https://corp.example/device/" + id, false},
		{"user", "spiffe://jdoe@corp.example/device/" + id, false},
		{"port", "spiffe://corp.example:1/device/" + id, false},
		{"no id", "spiffe://corp.example/device/", false},
		{"empty", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseDeviceURI(tt.in)
			if (err == nil) != tt.ok || tt.ok && got != id {
				t.Errorf("parseDeviceURI(%q) = %q, %v; want ok %v", tt.in, got, err, tt.ok)
			}
		})
	}
}

// FuzzFiles feeds damaged files of an identity to what reads them.
func FuzzFiles(f *testing.F) {
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		key, chain := parseKey(data), parseCerts(data)
		if len(chain) > 8 {
			t.Errorf("parseCerts() = %d certificates; want at most 8", len(chain))
		}
		if key != nil && chain != nil {
			newIdentity(key, chain, chain[0])
		}
	})
}
