package configs

import "github.com/discreet-agent/discreet/privacy"

// hashedNames are the keys whose pseudonyms a clear device name undoes, for
// whoever knows which device is whose.
func hashedNames() []privacy.Key {
	return []privacy.Key{privacy.Username, privacy.UPN, privacy.UserSID}
}

// together checks keys of one file against each other. The preset strict does
// not take a clear device beside hashed people.
func (c *checker) together() {
	main := c.bags[mainBag]
	if e, ok := main.entries["privacy.preset"]; !ok || e.value != "strict" {
		return
	}
	hashed := false
	for _, k := range hashedNames() {
		p, _ := c.names(k)
		hashed = hashed || p.level == privacy.Hashed
	}
	for _, k := range []privacy.Key{privacy.DeviceName, privacy.DeviceSerial} {
		if p, ok := main.levels[k]; ok && hashed && p.level == privacy.Cleartext {
			c.faults = append(c.faults, Fault{c.file, p.line, p.col, "privacy." + k.String(),
				"cleartext beside hashed people, want hashed under the preset strict", "with an asset list each pseudonym is a person again; use the preset balanced if that is meant"})
		}
	}
}

// lint returns what the policy undoes of itself.
func (l *Loaded) lint() []Warning {
	var out []Warning
	add := func(key, text, hint string) { out = append(out, Warning{Key: key, Text: text, Hint: hint}) }
	level := l.Policy.Level
	people := false
	for _, k := range hashedNames() {
		people = people || level(k) == privacy.Hashed
	}
	for _, k := range []privacy.Key{privacy.DeviceName, privacy.DeviceSerial} {
		if people && level(k) == privacy.Cleartext {
			add("privacy."+k.String(), "a clear device beside hashed people: whoever knows whose device it is knows the person", "set it to hashed")
		}
	}
	if level(privacy.Domains) == privacy.Drop && level(privacy.Destinations) == privacy.Cleartext {
		add("privacy.destinations", "clear addresses beside dropped domains: many addresses tell the domain", "set it to prefix or scope")
	}
	return append(out, l.lintPseudonyms()...)
}

func (l *Loaded) lintPseudonyms() []Warning {
	hashed := false
	for _, d := range l.Decisions {
		hashed = hashed || d.Level == privacy.Hashed
	}
	p := l.Settings.Privacy.Pseudonym
	const key = "privacy.pseudonym"
	switch mode := p.Source(); {
	case !hashed:
	case mode == "sealed" && p.OfficerKeyFile == "":
		return []Warning{{Key: key + ".officer_key_file", Text: "none, and the mode is sealed: hashed values are dropped", Hint: "name the public key of the data protection officer"}}
	case mode == "tenant_key" && p.TenantKeyFile == "":
		return []Warning{{Key: key + ".tenant_key_file", Text: "none, and the mode is tenant_key: hashed values are dropped", Hint: "name the key file from IT"}}
	case mode == "device_key":
		return []Warning{{Key: key, Text: "no key file: pseudonyms are bound to this device, and nobody can find a person by name", Hint: "set officer_key_file, or tenant_key_file"}}
	}
	return nil
}
