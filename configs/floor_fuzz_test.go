package configs

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/discreet-agent/discreet/privacy"
)

// heldFloor is a floor on every level and every list, at the strictest that still
// lets something through where there is such a level.
func heldFloor() (text string, least map[privacy.Key]privacy.Level) {
	least = map[privacy.Key]privacy.Level{}
	var rows []string
	for k := range privacy.NumKeys {
		levels := k.Info().Levels
		least[k] = levels[min(1, len(levels)-1)]
		rows = append(rows, k.String()+": "+least[k].String())
	}
	return strings.Join(rows, ", ") + ", only_networks: [10.0.0.0/8], exclude_programs: [x], count_only_programs: [y], corporate_domains: [corp.example], " +
		"corporate_ssids: [corp], corporate_networks: [{label: hq, cidr: 10.0.0.0/8}], quiet: {hours: \"19:00-07:00\", weekends: true}, pause: {allowed: true, max: 2h, per_day: 9}", least
}

// FuzzFloorHolds: whatever up to 4 kB of YAML stand in any layer, or in several of
// them, no level, list or hour is laxer than a floor above them, be it a managed
// one or one that its signers vouch for.
func FuzzFloorHolds(f *testing.F) {
	for _, seed := range []string{
		"privacy: {preset: classic}", "privacy: {username: cleartext, tighten: {username: cleartext}}", "privacy_floor: {username: cleartext}",
		"privacy: {only_networks: [], exclude_programs: [], quiet: {hours: \"\", weekends: false}, pause: {allowed: false, max: 1m, per_day: 1}}",
		"privacy: {corporate_domains: [a.example], corporate_ssids: [a], corporate_networks: [{label: a, cidr: ::/0}], only_networks: [0.0.0.0/0]}",
		"schema: 9\nprivacy: {preset: classic, newer: 1}", "trust: {floor: {key_files: []}}", "trust: {floor: {key_files: [/a.pem], threshold: 1}}",
		"privacy: {summary_interval: minute, logons: full, focus_time: full}", "privacy: &a {preset: classic}\nprivacy_floor: *a", "{}", "null", "privacy_floor: {}",
	} {
		for at := range 5 {
			f.Add([]byte(seed), uint8(at))
		}
		f.Add([]byte(seed), uint8(0xff))
	}
	floor, least := heldFloor()
	base := loaderOf(nil)
	signed := sealAs(floorType, payloadOf(1, "privacy_floor: {"+floor+"}")+"notice: 14d\n", testKey(1))
	pins := signers{keys: base.pinned.keys, threshold: 1}
	f.Fuzz(func(t *testing.T, data []byte, at uint8) {
		if len(data) > 4096 || string(data) == "!" {
			return
		}
		m := memory{"/c/agent.yaml": "privacy: {preset: classic}"}
		for i, file := range []string{"/c/agent.yaml", "/c/conf.d/a.yaml", "/c/push.yaml", "/c/policy.d/a.yaml", "/c/floor.json"} {
			if at == 0xff || int(at%5) == i {
				m[file] = string(data)
			}
		}
		// A floor that was accepted holds over every layer, one of a managed policy
		// over those below it.
		l := base.over(m)
		l.paths.FloorFile = "/c/floor.json"
		l.floor = &keptFloor{Keys: [][]byte{pins.keys[0]}, Threshold: 1, Floor: signed}
		holds(t, "signed", l.Load(), least)
		if at != 0xff && at%5 < 3 {
			m["/c/policy.d/z.yaml"] = "privacy_floor: {" + floor + "}"
			holds(t, "managed", base.over(m).Load(), least)
		}
	})
}

// holds fails the test where anything is laxer than heldFloor.
func holds(t *testing.T, which string, l *Loaded, least map[privacy.Key]privacy.Level) {
	t.Helper()
	for k, want := range least {
		if got := l.Policy.Level(k); got > want {
			t.Fatalf("%s floor: %s = %s; want at most %s", which, k, got, want)
		}
	}
	p := l.Settings.Privacy
	within := reflect.DeepEqual(p.CorporateDomains, []string{"corp.example"}) || len(p.CorporateDomains) == 0
	ssids := reflect.DeepEqual(p.CorporateSSIDs, []string{"corp"}) || len(p.CorporateSSIDs) == 0
	networks := len(p.CorporateNetworks) == 0 || len(p.CorporateNetworks) == 1 && p.CorporateNetworks[0].Label == "hq"
	if !within || !ssids || !networks || !has(p.ExcludePrograms, "x") || !has(p.CountOnlyPrograms, "y") || len(p.OnlyNetworks) == 0 {
		t.Fatalf("%s floor: lists = %+v; want them no laxer than the floor", which, p)
	}
	for _, n := range p.OnlyNetworks {
		if n.String() != noNetwork && (n.Bits() < 8 || n.Addr().String()[:3] != "10.") {
			t.Fatalf("%s floor: only_networks = %v; want parts of 10.0.0.0/8", which, p.OnlyNetworks)
		}
	}
	sunday, night := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC), time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC)
	if !p.Quiet.At(sunday) || !p.Quiet.At(night) || !p.Pause.Allowed || p.Pause.Max < 2*time.Hour || p.Pause.PerDay < 9 {
		t.Fatalf("%s floor: quiet %+v, pause %+v; want no less than the floor", which, p.Quiet, p.Pause)
	}
}

func has(list []string, v string) bool {
	for _, s := range list {
		if s == v {
			return true
		}
	}
	return false
}
