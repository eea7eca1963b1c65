package configs

import (
	"slices"
	"strings"
	"time"

	"github.com/discreet-agent/discreet/privacy"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// SchemaVersion is the version of the settings that this program knows.
const SchemaVersion = 1

// bag names the part of a layer that a section's values go to.
type bag uint8

const (
	mainBag    bag = iota
	tightenBag     // constraints of the layer
	floorBag       // the layer's floor
	numBags
)

// key is one row of the table: a setting, or a section of them.
type key struct {
	name     string
	kind     kind
	doc      string
	def      string   // the default, as a file spells it
	example  string   // shown in the sample where the default is empty
	enum     []string // of kindEnum
	min, max int64    // of numbers, sizes, durations (in seconds), lengths of text; max 0: no bound
	required bool     // an empty text is refused
	private  bool     // a refused value is not shown
	level    privacy.Key
	keys     []key // of a section, or of one entry of kindObjects
	bag      bag   // of a section: where the values in it go
}

const (
	kib = 1 << 10
	mib = 1 << 20
	gib = 1 << 30

	second = int64(1)
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
)

// noNetwork in only_networks stands for none: no connection leads there. A
// floor puts it there when it shares no network with the setting.
const noNetwork = "0.0.0.0/32"

// agentKeys returns the table of agent.yaml for a system with these places.
func agentKeys(p Places) []key {
	return []key{
		{name: "schema", kind: kindNumber, def: "1", min: 1, max: 1 << 30, doc: "version of these settings"},
		{name: "gateway", kind: kindSection, doc: "the receiver", keys: []key{
			{name: "address", kind: kindAddress, def: `""`, example: "gw.example:8443", doc: "host:port of the gateway; empty: none yet, events stay on disk"},
			{name: "name", kind: kindText, def: `""`, max: 253, doc: "name in the gateway's certificate; empty: the host of address"},
			{name: "ca_file", kind: kindPath, def: `""`, example: p.file("ca.pem"), doc: "PEM of the CA that the gateway's certificate comes from; empty: the one that enrolment gave"},
			{name: "ca_pin", kind: kindText, def: `""`, max: 71, example: "sha256:64-hex-digits", doc: "pin of that CA, as \"ca init\" shows it: a token that names another is refused; empty: the token is believed"},
			{name: "token_file", kind: kindPath, def: `""`, example: p.file("token"), doc: "file with an enrolment token: an agent that is not enrolled enrols with it at start"},
			{name: "proxy", kind: kindProxy, def: `""`, example: "http://proxy.example:3128", private: true, doc: "HTTP proxy on the way to the gateway; empty: none"},
			{name: "proxy_credentials_file", kind: kindPath, def: `""`, doc: "file with user:password for the proxy; empty: none"},
		}},
		{name: "device", kind: kindSection, doc: "what IT says about this device", keys: []key{
			{name: "asset_id", kind: kindText, def: `""`, max: 128, private: true, doc: "inventory number; not the name of a person"},
			{name: "tags", kind: kindTexts, def: "[]", max: 64, private: true, doc: "labels, such as a site or a group"},
		}},
		{name: "privacy", kind: kindSection, doc: "what may leave this device", keys: privacyKeys(p)},
		{name: "privacy_floor", kind: kindSection, bag: floorBag, doc: "nothing may be laxer than this; the same levels and lists as under privacy", keys: floorKeys()},
		{name: "trust", kind: kindSection, doc: "whose signatures count; only here and in conf.d", keys: []key{
			{name: "floor", kind: kindSection, doc: "who signs a floor; once pinned, only they loosen it, after its notice", keys: []key{
				{name: "key_files", kind: kindTexts, def: "[]", max: 4096, doc: "absolute paths of public keys: ed25519, in PEM"},
				{name: "threshold", kind: kindNumber, def: "1", min: 1, max: maxSigners, doc: "how many of them must sign"},
			}},
			{name: "push", kind: kindSection, doc: "who signs the privacy settings that are pushed; no key: no push is accepted", keys: []key{
				{name: "key_files", kind: kindTexts, def: "[]", max: 4096, doc: "absolute paths of public keys: ed25519, in PEM"},
				{name: "threshold", kind: kindNumber, def: "1", min: 1, max: maxSigners, doc: "how many of them must sign"},
			}},
		}},
		{name: "collectors", kind: kindSection, doc: "what is watched; off means not started", keys: collectorKeys()},
		{name: "summary", kind: kindSection, doc: "summaries in memory", keys: []key{
			{name: "flush", kind: kindDuration, def: "5m", min: second, max: day, doc: "how long a summary grows before it is stored; at most privacy.summary_interval"},
		}},
		{name: "spool", kind: kindSection, doc: "the buffer on disk", keys: []key{
			{name: "max_bytes", kind: kindSize, def: "256MiB", min: mib, max: 1024 * gib, doc: "at most this much; then the oldest goes, counted"},
			{name: "max_age", kind: kindDuration, def: "30d", min: hour, max: 3650 * day, doc: "older events go, counted"},
			{name: "min_free", kind: kindSize, def: "1GiB", max: 1024 * gib, doc: "leave this much of the disk free"},
			{name: "flush", kind: kindDuration, def: "5s", min: second, max: hour, doc: "a crash loses at most this much time"},
		}},
		logKeys(),
		{name: "state_dir", kind: kindPath, def: quote(p.State), required: true, doc: "identity, spool and last good settings" + p.others(Places.state)},
		{name: "run_dir", kind: kindPath, def: quote(p.Run), required: true, doc: "socket and lock of the running agent" + p.others(Places.run)},
	}
}

func logKeys() key {
	return key{name: "log", kind: kindSection, doc: "the program's own log; it never holds what was observed", keys: []key{
		{name: "level", kind: kindEnum, def: "info", enum: []string{"debug", "info", "warn", "error"}, doc: "what is logged"},
		{name: "format", kind: kindEnum, def: "json", enum: []string{"json", "text"}, doc: "one JSON object a line, or text"},
	}}
}

// levelKeys returns a row for each key of the privacy table.
func levelKeys() []key {
	rows := make([]key, 0, privacy.NumKeys)
	for k := range privacy.NumKeys {
		info := k.Info()
		rows = append(rows, key{name: info.Name, kind: kindLevel, level: k, def: info.Balanced.String(), enum: levelNames(k), doc: info.Doc})
	}
	return rows
}

func levelNames(k privacy.Key) []string {
	var names []string
	for _, l := range k.Info().Levels {
		names = append(names, l.String())
	}
	return names
}

func presetNames() []string { return []string{"strict", "balanced", "classic"} }

func privacyKeys(p Places) []key {
	rows := []key{{name: "preset", kind: kindEnum, def: "balanced", enum: presetNames(), doc: "a level for every key below that this file does not name"}}
	rows = append(rows, levelKeys()...)
	rows = append(rows, key{name: "tighten", kind: kindSection, bag: tightenBag, keys: levelKeys(),
		doc: "key: level; from any layer, can only make stricter"})
	rows = append(rows, listKeys()...)
	return append(rows, []key{
		{name: "quiet", kind: kindSection, doc: "when behaviour collectors stop, by the device's clock", keys: quietKeys()},
		{name: "pause", kind: kindSection, doc: "may the person at the device pause behaviour collectors", keys: pauseKeys()},
		{name: "pseudonym", kind: kindSection, doc: "where pseudonyms come from", keys: []key{
			{name: "mode", kind: kindEnum, def: "auto", enum: []string{"auto", "sealed", "tenant_key", "device_key"}, doc: "auto: sealed if officer_key_file is set, else tenant_key if tenant_key_file is set, else device_key"},
			{name: "tenant_key_file", kind: kindPath, def: `""`, example: p.file("tenant.key"), doc: "key from IT: one person, one pseudonym on every device"},
			{name: "key_id", kind: kindLabel, def: `""`, max: 32, doc: "id that stands in every pseudonym; empty: made from the key"},
			{name: "officer_key_file", kind: kindPath, def: `""`, doc: "public key of the data protection officer, for sealed"},
			{name: "epoch", kind: kindEnum, def: "none", enum: []string{"none", "year", "quarter", "month"}, doc: "how often pseudonyms change"},
		}},
		{name: "statement", kind: kindSection, doc: "shown to the employee", keys: []key{
			{name: "set_by", kind: kindText, def: `""`, max: 1024, private: true, doc: "who decided on this policy"},
			{name: "purpose", kind: kindText, def: `""`, max: 4096, private: true, doc: "what the data is for"},
			{name: "legal_basis", kind: kindText, def: `""`, max: 4096, private: true, doc: "on which ground it is processed"},
			{name: "contact", kind: kindText, def: `""`, max: 1024, private: true, doc: "whom to ask"},
			{name: "retention_days", kind: kindNumber, def: "30", min: 1, max: 36500, doc: "how long the gateway keeps it"},
		}},
	}...)
}

func listKeys() []key {
	return []key{
		{name: "corporate_domains", kind: kindDomains, def: "[]", doc: "the company's domains, e.g. [corp.example.com]"},
		{name: "corporate_ssids", kind: kindTexts, def: "[]", max: 32, private: true, doc: "the company's Wi-Fi names"},
		{name: "corporate_networks", kind: kindObjects, def: "[]", doc: "the company's addresses, e.g. [{label: hq, cidr: 10.20.0.0/16}]", keys: []key{
			{name: "label", kind: kindLabel, max: 32, required: true, doc: "what leaves in place of an address"},
			{name: "cidr", kind: kindCIDR, required: true, doc: "the range"},
		}},
		{name: "realm_aliases", kind: kindObjects, def: "[]", doc: "realms of accounts that are one, e.g. [{from: CORP, to: corp.example.com}]", keys: []key{
			{name: "from", kind: kindRealm, max: 253, required: true, doc: "a realm as the system names it"},
			{name: "to", kind: kindRealm, max: 253, required: true, doc: "the realm that it stands for"},
		}},
		{name: "exclude_programs", kind: kindTexts, def: "[]", max: 255, doc: "programs that are never reported"},
		{name: "count_only_programs", kind: kindTexts, def: "[]", max: 255, doc: "programs whose connections are counted, not described"},
		{name: "only_networks", kind: kindCIDRs, def: "[]", doc: "if not empty, connections elsewhere are counted, not described, e.g. [10.0.0.0/8]"},
	}
}

func quietKeys() []key {
	return []key{
		{name: "hours", kind: kindHours, def: `""`, example: `"19:00-07:00"`, doc: "from-to, in quotes; several are joined by commas"},
		{name: "weekends", kind: kindBool, def: "false", doc: "Saturday and Sunday too"},
	}
}

func pauseKeys() []key {
	return []key{
		{name: "allowed", kind: kindBool, def: "false", doc: "whether a pause can be asked for"},
		{name: "max", kind: kindDuration, def: "60m", min: minute, max: day, doc: "the longest pause"},
		{name: "per_day", kind: kindNumber, def: "4", min: 1, max: 100, doc: "pauses a day"},
	}
}

// floorKeys returns what may stand under privacy_floor: every level, and the
// settings that know a stricter direction.
func floorKeys() []key {
	rows := append(levelKeys(), listKeys()...)
	return append(rows,
		key{name: "quiet", kind: kindSection, doc: "hours that stay quiet", keys: quietKeys()},
		key{name: "pause", kind: kindSection, doc: "a pause that stays possible", keys: pauseKeys()})
}

// collectorNames returns the sections under collectors, in the order in which
// documents show them.
func collectorNames() []string {
	return []string{"process", "connection", "focus", "activity", "wifi", "domain", "logon", "device", "software"}
}

func collectorKeys() []key {
	var rows []key
	for _, name := range collectorNames() {
		rows = append(rows, key{name: name, kind: kindSection, keys: []key{
			{name: "enabled", kind: kindBool, def: "true", doc: "false: not started"},
			{name: "rung", kind: kindEnum, def: "auto", enum: rungNames(), doc: "which source of the system; auto: the best that works"},
		}})
	}
	return rows
}

// rungNames returns auto and the name of every rung in the event schema.
func rungNames() []string {
	names := []string{"auto"}
	for i := int32(1); ; i++ {
		name, ok := eventv1.Rung_name[i]
		if !ok {
			return names
		}
		names = append(names, strings.ToLower(strings.TrimPrefix(name, "RUNG_")))
	}
}

// gatewayKeys returns the table of gateway.yaml.
func gatewayKeys(p Places) []key {
	return []key{
		{name: "schema", kind: kindNumber, def: "1", min: 1, max: 1 << 30, doc: "version of these settings"},
		{name: "listen", kind: kindAddress, def: `":8443"`, required: true, doc: "host:port to listen on; no host: every address"},
		{name: "data_dir", kind: kindPath, def: quote(p.Gateway), required: true, doc: "where events and devices are kept"},
		{name: "ca_dir", kind: kindPath, def: `""`, doc: "where the CA is kept; empty: ca below data_dir"},
		{name: "trust_domain", kind: kindDomain, def: "discreet", required: true, doc: "names the fleet in every certificate"},
		{name: "certificate_days", kind: kindNumber, def: "30", min: 1, max: 825, doc: "how long a device's certificate is good; it is renewed at half of that"},
		{name: "retention", kind: kindDuration, def: "30d", min: day, max: 36500 * day, doc: "events older than this are deleted, by whole days"},
		{name: "limits", kind: kindSection, doc: "what one agent may ask for", keys: []key{
			{name: "max_batch_events", kind: kindNumber, def: "512", min: 1, max: 1 << 16, doc: "events in a batch"},
			{name: "max_batch_bytes", kind: kindSize, def: "1MiB", min: 4 * kib, max: 64 * mib, doc: "a batch as sent"},
			{name: "max_decoded_bytes", kind: kindSize, def: "4MiB", min: 4 * kib, max: 256 * mib, doc: "a batch after decompression"},
			{name: "window_batches", kind: kindNumber, def: "16", min: 1, max: 1024, doc: "batches in flight on a stream"},
			{name: "streams_per_device", kind: kindNumber, def: "2", min: 1, max: 64, doc: "streams that one device may hold open"},
		}},
		logKeys(),
	}
}

// leaves calls f for every setting below keys, sections left out. The path is
// joined by dots.
func leaves(prefix string, keys []key, f func(path string, k *key)) {
	for i := range keys {
		k := &keys[i]
		if path := join(prefix, k.name); k.kind == kindSection {
			leaves(path, k.keys, f)
		} else {
			f(path, k)
		}
	}
}

func join(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + "." + name
}

func find(keys []key, name string) *key {
	i := slices.IndexFunc(keys, func(k key) bool { return k.name == name })
	if i < 0 {
		return nil
	}
	return &keys[i]
}

func seconds(n int64) time.Duration { return time.Duration(n) * time.Second }
