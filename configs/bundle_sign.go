package configs

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Bundle is what a signed bundle says.
type Bundle struct {
	Kind      string        `json:"kind"` // push or floor
	Version   int64         `json:"version"`
	NotBefore time.Time     `json:"not_before"`
	Expires   time.Time     `json:"expires"`
	Notice    time.Duration `json:"-"` // of a floor
	Settings  []string      `json:"settings"`

	read *bundle
}

// bundleTypes are the kinds of bundles, by the type that is signed.
var bundleTypes = map[string]string{bundleType: "push", floorType: "floor"}

// SigningKey makes a key pair for bundles and floors, both halves in PEM: PKCS #8
// and PKIX.
func SigningKey() (private, public []byte, err error) {
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	open, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}),
		pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: open}), nil
}

// Sign signs a bundle. data is either the settings of one, in YAML and with kind
// push or floor, or an envelope that others have signed, to which a signature is
// added; then kind is not asked for. Settings that an agent would refuse are
// refused here: what is returned then are their faults.
func Sign(name string, data []byte, kind string, private []byte) ([]byte, []Fault, error) {
	key, err := privateKey(private)
	if err != nil {
		return nil, nil, err
	}
	e, err := toSign(data, kind)
	if err != nil {
		return nil, nil, err
	}
	if b := contents(name, e); len(b.faults) > 0 {
		return nil, b.faults, nil
	}
	public := key.Public().(ed25519.PublicKey)
	if len(e.signedBy([]ed25519.PublicKey{public})) > 0 {
		return nil, nil, errors.New("this key has signed it already; hint: a key counts once")
	}
	if len(e.Signatures) == maxSignatures {
		return nil, nil, fmt.Errorf("%d signatures, no room for one more", maxSignatures)
	}
	e.Signatures = append(e.Signatures, signature{signerID(public), ed25519.Sign(key, preAuth(e.PayloadType, e.Payload))})
	out, err := json.MarshalIndent(e, "", "  ")
	if err == nil && len(out) >= maxBundle {
		err = errors.New("larger than 64 KiB")
	}
	return append(out, '\n'), nil, err
}

func toSign(data []byte, kind string) (envelope, error) {
	var e envelope
	if json.Unmarshal(data, &e) == nil && e.PayloadType != "" {
		if bundleTypes[e.PayloadType] == "" {
			return e, errors.New("an envelope for another use")
		}
		return e, nil
	}
	for t, name := range bundleTypes {
		if name == kind {
			return envelope{Payload: bytes.Clone(data), PayloadType: t}, nil
		}
	}
	return e, fmt.Errorf("kind %.20q, want push or floor", kind)
}

// signerID names a public key: the first 8 bytes of its SHA-256.
func signerID(key ed25519.PublicKey) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:8])
}

// SignerID returns the short name of a public key in PEM, as a history tells who
// signed.
func SignerID(public []byte) (string, error) {
	key, err := publicKey(public)
	if err != nil {
		return "", err
	}
	return signerID(key), nil
}

func privateKey(data []byte) (ed25519.PrivateKey, error) {
	block, _ := pem.Decode(data)
	if block != nil && block.Type == "PRIVATE KEY" {
		k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if key, ok := k.(ed25519.PrivateKey); ok && err == nil {
			return key, nil
		}
	}
	return nil, errors.New("want a private key of ed25519 in PEM; hint: \"policy keygen\" makes one")
}

// contents reads an envelope without asking who signed it.
func contents(name string, e envelope) bundle {
	b := bundle{layer: newLayer(layerPush, name)}
	b.read(e.Payload, agentKeys(SystemPlaces()), e.PayloadType)
	return b
}

// Verify reads a signed bundle and says which of the public keys signed it, in the
// order given. It needs no threshold: who asks knows it.
func Verify(name string, data []byte, public [][]byte) (Bundle, []bool, []Fault, error) {
	e, err := decodeEnvelope(data)
	if err != nil || bundleTypes[e.PayloadType] == "" {
		return Bundle{}, nil, nil, errors.New("not a signed bundle; hint: \"policy sign\" makes one")
	}
	by := make([]bool, len(public))
	for i, text := range public {
		key, err := publicKey(text)
		if err != nil {
			return Bundle{}, nil, nil, fmt.Errorf("key %d: %w", i+1, err)
		}
		by[i] = len(e.signedBy([]ed25519.PublicKey{key})) > 0
	}
	b := contents(name, e)
	out := Bundle{bundleTypes[e.PayloadType], b.version, b.notBefore, b.expires, b.notice, nil, &b}
	leaves("", agentKeys(SystemPlaces()), func(path string, k *key) {
		for _, bag := range b.bags {
			if v, ok := bag.entries[path]; ok {
				out.Settings = append(out.Settings, path+": "+k.flow(v.value))
			}
		}
	})
	out.Settings = append(out.Settings, b.levels()...)
	return out, by, b.faults, nil
}

// levels lists the levels that a bundle names, by path.
func (b *bundle) levels() []string {
	var list []string
	for i, prefix := range [numBags]string{mainBag: "privacy.", tightenBag: "privacy.tighten.", floorBag: "privacy_floor."} {
		for k, p := range b.bags[i].levels {
			list = append(list, prefix+k.String()+": "+p.level.String())
		}
	}
	slices.Sort(list)
	return list
}

// Difference is one setting in which two bundles differ.
type Difference struct {
	Key    string `json:"key"`
	Before string `json:"before"` // "" where it is not named
	After  string `json:"after"`
}

// Since lists what b says otherwise than old, and whether it lets anything more
// through, so that as a floor it waits for its notice.
func (b Bundle) Since(old Bundle) (list []Difference, looser bool) {
	before, after := byKey(old.Settings), byKey(b.Settings)
	for key, was := range before {
		if after[key] != was {
			list = append(list, Difference{key, was, after[key]})
		}
	}
	for key, is := range after {
		if before[key] == "" {
			list = append(list, Difference{key, "", is})
		}
	}
	slices.SortFunc(list, func(x, y Difference) int { return strings.Compare(x.Key, y.Key) })
	return list, b.read != nil && old.read != nil && loosens(old.read, b.read)
}

func byKey(settings []string) map[string]string {
	m := map[string]string{}
	for _, s := range settings {
		key, value, _ := strings.Cut(s, ": ")
		m[key] = value
	}
	return m
}
