package agent

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/discreet-agent/discreet/agent/durable"
	"github.com/discreet-agent/discreet/configs"
	"github.com/discreet-agent/discreet/privacy"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// newFilter compiles the policy for this device. Where the pseudonym key cannot
// be had the filter drops what it would hash, and the error says why. The second
// result is the identities that it knows.
func (a *Agent) newFilter(l *configs.Loaded) (*privacy.Filter, []string, error) {
	host, _ := os.Hostname()
	ctx := l.Settings.Context()
	ctx.OS, ctx.Host, ctx.Location = system, host, time.Local
	ctx.Identities = people()
	keys, err := pseudonyms(l)
	return privacy.NewFilter(l.Policy, ctx, keys), ctx.Identities, err
}

// pseudonyms returns the key that the settings ask for. Mode auto is tenant_key
// where a key file is set, else device_key: a key made on this device, at first
// use. Mode sealed takes that key too, and seals each name for the officer.
func pseudonyms(l *configs.Loaded) (*privacy.Pseudonyms, error) {
	p := l.Settings.Privacy.Pseudonym
	switch p.Source() {
	case "sealed":
		officer, err := privacy.ReadOfficerPublic(p.OfficerKeyFile)
		if err != nil {
			return nil, err
		}
		keys, err := deviceKey(filepath.Join(l.Settings.StateDir, "device.key"))
		return keys.SealTo(officer), err
	case "tenant_key":
		return privacy.ReadKeyFile(p.TenantKeyFile, p.KeyID)
	}
	return deviceKey(filepath.Join(l.Settings.StateDir, "device.key"))
}

// deviceKey reads the key of this device, or makes it.
func deviceKey(file string) (*privacy.Pseudonyms, error) {
	if _, err := os.Lstat(file); errors.Is(err, fs.ErrNotExist) {
		secret, err := privacy.NewSecret()
		if err != nil {
			return nil, err
		}
		if err := durable.WriteFile(file, secret, 0o600); err != nil {
			return nil, err
		}
	}
	return privacy.ReadKeyFile(file, "")
}

// refreshPeople gives the filter the accounts that appeared since it was made.
// The policy stays, so batches go on under the same digest.
func (a *Agent) refreshPeople() {
	a.mu.Lock()
	l, known := a.loaded, a.people
	a.mu.Unlock()
	if slices.Equal(people(), known) {
		return
	}
	filter, now, _ := a.newFilter(l)
	a.mu.Lock()
	a.people = now
	a.mu.Unlock()
	a.pipe.use(filter, l.Settings.Summary.Flush)
}

// topLayer is the highest layer that decides any key.
func topLayer(l *configs.Loaded) eventv1.Layer {
	top := eventv1.Layer_LAYER_DEFAULTS
	for _, d := range l.Decisions {
		top = max(top, layerByName[d.Layer])
	}
	return top
}

// pushVersion is the version of the pushed policy that holds; 0: none does.
func pushVersion(l *configs.Loaded) uint64 {
	if l.Pushed == nil {
		return 0
	}
	return uint64(l.Pushed.Version)
}

// pushSigners are the short names of the keys that signed it.
func pushSigners(l *configs.Loaded) string {
	if l.Pushed == nil {
		return ""
	}
	return strings.Join(l.Pushed.Signers, ",")
}

var layerByName = map[string]eventv1.Layer{
	"defaults": eventv1.Layer_LAYER_DEFAULTS,
	"file":     eventv1.Layer_LAYER_FILE,
	"conf_d":   eventv1.Layer_LAYER_CONF_D,
	"push":     eventv1.Layer_LAYER_PUSH,
	"managed":  eventv1.Layer_LAYER_MANAGED,
}

// refusal is why a layer was refused, if one was.
func refusal(l *configs.Loaded) eventv1.PolicyRefusal {
	if l.Degraded {
		return eventv1.PolicyRefusal_POLICY_REFUSAL_INVALID
	}
	return eventv1.PolicyRefusal_POLICY_REFUSAL_UNSPECIFIED
}
