package privacy

import (
	"crypto/ecdh"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
)

const (
	officerHint = "make a pair with: discreet-gateway officer init --out DIR"
	pemPrivate  = "PRIVATE KEY" // PKCS #8, RFC 5958: openssl reads it too
	pemPublic   = "PUBLIC KEY"
)

// PEM returns the private key as a file holds it. Write it with mode 0600.
func (k *OfficerKey) PEM() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.raw)
	if err != nil {
		return nil, fmt.Errorf("write officer key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemPrivate, Bytes: der}), nil
}

// PEM returns the public key as a file holds it.
func (p *OfficerPublic) PEM() ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(p.raw)
	if err != nil {
		return nil, fmt.Errorf("write officer key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemPublic, Bytes: der}), nil
}

// ReadOfficerKey reads the private key. A file that others than its owner can
// read is refused. Errors name the file and never hold a byte of the key.
func ReadOfficerKey(path string) (*OfficerKey, error) {
	der, err := readOfficerPEM(path, pemPrivate)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	raw, ok := parsed.(*ecdh.PrivateKey)
	if err != nil || !ok {
		return nil, fmt.Errorf("officer key file %s holds no X25519 key\nhint: %s", path, officerHint)
	}
	k, err := officerKey(raw)
	if err != nil {
		return nil, fmt.Errorf("officer key file %s: %w", path, err)
	}
	return k, nil
}

// ReadOfficerPublic reads the public key. A file that others than its owner can
// change is refused: with another key in it they could read the names. So is
// one that holds the private key, which has no business on a device.
func ReadOfficerPublic(path string) (*OfficerPublic, error) {
	der, err := readOfficerPEM(path, pemPublic)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKIXPublicKey(der)
	raw, ok := parsed.(*ecdh.PublicKey)
	if err != nil || !ok {
		return nil, fmt.Errorf("officer key file %s holds no X25519 key\nhint: %s", path, officerHint)
	}
	p, err := officerPublic(raw)
	if err != nil {
		return nil, fmt.Errorf("officer key file %s: %w", path, err)
	}
	return p, nil
}

// readOfficerPEM returns what the one block of a file holds.
func readOfficerPEM(path, want string) ([]byte, error) {
	f, err := openKeyFile(path)
	if err != nil {
		return nil, fmt.Errorf("open officer key file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read officer key file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("officer key file %s is not a regular file\nhint: name the file that holds the key", path)
	}
	if want == pemPrivate {
		err = checkKeyMode(path, info.Mode())
	} else {
		err = checkPublicMode(path, info.Mode())
	}
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return nil, fmt.Errorf("read officer key file: %w", err)
	}
	block, rest := pem.Decode(text)
	switch {
	case len(text) > maxKeyFile || block == nil || len(rest) > 0:
		err = errors.New("want one PEM block\nhint: " + officerHint)
	case block.Type == pemPrivate && want == pemPublic:
		err = errors.New("it holds the private key\nhint: devices get officer.pub; take the private key off this device")
	case block.Type == pemPublic && want == pemPrivate:
		err = errors.New("it holds the public key\nhint: name the officer's private key")
	case block.Type != want:
		err = errors.New("it holds something else\nhint: " + officerHint)
	}
	if err != nil {
		return nil, fmt.Errorf("officer key file %s: %w", path, err)
	}
	return block.Bytes, nil
}
