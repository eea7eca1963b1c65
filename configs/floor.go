package configs

import (
	"math"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/discreet-agent/discreet/privacy"
)

// intervalLength returns how long a summary may grow at a level of
// summary_interval.
func intervalLength(l privacy.Level) time.Duration {
	switch l {
	case privacy.Day:
		return 24 * time.Hour
	case privacy.Hour:
		return time.Hour
	case privacy.QuarterHour:
		return 15 * time.Minute
	case privacy.Minute:
		return time.Minute
	}
	return math.MaxInt64
}

// floorEntries returns the settings beside the levels that the floor changes, by
// path. For each there is one rule of what is stricter:
//
//   - exclude_programs, count_only_programs: longer. What the floor names is added.
//   - only_networks: narrower. What lies in both stays; if nothing does, no
//     network is described.
//   - corporate_domains, corporate_ssids, corporate_networks: shorter, as each
//     entry tells more. Only what the floor has too stays.
//   - realm_aliases: neither. The floor's list holds.
//   - quiet: more hours. The floor's are added.
//   - pause: a person may do more. The larger of both.
//
// Each floor is laid on what the one before it left.
func floorEntries(layers, floors []*layer) (map[string]entry, map[string]*layer) {
	changed, by := map[string]entry{}, map[string]*layer{}
	for _, floor := range floors {
		for floorPath, f := range floor.bags[floorBag].entries {
			path := strings.Replace(floorPath, "privacy_floor", "privacy", 1)
			e, done := changed[path]
			if !done {
				e, _ = top(layers, path)
			}
			if v := stricter(f.key.name, e.value, f.value); !reflect.DeepEqual(v, e.value) {
				changed[path], by[path] = entry{f.key, v, f.line}, floor
			}
		}
	}
	return changed, by
}

// joined returns what several floors say together beside the levels.
func joined(floors []*layer) map[string]entry {
	all := map[string]entry{}
	for _, floor := range floors {
		for path, f := range floor.bags[floorBag].entries {
			if have, ok := all[path]; ok {
				f.value = stricter(f.key.name, have.value, f.value)
			}
			all[path] = f
		}
	}
	return all
}

// top returns what the highest layer that names a setting says.
func top(layers []*layer, path string) (entry, *layer) {
	for _, l := range slices.Backward(layers) {
		if e, ok := l.bags[mainBag].entries[path]; ok {
			return e, l
		}
	}
	return entry{}, nil
}

// stricter returns what holds of a setting and the floor's value for it.
func stricter(name string, set, floor any) any {
	switch name {
	case "exclude_programs", "count_only_programs":
		return union(set.([]any), floor.([]any))
	case "only_networks":
		return narrower(set.([]any), floor.([]any))
	case "corporate_domains", "corporate_ssids", "corporate_networks":
		return slices.DeleteFunc(slices.Clone(set.([]any)), func(v any) bool { return !contains(floor.([]any), v) })
	case "hours":
		return joinHours(set.(string), floor.(string))
	case "weekends", "allowed":
		return set.(bool) || floor.(bool)
	case "max":
		return max(set.(time.Duration), floor.(time.Duration))
	case "per_day":
		return max(set.(int64), floor.(int64))
	}
	return floor
}

func contains(list []any, v any) bool {
	return slices.ContainsFunc(list, func(have any) bool { return reflect.DeepEqual(have, v) })
}

func union(a, b []any) []any {
	out := slices.Clone(a)
	for _, v := range b {
		if !contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

// narrower returns the ranges that lie in both lists; an empty list holds every
// address.
func narrower(a, b []any) []any {
	if len(a) == 0 || len(b) == 0 {
		return append(a[:len(a):len(a)], b...)
	}
	out := []any{}
	for _, x := range a {
		for _, y := range b {
			p, q := netip.MustParsePrefix(x.(string)), netip.MustParsePrefix(y.(string))
			if p.Bits() < q.Bits() {
				p = q
			}
			if netip.MustParsePrefix(x.(string)).Overlaps(q) && !contains(out, p.String()) {
				out = append(out, p.String())
			}
		}
	}
	if len(out) == 0 {
		return []any{noNetwork}
	}
	return out
}

// joinHours returns the windows of both.
func joinHours(a, b string) string {
	var out []string
	for w := range strings.SplitSeq(a+","+b, ",") {
		if w != "" && !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	return strings.Join(out, ",")
}
