package access

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/discreet-agent/discreet/gateway"
)

// A token is "dt1." and, in base64url, 32 random bytes, the 32 bytes of the
// authority's pin, and 2 bytes of a checksum over both. The pin tells the device
// which gateway to trust; the checksum tells a half-pasted token from a wrong
// one. agent/identity reads the same form.
const (
	tokenPrefix = "dt1."
	pinPrefix   = "sha256:"
	secretSize  = 32
	bodySize    = secretSize + sha256.Size
	tokenSize   = bodySize + 2
)

const (
	maxUses      = 1_000_000
	maxTokenLife = 366 * 24 * time.Hour
)

// ErrTokenMalformed says that a text is not a whole token.
var ErrTokenMalformed = errors.New("token malformed")

var groupForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// Token is a token as the device shows it. It has no text form of its own, so
// that it cannot end up in a log.
type Token struct {
	Pin  string   // of the authority that the device trusts
	Hash [32]byte // under which the registry knows the token
}

// ParseToken reads a token. The error never quotes it.
func ParseToken(s string) (Token, error) {
	text, ok := strings.CutPrefix(s, tokenPrefix)
	if !ok || len(text) != base64.RawURLEncoding.EncodedLen(tokenSize) {
		return Token{}, ErrTokenMalformed
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) != tokenSize {
		return Token{}, ErrTokenMalformed
	}
	sum := sha256.Sum256(raw[:bodySize])
	if subtle.ConstantTimeCompare(sum[:2], raw[bodySize:]) != 1 {
		return Token{}, ErrTokenMalformed
	}
	return Token{
		Pin:  pinPrefix + hex.EncodeToString(raw[secretSize:bodySize]),
		Hash: sha256.Sum256([]byte(s)),
	}, nil
}

// TokenOptions says for whom a token is good.
type TokenOptions struct {
	Group   string // of the devices that enrol with it
	Uses    int    // how many devices may enrol
	Expires time.Time
	Now     time.Time // when it is made
}

// NewToken makes a token that carries the given pin. The secret is its text, to
// be shown once; the record holds only its hash.
func NewToken(pin string, o TokenOptions) (secret string, rec gateway.Token, err error) {
	if !groupForm.MatchString(o.Group) {
		return "", rec, fmt.Errorf("group %q: want 1 to 64 letters, digits and . _ -", o.Group)
	}
	if o.Uses < 1 || o.Uses > maxUses {
		return "", rec, fmt.Errorf("%d uses: want 1 to %d", o.Uses, maxUses)
	}
	if life := o.Expires.Sub(o.Now); life <= 0 || life > maxTokenLife {
		return "", rec, fmt.Errorf("expiry %s: want a time in the next 366 days", o.Expires.UTC().Format(time.RFC3339))
	}
	pinHex, ok := strings.CutPrefix(pin, pinPrefix)
	pinRaw, err := hex.DecodeString(pinHex)
	if !ok || err != nil || len(pinRaw) != sha256.Size {
		return "", rec, fmt.Errorf("pin %q: want sha256: and 64 hex digits", pin)
	}
	raw := make([]byte, secretSize, tokenSize)
	if _, err := rand.Read(raw); err != nil {
		return "", rec, fmt.Errorf("make token: %w", err)
	}
	raw = append(raw, pinRaw...)
	sum := sha256.Sum256(raw)
	raw = append(raw, sum[:2]...)
	secret = tokenPrefix + base64.RawURLEncoding.EncodeToString(raw)

	var id [8]byte
	if _, err := rand.Read(id[:]); err != nil {
		return "", rec, fmt.Errorf("make token: %w", err)
	}
	return secret, gateway.Token{
		ID:       hex.EncodeToString(id[:]),
		Hash:     sha256.Sum256([]byte(secret)),
		Group:    o.Group,
		UsesLeft: o.Uses,
		Created:  o.Now,
		Expires:  o.Expires,
	}, nil
}

// CreateToken makes a token and puts it in the registry. The secret cannot be
// had again.
func CreateToken(ctx context.Context, reg gateway.Registry, pin string, o TokenOptions) (secret string, rec gateway.Token, err error) {
	secret, rec, err = NewToken(pin, o)
	if err != nil {
		return "", gateway.Token{}, fmt.Errorf("create token: %w", err)
	}
	if err := reg.PutToken(ctx, rec); err != nil {
		return "", gateway.Token{}, fmt.Errorf("create token: %w", err)
	}
	return secret, rec, nil
}
