package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/discreet-agent/discreet/agent/uplink"
	"github.com/discreet-agent/discreet/agent/view"
	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/configs"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// Status is the answer of "discreet-agent status --json". It holds no value of
// any event.
type Status struct {
	Version  string            `json:"version"`
	Device   string            `json:"device,omitempty"`
	Enrolled bool              `json:"enrolled"`
	Uptime   int64             `json:"uptime_seconds"`
	Gateway  GatewayStatus     `json:"gateway"`
	Policy   PolicyStatus      `json:"policy"`
	Spool    SpoolStatus       `json:"spool"`
	Events   map[string]uint64 `json:"events"`
	Dropped  uint64            `json:"dropped_by_policy"`
	Tripwire uint64            `json:"tripwire"` // events dropped since a hidden identity stood in them
	Waiting  int               `json:"summaries_waiting"`
	Pauses   int               `json:"pauses_today"` // how many, not whose

	Collectors []CollectorState `json:"collectors"`
}

// GatewayStatus says how delivery goes.
type GatewayStatus struct {
	Address     string     `json:"address"`
	Connected   bool       `json:"connected"`
	Reason      string     `json:"reason,omitempty"`
	LastAck     *time.Time `json:"last_ack,omitempty"`
	EventsAcked uint64     `json:"events_acked"`
	BytesSent   uint64     `json:"bytes_sent"`
	Reconnects  uint64     `json:"reconnects"`
	CertExpires *time.Time `json:"certificate_expires,omitempty"`
	Enrolment   string     `json:"enrolment,omitempty"` // why the last attempt to enrol did not work
}

// PolicyStatus says which policy is in force.
type PolicyStatus struct {
	Digest     string    `json:"digest"`
	Preset     string    `json:"preset"`
	Since      time.Time `json:"since"`
	Degraded   bool      `json:"degraded"`
	OnlyHealth bool      `json:"only_health"`
	Faults     []string  `json:"faults,omitempty"`
	Warnings   []string  `json:"warnings,omitempty"`
	KeyError   string    `json:"key_error,omitempty"`

	// Decided is each setting that is not a built-in default, with the layer and the
	// place that decided it.
	Decided []configs.Decided `json:"decided"`
}

// SpoolStatus says what waits on disk.
type SpoolStatus struct {
	Events int64  `json:"events"`
	Bytes  int64  `json:"bytes"`
	Lost   uint64 `json:"lost"`
}

// answer serves the local commands.
func (a *Agent) answer(ctx context.Context, who view.Caller, q view.Request) (any, error) {
	switch q.Command {
	case "status":
		return a.Status(), nil
	case "collectors":
		return a.states(), nil
	case "support":
		return a.support(), nil
	case "privacy_show":
		a.mu.Lock()
		defer a.mu.Unlock()
		return json.RawMessage(a.loaded.ShowJSON()), nil
	case "privacy_history":
		return a.history()
	}
	return a.employee(ctx, who, q)
}

// Status reports on the running agent.
func (a *Agent) Status() Status {
	up, sp, n := a.uplink.Status(), a.spool.Stats(), a.pipe.counts()
	a.mu.Lock()
	l, id, enrolErr := a.loaded, a.ident, a.enrolErr
	st := Status{
		Version: a.o.Version, Uptime: int64(time.Since(a.start).Seconds()),
		Policy: PolicyStatus{
			Digest: fmt.Sprintf("%x", l.Policy.Digest()), Preset: l.Settings.Privacy.Preset, Since: a.since,
			Degraded: l.Degraded, OnlyHealth: l.OnlyHealth, KeyError: a.keyErr,
		},
	}
	a.mu.Unlock()
	for _, f := range l.Faults {
		st.Policy.Faults = append(st.Policy.Faults, f.String())
	}
	for _, w := range l.Warnings {
		st.Policy.Warnings = append(st.Policy.Warnings, w.String())
	}
	st.Policy.Decided = l.Decided()
	st.Gateway = gatewayStatus(l.Settings.Gateway.Address, up)
	st.Gateway.Enrolment = enrolErr
	if id != nil {
		st.Enrolled, st.Device = true, id.Device()
		until := id.NotAfter()
		st.Gateway.CertExpires = &until
	}
	st.Spool = SpoolStatus{Events: sp.Events, Bytes: sp.Bytes, Lost: sp.Lost}
	st.Events, st.Dropped, st.Tripwire, st.Waiting = n.Kinds, n.Dropped, n.Tripped, n.Waiting
	st.Pauses = a.pauses.today(time.Now())
	st.Collectors = a.states()
	return st
}

func gatewayStatus(address string, up uplink.Status) GatewayStatus {
	g := GatewayStatus{
		Address: address, Connected: up.Connected, Reason: up.Reason.Text(),
		EventsAcked: up.EventsAcked, BytesSent: up.BytesSent, Reconnects: up.Reconnects,
	}
	if !up.LastAck.IsZero() {
		g.LastAck = &up.LastAck
	}
	return g
}

func (a *Agent) states() []CollectorState {
	states := make([]CollectorState, 0, len(a.sups))
	for _, s := range a.sups {
		states = append(states, s.report())
	}
	return states
}

// health emits the agent's account of itself.
func (a *Agent) health(unclean bool) {
	cpu, rss := ownUse()
	sp := a.spool.Stats()
	a.mu.Lock()
	ok := !a.loaded.Degraded && !a.loaded.OnlyHealth
	a.mu.Unlock()
	h := &eventv1.AgentHealth{
		UptimeSeconds: uint64(time.Since(a.start).Seconds()), CpuMs: uint64(cpu.Milliseconds()), RssBytes: rss,
		BytesSent: a.uplink.Status().BytesSent, SpoolEvents: uint64(max(sp.Events, 0)), SpoolBytes: uint64(max(sp.Bytes, 0)),
		Losses: a.spool.Losses(), UncleanStop: unclean, ConfigOk: ok,
	}
	for _, s := range a.sups {
		st := s.report()
		h.Collectors = append(h.Collectors, &eventv1.CollectorState{
			Name: st.Name, Status: statusByState[st.State], Rung: s.stats.Rung(),
			Events: st.Events, Lost: st.Lost, Restarts: uint32(st.Restarts),
		})
	}
	a.pipe.emit(&eventv1.Event{TimeUnixMs: collectors.At(time.Now()), Kind: &eventv1.Event_AgentHealth{AgentHealth: h}})
}
