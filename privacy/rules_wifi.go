package privacy

import (
	"slices"
	"strings"
)

const maxSSID = 255 // an SSID has 32 octets; a driver may hand more

// wifiSSID compares and hashes the raw octets: an access point that differs
// from the company's in one of them is another.
func (r *rules) wifiSSID(l Level, v []byte) string {
	if out, ok := r.ssids.get(l, string(v)); ok {
		return out
	}
	if len(v) == 0 || len(v) > maxSSID {
		return ""
	}
	ssid, out := string(v), ""
	switch l {
	case Label:
		out = "other"
		if slices.Contains(r.ctx.CorporateSSIDs, ssid) {
			out = "corporate"
		}
	case Hashed:
		out = r.keys.make(purposeSSID, ssid)
	case Cleartext:
		out = ssid
	}
	r.ssids.put(l, ssid, out)
	return out
}

// wifiBSSID takes any spelling of twelve hex digits.
func (r *rules) wifiBSSID(l Level, v string) string {
	return r.kept(&r.bssids, l, v, (*rules).bssidOf)
}

func (r *rules) bssidOf(l Level, v string) string {
	hex := hexDigits(v)
	if hex == "" {
		return ""
	}
	switch l {
	case Generalised:
		// The bit of locally administered addresses: a phone's hot spot.
		if strings.IndexByte("2367abef", hex[1]) >= 0 {
			return "local-admin"
		}
		return colons(hex)[:8]
	case Hashed:
		return r.keys.make(purposeBSSID, hex)
	case Cleartext:
		return colons(hex)
	}
	return ""
}

// hexDigits returns the twelve digits of a MAC address in lower case, or "".
func hexDigits(v string) string {
	var b [12]byte
	n := 0
	for i := range len(v) {
		c := v[i]
		switch {
		case c == ':', c == '-', c == '.', c == ' ':
			continue
		case 'A' <= c && c <= 'F':
			c += 'a' - 'A'
		case '0' <= c && c <= '9', 'a' <= c && c <= 'f':
		default:
			return ""
		}
		if n == len(b) {
			return ""
		}
		b[n] = c
		n++
	}
	if n != len(b) {
		return ""
	}
	return string(b[:])
}

// colons writes twelve hex digits in pairs.
func colons(hex string) string {
	if hex == "" {
		return ""
	}
	return strings.Join([]string{hex[0:2], hex[2:4], hex[4:6], hex[6:8], hex[8:10], hex[10:12]}, ":")
}
