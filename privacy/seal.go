package privacy

import (
	"crypto/ecdh"
	"crypto/hpke"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

// sealLabel stands in every seal, so that what was sealed for another purpose
// never opens as a name.
const sealLabel = "discreet/identity/v1"

const (
	sealVersion = 1
	encSize     = 32 // of X25519
	tagSize     = 16
	sealSmall   = 64 // a name is padded to one of two sizes: its length says nothing
	sealLarge   = 256
)

// ErrSeal says that a sealed name does not open: it was made for another key or
// another pseudonym, or it is damaged.
var ErrSeal = errors.New("sealed name does not open")

// OfficerPublic is the key for which names are sealed. Whoever holds it can
// open none.
type OfficerPublic struct {
	key hpke.PublicKey
	raw *ecdh.PublicKey
	id  string
}

// OfficerKey opens sealed names. It belongs to the data protection officer,
// never to a device or to the gateway's store. It prints as <redacted>.
type OfficerKey struct {
	key hpke.PrivateKey
	raw *ecdh.PrivateKey
	pub *OfficerPublic
}

// GenerateOfficerKey makes a fresh key pair.
func GenerateOfficerKey() (*OfficerKey, error) {
	raw, err := ecdh.X25519().GenerateKey(nil)
	if err != nil {
		return nil, fmt.Errorf("make officer key: %w", err)
	}
	return officerKey(raw)
}

func officerKey(raw *ecdh.PrivateKey) (*OfficerKey, error) {
	key, err := hpke.NewDHKEMPrivateKey(raw)
	if err != nil {
		return nil, fmt.Errorf("officer key: %w", err)
	}
	pub, err := officerPublic(raw.PublicKey())
	if err != nil {
		return nil, err
	}
	return &OfficerKey{key, raw, pub}, nil
}

// officerPublic refuses a key that seals nothing, such as one of zeros.
func officerPublic(raw *ecdh.PublicKey) (*OfficerPublic, error) {
	if raw.Curve() != ecdh.X25519() {
		return nil, errors.New("officer key is of another kind; want X25519\nhint: " + officerHint)
	}
	key, err := hpke.NewDHKEMPublicKey(raw)
	if err != nil {
		return nil, fmt.Errorf("officer key: %w", err)
	}
	sum := sha256.Sum256(raw.Bytes())
	p := &OfficerPublic{key, raw, hex.EncodeToString(sum[:4])}
	if _, err := Seal(p, "x", "x"); err != nil {
		return nil, fmt.Errorf("%w: the officer key seals nothing\nhint: %s", ErrWeakKey, officerHint)
	}
	return p, nil
}

// Public returns the half that devices get.
func (k *OfficerKey) Public() *OfficerPublic { return k.pub }

// Format writes a fixed text, whatever the verb.
func (k *OfficerKey) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redactedText) }

// ID names the key: 8 hex digits of the SHA-256 of its public half; "" where
// there is no key.
func (p *OfficerPublic) ID() string {
	if p == nil {
		return ""
	}
	return p.id
}

// Seal seals a name so that only the holder of pub's private half reads it, and
// only beside this pseudonym. Two seals of one name share no byte that tells.
// A name of more than 254 bytes is refused.
func Seal(pub *OfficerPublic, name, pseudonym string) ([]byte, error) {
	size := sealSmall
	if len(name)+2 > size {
		size = sealLarge
	}
	if name == "" || len(name)+2 > size {
		return nil, errors.New("seal name: its length is out of bounds")
	}
	padded := make([]byte, size)
	padded[0], padded[1] = byte(len(name)>>8), byte(len(name))
	copy(padded[2:], name)
	enc, sender, err := hpke.NewSender(pub.key, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), []byte(sealLabel))
	if err != nil {
		return nil, fmt.Errorf("seal name: %w", err)
	}
	text, err := sender.Seal(sealAAD(pseudonym), padded)
	if err != nil {
		return nil, fmt.Errorf("seal name: %w", err)
	}
	return append(append([]byte{sealVersion}, enc...), text...), nil
}

func sealAAD(pseudonym string) []byte { return []byte(sealLabel + "\x00" + pseudonym) }

// SealedShape reports whether b can be what Seal returns. It says nothing of
// whom it was sealed for.
func SealedShape(b []byte) bool {
	const frame = 1 + encSize + tagSize
	return (len(b) == frame+sealSmall || len(b) == frame+sealLarge) && b[0] == sealVersion
}

// PseudonymShape reports whether v has the form of a pseudonym.
func PseudonymShape(v string) bool { return pseudonym(v) }

// OfficerKeyIDShape reports whether v can be an OfficerPublic's ID.
func OfficerKeyIDShape(v string) bool {
	for i := range len(v) {
		if (v[i] < '0' || v[i] > '9') && (v[i] < 'a' || v[i] > 'f') {
			return false
		}
	}
	return len(v) == 8
}

// Open returns the name that was sealed beside pseudonym, or ErrSeal.
func Open(k *OfficerKey, sealed []byte, pseudonym string) (string, error) {
	if !SealedShape(sealed) {
		return "", ErrSeal
	}
	r, err := hpke.NewRecipient(sealed[1:1+encSize], k.key, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), []byte(sealLabel))
	if err != nil {
		return "", ErrSeal
	}
	padded, err := r.Open(sealAAD(pseudonym), sealed[1+encSize:])
	if err != nil {
		return "", ErrSeal
	}
	n := int(padded[0])<<8 | int(padded[1])
	if n == 0 || n+2 > len(padded) {
		return "", ErrSeal
	}
	for _, c := range padded[2+n:] {
		if c != 0 {
			return "", ErrSeal
		}
	}
	return string(padded[2 : 2+n]), nil
}
