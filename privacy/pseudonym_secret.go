package privacy

import (
	"bytes"
	"crypto/hkdf"
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

// ReadKeyFile makes pseudonyms of the secret in a file, as ReadSecret reads it.
// An empty keyID is derived from the key, so that every device with one key file
// writes one id.
func ReadKeyFile(path, keyID string) (*Pseudonyms, error) {
	return ReadKeyFileOf(path, keyID, "")
}

// ReadKeyFileOf is ReadKeyFile for the keys of one epoch.
func ReadKeyFileOf(path, keyID string, e Epoch) (*Pseudonyms, error) {
	s, err := ReadSecret(path)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	p, err := s.Pseudonyms(keyID, e)
	if err != nil {
		return nil, fmt.Errorf("pseudonym key file %s: %w", path, err)
	}
	return p, nil
}

// Secret is what pseudonym keys are made of, in memory that Close wipes. It
// prints as <redacted>.
type Secret struct{ v *vault }

// ReadSecret reads a secret of 32 bytes: raw, in 64 hex digits or in base64, with
// at most one newline behind it. It refuses a file that is not a regular one, that
// another account owns or that others can read, and a secret that cannot be
// random. Errors name the file and never hold a byte of the key.
func ReadSecret(path string) (*Secret, error) {
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
	if err := checkKeyOwner(path, info); err != nil {
		return nil, err
	}
	var room [maxKeyFile + 1]byte
	defer clear(room[:])
	n, err := io.ReadFull(f, room[:])
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("read pseudonym key file: %w", err)
	}
	if n == len(room) {
		return nil, fmt.Errorf("pseudonym key file %s has more than %d bytes\nhint: %s", path, maxKeyFile, keyHint)
	}
	secret, err := decodeKey(room[:n])
	if err != nil {
		return nil, fmt.Errorf("pseudonym key file %s: %w", path, err)
	}
	defer clear(secret)
	why := weakness(secret)
	if ascending(secret) {
		why = "it is an example"
	}
	if why != "" {
		return nil, fmt.Errorf("pseudonym key file %s: %w: %s\nhint: %s", path, ErrWeakKey, why, keyHint)
	}
	s := &Secret{newVault(secretSize)}
	copy(s.v.mem, secret)
	return s, nil
}

// Pseudonyms makes the keys of an epoch. The epoch's name is the end of the id
// that stands in every pseudonym. From the keys of one epoch nobody can tell
// those of another; who holds the secret can tell all.
func (s *Secret) Pseudonyms(keyID string, e Epoch) (*Pseudonyms, error) {
	if keyID == "" {
		keyID = derivedKeyID(s.v.mem)
	}
	if e == "" {
		return newPseudonyms(keyID, s.v.mem)
	}
	if _, ok := ParseEpoch(string(e)); !ok || !validKeyID(keyID+string(e)) {
		return nil, errKeyID
	}
	secret, err := hkdf.Key(sha256.New, s.v.mem, nil, "collector/pseudonym/v1/epoch/"+string(e), sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("derive pseudonym keys of an epoch: %w", err)
	}
	defer clear(secret)
	p, err := derive(keyID+string(e), secret)
	if err != nil {
		return nil, err
	}
	p.epoch = e
	return p, nil
}

// EpochOf returns the epoch of a key id that was seen in a pseudonym: "" for the
// keys that never change. It reports false where the id is not of this secret
// under keyID, which may be empty as for Pseudonyms.
func (s *Secret) EpochOf(keyID, seen string) (Epoch, bool) {
	if keyID == "" {
		keyID = derivedKeyID(s.v.mem)
	}
	rest, ok := strings.CutPrefix(seen, keyID)
	if !ok || rest == "" {
		return "", ok
	}
	return ParseEpoch(rest)
}

// Close wipes the secret.
func (s *Secret) Close() { s.v.close() }

// Format writes a fixed text, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redactedText) }

// decodeKey returns the 32 bytes of a key in any of its forms. It copies nothing
// into text that cannot be wiped.
func decodeKey(text []byte) ([]byte, error) {
	if len(text) == secretSize {
		return text, nil
	}
	line := bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
	if len(line) == secretSize {
		return line, nil
	}
	var room [maxKeyFile]byte // hex and base64 decode to less than they are
	if n, err := hex.Decode(room[:], line); err == nil && n == secretSize {
		return room[:n], nil
	}
	bare := bytes.TrimRight(line, "=")
	for _, form := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if n, err := form.Decode(room[:], bare); err == nil && n == secretSize {
			return room[:n], nil
		}
	}
	clear(room[:])
	return nil, errors.New("want 32 bytes: raw, as 64 hex digits or as base64\nhint: " + keyHint)
}
