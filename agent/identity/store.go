package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/discreet-agent/discreet/agent/durable"
)

// An identity is three files. A new one is first written to a side slot, whole,
// and then renamed over the old one file by file. Whatever a crash leaves, some
// key, certificate and authority of the two slots belong together, and Load
// finds them.
const (
	keyFile  = "key.pem"
	certFile = "cert.pem"
	caFile   = "ca.pem"
	nextSlot = "next-" // before a name: the side slot
)

const maxFile = 64 << 10

// parts is what the two slots hold: [0] is the slot in use, [1] the side slot.
// What is missing or damaged is nil.
type parts struct {
	key   [2]*ecdsa.PrivateKey
	chain [2][]*x509.Certificate
	ca    [2]*x509.Certificate
	found bool // there is a file in use
}

// Load reads the identity in dir. It changes nothing there. The error is
// ErrNotEnrolled where there is none, ErrDamaged where its files do not belong
// together and ErrKeyExposed where others can read the key.
func Load(dir string) (*Identity, error) {
	var err error
	// Twice, for a renewal may swap the files while they are read.
	for range 2 {
		var p parts
		if p, err = readParts(dir); err != nil {
			return nil, fmt.Errorf("load identity: %w", err)
		}
		if id, _ := p.choose(); id != nil {
			return id, nil
		}
		err = fmt.Errorf("load identity from %s: %w (hint: discreet-agent enroll --token-file FILE)", dir, ErrNotEnrolled)
		if p.found {
			err = fmt.Errorf("load identity from %s: %w: no key and certificate that belong together (hint: enrol again: discreet-agent enroll --token-file FILE)", dir, ErrDamaged)
		}
	}
	return nil, err
}

// choice says from which slot each of key, certificate and authority is taken.
type choice [3]int

// choose finds parts that belong together, those in use first.
func (p *parts) choose() (*Identity, choice) {
	for n := range 8 {
		c := choice{n >> 2 & 1, n >> 1 & 1, n & 1}
		key, chain, ca := p.key[c[0]], p.chain[c[1]], p.ca[c[2]]
		if key == nil || chain == nil || ca == nil {
			continue
		}
		if id, err := newIdentity(key, chain, ca); err == nil {
			return id, c
		}
	}
	return nil, choice{}
}

func readParts(dir string) (parts, error) {
	var p parts
	for slot, prefix := range [2]string{"", nextSlot} {
		data, err := readPrivate(filepath.Join(dir, prefix+keyFile))
		if err != nil {
			return p, err
		}
		p.key[slot] = parseKey(data)
		certData, err := readIfThere(filepath.Join(dir, prefix+certFile))
		if err != nil {
			return p, err
		}
		p.chain[slot] = parseCerts(certData)
		caData, err := readIfThere(filepath.Join(dir, prefix+caFile))
		if err != nil {
			return p, err
		}
		if cas := parseCerts(caData); len(cas) == 1 {
			p.ca[slot] = cas[0]
		}
		if slot == 0 {
			// An authority alone is no trace of an identity: it may have been
			// put there for the first contact.
			p.found = data != nil || certData != nil
		}
	}
	return p, nil
}

// readIfThere returns nil where there is no file.
func readIfThere(path string) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readBounded(f)
}

// readPrivate is readIfThere for a key: it refuses what others can read.
func readPrivate(path string) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	open, err := exposed(f)
	if err != nil {
		return nil, err
	}
	if open {
		return nil, fmt.Errorf("%w: %s (hint: %s; if someone may have copied it, revoke the device at the gateway and enrol again)", ErrKeyExposed, path, exposedHint(path))
	}
	return readBounded(f)
}

func readBounded(f *os.File) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(f, maxFile))
	if data == nil {
		data = []byte{}
	}
	return data, err
}

func parseKey(data []byte) *ecdsa.PrivateKey {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	ec, ok := key.(*ecdsa.PrivateKey)
	if err != nil || !ok {
		return nil
	}
	return ec
}

// parseCerts returns the certificates in data, or nil where there is none, where
// one cannot be read or where there are more than anybody needs.
func parseCerts(data []byte) []*x509.Certificate {
	var all []*x509.Certificate
	for {
		block, rest := pem.Decode(data)
		if block == nil {
			return all
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil || len(all) == 8 {
			return nil
		}
		all, data = append(all, cert), rest
	}
}

// settle finishes a swap that a crash has cut short.
func settle(dir string) error {
	p, err := readParts(dir)
	if err != nil {
		return err
	}
	id, c := p.choose()
	if id == nil || c == (choice{}) {
		return nil
	}
	for i, name := range []string{keyFile, certFile, caFile} {
		if c[i] == 1 {
			if err := os.Rename(filepath.Join(dir, nextSlot+name), filepath.Join(dir, name)); err != nil {
				return fmt.Errorf("finish swap: %w", err)
			}
		}
	}
	return durable.SyncDir(dir)
}

// swap puts the side slot, which must be whole, in the place of what is in use.
func swap(dir string) error {
	for _, name := range []string{keyFile, certFile, caFile} {
		err := os.Rename(filepath.Join(dir, nextSlot+name), filepath.Join(dir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("swap identity: %w", err)
		}
	}
	return durable.SyncDir(dir)
}

// clearNext empties the side slot.
func clearNext(dir string) error {
	for _, name := range []string{certFile, caFile, keyFile} {
		if err := os.Remove(filepath.Join(dir, nextSlot+name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("clear side slot: %w", err)
		}
	}
	return nil
}

// pendingLife is how long a key whose enrolment got no answer is used again. The
// gateway remembers about as long that it has answered; and a key must not wait
// in an image from which many devices are made.
const pendingLife = 10 * time.Minute

// pendingKey returns the key of an enrolment that was cut short a moment ago, or
// makes one and puts it in the side slot.
func pendingKey(dir string) (*ecdsa.PrivateKey, error) {
	path := filepath.Join(dir, nextSlot+keyFile)
	info, err := os.Stat(path)
	if err == nil {
		age := time.Since(info.ModTime())
		p, err := readParts(dir)
		if err == nil && p.key[1] != nil && p.chain[1] == nil && age >= 0 && age < pendingLife {
			return p.key[1], nil
		}
	}
	return nextKey(dir)
}

// nextKey makes a key and puts it in the side slot, alone.
func nextKey(dir string) (*ecdsa.PrivateKey, error) {
	if err := clearNext(dir); err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	data := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return key, durable.WriteFile(filepath.Join(dir, nextSlot+keyFile), data, 0o600)
}

// writeNext puts certificates in the side slot.
func writeNext(dir, name string, certs []*x509.Certificate) error {
	var data []byte
	for _, c := range certs {
		data = append(data, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return durable.WriteFile(filepath.Join(dir, nextSlot+name), data, 0o644)
}

// makeCSR makes a certificate request that says nothing but its key.
func makeCSR(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return nil, fmt.Errorf("make certificate request: %w", err)
	}
	return der, nil
}
