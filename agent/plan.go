package agent

import (
	"strings"
	"time"

	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/configs"
	"github.com/discreet-agent/discreet/privacy"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
)

// planFor says how a collector is to run under the settings and the policy. at
// is the time in the device's zone.
func planFor(spec collectors.Spec, l *configs.Loaded, at time.Time) plan {
	p := plan{asset: collectors.Asset{ID: l.Settings.Device.AssetID, Tags: l.Settings.Device.Tags}}
	own := l.Settings.Collectors[spec.Name]
	p.rung = own.Rung()
	if !own.Enabled {
		p.state, p.why = "disabled", "collectors."+spec.Name+".enabled is false"
		return p
	}
	if l.OnlyHealth {
		p.state, p.why = "off_by_policy", "no valid settings: nothing but health leaves"
		return p
	}
	for c := range privacyv1.Class_name {
		if int(c) < len(p.keeps) {
			p.keeps[c] = keeps(l.Policy, privacyv1.Class(c))
		}
	}
	if len(spec.Classes) == 0 {
		return p
	}
	var off []string
	for _, c := range spec.Classes {
		if p.keeps[c] {
			return quieted(p, spec, l.Settings.Privacy.Quiet, at)
		}
		off = append(off, strings.ToLower(c.String())+"=drop")
	}
	p.state, p.why = "off_by_policy", strings.Join(off, ", ")
	return p
}

// keeps reports whether the policy lets anything of a class leave.
func keeps(p privacy.Policy, c privacyv1.Class) bool {
	if c == privacyv1.Class_PLAIN {
		return true
	}
	k, ok := privacy.ParseKey(strings.ToLower(c.String()))
	return ok && p.Level(k) != privacy.Drop
}

// rungName returns a rung as settings spell it.
func rungName(r eventv1.Rung) string {
	if r == eventv1.Rung_RUNG_UNSPECIFIED {
		return ""
	}
	return strings.ToLower(strings.TrimPrefix(r.String(), "RUNG_"))
}

// statusByState is a collector's state as the health event carries it.
var statusByState = map[string]eventv1.CollectorStatus{
	"running":       eventv1.CollectorStatus_COLLECTOR_STATUS_RUNNING,
	"disabled":      eventv1.CollectorStatus_COLLECTOR_STATUS_DISABLED,
	"off_by_policy": eventv1.CollectorStatus_COLLECTOR_STATUS_OFF_BY_POLICY,
	"quiet":         eventv1.CollectorStatus_COLLECTOR_STATUS_OFF_BY_POLICY, // for now
	"unsupported":   eventv1.CollectorStatus_COLLECTOR_STATUS_UNSUPPORTED,
	"denied":        eventv1.CollectorStatus_COLLECTOR_STATUS_DENIED,
	"failed":        eventv1.CollectorStatus_COLLECTOR_STATUS_FAILED,
}

// Planned says what each collector would do under the settings, without
// starting any.
func Planned(l *configs.Loaded) []CollectorState {
	var states []CollectorState
	for _, spec := range Builtin() {
		p := planFor(spec, l, localNow())
		st := CollectorState{Name: spec.Name, Doc: spec.Doc, State: p.state, Reason: p.why}
		if p.state == "" {
			st.State = "not_running"
		}
		if st.State == "not_running" && len(spec.Rungs) == 0 {
			st.State, st.Reason = "unsupported", "no source on this system yet"
		}
		states = append(states, st)
	}
	return states
}
