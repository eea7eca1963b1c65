package gateway

import "context"

// Identity is the sealed name of a person whom a device reports under a
// pseudonym. Only the data protection officer can open it.
type Identity struct {
	Device       Device
	Pseudonym    string
	Sealed       []byte
	OfficerKeyID string
}

// MaxIdentities is how many identities of one device a store keeps.
const MaxIdentities = 10_000

// An IdentityStore keeps identities for as long as it holds the person under
// that pseudonym, and no longer: Delete, Anonymise and Expire take them away
// with the person. A Store's implementation may be one.
type IdentityStore interface {
	// PutIdentities stores those of list whose pseudonym names a person of the
	// store, and skips what it has. It returns the pseudonyms that are settled;
	// for the others nobody is there yet. Over MaxIdentities a device's are
	// settled without being stored.
	PutIdentities(ctx context.Context, dev Device, list []Identity) (settled []string, err error)
	// Identities returns all identities, in the order of device and pseudonym.
	Identities(ctx context.Context) ([]Identity, error)
}

// A KeyStore tells under which keys its pseudonyms were made, so that a person is
// found by name in every epoch of the keys. A Store's implementation may be one.
type KeyStore interface {
	// KeyIDs returns the key ids of all pseudonyms that name a subject, sorted.
	KeyIDs(ctx context.Context) ([]string, error)
}
