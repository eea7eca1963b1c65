package privacy

import "testing"

// TestTripwireKnowsForms: where an identity is found in a value, only the forms
// that its rule writes excuse it.
func TestTripwireKnowsForms(t *testing.T) {
	keys := testKeys(t)
	p1 := keys.make(purposeUser, "x")
	for _, row := range []struct {
		key   Key
		level Level
		value string
		want  bool
	}{
		{Username, Hashed, p1, true},
		{Username, Hashed, "@system", true},
		{Username, Hashed, "jdoe", false},
		{Username, Drop, p1, false},
		{Domains, List, "corp.example.com", true},
		{Domains, List, "other", true},
		{Domains, List, "jdoe.example", false},
		{Domains, Generalised, "<local>", true},
		{Domains, Generalised, "jdoe.com", false},
		{WifiSSID, Label, "corporate", true},
		{WifiSSID, Label, "other", true},
		{WifiSSID, Label, "jdoe", false},
		{WifiSSID, Hashed, "corporate", false},
		{ProgramName, Generalised, "<local>", false},
		{ProgramName, Generalised, "other", false},
		{ProgramSigner, Generalised, "<person>", true},
		{ProgramSigner, Generalised, "apple development", true},
		{ProgramSigner, Generalised, "jdoe", false},
		{DeviceName, Auto, p1, true},
		{DeviceName, Auto, "NB-004711", true},
		{DeviceName, Auto, "DESKTOP-4F7K2QX", true},
		{DeviceName, Auto, "JDOE-0815", false},
		{DeviceName, Auto, "jdoe-laptop", false},
		{Destinations, Prefix, "192.0.2.0/24", true},
		{Destinations, Prefix, "jdoe", false},
		{LocalAddresses, Cleartext, "fe80::1", true},
		{WifiBSSID, Generalised, "local-admin", true},
	} {
		f := newSampleFilter(t, preset(t, "balanced"))
		if got := f.trip.written(row.key, row.level, row.value); got != row.want {
			t.Errorf("written(%s, %s, %q) = %v; want %v", row.key, row.level, row.value, got, row.want)
		}
	}
}
