package agent

import (
	"strings"
	"time"

	"github.com/discreet-agent/discreet/agent/view"
	"github.com/discreet-agent/discreet/configs"
	"github.com/discreet-agent/discreet/privacy"
)

// names returns what the filter in force makes of a person's name at each level,
// and the id of the key.
func (a *Agent) names(l *configs.Loaded, who person) (pseudonym, clear, keyID string, err error) {
	for _, level := range []privacy.Level{privacy.Cleartext, privacy.Hashed} {
		m, keyErr := newMirror(l, who, a.newFilter, map[privacy.Key]privacy.Level{privacy.Username: level})
		out, key := m.start()
		if name := out.GetUser().GetName(); level == privacy.Hashed {
			pseudonym, keyID, err = name, key, keyErr
		} else {
			clear = name
		}
	}
	return pseudonym, clear, keyID, err
}

// whoami says by which names a person stands in the data.
func (a *Agent) whoami(l *configs.Loaded, who person) (view.Whoami, error) {
	pseudonym, clear, keyID, err := a.names(l, who)
	w := view.Whoami{
		Account: who.name, UID: who.uid, ID: who.sid(), Level: l.Policy.Level(privacy.Username).String(), Pseudo: []string{},
		KeyID: keyID, Mode: l.Settings.Privacy.Pseudonym.Source(), Contact: l.Settings.Privacy.Statement.Contact,
	}
	if err != nil {
		w.KeyError = err.Error()
	}
	w.UPN, w.SID = a.otherNames(l, who)
	if pseudonym != "" {
		w.Pseudo = append(w.Pseudo, pseudonym)
		w.Pseudo = append(w.Pseudo, a.pastNames(l, who, time.Now())...)
	}
	switch l.Policy.Level(privacy.Username) {
	case privacy.Hashed:
		w.InData = pseudonym
	case privacy.Cleartext:
		w.InData = clear
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ident != nil {
		w.Device = a.ident.Device()
	}
	return w, nil
}

// otherNames says what stands in the data for the sign-in name and the number of
// an account.
func (a *Agent) otherNames(l *configs.Loaded, who person) (upn, sid view.Name) {
	look := func(k privacy.Key, level privacy.Level) string {
		m, _ := newMirror(l, who, a.newFilter, map[privacy.Key]privacy.Level{k: level})
		out, _ := m.start()
		if k == privacy.UPN {
			return out.GetUser().GetUpn()
		}
		return out.GetUser().GetSid()
	}
	name := func(k privacy.Key, known bool) view.Name {
		n := view.Name{Known: known, Level: l.Policy.Level(k).String()}
		if known {
			n.InData, n.Pseudo = look(k, l.Policy.Level(k)), look(k, privacy.Hashed)
		}
		return n
	}
	return name(privacy.UPN, who.upn() != ""), name(privacy.UserSID, true)
}

// upn returns the sign-in name of an account, where the system calls the account
// by it; no system file says more.
func (p person) upn() string {
	if user, realm, ok := strings.Cut(p.name, "@"); ok && user != "" && strings.Contains(realm, ".") {
		return p.name
	}
	return ""
}
