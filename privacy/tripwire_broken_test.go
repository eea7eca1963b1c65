package privacy

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// brokenEvent is an event with a value for every rule that keeps its answers.
func brokenEvent(kind string) *eventv1.Event {
	program := &eventv1.Program{Name: "tool", Version: "1", Path: "/usr/bin/tool", Signer: "Tool Company"}
	user := &eventv1.User{Name: "root", Sid: "0"}
	at := sampleTime.UnixMilli()
	switch kind {
	case "process_start":
		return &eventv1.Event{TimeUnixMs: at, Kind: &eventv1.Event_ProcessStart{ProcessStart: &eventv1.ProcessStart{Pid: 1, Program: program, User: user}}}
	case "connection":
		return &eventv1.Event{TimeUnixMs: at, Kind: &eventv1.Event_Connection{Connection: &eventv1.Connection{Program: program, User: user, Address: "198.51.100.7", Domain: "www.example.org"}}}
	case "wifi_link":
		return &eventv1.Event{TimeUnixMs: at, Kind: &eventv1.Event_WifiLink{WifiLink: &eventv1.WifiLink{Ssid: []byte("network"), Bssid: "00:25:9c:aa:bb:cc"}}}
	case "software":
		return &eventv1.Event{TimeUnixMs: at, Kind: &eventv1.Event_Software{Software: &eventv1.Software{Name: "tool", Version: "1"}}}
	}
	return &eventv1.Event{TimeUnixMs: at, Kind: &eventv1.Event_Device{Device: &eventv1.Device{Name: "other-host", Serial: "PF3ABC12", Addresses: []string{"192.0.2.1"}}}}
}

// brokenRules says how to break each rule: it answers with a name from then on.
var brokenRules = []struct {
	name, kind string
	leak       func(r *rules, out string)
}{
	{"username", "process_start", func(r *rules, out string) { r.users.put(Hashed, "root", userMemo{"0", out}) }},
	{"program name", "process_start", func(r *rules, out string) { r.names.put(Generalised, "tool", out) }},
	{"version", "connection", func(r *rules, out string) { r.names.put(Generalised, "1", out) }},
	{"program path", "process_start", func(r *rules, out string) { r.paths.put(Generalised, "/usr/bin/tool", "/usr/bin/"+out) }},
	{"signer", "process_start", func(r *rules, out string) { r.signers.put(Generalised, "Tool Company", "Company of "+out) }},
	{"destination", "connection", func(r *rules, out string) { r.dest.put(Prefix, "198.51.100.7", out) }},
	{"domain", "connection", func(r *rules, out string) { r.doms.put(Generalised, "www.example.org", out+".example.org") }},
	{"network", "wifi_link", func(r *rules, out string) { r.ssids.put(Hashed, "network", out) }},
	{"access point", "wifi_link", func(r *rules, out string) { r.bssids.put(Generalised, "00:25:9c:aa:bb:cc", out) }},
	{"software", "software", func(r *rules, out string) { r.packages.put(Cleartext, "tool", out+"-tools") }},
	{"device name", "device", func(r *rules, out string) { r.devices.put(Hashed, "other-host", out) }},
	{"serial", "device", func(r *rules, out string) { r.serials.put(Hashed, "PF3ABC12", out) }},
	{"local address", "device", func(r *rules, out string) { r.locals.put(Scope, "192.0.2.1", out) }},
}

func brokenPolicy(t *testing.T) Policy {
	p := preset(t, "balanced")
	for k, l := range map[Key]Level{
		Username: Hashed, ProgramName: Generalised, ProgramPath: Generalised, ProgramSigner: Generalised,
		Processes: Each, Connections: Each, Destinations: Prefix, Domains: Generalised, WifiQuality: Cleartext, WifiSSID: Hashed, WifiBSSID: Generalised,
		Software: Cleartext, DeviceName: Hashed, DeviceSerial: Hashed, LocalAddresses: Scope,
	} {
		p = with(t, p, k, l)
	}
	return p
}

// TestS52BrokenRuleTripsColdAndWarm breaks one rule at a time: the record is
// dropped at first sight, and each time that it comes back.
func TestS52BrokenRuleTripsColdAndWarm(t *testing.T) {
	for _, row := range brokenRules {
		for _, leak := range []string{"jdoe", "x-анна"} {
			t.Run(fmt.Sprintf("%s/%s", row.name, leak), func(t *testing.T) {
				f := newSampleFilter(t, brokenPolicy(t))
				if _, ok := f.Apply(brokenEvent(row.kind)); !ok {
					t.Fatal("the event does not leave while the rule is whole")
				}
				f.rules.forget() // as when another name is learned
				row.leak(f.rules, leak)
				for i := range uint64(4) {
					if c, ok := f.Apply(brokenEvent(row.kind)); ok || f.Tripped() != i+1 {
						t.Fatalf("Apply, time %d = %d bytes, %v, %d tripped; want it dropped", i, c.Size(), ok, f.Tripped())
					}
				}
			})
		}
	}
}

// TestTripwireForgetsWithTheNames: what was clean is looked through anew as soon
// as it may hold a name.
func TestTripwireForgetsWithTheNames(t *testing.T) {
	f := newSampleFilter(t, brokenPolicy(t))
	for range 3 {
		if !f.construct(startOf("/usr/bin/zoes-tool")) || !f.trip.clean(f.kind, f.buf[f.head:f.tail]) {
			t.Fatal("the event is not clean while nobody has that name")
		}
	}
	body := bytes.Clone(f.buf[f.head:f.tail])
	body = bytes.Replace(body, []byte("<id>-notes"), []byte("zoes-notes"), 1)
	for i := range 2 {
		if !f.trip.clean(f.kind, body) {
			t.Fatalf("clean, time %d while nobody has that name = false; want true", i)
		}
	}
	f.Apply(&eventv1.Event{Kind: &eventv1.Event_Logon{Logon: &eventv1.Logon{User: &eventv1.User{Name: "zoes", Sid: "1009"}}}})
	for i := range 3 {
		if f.trip.clean(f.kind, body) {
			t.Fatalf("clean, time %d after the name was learned = true; want false", i)
		}
	}
}

// TestTripwireTellsFieldsApart: what is clean in one field may be a name in the
// next.
func TestTripwireTellsFieldsApart(t *testing.T) {
	ctx := testContext(Linux)
	ctx.Identities = []string{"ubuntu"}
	f := NewFilter(with(t, preset(t, "balanced"), DeviceSerial, Hashed), ctx, testKeys(t))
	field := func(number byte) []byte { return append([]byte{number<<3 | 2, 6}, "ubuntu"...) }
	for i := range 3 {
		if !f.trip.clean(kindDevice, field(9)) {
			t.Errorf("time %d: clean(the kernel's version) = false; want true", i)
		}
		if f.trip.clean(kindDevice, field(4)) {
			t.Errorf("time %d: clean(a serial number) = true; want false", i)
		}
		if f.trip.clean(kindSoftware, field(1)) {
			t.Errorf("time %d: clean(a package) = true; want false", i)
		}
	}
}

// TestS52NumbersStandLast: behind the mark up to which the tripwire looks, no
// event has a text.
func TestS52NumbersStandLast(t *testing.T) {
	policies := map[string]Policy{"laxest": laxest(), "none": {}}
	for _, name := range []string{"strict", "balanced", "classic"} {
		policies[name] = preset(t, name)
	}
	for name, p := range policies {
		f := newSampleFilter(t, p)
		for _, fd := range kindFields() {
			f.tail = -1
			if !f.construct(filled(fd)) {
				continue
			}
			if f.tail < f.head || f.tail > len(f.buf) {
				t.Fatalf("%s: %s: the mark is at %d of %d to %d", name, fd.Name(), f.tail, f.head, len(f.buf))
			}
			for b := f.buf[f.tail:]; len(b) > 0; {
				tag, n := binary.Uvarint(b)
				_, m := binary.Uvarint(b[max(n, 0):])
				if n <= 0 || m <= 0 || tag&7 != 0 {
					t.Errorf("%s: %s: field %d behind the mark is no number", name, fd.Name(), tag>>3)
					break
				}
				b = b[n+m:]
			}
		}
	}
}
