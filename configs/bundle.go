package configs

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A pushed bundle is a DSSE envelope around settings. Nothing in it is parsed
// before its signatures are verified.
// https://github.com/secure-systems-lab/dsse/blob/master/envelope.md
const (
	bundleType    = "application/vnd.discreet.policy+yaml"
	floorType     = "application/vnd.discreet.floor+yaml"
	maxBundle     = 64 * kib
	maxSignatures = 16
	maxSigners    = 16
)

// envelope is the JSON of DSSE; encoding/json reads base64 into bytes.
type envelope struct {
	Payload     []byte      `json:"payload"`
	PayloadType string      `json:"payloadType"`
	Signatures  []signature `json:"signatures"`
}

type signature struct {
	KeyID string `json:"keyid,omitempty"` // a remark; the keys are pinned
	Sig   []byte `json:"sig"`
}

// signers says whose signatures a bundle needs: threshold of keys.
type signers struct {
	keys      []ed25519.PublicKey
	threshold int
}

// preAuth is what is signed: DSSE's pre-authentication encoding, which binds the
// type to the payload.
func preAuth(payloadType string, payload []byte) []byte {
	b := append([]byte("DSSEv1 "), strconv.Itoa(len(payloadType))...)
	b = append(append(b, ' '), payloadType...)
	b = append(strconv.AppendInt(append(b, ' '), int64(len(payload)), 10), ' ')
	return append(b, payload...)
}

// open returns the payload of an envelope that enough of the signers signed. A
// key counts once, however often it signed.
func (s signers) open(data []byte, want string) ([]byte, error) {
	e, err := decodeEnvelope(data)
	switch {
	case err != nil:
		return nil, err
	case e.PayloadType != want:
		return nil, errors.New("signed for another use, want the type " + want)
	case s.threshold < 1 || len(s.keys) < s.threshold:
		return nil, errors.New("nobody's signature is accepted")
	}
	if good := len(e.signedBy(s.keys)); good < s.threshold {
		return nil, fmt.Errorf("%d valid signatures of pinned keys, want %d", good, s.threshold)
	}
	return e.Payload, nil
}

// decodeEnvelope reads one envelope within its bounds. Nobody's signature has been
// verified then.
func decodeEnvelope(data []byte) (envelope, error) {
	if len(data) > maxBundle {
		return envelope{}, errors.New("larger than 64 KiB")
	}
	var e envelope
	dec := json.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(&e); err != nil {
		return envelope{}, errors.New("not a signed bundle")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return envelope{}, errors.New("more than one signed bundle")
	}
	if n := len(e.Signatures); n > maxSignatures {
		return envelope{}, fmt.Errorf("%d signatures, want at most %d", n, maxSignatures)
	}
	return e, nil
}

// signedBy returns those of keys that signed, each once.
func (e envelope) signedBy(keys []ed25519.PublicKey) []ed25519.PublicKey {
	signed := preAuth(e.PayloadType, e.Payload)
	var who []ed25519.PublicKey
	for _, key := range keys {
		valid := slices.ContainsFunc(e.Signatures, func(s signature) bool { return ed25519.Verify(key, signed, s.Sig) })
		if valid && !slices.ContainsFunc(who, func(k ed25519.PublicKey) bool { return k.Equal(key) }) {
			who = append(who, key)
		}
	}
	return who
}

// publicKey reads a PEM file with one ed25519 public key.
func publicKey(data []byte) (ed25519.PublicKey, error) {
	block, rest := pem.Decode(data)
	if block == nil || block.Type != "PUBLIC KEY" || len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("want one PUBLIC KEY in PEM")
	}
	k, err := x509.ParsePKIXPublicKey(block.Bytes)
	if key, ok := k.(ed25519.PublicKey); ok && err == nil {
		return key, nil
	}
	return nil, errors.New("want a public key of ed25519")
}

// pinnedSigners reads the keys that the layers below a bundle pin for a use, push
// or floor.
func pinnedSigners(layers []*layer, disk files, use string) (signers, *Fault) {
	path := "trust." + use + ".key_files"
	named, from := top(layers, path)
	threshold, _ := top(layers, "trust."+use+".threshold")
	s := signers{threshold: int(threshold.value.(int64))}
	at := func(text, hint string) *Fault {
		return &Fault{File: from.file, Line: named.line, Col: 1, Key: path, Text: text, Hint: hint}
	}
	list := named.value.([]any)
	if len(list) > maxSigners {
		return s, at(fmt.Sprintf("%d keys, want at most %d", len(list), maxSigners), "")
	}
	for _, v := range list {
		file := v.(string)
		if !filepath.IsAbs(file) {
			return s, at("a relative path, want absolute ones", "")
		}
		src := readSource(layerFile, file, disk)
		if src.fault != nil {
			return s, src.fault
		}
		key, err := publicKey(src.data)
		if err != nil {
			return s, &Fault{File: file, Text: err.Error(), Hint: "\"discreet-gateway policy keygen\" makes a pair"}
		}
		if !s.has(key) {
			s.keys = append(s.keys, key)
		}
	}
	return s, nil
}

// noPins refuses keys that a managed policy names: it lies above what they sign.
func (l *layer) noPins() {
	for path, e := range l.bags[mainBag].entries {
		if strings.HasPrefix(path, "trust.") {
			l.faults = sortFaults(append(l.faults, Fault{File: l.file, Line: e.line, Col: 1, Key: path,
				Text: "in a managed policy, want it in agent.yaml or conf.d", Hint: "keys are pinned when the agent is installed"}))
		}
	}
}

func (s signers) has(key ed25519.PublicKey) bool {
	for _, k := range s.keys {
		if k.Equal(key) {
			return true
		}
	}
	return false
}
