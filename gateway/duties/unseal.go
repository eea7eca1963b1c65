package duties

import (
	"context"
	"errors"
	"strings"

	"github.com/discreet-agent/discreet/gateway"
	"github.com/discreet-agent/discreet/privacy"
)

// unseal opens the sealed names that the store keeps and returns the pseudonyms
// of those whom s names. What was opened is compared and forgotten. Records that
// were sealed for another key, or that a device forged, are passed over.
func (d *Duties) unseal(ctx context.Context, s Selector) ([]string, error) {
	keeper, ok := d.Store.(gateway.IdentityStore)
	if !ok {
		return nil, errors.New("this store keeps no sealed names")
	}
	key, err := privacy.ReadOfficerKey(s.OfficerKeyFile)
	if err != nil {
		return nil, err
	}
	wanted := s.canonical()
	list, err := keeper.Identities(ctx)
	if err != nil || len(wanted) == 0 {
		return nil, err
	}
	var out []string
	for _, id := range list {
		if id.OfficerKeyID != key.Public().ID() {
			continue
		}
		if name, err := privacy.Open(key, id.Sealed, id.Pseudonym); err == nil && wanted[name] {
			out = append(out, id.Pseudonym)
		}
	}
	return out, nil
}

// canonical returns the forms in which the names of s may have been sealed: as
// given, local to the host, and in the realm.
func (s Selector) canonical() map[string]bool {
	c := privacy.Context{OS: s.OS, Host: s.Host, RealmAliases: s.Aliases}
	out := map[string]bool{}
	for _, name := range s.Names {
		out[privacy.CanonicalUser(c, name, "")] = true
		if s.Realm != "" && !strings.ContainsAny(name, `\/@`) {
			out[privacy.CanonicalUser(c, s.Realm+`\`+name, "")] = true
		}
	}
	delete(out, "")
	return out
}
