package main

import (
	"context"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/discreet-agent/discreet/gateway"
	"github.com/discreet-agent/discreet/privacy"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

const (
	// defaultStale is after how long without a contact a device counts as stale.
	defaultStale = 7 * 24 * time.Hour
	// healthLate is how far a device's newest account of itself may lie behind its
	// newest contact. It gives one every five minutes; what it sends without, comes
	// from an agent whose pipeline stands, or from one that works off a long absence.
	healthLate = time.Hour
)

// deviceRow is a device as scripts read it. Its names and those of its parts are a
// contract: docs/deploy/device-list.md.
type deviceRow struct {
	Device       string     `json:"device"`
	Group        string     `json:"group"`
	AssetID      string     `json:"asset_id"`
	Tags         []string   `json:"tags"`
	System       string     `json:"system"`
	Version      string     `json:"agent_version"`
	PolicyDigest string     `json:"policy_digest"`
	Enrolled     time.Time  `json:"enrolled"`
	LastContact  *time.Time `json:"last_contact"`
	CertExpires  time.Time  `json:"certificate_expires"`
	Revoked      bool       `json:"revoked"`
	SupersededBy string     `json:"superseded_by"`
	Health       healthRow  `json:"health"`
	Reasons      []reason   `json:"reasons"`
}

// healthRow is the newest account of itself of a device.
type healthRow struct {
	State       string         `json:"state"` // ok, degraded, none
	At          *time.Time     `json:"at"`
	ConfigOK    bool           `json:"config_ok"`
	UncleanStop bool           `json:"unclean_stop"`
	SpoolEvents uint64         `json:"spool_events"`
	EventsLost  uint64         `json:"events_lost"`
	Collectors  []collectorRow `json:"collectors"` // those that want to run and cannot
}

type collectorRow struct {
	Name     string `json:"name"`
	State    string `json:"state"` // denied, failed
	Restarts uint32 `json:"restarts"`
}

// reason says why something about a device is missing, or is not as it should be.
type reason string

// The reasons, in the order in which a row names them.
const (
	reasonSuperseded    reason = "superseded"
	reasonRevoked       reason = "revoked"
	reasonNeverContact  reason = "never_connected"
	reasonStale         reason = "stale"
	reasonExpired       reason = "certificate_expired"
	reasonAnonymous     reason = "anonymised"
	reasonNoPolicy      reason = "no_event_yet"
	reasonNoDevice      reason = "no_device_event"
	reasonAssetOff      reason = "asset_id_off_by_policy"
	reasonAssetUnset    reason = "asset_id_not_set"
	reasonAssetTwice    reason = "asset_id_twice"
	reasonNoHealth      reason = "no_health_event"
	reasonHealthLate    reason = "health_late"
	reasonSettings      reason = "settings_refused"
	reasonCollectorDown reason = "collector_down"
)

// allReasons are all that a row may give.
var allReasons = []reason{reasonSuperseded, reasonRevoked, reasonNeverContact, reasonStale, reasonExpired, reasonAnonymous, reasonNoPolicy,
	reasonNoDevice, reasonAssetOff, reasonAssetUnset, reasonAssetTwice, reasonNoHealth, reasonHealthLate, reasonSettings, reasonCollectorDown}

// fleet returns a row for each device: its record, its newest account of itself,
// and what is missing. It reads no event, so ten thousand devices are one look.
func (r *room) fleet(ctx context.Context, now time.Time, stale time.Duration) ([]deviceRow, error) {
	devices, states, err := r.devices(ctx)
	if err != nil {
		return nil, err
	}
	off, err := r.withoutAsset(ctx, devices)
	if err != nil {
		return nil, err
	}
	holders := map[string]int{} // of an asset id, among those who may talk to us
	for _, d := range devices {
		if !d.Revoked {
			holders[d.AssetID]++
		}
	}
	rows := make([]deviceRow, len(devices))
	for i, d := range devices {
		st := states[d.Device]
		rows[i] = rowOf(d, st)
		why := &whys{d: d, st: st, now: now, stale: stale, assetOff: off[string(d.PolicyDigest)], assetTwice: holders[d.AssetID] > 1}
		rows[i].Reasons = why.reasons()
		if h := &rows[i].Health; h.State == "ok" && slices.ContainsFunc(rows[i].Reasons, reason.ofHealth) {
			h.State = "degraded"
		}
	}
	return rows, nil
}

// devices returns the record of each device, and what each said last of its work.
func (r *room) devices(ctx context.Context) ([]gateway.DeviceRecord, map[gateway.Device]gateway.DeviceState, error) {
	devices, err := r.store.Devices(ctx)
	if err != nil {
		return nil, nil, err
	}
	list, err := r.store.States(ctx)
	if err != nil {
		return nil, nil, err
	}
	states := make(map[gateway.Device]gateway.DeviceState, len(list))
	for _, st := range list {
		states[st.Device] = st
	}
	return devices, states, nil
}

// ofHealth reports whether the reason is about a device's account of itself.
func (r reason) ofHealth() bool {
	return r == reasonHealthLate || r == reasonSettings || r == reasonCollectorDown
}

// withoutAsset returns the digests of the policies that keep the asset id on the
// device. A fleet has few policies.
func (r *room) withoutAsset(ctx context.Context, devices []gateway.DeviceRecord) (map[string]bool, error) {
	off := map[string]bool{}
	for _, d := range devices {
		key := string(d.PolicyDigest)
		if _, known := off[key]; known || len(d.PolicyDigest) != 32 {
			continue
		}
		lines, err := r.store.Policy(ctx, [32]byte(d.PolicyDigest))
		if errors.Is(err, gateway.ErrNotFound) {
			off[key] = false
			continue
		}
		if err != nil {
			return nil, err
		}
		p, err := privacy.ParseLines(lines)
		off[key] = err == nil && p.Level(privacy.AssetID) == privacy.Drop
	}
	return off, nil
}

func rowOf(d gateway.DeviceRecord, st gateway.DeviceState) deviceRow {
	r := deviceRow{
		Device: string(d.Device), Group: d.Group, AssetID: d.AssetID, Tags: append([]string{}, d.Tags...),
		System:  strings.ToLower(strings.TrimPrefix(d.System.String(), "SYSTEM_")),
		Version: d.AgentVersion, PolicyDigest: hex.EncodeToString(d.PolicyDigest),
		Enrolled: d.Enrolled, CertExpires: d.CertExpires, Revoked: d.Revoked, SupersededBy: string(st.SupersededBy),
		Health: healthOf(st),
	}
	if !d.LastContact.IsZero() {
		r.LastContact = &d.LastContact
	}
	return r
}

func healthOf(st gateway.DeviceState) healthRow {
	h := healthRow{State: "none", Collectors: []collectorRow{}}
	if st.Health == nil {
		return h
	}
	h.State, h.At, h.ConfigOK, h.UncleanStop, h.SpoolEvents = "ok", &st.HealthAt, st.Health.GetConfigOk(), st.Health.GetUncleanStop(), st.Health.GetSpoolEvents()
	for _, l := range st.Health.GetLosses() {
		h.EventsLost += l.GetCount()
	}
	for _, c := range st.Health.GetCollectors() {
		if down(c) {
			h.Collectors = append(h.Collectors, collectorRow{c.GetName(), strings.ToLower(strings.TrimPrefix(c.GetStatus().String(), "COLLECTOR_STATUS_")), c.GetRestarts()})
		}
	}
	return h
}

// down reports whether a collector that should run cannot. One that the system does
// not know, or the policy does not want, is as it should be.
func down(c *eventv1.CollectorState) bool {
	return c.GetStatus() == eventv1.CollectorStatus_COLLECTOR_STATUS_DENIED || c.GetStatus() == eventv1.CollectorStatus_COLLECTOR_STATUS_FAILED
}

// whys is what the reasons of one device are found in.
type whys struct {
	d                    gateway.DeviceRecord
	st                   gateway.DeviceState
	now                  time.Time
	stale                time.Duration
	assetOff, assetTwice bool
}

// overdue reports whether a contact is due that did not come: none is from a device
// that is refused.
func (w *whys) overdue() bool {
	since := w.d.LastContact
	if since.IsZero() {
		since = w.d.Enrolled
	}
	return !w.d.Revoked && w.now.Sub(since) >= w.stale
}

func (w *whys) reasons() []reason {
	found := []reason{}
	for _, c := range []struct {
		reason reason
		holds  bool
	}{
		{reasonSuperseded, w.st.SupersededBy != ""},
		{reasonRevoked, w.d.Revoked && w.st.SupersededBy == ""},
		{reasonNeverContact, w.d.LastContact.IsZero()},
		{reasonStale, w.overdue()},
		{reasonExpired, !w.d.Revoked && w.now.After(w.d.CertExpires)},
		{reasonAnonymous, w.st.Anonymous},
	} {
		if c.holds {
			found = append(found, c.reason)
		}
	}
	if w.d.LastContact.IsZero() {
		return found // all else is missing for that reason
	}
	return append(found, w.details()...)
}

// details are the reasons of a device that has talked to us.
func (w *whys) details() (found []reason) {
	described := w.d.System != eventv1.System_SYSTEM_UNSPECIFIED
	switch {
	case len(w.d.PolicyDigest) == 0:
		found = append(found, reasonNoPolicy)
	case !described:
		found = append(found, reasonNoDevice)
	}
	switch {
	case w.st.Anonymous:
	case w.d.AssetID != "" && w.assetTwice && !w.d.Revoked:
		found = append(found, reasonAssetTwice)
	case w.d.AssetID == "" && w.assetOff:
		found = append(found, reasonAssetOff)
	case w.d.AssetID == "" && described:
		found = append(found, reasonAssetUnset)
	}
	h := w.st.Health
	if h == nil {
		return append(found, reasonNoHealth)
	}
	if w.d.LastContact.Sub(w.st.HealthAt) > healthLate {
		found = append(found, reasonHealthLate)
	}
	if !h.GetConfigOk() {
		found = append(found, reasonSettings)
	}
	if slices.ContainsFunc(h.GetCollectors(), down) {
		found = append(found, reasonCollectorDown)
	}
	return found
}
