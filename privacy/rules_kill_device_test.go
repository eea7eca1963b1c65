package privacy

import (
	"strings"
	"testing"
)

// TestKillDeviceRows: names, numbers and access points at the edges of their
// rules, and levels that are none of theirs.
func TestKillDeviceRows(t *testing.T) {
	keys := testKeys(t)
	for _, row := range []ruleRow{
		{"device name at a level of other keys", Linux, DeviceName, Prefix, "NB-004711", ""},
		{"serial at a level of other keys", Linux, DeviceSerial, Prefix, "PF-3ABC", ""},
		{"asset id at a level of other keys", Linux, AssetID, Prefix, "NB-1", ""},
		{"only blanks go at the ends of a name", Linux, DeviceName, Hashed, " mainz-t .corp.example", keys.make(purposeDevice, "mainz-t")},
		{"longest SSID", Linux, WifiSSID, Cleartext, strings.Repeat("x", 255), strings.Repeat("x", 255)},
		{"a longer one", Linux, WifiSSID, Cleartext, strings.Repeat("x", 256), ""},
		{"BSSID with blanks", Linux, WifiBSSID, Cleartext, "A4 CF 12 34 56 78", "a4:cf:12:34:56:78"},
		{"BSSID with an exclamation mark", Linux, WifiBSSID, Cleartext, "A4!CF!12!34!56!78", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := tryTable[row.key](testRules(t, row.system), row.level, row.in); got != row.want {
				t.Errorf("%s(%q) at %s = %q; want %q", row.key, row.in, row.level, got, row.want)
			}
		})
	}
}

// TestKillLocalBSSID asks for each second digit of an address.
func TestKillLocalBSSID(t *testing.T) {
	for _, digit := range "0123456789abcdef" {
		in := "a" + string(digit) + ":cf:12:34:56:78"
		want := in[:8]
		if strings.ContainsRune("2367abef", digit) {
			want = "local-admin"
		}
		if got := testRules(t, Linux).wifiBSSID(Generalised, in); got != want {
			t.Errorf("wifiBSSID(%q) = %q; want %q", in, got, want)
		}
	}
}
