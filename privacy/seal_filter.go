package privacy

import (
	"fmt"
	"io"
)

// maxIdentities bounds the people of whom a filter remembers that it has sealed
// their names. No device has so many; past the bound it seals again.
const maxIdentities = 4096

// Identity is the sealed name of a person, beside the pseudonym under which
// events tell of them. Only the data protection officer can open it.
type Identity struct {
	Pseudonym    string
	Sealed       []byte
	OfficerKeyID string
}

// SealTo returns pseudonyms of the same key, beside which each name is sealed
// once for pub.
func (p *Pseudonyms) SealTo(pub *OfficerPublic) *Pseudonyms {
	if p == nil {
		return nil
	}
	sealing := *p
	sealing.officer = pub
	return &sealing
}

// sealed notes the people of mode sealed. Clear names do not stay in it.
type sealed struct {
	seen  map[string]struct{} // pseudonyms
	fresh []Identity
}

// note seals the name of a person whose pseudonym is new. System accounts have
// roles and no identity. What cannot be sealed is not noted: the person has a
// pseudonym that nobody can find by name.
func (r *rules) note(user account, pseudonym string) {
	if r.keys == nil || r.keys.officer == nil || r.frozen || !user.person || pseudonym == "" {
		return
	}
	if _, ok := r.sealed.seen[pseudonym]; ok || len(r.sealed.fresh) >= maxIdentities {
		return
	}
	box, err := Seal(r.keys.officer, canonicalUser(r.accounts.host, user), pseudonym)
	if err != nil {
		return
	}
	if r.sealed.seen == nil || len(r.sealed.seen) >= maxIdentities {
		r.sealed.seen = make(map[string]struct{})
	}
	r.sealed.seen[pseudonym] = struct{}{}
	r.sealed.fresh = append(r.sealed.fresh, Identity{pseudonym, box, r.keys.officer.id})
}

// NewIdentities returns the identities of people whom events named since the
// last call. It is empty in every mode but sealed, and where the policy does not
// hash user names.
func (f *Filter) NewIdentities() []Identity {
	fresh := f.rules.sealed.fresh
	f.rules.sealed.fresh = nil
	return fresh
}

// CanonicalUser returns the form of an account name that is sealed: with it the
// officer compares what was opened. It is "" for system accounts and for what is
// no name. sid may be empty.
func CanonicalUser(c Context, name, sid string) string {
	if len(name) > maxInput {
		return ""
	}
	a := newAccounts(c)
	user := a.parse(name, sid)
	if !user.person {
		return ""
	}
	return canonicalUser(a.host, user)
}

// Format writes a fixed text, whatever the verb: a pseudonym names a person.
func (i Identity) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redactedText) }
