package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/discreet-agent/discreet/agent/view"
	"github.com/discreet-agent/discreet/configs"
	"github.com/discreet-agent/discreet/privacy"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

var languages = view.Languages()

// TestEveryKeyAndLevelHasWords keeps the catalogue in step with the policy.
func TestEveryKeyAndLevelHasWords(t *testing.T) {
	for k := range privacy.NumKeys {
		var levels []string
		for _, l := range k.Info().Levels {
			levels = append(levels, l.String())
		}
		for _, lang := range languages {
			for _, id := range lang.MissingKey(k.String(), levels) {
				t.Errorf("words/%s.txt has no %s", lang, id)
			}
		}
	}
	if n := len(view.English.MissingKey("no_such_key", []string{"no_such_level", "drop"})); n != 2 {
		t.Errorf("MissingKey of a key without words names %d texts; want 2", n)
	}
	for _, lang := range languages {
		for layer := range layerByName {
			if got := lang.Layer(layer); strings.HasPrefix(got, "layer.") {
				t.Errorf("%s: layer %s has no words", lang, layer)
			}
		}
		for _, mode := range []string{"device_key", "tenant_key", "sealed"} {
			if got := lang.Text("pseudonym." + mode); strings.HasPrefix(got, "pseudonym.") {
				t.Errorf("%s: mode %s has no words", lang, mode)
			}
		}
	}
}

func loadText(t *testing.T, text string) *configs.Loaded {
	t.Helper()
	file := filepath.Join(t.TempDir(), "agent.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	l := configs.LoadAgent(configs.AgentPathsFor(file))
	if len(l.Faults) > 0 {
		t.Fatal(l.Faults)
	}
	return l
}

func TestInventoryNamesEveryField(t *testing.T) {
	l := loadText(t, "schema: 1\nprivacy:\n  logons: drop\n  statement: {purpose: care}\n")
	rows := Inventory(l, view.English)
	events, byName := map[string]bool{}, map[string]view.Field{}
	for _, r := range rows {
		events[r.Event], byName[r.Event+"."+r.Field] = true, r
		if r.Class == "" || r.Class == "class_unspecified" || r.Leaves == "" || r.Purpose != "care" || r.Days != 30 || r.Recipient == "" || (r.Level != "") != (r.Source != "") {
			t.Errorf("row %+v: want a class, what leaves, purpose, retention, recipient, and who decided", r)
		}
	}
	kinds := (&eventv1.Event{}).ProtoReflect().Descriptor().Oneofs().ByName("kind").Fields()
	if len(events) != kinds.Len() {
		t.Errorf("inventory has %d events; want %d", len(events), kinds.Len())
	}
	none := view.English.Text("inventory.noevent")
	for name, want := range map[string][2]string{
		"execution_summary.user.name":    {"hashed", view.English.Level("username", "hashed")},
		"connection_summary.address":     {"cleartext", view.English.Level("destinations", "cleartext")},
		"wifi_link.ssid":                 {"drop", view.English.Level("wifi_ssid", "drop")},
		"process_start.user.name":        {"hashed", none},
		"logon.user.name":                {"hashed", none},
		"agent_health.collectors.events": {"", view.English.Text("inventory.plain")},
	} {
		if got, ok := byName[name]; !ok || got.Level != want[0] || got.Leaves != want[1] {
			t.Errorf("inventory of %s = %q, %q (there: %v); want %q, %q", name, got.Level, got.Leaves, ok, want[0], want[1])
		}
	}
}

// TestInventoryAgreesWithTheFilter puts an event of every kind through the
// filter of each preset: the inventory calls those dropped that it drops.
func TestInventoryAgreesWithTheFilter(t *testing.T) {
	for _, preset := range []string{"strict", "balanced", "classic"} {
		l := loadText(t, "schema: 1\nprivacy: {preset: "+preset+", processes: each}\n")
		kinds := (&eventv1.Event{}).ProtoReflect().Descriptor().Oneofs().ByName("kind").Fields()
		for i := range kinds.Len() {
			fd := kinds.Get(i)
			if name := fd.Name(); name == "process_start" || name == "process_stop" || name == "connection" {
				continue // at level summary these become a summary
			}
			ev := &eventv1.Event{TimeUnixMs: 1_790_000_000_000}
			ev.ProtoReflect().Set(fd, ev.ProtoReflect().NewField(fd))
			f := privacy.NewFilter(l.Policy, privacy.Context{OS: privacy.Linux, Host: "h"}, nil)
			if _, got := f.Apply(proto.CloneOf(ev)); got != exists(l, fd.Message()) {
				t.Errorf("%s: filter lets %s leave = %v; the inventory says %v", preset, fd.Name(), got, !got)
			}
		}
	}
}

// TestPageTellsWhatIsPending looks for a floor that will loosen on the page.
func TestPageTellsWhatIsPending(t *testing.T) {
	l := loadText(t, "schema: 1\n")
	if p := PageOf(l); p.Pending == nil || len(p.Pending) != 0 {
		t.Errorf("page without a change = %v; want an empty list", p.Pending)
	}
	at := time.Date(2026, 5, 4, 9, 0, 0, 0, time.Local)
	l.Pending = []configs.Pending{{Key: "username", From: "hashed", To: "cleartext", At: at}, {Key: "privacy.exclude_programs", At: at}}
	for _, lang := range languages {
		b := &strings.Builder{}
		if err := PageOf(l).WriteText(b, lang); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{
			lang.Text("change.due", "when", "2026-05-04 09:00:00", "key", "username", "before", "hashed", "after", "cleartext"),
			lang.Text("change.loose", "when", "2026-05-04 09:00:00", "key", "privacy.exclude_programs"),
		} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("page in %s lacks %q", lang, want)
			}
		}
	}
}
