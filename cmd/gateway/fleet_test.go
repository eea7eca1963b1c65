package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/discreet-agent/discreet/gateway"
	"github.com/discreet-agent/discreet/gateway/store/sqlite"
	"github.com/discreet-agent/discreet/privacy"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

var fleetNow = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// good is a device about which there is nothing to say.
func good() (gateway.DeviceRecord, gateway.DeviceState) {
	return gateway.DeviceRecord{Device: "d1", AssetID: "A-1", System: eventv1.System_SYSTEM_LINUX, PolicyDigest: bytes.Repeat([]byte{1}, 32),
			Enrolled: fleetNow.AddDate(0, -1, 0), LastContact: fleetNow.Add(-time.Minute), CertExpires: fleetNow.AddDate(0, 0, 20)},
		gateway.DeviceState{Device: "d1", Health: &eventv1.AgentHealth{ConfigOk: true}, HealthAt: fleetNow.Add(-4 * time.Minute)}
}

func TestReasons(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(w *whys)
		want   []reason
	}{
		{"nothing is missing", func(*whys) {}, nil},
		{"superseded", func(w *whys) { w.st.SupersededBy, w.d.Revoked = "d2", true }, []reason{reasonSuperseded}},
		{"revoked", func(w *whys) { w.d.Revoked = true }, []reason{reasonRevoked}},
		{"revoked long ago is not due", func(w *whys) { w.d.Revoked, w.d.LastContact = true, fleetNow.AddDate(0, -1, 0) }, []reason{reasonRevoked}},
		{"enrolled, not fully", func(w *whys) { w.d.LastContact, w.d.Enrolled, w.st.Health = time.Time{}, fleetNow, nil }, []reason{reasonNeverContact}},
		{"enrolled long ago, not fully", func(w *whys) { w.d.LastContact, w.st.Health = time.Time{}, nil }, []reason{reasonNeverContact, reasonStale}},
		{"stale to the second", func(w *whys) { w.d.LastContact = fleetNow.Add(-w.stale); w.st.HealthAt = w.d.LastContact }, []reason{reasonStale}},
		{"just not stale", func(w *whys) { w.d.LastContact = fleetNow.Add(time.Second - w.stale); w.st.HealthAt = w.d.LastContact }, nil},
		{"certificate over", func(w *whys) { w.d.CertExpires = fleetNow.Add(-time.Second) }, []reason{reasonExpired}},
		{"no event yet", func(w *whys) { w.d.PolicyDigest, w.d.System, w.d.AssetID, w.st.Health = nil, 0, "", nil }, []reason{reasonNoPolicy, reasonNoHealth}},
		{"no device event", func(w *whys) { w.d.System, w.d.AssetID = 0, "" }, []reason{reasonNoDevice}},
		{"asset id off", func(w *whys) { w.d.AssetID, w.assetOff = "", true }, []reason{reasonAssetOff}},
		{"asset id not set", func(w *whys) { w.d.AssetID = "" }, []reason{reasonAssetUnset}},
		{"asset id of two", func(w *whys) { w.assetTwice = true }, []reason{reasonAssetTwice}},
		{"none is of two", func(w *whys) { w.d.AssetID, w.assetTwice = "", true }, []reason{reasonAssetUnset}},
		{"anonymised", func(w *whys) { w.d.AssetID, w.st.Anonymous = "", true }, []reason{reasonAnonymous}},
		{"no health event", func(w *whys) { w.st.Health = nil }, []reason{reasonNoHealth}},
		{"health late", func(w *whys) { w.st.HealthAt = fleetNow.Add(-2 * time.Hour) }, []reason{reasonHealthLate}},
		{"settings refused", func(w *whys) { w.st.Health = &eventv1.AgentHealth{} }, []reason{reasonSettings}},
		{"collector down", func(w *whys) {
			w.st.Health.Collectors = []*eventv1.CollectorState{{Name: "wifi", Status: eventv1.CollectorStatus_COLLECTOR_STATUS_DENIED}}
		}, []reason{reasonCollectorDown}},
		{"collector of another system", func(w *whys) {
			w.st.Health.Collectors = []*eventv1.CollectorState{{Name: "wifi", Status: eventv1.CollectorStatus_COLLECTOR_STATUS_UNSUPPORTED}}
		}, nil},
	} {
		w := &whys{now: fleetNow, stale: defaultStale}
		w.d, w.st = good()
		c.change(w)
		if got := w.reasons(); got == nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: reasons() = %v; want %v", c.name, got, c.want)
		}
	}
}

func TestListFilter(t *testing.T) {
	row := deviceRow{Version: "1.4", PolicyDigest: "abcdef0123", Group: "g", Tags: []string{"pilot", "bonn"}, Reasons: []reason{reasonStale, reasonNoHealth}}
	for _, c := range []struct {
		name string
		f    listFilter
		want bool
	}{
		{"none", listFilter{}, true},
		{"all", listFilter{stale: "7d", version: "1.4", policy: "ABCDE", group: "g", tags: []string{"bonn", "pilot"}, reasons: []string{"no_health_event"}}, true},
		{"version", listFilter{version: "1.4.0"}, false},
		{"policy", listFilter{policy: "abcdef1"}, false},
		{"group", listFilter{group: "h"}, false},
		{"one tag of two", listFilter{tags: []string{"pilot", "cologne"}}, false},
		{"part of a tag", listFilter{tags: []string{"pil"}}, false},
		{"reason", listFilter{reasons: []string{"revoked"}}, false},
	} {
		if got := c.f.lets(row); got != c.want {
			t.Errorf("%s: lets() = %t; want %t", c.name, got, c.want)
		}
	}
	row.Reasons = nil
	if (&listFilter{stale: "7d"}).lets(row) {
		t.Error("lets() = true for --stale and a device that is not; want false")
	}
}

func TestFilterFlags(t *testing.T) {
	for _, c := range []struct {
		name string
		f    listFilter
		want time.Duration
		err  string
	}{
		{"default", listFilter{}, defaultStale, ""},
		{"days", listFilter{stale: "30d"}, 30 * 24 * time.Hour, ""},
		{"bare number", listFilter{stale: "30"}, 0, "want a duration such as 7d"},
		{"odd digits", listFilter{policy: "abcde"}, defaultStale, ""},
		{"few digits", listFilter{policy: "abc"}, 0, "4 or more"},
		{"no digits", listFilter{policy: "balanced"}, 0, "hexadecimal"},
		{"reason", listFilter{reasons: []string{"offline"}}, 0, "want one of [superseded"},
	} {
		got, err := c.f.check()
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: check() = %v, %v; want %v, %q", c.name, got, err, c.want, c.err)
		}
	}
}

// fleetOf fills a store with n devices, each with an account of itself.
func fleetOf(tb testing.TB, n int) *room {
	tb.Helper()
	ctx := context.Background()
	dir := tb.TempDir()
	if shm, err := os.MkdirTemp("/dev/shm", "fleet"); err == nil { // filling it is not what is measured
		dir = shm
		tb.Cleanup(func() { os.RemoveAll(shm) })
	}
	st, err := sqlite.Open(ctx, filepath.Join(dir, "store"), sqlite.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { st.Close() })
	policy, _ := privacy.Preset("balanced")
	digest := policy.Digest()
	if err := st.PutPolicy(ctx, digest, policy.Lines()); err != nil {
		tb.Fatal(err)
	}
	health := &eventv1.AgentHealth{UptimeSeconds: 86400, CpuMs: 90000, RssBytes: 20 << 20, ConfigOk: true}
	for _, name := range []string{"process", "connection", "domain", "wifi", "logon", "device", "software", "focus", "activity"} {
		health.Collectors = append(health.Collectors, &eventv1.CollectorState{Name: name, Status: eventv1.CollectorStatus_COLLECTOR_STATUS_RUNNING, Events: 1234})
	}
	for i := range n {
		dev := gateway.Device(fmt.Sprintf("%08x-0000-4000-8000-000000000000", i))
		d, state := good()
		d.Device, d.AssetID, d.Tags, d.AgentVersion, d.PolicyDigest = dev, fmt.Sprintf("A-%05d", i), []string{"pilot", "bonn"}, "1.4.0", digest[:]
		if i%100 == 0 {
			d.LastContact = fleetNow.AddDate(0, 0, -9)
		}
		state.Device, state.Health = dev, health
		if err := st.PutDevice(ctx, d); err != nil {
			tb.Fatal(err)
		}
		if err := st.PutState(ctx, state); err != nil {
			tb.Fatal(err)
		}
	}
	return &room{store: st}
}

func TestFleetFromStore(t *testing.T) {
	r := fleetOf(t, 3)
	rows, err := r.fleet(t.Context(), fleetNow, defaultStale)
	if err != nil || len(rows) != 3 {
		t.Fatalf("fleet() = %d rows, %v; want 3", len(rows), err)
	}
	if !slices.Equal(rows[0].Reasons, []reason{reasonStale}) || len(rows[1].Reasons) != 0 || rows[1].Health.State != "ok" {
		t.Errorf("fleet() gives %v, then %v with health %s; want stale, then nothing", rows[0].Reasons, rows[1].Reasons, rows[1].Health.State)
	}
	var b bytes.Buffer
	if err := printDevices(&b, rows); err != nil || !strings.Contains(b.String(), "pilot,bonn") {
		t.Errorf("printDevices() = %v:\n%s", err, b.String())
	}
}

// TestDeviceShape holds the names that scripts read. A name may be added; one that
// goes, or changes its type, breaks them.
func TestDeviceShape(t *testing.T) {
	d, st := good()
	st.Health.Collectors = []*eventv1.CollectorState{{Name: "wifi", Status: eventv1.CollectorStatus_COLLECTOR_STATUS_FAILED}}
	row := rowOf(d, st)
	row.Reasons = []reason{}
	b, err := json.Marshal(row)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	shape := map[string]string{}
	for name, v := range got {
		shape[name] = fmt.Sprintf("%T", v)
	}
	for name, v := range got["health"].(map[string]any) {
		shape["health."+name] = fmt.Sprintf("%T", v)
	}
	for name, v := range got["health"].(map[string]any)["collectors"].([]any)[0].(map[string]any) {
		shape["health.collectors[]."+name] = fmt.Sprintf("%T", v)
	}
	const text, list, number, truth, object = "string", "[]interface {}", "float64", "bool", "map[string]interface {}"
	want := map[string]string{
		"device": text, "group": text, "asset_id": text, "tags": list, "system": text, "agent_version": text, "policy_digest": text,
		"enrolled": text, "last_contact": text, "certificate_expires": text, "revoked": truth, "superseded_by": text, "reasons": list,
		"health": object, "health.state": text, "health.at": text, "health.config_ok": truth, "health.unclean_stop": truth,
		"health.spool_events": number, "health.events_lost": number, "health.collectors": list,
		"health.collectors[].name": text, "health.collectors[].state": text, "health.collectors[].restarts": number,
	}
	if !reflect.DeepEqual(shape, want) {
		t.Errorf("device list --json has %v; want %v", shape, want)
	}
	page, err := os.ReadFile("../../docs/deploy/device-list.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range want {
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("docs/deploy/device-list.md does not name `%s`", name)
		}
	}
	for _, why := range allReasons {
		if !strings.Contains(string(page), "`"+string(why)+"`") {
			t.Errorf("docs/deploy/device-list.md does not name `%s`", why)
		}
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{"": "-", "Büro 7": "Büro 7", "a\x1b[2Jb": "a?[2Jb", "x\ty\n": "x?y?", "\u202etxt": "?txt"} {
		if got := printable(in); got != want {
			t.Errorf("printable(%q) = %q; want %q", in, got, want)
		}
	}
}

// BenchmarkDeviceList is one list of 10,000 devices, from the store to its JSON.
func BenchmarkDeviceList(b *testing.B) {
	r := fleetOf(b, 10_000)
	f := listFilter{stale: "7d", tags: []string{"pilot"}}
	for _, all := range []bool{true, false} {
		b.Run(map[bool]string{true: "all", false: "stale"}[all], func(b *testing.B) {
			for b.Loop() {
				rows, err := r.fleet(context.Background(), fleetNow, defaultStale)
				if err != nil {
					b.Fatal(err)
				}
				if !all {
					rows = slices.DeleteFunc(rows, func(d deviceRow) bool { return !f.lets(d) })
				}
				if want := map[bool]int{true: 10_000, false: 100}[all]; len(rows) != want {
					b.Fatalf("%d rows; want %d", len(rows), want)
				}
				if err := printJSON(io.Discard, rows); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
