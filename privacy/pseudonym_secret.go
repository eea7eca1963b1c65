package privacy

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	keyHint      = "make one with: openssl rand -hex 32"
	maxKeyFile   = 4096
	leastVariety = 20 // different bytes in a key; 32 random ones have 24 to 32
)

// weakness says why a secret cannot be a random key, or "". Its words never
// hold a byte of the secret.
func weakness(secret []byte) string {
	switch {
	case len(secret) < secretSize:
		return fmt.Sprintf("it has %d bytes; want at least %d", len(secret), secretSize)
	case printable(secret):
		return "it is text; want random bytes"
	case variety(secret) < leastVariety:
		return "its bytes hardly differ"
	case steady(secret) && !ascending(secret), periodic(secret):
		return "it is a pattern"
	case string(secret) == string(emptyHash()):
		return "it is an example"
	}
	return ""
}

// ascending reports whether the secret begins 00, 01, 02 … as examples do.
func ascending(secret []byte) bool {
	return len(secret) >= 2 && secret[0] == 0 && secret[1] == 1 && steady(secret)
}

// steady reports whether each byte differs from the last by the same amount.
func steady(secret []byte) bool {
	for i := 2; i < len(secret); i++ {
		if secret[i]-secret[i-1] != secret[1]-secret[0] {
			return false
		}
	}
	return true
}

// periodic reports whether the secret is one piece, repeated.
func periodic(secret []byte) bool {
	for period := 1; period <= len(secret)/2; period++ {
		if string(secret[period:]) == string(secret[:len(secret)-period]) {
			return true
		}
	}
	return false
}

func printable(secret []byte) bool {
	for _, c := range secret {
		if (c < ' ' || c > '~') && c != '\n' && c != '\r' && c != '\t' {
			return false
		}
	}
	return true
}

func variety(secret []byte) int {
	var seen [256]bool
	n := 0
	for _, c := range secret {
		if !seen[c] {
			seen[c] = true
			n++
		}
	}
	return n
}

// emptyHash is what scripts write when their input was missing.
func emptyHash() []byte {
	sum := sha256.Sum256(nil)
	return sum[:]
}

// ReadKeyFile reads a secret of 32 bytes: raw, in 64 hex digits or in base64,
// with at most one newline behind it. It refuses a file that is not a regular
// one or that others can read. An empty keyID is derived from the key, so that
// every device with one key file writes one id. Errors name the file and never
// hold a byte of the key.
func ReadKeyFile(path, keyID string) (*Pseudonyms, error) {
	f, err := openKeyFile(path)
	if err != nil {
		return nil, fmt.Errorf("open pseudonym key file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read pseudonym key file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("pseudonym key file %s is not a regular file\nhint: name the file that holds the key", path)
	}
	if err := checkKeyMode(path, info.Mode()); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return nil, fmt.Errorf("read pseudonym key file: %w", err)
	}
	secret, err := decodeKey(text)
	if err != nil {
		return nil, fmt.Errorf("pseudonym key file %s: %w", path, err)
	}
	if keyID == "" {
		keyID = derivedKeyID(secret)
	}
	p, err := NewPseudonyms(keyID, secret)
	if err != nil {
		return nil, fmt.Errorf("pseudonym key file %s: %w", path, err)
	}
	return p, nil
}

// decodeKey returns the 32 bytes of a key in any of its forms.
func decodeKey(text []byte) ([]byte, error) {
	if len(text) == secretSize {
		return text, nil
	}
	line := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if len(line) == secretSize {
		return []byte(line), nil
	}
	if secret, err := hex.DecodeString(line); err == nil && len(secret) == secretSize {
		return secret, nil
	}
	bare := strings.TrimRight(line, "=")
	for _, form := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if secret, err := form.DecodeString(bare); err == nil && len(secret) == secretSize {
			return secret, nil
		}
	}
	return nil, errors.New("want 32 bytes: raw, as 64 hex digits or as base64\nhint: " + keyHint)
}
