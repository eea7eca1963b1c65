package privacy

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"
)

// purpose separates kinds of values: a user and a network of one spelling
// share no pseudonym.
type purpose uint8

const (
	purposeUser purpose = iota
	purposeUPN
	purposeSID
	purposeDevice
	purposeSerial
	purposeSSID
	purposeBSSID
	purposeDomain
	numPurposes
)

var purposeNames = [numPurposes]string{
	"user", "upn", "sid", "device", "serial", "ssid", "bssid", "domain",
}

const secretSize = 32

// ErrWeakKey says that a secret is no random key.
var ErrWeakKey = errors.New("pseudonym key is too weak")

// Pseudonyms makes keyed pseudonyms. It holds a secret: it prints as
// <redacted>. It may be used by many goroutines at once.
type Pseudonyms struct {
	id      string
	epoch   Epoch
	keys    *vault         // one key for each purpose, one behind the other
	officer *OfficerPublic // of mode sealed
}

// NewPseudonyms makes pseudonyms with a secret of at least 32 random bytes. It
// refuses secrets that cannot be random: short ones, text, examples, patterns.
// keyID stands in every pseudonym: 1 to 16 of a-z and 0-9.
func NewPseudonyms(keyID string, secret []byte) (*Pseudonyms, error) {
	if ascending(secret) {
		return nil, fmt.Errorf("%w: it is an example\nhint: %s", ErrWeakKey, keyHint)
	}
	return newPseudonyms(keyID, secret)
}

// newPseudonyms also takes the example key of the leak vectors.
func newPseudonyms(keyID string, secret []byte) (*Pseudonyms, error) {
	if !validKeyID(keyID) {
		return nil, errKeyID
	}
	if why := weakness(secret); why != "" {
		return nil, fmt.Errorf("%w: %s\nhint: %s", ErrWeakKey, why, keyHint)
	}
	return derive(keyID, secret)
}

var errKeyID = errors.New("pseudonym key id is refused: want 1 to 16 of a-z and 0-9\nhint: name the key by its origin, for example it1; with epochs it has at most 9, for their name stands behind it")

// derive makes the key of each purpose from a secret that was looked at.
func derive(keyID string, secret []byte) (*Pseudonyms, error) {
	p := &Pseudonyms{id: keyID, keys: newVault(int(numPurposes) * sha256.Size)}
	for i, name := range purposeNames {
		key, err := hkdf.Key(sha256.New, secret, nil, "collector/pseudonym/v1/"+name, sha256.Size)
		if err != nil {
			return nil, fmt.Errorf("derive pseudonym key for %s: %w", name, err)
		}
		copy(p.keys.mem[i*sha256.Size:], key)
		clear(key)
	}
	return p, nil
}

// Close wipes the keys, also those of what SealTo returned. Afterwards there are
// no pseudonyms. Nobody may make one meanwhile.
func (p *Pseudonyms) Close() {
	if p != nil {
		p.keys.close()
	}
}

// Unlocked says why the system may write the keys to swap or a core file; nil
// where it may not.
func (p *Pseudonyms) Unlocked() error {
	if p == nil {
		return nil
	}
	return p.keys.loose
}

// Epoch returns the epoch that the keys are for; "" where they never change.
func (p *Pseudonyms) Epoch() Epoch {
	if p == nil {
		return ""
	}
	return p.epoch
}

// NewSecret makes a fresh secret of 32 bytes.
func NewSecret() ([]byte, error) {
	secret := make([]byte, secretSize)
	if _, err := rand.Read(secret); err != nil {
		return nil, fmt.Errorf("make pseudonym key: %w", err)
	}
	return secret, nil
}

// KeyID returns the id that stands in every pseudonym; "" where there is no
// key.
func (p *Pseudonyms) KeyID() string {
	if p == nil {
		return ""
	}
	return p.id
}

// pseudonymText is RFC 4648 base32 in lower case: it survives systems that do
// not tell case apart.
var pseudonymText = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// make returns the pseudonym of a canonical value. An empty value stays empty,
// and so does any where there is no key: never a plain hash.
func (p *Pseudonyms) make(kind purpose, canonical string) string {
	if p == nil || canonical == "" || p.keys.closed.Load() {
		return ""
	}
	mac := hmac.New(sha256.New, p.keys.mem[int(kind)*sha256.Size:][:sha256.Size])
	runtime.KeepAlive(p.keys)
	mac.Write([]byte(canonical))
	var sum [sha256.Size]byte
	return "p1." + p.id + "." + pseudonymText.EncodeToString(mac.Sum(sum[:0])[:16])
}

// derivedKeyID names a key by its own bytes.
func derivedKeyID(secret []byte) string {
	h := sha256.New()
	h.Write([]byte("discreet key id"))
	h.Write(secret)
	return hex.EncodeToString(h.Sum(nil)[:4])
}

func validKeyID(id string) bool {
	if id == "" || len(id) > 16 {
		return false
	}
	for i := range len(id) {
		if (id[i] < 'a' || id[i] > 'z') && (id[i] < '0' || id[i] > '9') {
			return false
		}
	}
	return true
}

// UserPseudonym returns what the filter makes of an account name at level
// hashed: a pseudonym, a role, or "". With it a person's records are found by
// name. sid may be empty.
func UserPseudonym(p *Pseudonyms, c Context, name, sid string) string {
	if len(name) > maxInput {
		return ""
	}
	a := newAccounts(c)
	return hashedUser(p, a.host, a.parse(name, sid))
}

// DevicePseudonym returns what the filter makes of a device name at level
// hashed.
func DevicePseudonym(p *Pseudonyms, name string) string {
	if len(name) > maxInput {
		return ""
	}
	return hashedDevice(p, name)
}

// UPNPseudonym returns what the filter makes of a user principal name at level
// hashed: "" where it is no address.
func UPNPseudonym(p *Pseudonyms, upn string) string {
	if len(upn) > maxInput {
		return ""
	}
	return hashedUPN(p, Canonical(upn))
}

// SIDPseudonym returns what the filter makes of a SID at level hashed: a
// pseudonym, a role, or "" where it is none.
func SIDPseudonym(p *Pseudonyms, c Context, sid string) string {
	a := newAccounts(c)
	return hashedSID(p, &a, sid)
}
