package main

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
)

// signer signs the checksum of a package's table of contents. A nil one signs
// nothing.
type signer struct {
	key   *rsa.PrivateKey
	chain []*x509.Certificate // its own first
}

func readSigner(keyFile, certFile string) (*signer, error) {
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, err
	}
	key, ok := pair.PrivateKey.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("not an RSA key; hint: Developer ID Installer keys are RSA")
	}
	s := &signer{key: key}
	for _, raw := range pair.Certificate {
		c, err := x509.ParseCertificate(raw)
		if err != nil {
			return nil, fmt.Errorf("certificate: %w", err)
		}
		s.chain = append(s.chain, c)
	}
	return s, nil
}

func (s *signer) size() int {
	if s == nil {
		return 0
	}
	return s.key.Size()
}

// sign signs a SHA-1 checksum. PKCS #1 v1.5 gives the same bytes each time.
func (s *signer) sign(sum []byte) ([]byte, error) {
	return rsa.SignPKCS1v15(rand.Reader, s.key, crypto.SHA1, sum)
}
