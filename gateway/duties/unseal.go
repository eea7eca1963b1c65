package duties

import (
	"context"
	"encoding/base64"
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

// writeIdentities writes the sealed names that the store keeps beside the people
// among the subjects. They are opened only with the officer's key.
func (d *Duties) writeIdentities(ctx context.Context, a *archive) error {
	keeper, ok := d.Store.(gateway.IdentityStore)
	if !ok {
		return nil
	}
	var key *privacy.OfficerKey
	if d.OfficerKeyFile != "" {
		var err error
		if key, err = privacy.ReadOfficerKey(d.OfficerKeyFile); err != nil {
			return err
		}
	}
	names := map[string]bool{}
	for _, s := range a.subjects {
		if s.Kind == gateway.Person && s.Name != "" {
			names[s.Name] = true
		}
	}
	list, err := keeper.Identities(ctx)
	if err != nil {
		return err
	}
	rows := [][]string{{"device", "pseudonym", "officer_key", "name", "sealed_name_base64"}}
	for _, id := range list {
		if names[id.Pseudonym] {
			rows = append(rows, []string{guard(string(id.Device)), guard(id.Pseudonym), guard(id.OfficerKeyID), guard(opened(key, id)), base64.StdEncoding.EncodeToString(id.Sealed)})
		}
	}
	if a.sealed = len(rows) - 1; a.sealed == 0 {
		return nil
	}
	return a.csvFile("sealed_names.csv", rows)
}

// opened returns the name in an identity, or "" where key does not open it.
func opened(key *privacy.OfficerKey, id gateway.Identity) string {
	if key == nil || key.Public().ID() != id.OfficerKeyID {
		return ""
	}
	name, err := privacy.Open(key, id.Sealed, id.Pseudonym)
	if err != nil {
		return ""
	}
	return strings.ReplaceAll(name, "\x1f", `\`) // realm and name
}
