package duties

import (
	"fmt"
	"slices"
	"strings"

	"github.com/discreet-agent/discreet/gateway"
	"github.com/discreet-agent/discreet/privacy"
)

// Selector says whom somebody asks about. Names are clear: to find whom a
// device reports under a pseudonym, the operator names the key file that the
// devices use, for this one call. The gateway keeps no key.
type Selector struct {
	Kind       gateway.SubjectKind
	Names      []string       // account names, UPNs, SIDs; or names of machines
	Pseudonyms []string       // as reported, for example from `privacy whoami`
	Device     gateway.Device // a machine by its id; people by a device that reported them
	KeyFile    string
	KeyID      string          // empty: derived from the key, as devices do
	Realm      string          // the domain of names that have none
	Host       string          // the machine on which such a name may be a local account
	OS         privacy.OS      // whose rules for names apply
	Aliases    []privacy.Alias // realms that are one

	OfficerKeyFile string // opens the sealed names of devices in mode sealed
}

// query turns the selector into what a store understands. An empty one selects
// all of its kind. seen are the ids of the keys of which the store holds
// pseudonyms.
func (s Selector) query(seen []string) (gateway.Query, error) {
	names, err := s.candidates(seen)
	return gateway.Query{Kind: s.Kind, Names: names, Device: s.Device}, err
}

// candidates returns every name under which those whom s means may be stored:
// the names as given, and what the filter of a device makes of them with the key
// of each epoch that the store has seen.
func (s Selector) candidates(seen []string) ([]string, error) {
	out := slices.Concat(s.Names, s.Pseudonyms)
	if s.KeyFile == "" || len(s.Names) == 0 {
		return out, nil
	}
	secret, err := privacy.ReadSecret(s.KeyFile)
	if err != nil {
		return nil, err
	}
	defer secret.Close()
	epochs := map[privacy.Epoch]bool{"": true}
	for _, id := range seen {
		if e, ok := secret.EpochOf(s.KeyID, id); ok && len(epochs) <= maxEpochs {
			epochs[e] = true
		}
	}
	for e := range epochs {
		keys, err := secret.Pseudonyms(s.KeyID, e)
		if err != nil {
			return nil, fmt.Errorf("pseudonym key file %s: %w", s.KeyFile, err)
		}
		for _, name := range s.Names {
			if s.Kind != gateway.Person {
				out = append(out, privacy.DevicePseudonym(keys, name))
			}
			if s.Kind != gateway.Machine {
				out = append(out, s.people(keys, name)...)
			}
		}
		keys.Close()
	}
	// A role stands for many accounts and is nobody's name.
	out = slices.DeleteFunc(out, func(n string) bool { return n == "" || strings.HasPrefix(n, "@") })
	slices.Sort(out)
	return slices.Compact(out), nil
}

// maxEpochs bounds the epochs of one key: a device can make up key ids.
const maxEpochs = 1200

// people returns the pseudonyms of an account: of the name as given, which may
// bring its realm along, of the name in the given realm, as an address, and as a
// SID.
func (s Selector) people(keys *privacy.Pseudonyms, name string) []string {
	c := privacy.Context{OS: s.OS, Host: s.Host, RealmAliases: s.Aliases}
	out := []string{privacy.UserPseudonym(keys, c, name, ""), privacy.UPNPseudonym(keys, name), privacy.SIDPseudonym(keys, c, name)}
	if s.Realm != "" && !strings.ContainsAny(name, `\/@`) {
		out = append(out, privacy.UserPseudonym(keys, c, s.Realm+`\`+name, ""), s.Realm+`\`+name)
	}
	return out
}
