package privacy

import (
	"crypto/sha256"
	"strings"
)

// programName serves name, version, product and vendor of a program: whoever
// starts or builds a program chooses them.
func (r *rules) programName(l Level, v string) string {
	return r.kept(&r.names, l, v, (*rules).programNameOf)
}

func (r *rules) programNameOf(l Level, v string) string {
	switch l {
	case Generalised:
		return r.scrub(v, maxName)
	case Cleartext:
		return clearText(v, maxName)
	}
	return ""
}

// programSHA256 returns v itself, and nothing where v is no SHA-256.
func (r *rules) programSHA256(l Level, v []byte) []byte {
	if l != Cleartext || len(v) != sha256.Size {
		return nil
	}
	return v
}

// personalSigners are the certificates that Apple gives to single developers:
// their subject is a person, known to the device or not.
var personalSigners = [...]string{"apple development", "mac developer", "iphone developer"}

// personalSigner returns the prefix of a personal certificate, or "". A whole
// subject has it behind "CN=", in any place.
func personalSigner(canon string) string {
	for _, prefix := range personalSigners {
		if strings.HasPrefix(canon, prefix) {
			return prefix
		}
	}
	rest, found := canon, false
	for {
		if _, rest, found = strings.Cut(rest, "cn"); !found {
			return ""
		}
		name, ok := strings.CutPrefix(strings.TrimLeft(rest, " "), "=")
		for _, prefix := range personalSigners {
			if ok && strings.HasPrefix(strings.TrimLeft(name, ` "`), prefix) {
				return prefix
			}
		}
	}
}

func (r *rules) programSigner(l Level, v string) string {
	return r.kept(&r.signers, l, v, (*rules).signerOf)
}

func (r *rules) signerOf(l Level, v string) string {
	switch l {
	case Generalised:
		canon := Canonical(v)
		if prefix := personalSigner(canon); prefix != "" {
			return prefix
		}
		if strings.Contains(canon, "@") || r.holdsIdentity(v, false) {
			return "<person>"
		}
		return r.capped(validText(v, "\ufffd"), maxName)
	case Cleartext:
		return clearText(v, maxName)
	}
	return ""
}

// software is scrubbed as program names are, although the level says
// cleartext: a package that a person built may bear a name.
func (r *rules) software(l Level, v string) string {
	return r.kept(&r.packages, l, v, (*rules).softwareOf)
}

func (r *rules) softwareOf(l Level, v string) string {
	if l != Cleartext {
		return ""
	}
	return r.scrub(v, maxName)
}
