package configs

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
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
	signed := preAuth(e.PayloadType, e.Payload)
	for _, sig := range e.Signatures {
		if ed25519.Verify(key.Public().(ed25519.PublicKey), signed, sig.Sig) {
			return nil, nil, errors.New("this key has signed it already; hint: a key counts once")
		}
	}
	e.Signatures = append(e.Signatures, signature{Sig: ed25519.Sign(key, signed)})
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
	var e envelope
	if len(data) > maxBundle || json.Unmarshal(data, &e) != nil || bundleTypes[e.PayloadType] == "" {
		return Bundle{}, nil, nil, errors.New("not a signed bundle; hint: \"policy sign\" makes one")
	}
	signed := preAuth(e.PayloadType, e.Payload)
	by := make([]bool, len(public))
	for i, text := range public {
		key, err := publicKey(text)
		if err != nil {
			return Bundle{}, nil, nil, fmt.Errorf("key %d: %w", i+1, err)
		}
		by[i] = slices.ContainsFunc(e.Signatures, func(s signature) bool { return ed25519.Verify(key, signed, s.Sig) })
	}
	b := contents(name, e)
	out := Bundle{bundleTypes[e.PayloadType], b.version, b.notBefore, b.expires, b.notice, nil}
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
