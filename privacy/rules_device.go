package privacy

import (
	"regexp"
	"strings"
)

// machinePattern matches the names that Windows makes, and assetPattern those
// that an inventory makes. Neither can hold a person.
var (
	machinePattern = regexp.MustCompile(`^(DESKTOP|LAPTOP|WIN)-[0-9A-Z]{7,11}$`)
	assetPattern   = regexp.MustCompile(`^[A-Z]{2,4}-?[0-9]{4,10}$`)
)

// machineMade reports whether Windows made the name.
func machineMade(host string) bool { return machinePattern.MatchString(strings.ToUpper(host)) }

// deviceName lets a name leave clear at Auto where a machine or an inventory
// made it. The host's own name is an identity for every other field, and not
// for this one: else no name could stay clear.
func (r *rules) deviceName(l Level, v string) string {
	return r.kept(&r.devices, l, v, (*rules).deviceNameOf)
}

func (r *rules) deviceNameOf(l Level, v string) string {
	switch l {
	case Cleartext:
		return clearText(v, maxName)
	case Auto:
		made := machinePattern.MatchString(v) || assetPattern.MatchString(v)
		if made && !r.holdsIdentity(v, true) {
			return v
		}
		return hashedDevice(r.keys, v)
	case Hashed:
		return hashedDevice(r.keys, v)
	}
	return ""
}

func hashedDevice(keys *Pseudonyms, v string) string {
	label, _, _ := strings.Cut(Canonical(v), ".")
	return keys.make(purposeDevice, strings.Trim(label, " "))
}

// assetID is set by IT, as tags are, and leaves as it is.
func (r *rules) assetID(l Level, v string) string {
	if l != Cleartext {
		return ""
	}
	return clearText(v, maxName)
}

func (r *rules) deviceSerial(l Level, v string) string {
	return r.kept(&r.serials, l, v, (*rules).serialOf)
}

func (r *rules) serialOf(l Level, v string) string {
	switch l {
	case Hashed:
		return r.keys.make(purposeSerial, Canonical(v))
	case Cleartext:
		return clearText(v, maxName)
	}
	return ""
}
