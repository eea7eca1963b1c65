package agent

import (
	"os"
	"slices"
	"strings"
	"time"

	"github.com/discreet-agent/discreet/configs"
	"github.com/discreet-agent/discreet/privacy"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// made is a filter, and what it was made with.
type made struct {
	filter *privacy.Filter
	keys   *privacy.Pseudonyms
	people []string // the identities that it knows
	zone   string   // tells that of its buckets from others
	err    error    // why there is no key
}

// makeFilter compiles the policy for this device, with the keys of epoch e. Where
// the pseudonym key cannot be had the filter drops what it would hash, and the
// error says why.
func (a *Agent) makeFilter(l *configs.Loaded, e privacy.Epoch, fresh bool) made {
	ctx := filterContext(l)
	ctx.Identities = people()
	where, zone := a.place()
	ctx.Location = where
	keys, err := pseudonyms(l, e, fresh)
	return made{privacy.NewFilter(l.Policy, ctx, keys), keys, ctx.Identities, zone, err}
}

// newFilter makes a filter as the one in force is, for somebody who looks at it.
func (a *Agent) newFilter(l *configs.Loaded) (*privacy.Filter, []string, error) {
	a.mu.Lock()
	e := a.epoch
	a.mu.Unlock()
	m := a.makeFilter(l, e, false)
	return m.filter, m.people, m.err
}

// offlineFilter makes a filter where no agent runs. It reads the key where it may,
// and makes none.
func offlineFilter(l *configs.Loaded) (*privacy.Filter, []string, error) {
	m := (&Agent{}).makeFilter(l, nextEpoch(l, "", time.Now()), false)
	return m.filter, m.people, m.err
}

// place is localZone, and what a test has in its place.
func (a *Agent) place() (*time.Location, string) {
	if a.zone == nil {
		return localZone()
	}
	return a.zone()
}

// filterContext is what the rules know of this device, but for its people. Its
// zone is that of the program's start.
func filterContext(l *configs.Loaded) privacy.Context {
	host, _ := os.Hostname()
	ctx := l.Settings.Context()
	ctx.OS, ctx.Host, ctx.Location = system, host, time.Local
	return ctx
}

// refreshDevice gives the filter the accounts that appeared since it was made,
// and the zone to which the device travelled. The policy stays, so batches go on
// under the same digest.
func (a *Agent) refreshDevice() {
	a.mu.Lock()
	l, known, was, e := a.loaded, a.people, a.zoneText, a.epoch
	a.mu.Unlock()
	if _, zone := a.place(); zone != was || !slices.Equal(people(), known) {
		a.refilter(l, e)
	}
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
