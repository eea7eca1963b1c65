// Package privacy decides what leaves the device.
//
// Every field of every event carries a class in its schema. A [Policy] gives
// each class a level, and a [Filter] constructs, field by field from an empty
// one, the event that may leave. Only this package can make a [Cleared], and
// the spool takes nothing else, so an event that has not passed a Filter cannot
// be written or sent: such code does not compile.
//
// How settings become a Policy is the work of package configs; where the values
// come from is that of the collectors.
package privacy

import (
	"crypto/sha256"
	"fmt"
	"sort"
	"strings"
)

// Key is one row of the policy: a class of data, or the grain of summaries.
type Key uint8

// The keys, in the order in which documents show them.
const (
	Username Key = iota
	UPN
	UserSID
	DeviceName
	AssetID
	DeviceSerial
	LocalAddresses
	ProgramName
	ProgramPath
	ProgramSHA256
	ProgramSigner
	Software
	Processes
	Connections
	Destinations
	Domains
	SummaryInterval
	WifiQuality
	WifiSSID
	WifiBSSID
	FocusTime
	UserActivity
	Logons
	NumKeys // how many there are
)

// Level says how much of a class may leave. Levels are ordered, strictest
// first; a key knows only some of them. The zero Level drops.
type Level uint8

// The levels. Where two stand in one key, the smaller is the stricter.
const (
	Drop Level = iota
	Scope
	Prefix
	Label
	List
	Generalised
	Hashed
	Auto
	Summary
	Each
	Day
	Hour
	QuarterHour
	Minute
	Full
	Cleartext
	numLevels
)

var levelNames = [numLevels]string{
	"drop", "scope", "prefix", "label", "list", "generalised", "hashed", "auto",
	"summary", "each", "day", "hour", "quarter_hour", "minute", "full", "cleartext",
}

// String returns the level's name as settings spell it.
func (l Level) String() string {
	if l >= numLevels {
		return "drop"
	}
	return levelNames[l]
}

// ParseLevel returns the level that settings call name.
func ParseLevel(name string) (Level, bool) {
	for i, n := range levelNames {
		if n == name {
			return Level(i), true
		}
	}
	return Drop, false
}

// KeyInfo describes one key. It is the one table from which settings, presets
// and documents are made.
type KeyInfo struct {
	Name      string
	Doc       string
	Levels    []Level // strictest first
	Strict    Level
	Balanced  Level
	Classic   Level
	Reference bool // fixed by the reference defaults
}

var keyTable = [NumKeys]KeyInfo{
	Username:        {"username", "the account name of a person", []Level{Drop, Hashed, Cleartext}, Hashed, Hashed, Cleartext, true},
	UPN:             {"upn", "the user principal name, mostly a mail address", []Level{Drop, Hashed, Cleartext}, Drop, Drop, Drop, true},
	UserSID:         {"user_sid", "the security identifier of an account", []Level{Drop, Hashed}, Drop, Drop, Hashed, false},
	DeviceName:      {"device_name", "the host name", []Level{Drop, Hashed, Auto, Cleartext}, Hashed, Auto, Cleartext, false},
	AssetID:         {"asset_id", "asset id and tags, set by IT", []Level{Drop, Cleartext}, Cleartext, Cleartext, Cleartext, false},
	DeviceSerial:    {"device_serial", "the serial number of the machine", []Level{Drop, Hashed, Cleartext}, Drop, Drop, Cleartext, false},
	LocalAddresses:  {"local_addresses", "the device's own IP and MAC addresses", []Level{Drop, Scope, Cleartext}, Drop, Scope, Cleartext, false},
	ProgramName:     {"program_name", "name, version, product and vendor of a program", []Level{Generalised, Cleartext}, Generalised, Generalised, Cleartext, false},
	ProgramPath:     {"program_path", "where a program's file lies", []Level{Drop, Generalised, Cleartext}, Drop, Generalised, Generalised, false},
	ProgramSHA256:   {"program_sha256", "the SHA-256 of a program's file", []Level{Drop, Cleartext}, Drop, Cleartext, Cleartext, false},
	ProgramSigner:   {"program_signer", "who signed a program", []Level{Drop, Generalised, Cleartext}, Drop, Generalised, Cleartext, false},
	Software:        {"software", "machine-wide packages", []Level{Drop, Cleartext}, Cleartext, Cleartext, Cleartext, false},
	Processes:       {"processes", "that programs ran", []Level{Drop, Summary, Each}, Summary, Summary, Each, false},
	Connections:     {"connections", "that connections were made", []Level{Drop, Summary, Each}, Summary, Summary, Summary, true},
	Destinations:    {"destinations", "the address at the other end of a connection", []Level{Drop, Scope, Prefix, Cleartext}, Scope, Cleartext, Cleartext, true},
	Domains:         {"domains", "the name of the other end of a connection", []Level{Drop, List, Generalised, Hashed, Cleartext}, Drop, Drop, Drop, true},
	SummaryInterval: {"summary_interval", "how long an interval a summary covers; at day, summaries carry no user", []Level{Day, Hour, QuarterHour, Minute}, Day, QuarterHour, QuarterHour, false},
	WifiQuality:     {"wifi_quality", "how good the Wi-Fi link is", []Level{Drop, Cleartext}, Cleartext, Cleartext, Cleartext, false},
	WifiSSID:        {"wifi_ssid", "the name of the Wi-Fi network", []Level{Drop, Label, Hashed, Cleartext}, Drop, Drop, Drop, true},
	WifiBSSID:       {"wifi_bssid", "the address of the Wi-Fi access point", []Level{Drop, Generalised, Hashed, Cleartext}, Drop, Drop, Drop, true},
	FocusTime:       {"focus_time", "which program had a person's attention, and for how long", []Level{Drop, Day, Hour, QuarterHour, Full}, Drop, Drop, Drop, true},
	UserActivity:    {"user_activity", "for how long a person used the device", []Level{Drop, Day, Hour, QuarterHour, Full}, Drop, Hour, Full, true},
	Logons:          {"logons", "when a person came and went", []Level{Drop, Day, Hour, Full}, Drop, Hour, Full, false},
}

// Info returns the row of k.
func (k Key) Info() KeyInfo { return keyTable[k] }

// String returns the key's name as settings spell it.
func (k Key) String() string {
	if k >= NumKeys {
		return "unknown"
	}
	return keyTable[k].Name
}

// Allows reports whether l is one of the key's levels.
func (k Key) Allows(l Level) bool {
	if k >= NumKeys {
		return false
	}
	for _, have := range keyTable[k].Levels {
		if have == l {
			return true
		}
	}
	return false
}

// ParseKey returns the key that settings call name.
func ParseKey(name string) (Key, bool) {
	for k := range NumKeys {
		if keyTable[k].Name == name {
			return k, true
		}
	}
	return NumKeys, false
}

// SchemaVersion is the version of event.v1 that a digest is bound to.
const SchemaVersion = 1

// Policy holds a level for each key. The zero Policy drops everything.
type Policy struct {
	levels [NumKeys]Level
}

// Preset returns the policy of that name: strict, balanced or classic.
func Preset(name string) (Policy, bool) {
	var p Policy
	for k, row := range keyTable {
		switch name {
		case "strict":
			p.levels[k] = row.Strict
		case "balanced":
			p.levels[k] = row.Balanced
		case "classic":
			p.levels[k] = row.Classic
		default:
			return Policy{}, false
		}
	}
	return p, true
}

// Level returns the level of k: Drop where k is unknown or its level is not one
// of the key's own. A key that cannot be dropped gives its strictest level then.
func (p Policy) Level(k Key) Level {
	if k >= NumKeys {
		return Drop
	}
	if l := p.levels[k]; k.Allows(l) {
		return l
	}
	return keyTable[k].Levels[0]
}

// With returns a copy of p in which k has level l, and false where k does not
// know l.
func (p Policy) With(k Key, l Level) (Policy, bool) {
	if !k.Allows(l) {
		return p, false
	}
	p.levels[k] = l
	return p, true
}

// Strictest returns the policy that has, for each key, the stricter of both.
func Strictest(a, b Policy) Policy {
	var p Policy
	for k := range NumKeys {
		p.levels[k] = min(a.Level(k), b.Level(k))
	}
	return p
}

// Lines returns the text that the digest is made of: the schema's version, then
// "key=level" for each key, sorted, each ended by a newline.
func (p Policy) Lines() string {
	lines := make([]string, 0, NumKeys)
	for k := range NumKeys {
		lines = append(lines, k.String()+"="+p.Level(k).String()+"\n")
	}
	sort.Strings(lines)
	return fmt.Sprintf("schema=%d\n", SchemaVersion) + strings.Join(lines, "")
}

// Digest names the policy: the SHA-256 of Lines.
func (p Policy) Digest() [32]byte { return sha256.Sum256([]byte(p.Lines())) }

// ParseLines reads what Lines wrote. It fails on an unknown schema version, an
// unknown or repeated key, a level that the key does not know, and a missing
// key. Its errors hold keys and levels, which are not personal.
func ParseLines(text string) (Policy, error) {
	var p Policy
	var seen [NumKeys]bool
	head, rest, _ := strings.Cut(text, "\n")
	if head != fmt.Sprintf("schema=%d", SchemaVersion) {
		return p, fmt.Errorf("policy schema %.20q: want schema=%d", head, SchemaVersion)
	}
	for line := range strings.Lines(rest) {
		name, level, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		k, known := ParseKey(name)
		l, ok := ParseLevel(level)
		if !known || seen[k] || !ok || !k.Allows(l) {
			return Policy{}, fmt.Errorf("policy line %.60q: want each key once, with one of its levels", line)
		}
		seen[k], p.levels[k] = true, l
	}
	for k := range NumKeys {
		if !seen[k] {
			return Policy{}, fmt.Errorf("policy has no line for %s", k)
		}
	}
	return p, nil
}
