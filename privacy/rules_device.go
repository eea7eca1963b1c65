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

// namesNobody reports whether v is the name of a device as a machine or an
// inventory makes it.
func namesNobody(v string) bool { return machinePattern.MatchString(v) || assetPattern.MatchString(v) }

// machineMade reports whether Windows made the name.
func machineMade(host string) bool { return machinePattern.MatchString(strings.ToUpper(host)) }

// deviceName lets a name leave clear at Auto where a machine or an inventory
// made it and no identity stands in it. The host's own name is an identity too.
// Here it counts only where a person may have made it: else no name could stay
// clear.
func (r *rules) deviceName(l Level, v string) string {
	return r.kept(&r.devices, l, v, (*rules).deviceNameOf)
}

func (r *rules) deviceNameOf(l Level, v string) string {
	switch l {
	case Cleartext:
		return clearText(v, maxName)
	case Auto:
		if namesNobody(v) && !r.holdsIdentity(v, namesNobody(strings.ToUpper(r.accounts.label))) {
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
