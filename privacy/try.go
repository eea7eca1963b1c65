package privacy

import (
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"time"
)

// ErrUsage says that a query or its context asks for what does not exist. The
// error that wraps it says what does.
var ErrUsage = errors.New("usage")

// TryContext is the context of a trial, as a file holds it. It may hold names
// of people: it prints as <redacted>.
type TryContext struct {
	Host              string            `yaml:"host" json:"host"`
	Identities        []string          `yaml:"identities" json:"identities"`
	RealmAliases      map[string]string `yaml:"realm_aliases" json:"realm_aliases"`
	CorporateDomains  []string          `yaml:"corporate_domains" json:"corporate_domains"`
	CorporateSSIDs    []string          `yaml:"corporate_ssids" json:"corporate_ssids"`
	CorporateNetworks map[string]string `yaml:"corporate_networks" json:"corporate_networks"`
	PseudonymKeyHex   string            `yaml:"pseudonym_key_hex" json:"pseudonym_key_hex"`
	PseudonymKeyID    string            `yaml:"pseudonym_key_id" json:"pseudonym_key_id"`
}

// Query asks what may leave of one value. An empty Level is that of Policy, and
// of the preset balanced where there is no Policy; an empty OS is this system.
type Query struct {
	Field  string
	Level  string
	OS     string
	Value  string
	Policy *Policy
}

// Answer says what may leave of one value. Out is empty where it is dropped.
type Answer struct {
	Field   string `json:"field"`
	Level   string `json:"level"`
	In      string `json:"in"`
	Out     string `json:"out"`
	Dropped bool   `json:"dropped"`
}

// Trial runs single values through the rules that filter events. It learns no
// names: answers do not depend on the order of the queries. It is not safe for
// concurrent use.
type Trial struct {
	ctx  Context
	keys *Pseudonyms
	of   map[OS]*rules
}

// NewTrial compiles a context. A key that is missing, short or weak makes no
// pseudonyms, as in the filter: what would be hashed is dropped. The example
// key of the leak vectors is taken here, and only here.
func NewTrial(c TryContext) (*Trial, error) {
	t := &Trial{
		ctx: Context{
			Host: c.Host, Identities: slices.Clone(c.Identities),
			CorporateDomains: slices.Clone(c.CorporateDomains), CorporateSSIDs: slices.Clone(c.CorporateSSIDs),
		},
		of: make(map[OS]*rules),
	}
	for _, from := range slices.Sorted(maps.Keys(c.RealmAliases)) {
		t.ctx.RealmAliases = append(t.ctx.RealmAliases, Alias{from, c.RealmAliases[from]})
	}
	for i, label := range slices.Sorted(maps.Keys(c.CorporateNetworks)) {
		cidr, err := netip.ParsePrefix(c.CorporateNetworks[label])
		if err != nil {
			return nil, fmt.Errorf("corporate_networks, entry %d by label: %w: want a network such as 10.20.0.0/16", i+1, ErrUsage)
		}
		t.ctx.CorporateNetworks = append(t.ctx.CorporateNetworks, Network{label, cidr})
	}
	secret, err := hex.DecodeString(strings.TrimSpace(c.PseudonymKeyHex))
	if err != nil {
		return nil, fmt.Errorf("pseudonym_key_hex: %w: want hex digits\nhint: %s", ErrUsage, keyHint)
	}
	id := c.PseudonymKeyID
	if id == "" {
		id = derivedKeyID(secret)
	}
	if !validKeyID(id) {
		return nil, fmt.Errorf("pseudonym_key_id: %w: want 1 to 16 of a-z and 0-9", ErrUsage)
	}
	if keys, err := newPseudonyms(id, secret); err == nil {
		t.keys = keys
	}
	return t, nil
}

// Company gives the trial what the settings of a company say, where the context
// has no list of its own.
func (t *Trial) Company(c Context) {
	if len(t.ctx.RealmAliases) == 0 {
		t.ctx.RealmAliases = slices.Clone(c.RealmAliases)
	}
	if len(t.ctx.CorporateDomains) == 0 {
		t.ctx.CorporateDomains = slices.Clone(c.CorporateDomains)
	}
	if len(t.ctx.CorporateSSIDs) == 0 {
		t.ctx.CorporateSSIDs = slices.Clone(c.CorporateSSIDs)
	}
	if len(t.ctx.CorporateNetworks) == 0 {
		t.ctx.CorporateNetworks = slices.Clone(c.CorporateNetworks)
	}
	clear(t.of)
}

// Try answers one query. Times are RFC 3339 and their answer is a bucket in the
// zone that they name, as start/seconds: 2026-03-29T00:00:00Z/3600s. For
// processes and connections, which only exist or not, the answer is the level
// itself; for wifi_quality a value that is no figure is dropped. A field, level
// or system that does not exist is an ErrUsage.
func (t *Trial) Try(q Query) (Answer, error) {
	key, ok := ParseKey(q.Field)
	if !ok {
		return Answer{}, fmt.Errorf("field %.40q: %w: want one of %s", q.Field, ErrUsage, keyNames())
	}
	level, err := q.level(key)
	if err != nil {
		return Answer{}, err
	}
	r, err := t.rulesOf(q.OS)
	if err != nil {
		return Answer{}, err
	}
	out := tryTable[key](r, level, q.Value)
	return Answer{Field: key.String(), Level: level.String(), In: q.Value, Out: out, Dropped: out == ""}, nil
}

func (q Query) level(key Key) (Level, error) {
	if q.Level == "" {
		if q.Policy != nil {
			return q.Policy.Level(key), nil
		}
		return key.Info().Balanced, nil
	}
	level, ok := ParseLevel(q.Level)
	if q.Level == "off" || q.Level == "false" {
		level, ok = Drop, true // as in a file
	}
	if !ok || !key.Allows(level) {
		return Drop, fmt.Errorf("level %.40q of %s: %w: want one of %s", q.Level, key, ErrUsage, levelsOf(key))
	}
	return level, nil
}

func (t *Trial) rulesOf(name string) (*rules, error) {
	system := OS(name)
	if name == "" {
		system = OS(runtime.GOOS)
	}
	switch system {
	case Linux, Windows, Darwin:
	default:
		if name != "" {
			return nil, fmt.Errorf("os %.40q: %w: want one of linux, windows, darwin", name, ErrUsage)
		}
		system = Linux
	}
	if t.of[system] == nil {
		ctx := t.ctx
		ctx.OS = system
		t.of[system] = newRules(ctx, t.keys)
		t.of[system].frozen = true
	}
	return t.of[system], nil
}

func keyNames() string {
	var names []string
	for k := range NumKeys {
		names = append(names, k.String())
	}
	return strings.Join(names, ", ")
}

func levelsOf(key Key) string {
	var names []string
	for _, l := range key.Info().Levels {
		names = append(names, l.String())
	}
	return strings.Join(names, ", ")
}

// tryTable says which rule serves a key. It is complete: a test sees to it.
var tryTable = [NumKeys]func(r *rules, l Level, v string) string{
	Username:        tryUsername,
	UPN:             (*rules).upn,
	UserSID:         (*rules).userSID,
	DeviceName:      (*rules).deviceName,
	AssetID:         (*rules).assetID,
	DeviceSerial:    (*rules).deviceSerial,
	LocalAddresses:  (*rules).localAddress,
	ProgramName:     (*rules).programName,
	ProgramPath:     (*rules).programPath,
	ProgramSHA256:   trySHA256,
	ProgramSigner:   (*rules).programSigner,
	Software:        (*rules).software,
	Processes:       tryExistence,
	Connections:     tryExistence,
	Destinations:    (*rules).destination,
	Domains:         (*rules).domain,
	SummaryInterval: tryTime,
	WifiQuality:     tryFigure,
	WifiSSID:        func(r *rules, l Level, v string) string { return r.wifiSSID(l, []byte(v)) },
	WifiBSSID:       (*rules).wifiBSSID,
	FocusTime:       tryTime,
	UserActivity:    tryTime,
	Logons:          tryTime,
}

// tryUsername reads NAME|SID, or NAME|UID, where what follows the bar is one.
func tryUsername(r *rules, l Level, v string) string {
	name, sid := v, ""
	if i := strings.LastIndexByte(v, '|'); i >= 0 && (validSID(upperSID(v[i+1:])) || digits(v[i+1:])) {
		name, sid = v[:i], v[i+1:]
	}
	return r.username(l, name, sid)
}

func trySHA256(r *rules, l Level, v string) string {
	sum, err := hex.DecodeString(strings.TrimSpace(v))
	if err != nil {
		return ""
	}
	return hex.EncodeToString(r.programSHA256(l, sum))
}

func tryExistence(_ *rules, l Level, _ string) string {
	if l == Drop {
		return ""
	}
	return l.String()
}

func tryFigure(_ *rules, l Level, v string) string {
	number, unit, _ := strings.Cut(strings.TrimSpace(v), " ")
	whole, part, dot := strings.Cut(strings.TrimPrefix(number, "-"), ".")
	if l != Cleartext || !digits(whole) || dot && !digits(part) || len(number) > 20 {
		return ""
	}
	switch unit {
	case "":
		return number
	case "dBm", "MHz", "kbit/s", "Mbit/s":
		return number + " " + unit
	}
	return ""
}

func tryTime(_ *rules, l Level, v string) string {
	at, err := time.Parse(time.RFC3339Nano, strings.TrimSpace(v))
	if err != nil || l == Drop {
		return ""
	}
	_, offset := at.Zone() // Parse may have put a zone of this device in its place
	start, length := bucketIn(l, at, time.FixedZone("", offset))
	if length == 0 {
		return at.UTC().Format(time.RFC3339Nano)
	}
	return fmt.Sprintf("%s/%ds", start.Format(time.RFC3339), length/time.Second)
}
