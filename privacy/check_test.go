package privacy

import (
	"errors"
	"strings"
	"testing"
	"time"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	"google.golang.org/protobuf/proto"
)

// clearedEvent returns what p lets out of ev, as the gateway reads it.
func clearedEvent(t testing.TB, p Policy, ev *eventv1.Event) *eventv1.Event {
	t.Helper()
	c, ok := newSampleFilter(t, p).Apply(ev)
	if !ok {
		t.Fatal("Apply = false")
	}
	return decode(t, c)
}

// TestCheckAccepts: whatever the filter makes of the samples passes.
func TestCheckAccepts(t *testing.T) {
	policies := map[string]Policy{"zero": {}, "laxest": laxest()}
	for _, name := range []string{"strict", "balanced", "classic"} {
		policies[name] = preset(t, name)
	}
	for name, p := range policies {
		f := newSampleFilter(t, p)
		for _, kind := range kindFields() {
			for _, ev := range append(sampleEvents()[string(kind.Name())], filled(kind)) {
				c, ok := f.Apply(ev)
				if !ok {
					continue
				}
				if err := p.Check(decode(t, c)); err != nil {
					t.Errorf("%s: Check(%s) = %v; want nil", name, kind.Name(), err)
				}
			}
		}
	}
}

const goodPseudonym = "p1.t1.h6oep7sgte27ax7jmm7uzec65m"

// programOf and the like return the part of a sample that a row spoils.
func programOf(ev *eventv1.Event) *eventv1.Program { return ev.GetExecutionSummary().Program }
func userOf(ev *eventv1.Event) *eventv1.User       { return ev.GetExecutionSummary().User }

func TestCheckRefuses(t *testing.T) {
	balanced := preset(t, "balanced")
	set := func(k Key, l Level) Policy { return with(t, balanced, k, l) }
	start, stop, connection := sampleEvents()["process_start"][0], sampleEvents()["process_stop"][0], sampleEvents()["connection"][0]
	activity, wifi, device := sampleEvents()["user_activity"][0], sampleEvents()["wifi_link"][0], sampleEvents()["device"][0]
	domain := sampleEvents()["domain_seen"][0]
	summary := func(p Policy) *eventv1.Event { return clearedEvent(t, p, start) }
	flow := func(p Policy) *eventv1.Event { return clearedEvent(t, p, connection) }
	tests := []struct {
		name  string
		p     Policy
		ev    *eventv1.Event
		spoil func(*eventv1.Event)
		field string // that is refused; empty: accepted
	}{
		{"start at summary", balanced, clearedEvent(t, laxest(), start), nil, "Event.process_start"},
		{"stop at summary", balanced, clearedEvent(t, laxest(), stop), nil, "Event.process_stop"},
		{"connection at summary", balanced, clearedEvent(t, laxest(), connection), nil, "Event.connection"},
		{"summary at each", set(Processes, Each), summary(balanced), nil, ""},
		{"processes dropped", set(Processes, Drop), summary(balanced), nil, "Event.execution_summary"},
		{"domains dropped", balanced, clearedEvent(t, laxest(), domain), nil, "Event.domain_seen"},
		{"focus dropped", balanced, &eventv1.Event{Kind: &eventv1.Event_Focus{Focus: &eventv1.Focus{}}}, nil, "Event.focus"},

		{"clear name at hashed", balanced, summary(balanced), func(ev *eventv1.Event) { userOf(ev).Name = "jdoe" }, "User.name"},
		{"plain hash at hashed", balanced, summary(balanced), func(ev *eventv1.Event) { userOf(ev).Name = strings.Repeat("a1", 32) }, "User.name"},
		{"short pseudonym", balanced, summary(balanced), func(ev *eventv1.Event) { userOf(ev).Name = goodPseudonym[:31] }, "User.name"},
		{"pseudonym of another alphabet", balanced, summary(balanced), func(ev *eventv1.Event) { userOf(ev).Name = goodPseudonym[:31] + "1" }, "User.name"},
		{"pseudonym without a key id", balanced, summary(balanced), func(ev *eventv1.Event) { userOf(ev).Name = "p1.." + goodPseudonym[6:] }, "User.name"},
		{"pseudonym of a long key id", balanced, summary(balanced), func(ev *eventv1.Event) { userOf(ev).Name = "p1.a2345678901234567." + goodPseudonym[6:] }, "User.name"},
		{"pseudonym of the longest key id", balanced, summary(balanced), func(ev *eventv1.Event) { userOf(ev).Name = "p1.a234567890123456." + goodPseudonym[6:] }, ""},
		{"key id in capitals", balanced, summary(balanced), func(ev *eventv1.Event) { userOf(ev).Name = "p1.T1." + goodPseudonym[6:] }, "User.name"},
		{"another version", balanced, summary(balanced), func(ev *eventv1.Event) { userOf(ev).Name = "p2" + goodPseudonym[2:] }, "User.name"},
		{"something before", balanced, summary(balanced), func(ev *eventv1.Event) { userOf(ev).Name = " " + goodPseudonym }, "User.name"},
		{"a role", balanced, summary(balanced), func(ev *eventv1.Event) { userOf(ev).Name = "@service" }, ""},
		{"another role", balanced, summary(balanced), func(ev *eventv1.Event) { userOf(ev).Name = "@admin" }, "User.name"},
		{"clear name at cleartext", set(Username, Cleartext), summary(set(Username, Cleartext)), func(ev *eventv1.Event) { userOf(ev).Name = "jdoe" }, ""},
		{"UPN dropped", balanced, summary(balanced), func(ev *eventv1.Event) { userOf(ev).Upn = goodPseudonym }, "User.upn"},
		{"a role as UPN", set(UPN, Hashed), summary(balanced), func(ev *eventv1.Event) { userOf(ev).Upn = "@system" }, "User.upn"},
		{"SID dropped", balanced, summary(balanced), func(ev *eventv1.Event) { userOf(ev).Sid = "@system" }, "User.sid"},
		{"clear SID", set(UserSID, Hashed), summary(balanced), func(ev *eventv1.Event) { userOf(ev).Sid = "S-1-5-21-1-2-3-1000" }, "User.sid"},
		{"a user in a day", set(SummaryInterval, Day), summary(set(SummaryInterval, Day)), func(ev *eventv1.Event) {
			ev.GetExecutionSummary().User = &eventv1.User{}
		}, "ExecutionSummary.user"},
		{"a user in a day of connections", set(SummaryInterval, Day), flow(set(SummaryInterval, Day)), func(ev *eventv1.Event) {
			ev.GetConnectionSummary().User = &eventv1.User{Name: goodPseudonym}
		}, "ConnectionSummary.user"},

		{"path of a person", balanced, summary(balanced), func(ev *eventv1.Event) { programOf(ev).Path = "/home/jdoe/tool" }, "Program.path"},
		{"Windows path of a person", balanced, summary(balanced), func(ev *eventv1.Event) { programOf(ev).Path = `C:\Users\jdoe\tool.exe` }, "Program.path"},
		{"path of a person with a mark", balanced, summary(balanced), func(ev *eventv1.Event) { programOf(ev).Path = "/home/<id>/x/tool" }, "Program.path"},
		{"path of a person on a drive with a mark", balanced, summary(balanced), func(ev *eventv1.Event) { programOf(ev).Path = `D:\Users\<id>\x\tool.exe` }, "Program.path"},
		{"path of nowhere", balanced, summary(balanced), func(ev *eventv1.Event) { programOf(ev).Path = "/data/x/tool" }, "Program.path"},
		{"path that only begins like a system's", balanced, summary(balanced), func(ev *eventv1.Event) { programOf(ev).Path = "/usrjdoe/tool" }, "Program.path"},
		{"path after a place", balanced, summary(balanced), func(ev *eventv1.Event) { programOf(ev).Path = "<user>/jdoe/tool" }, "Program.path"},
		{"generalised path", balanced, summary(balanced), func(ev *eventv1.Event) { programOf(ev).Path = `<user>\…\tool.exe` }, ""},
		{"system path", balanced, summary(balanced), func(ev *eventv1.Event) { programOf(ev).Path = `C:\Program Files (x86)\Tool\tool.exe` }, ""},
		{"scrubbed system path", balanced, summary(balanced), func(ev *eventv1.Event) { programOf(ev).Path = `c:\<id>\system32\x.exe` }, ""},
		{"path dropped", set(ProgramPath, Drop), summary(balanced), nil, "Program.path"},
		{"short digest", balanced, summary(balanced), func(ev *eventv1.Event) { programOf(ev).Sha256 = []byte("jdoe") }, "Program.sha256"},
		{"digest dropped", set(ProgramSHA256, Drop), summary(balanced), nil, "Program.sha256"},
		{"signer with an address", balanced, summary(balanced), func(ev *eventv1.Event) { programOf(ev).Signer = "Apple Development: a@b.c" }, "Program.signer"},
		{"long text", balanced, summary(balanced), func(ev *eventv1.Event) { programOf(ev).Name = strings.Repeat("a", maxText+1) }, "Program.name"},
		{"not UTF-8", balanced, summary(balanced), func(ev *eventv1.Event) { programOf(ev).Name = "\xff" }, "Program.name"},

		{"address at scope", set(Destinations, Scope), flow(balanced), nil, "ConnectionSummary.address"},
		{"word at scope", set(Destinations, Scope), flow(set(Destinations, Scope)), nil, ""},
		{"company at scope", set(Destinations, Scope), flow(balanced), func(ev *eventv1.Event) { ev.GetConnectionSummary().Address = "corp:hq" }, ""},
		{"another word", set(Destinations, Scope), flow(balanced), func(ev *eventv1.Event) { ev.GetConnectionSummary().Address = "example.org" }, "ConnectionSummary.address"},
		{"prefix", set(Destinations, Prefix), flow(set(Destinations, Prefix)), nil, ""},
		{"address at prefix", set(Destinations, Prefix), flow(balanced), nil, "ConnectionSummary.address"},
		{"narrow prefix", set(Destinations, Prefix), flow(balanced), func(ev *eventv1.Event) { ev.GetConnectionSummary().Address = "198.51.100.7/32" }, "ConnectionSummary.address"},
		{"prefix with a host", set(Destinations, Prefix), flow(balanced), func(ev *eventv1.Event) { ev.GetConnectionSummary().Address = "198.51.100.7/24" }, "ConnectionSummary.address"},
		{"address with a zone", balanced, flow(balanced), func(ev *eventv1.Event) { ev.GetConnectionSummary().Address = "fe80::1%jdoe" }, "ConnectionSummary.address"},
		{"name as an address", balanced, flow(balanced), func(ev *eventv1.Event) { ev.GetConnectionSummary().Address = "jdoe.example.org" }, "ConnectionSummary.address"},
		{"domain dropped", balanced, flow(balanced), func(ev *eventv1.Event) { ev.GetConnectionSummary().Domain = "other" }, "ConnectionSummary.domain"},
		{"source of a dropped domain", balanced, flow(balanced), func(ev *eventv1.Event) { ev.GetConnectionSummary().DomainSource = 1 }, "ConnectionSummary.domain_source"},
		{"doubt about a dropped domain", balanced, flow(balanced), func(ev *eventv1.Event) { ev.GetConnectionSummary().DomainAmbiguous = true }, "ConnectionSummary.domain_ambiguous"},
		{"enum that the schema does not name", balanced, flow(balanced), func(ev *eventv1.Event) { ev.GetConnectionSummary().Scope = 77 }, "ConnectionSummary.scope"},

		{"domain in a list", set(Domains, List), clearedEvent(t, set(Domains, List), domain), func(ev *eventv1.Event) { ev.GetDomainSeen().Domain = "jdoe@x" }, "DomainSeen.domain"},
		{"generalised domain", set(Domains, Generalised), clearedEvent(t, set(Domains, Generalised), domain), nil, ""},
		{"address as a generalised domain", set(Domains, Generalised), clearedEvent(t, set(Domains, List), domain), func(ev *eventv1.Event) { ev.GetDomainSeen().Domain = "jdoe-laptop" }, "DomainSeen.domain"},
		{"clear domain at hashed", set(Domains, Hashed), clearedEvent(t, set(Domains, Generalised), domain), nil, "DomainSeen.domain"},

		{"exact time of activity", balanced, clearedEvent(t, balanced, activity), func(ev *eventv1.Event) { ev.TimeUnixMs++ }, "Event.time_unix_ms"},
		{"no bucket", balanced, clearedEvent(t, balanced, activity), func(ev *eventv1.Event) { ev.BucketSeconds = 0 }, "Event.bucket_seconds"},
		{"a finer bucket", balanced, clearedEvent(t, set(UserActivity, QuarterHour), activity), nil, "Event.bucket_seconds"},
		{"an hour of three quarters", balanced, clearedEvent(t, balanced, activity), func(ev *eventv1.Event) { ev.BucketSeconds = 2700 }, "Event.bucket_seconds"},
		{"half an hour on a Tuesday", balanced, clearedEvent(t, balanced, activity), func(ev *eventv1.Event) { ev.BucketSeconds = 1800 }, "Event.bucket_seconds"},
		{"half an hour on a Saturday", balanced, clearedEvent(t, balanced, activity), func(ev *eventv1.Event) { ev.BucketSeconds, ev.TimeUnixMs = 1800, ev.TimeUnixMs+4*86400_000 }, ""},
		{"a day of 23 hours", set(UserActivity, Day), clearedEvent(t, set(UserActivity, Day), activity), func(ev *eventv1.Event) { ev.BucketSeconds = 82800 }, ""},
		{"a day of 22 hours", set(UserActivity, Day), clearedEvent(t, set(UserActivity, Day), activity), func(ev *eventv1.Event) { ev.BucketSeconds = 79200 }, "Event.bucket_seconds"},
		{"bucket where the time is exact", balanced, clearedEvent(t, balanced, wifi), func(ev *eventv1.Event) { ev.BucketSeconds = 900 }, "Event.bucket_seconds"},

		{"ssid dropped", balanced, clearedEvent(t, balanced, wifi), func(ev *eventv1.Event) { ev.GetWifiLink().Ssid = []byte("other") }, "WifiLink.ssid"},
		{"ssid at label", set(WifiSSID, Label), clearedEvent(t, set(WifiSSID, Label), wifi), nil, ""},
		{"clear ssid at label", set(WifiSSID, Label), clearedEvent(t, set(WifiSSID, Cleartext), wifi), nil, "WifiLink.ssid"},
		{"clear ssid at hashed", set(WifiSSID, Hashed), clearedEvent(t, set(WifiSSID, Cleartext), wifi), nil, "WifiLink.ssid"},
		{"hashed ssid", set(WifiSSID, Hashed), clearedEvent(t, set(WifiSSID, Hashed), wifi), nil, ""},
		{"long ssid", set(WifiSSID, Cleartext), clearedEvent(t, set(WifiSSID, Cleartext), wifi), func(ev *eventv1.Event) { ev.GetWifiLink().Ssid = make([]byte, 33) }, "WifiLink.ssid"},
		{"clear bssid at generalised", set(WifiBSSID, Generalised), clearedEvent(t, set(WifiBSSID, Cleartext), wifi), nil, "WifiLink.bssid"},
		{"maker of a bssid", set(WifiBSSID, Generalised), clearedEvent(t, set(WifiBSSID, Generalised), wifi), nil, ""},
		{"bssid in capitals", set(WifiBSSID, Cleartext), clearedEvent(t, set(WifiBSSID, Cleartext), wifi), func(ev *eventv1.Event) { ev.GetWifiLink().Bssid = "AA:BB:CC:DD:EE:FF" }, "WifiLink.bssid"},
		{"status of dropped names", balanced, clearedEvent(t, balanced, wifi), func(ev *eventv1.Event) { ev.GetWifiLink().IdentityStatus = 1 }, "WifiLink.identity_status"},

		{"device named after a person", balanced, clearedEvent(t, balanced, device), func(ev *eventv1.Event) { ev.GetDevice().Name = "JDOE-LAPTOP" }, "Device.name"},
		{"device named by Windows", balanced, clearedEvent(t, balanced, device), func(ev *eventv1.Event) { ev.GetDevice().Name = "DESKTOP-1A2B3C4" }, ""},
		{"device named by an inventory", balanced, clearedEvent(t, balanced, device), func(ev *eventv1.Event) { ev.GetDevice().Name = "NB-004711" }, ""},
		{"the same at hashed", set(DeviceName, Hashed), clearedEvent(t, balanced, device), func(ev *eventv1.Event) { ev.GetDevice().Name = "NB-004711" }, "Device.name"},
		{"clear serial at hashed", set(DeviceSerial, Hashed), clearedEvent(t, balanced, device), func(ev *eventv1.Event) { ev.GetDevice().Serial = "PF3ABC12" }, "Device.serial"},
		{"own address at scope", balanced, clearedEvent(t, balanced, device), func(ev *eventv1.Event) { ev.GetDevice().Addresses[0] = "192.168.1.7" }, "Device.addresses"},
		{"own MAC at scope", balanced, clearedEvent(t, balanced, device), func(ev *eventv1.Event) { ev.GetDevice().Addresses[0] = "00:25:9c:00:00:01" }, "Device.addresses"},
		{"own MAC at cleartext", set(LocalAddresses, Cleartext), clearedEvent(t, set(LocalAddresses, Cleartext), device), func(ev *eventv1.Event) { ev.GetDevice().Addresses[0] = "00:25:9c:00:00:01" }, ""},
		{"many tags", balanced, clearedEvent(t, balanced, device), func(ev *eventv1.Event) { ev.GetDevice().Tags = make([]string, maxItems+1) }, "Device.tags"},
		{"asset id dropped", set(AssetID, Drop), clearedEvent(t, balanced, device), nil, "Device.asset_id"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ev := proto.Clone(tt.ev).(*eventv1.Event)
			if tt.spoil != nil {
				tt.spoil(ev)
			}
			err := tt.p.Check(ev)
			if tt.field == "" {
				if err != nil {
					t.Errorf("Check = %v; want nil", err)
				}
				return
			}
			var f *Forbidden
			if !errors.As(err, &f) || f.Field != tt.field {
				t.Errorf("Check = %v; want %s refused", err, tt.field)
			}
		})
	}
}

// TestCheckClocks: buckets of places whose clocks change pass on the days when
// they do.
func TestCheckClocks(t *testing.T) {
	for _, zone := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Chatham"} {
		loc, err := time.LoadLocation(zone)
		if err != nil {
			t.Skipf("no time zones here: %v", err)
		}
		ctx := testContext(Linux)
		ctx.Location = loc
		for _, l := range []Level{Day, Hour, QuarterHour} {
			p := with(t, preset(t, "balanced"), UserActivity, l)
			f := NewFilter(p, ctx, testKeys(t))
			// Half a year in steps of half an hour passes two changes.
			for at := time.Date(2026, 3, 1, 0, 5, 0, 0, time.UTC); at.Month() < time.December; at = at.Add(30 * time.Minute) {
				c, ok := f.Apply(&eventv1.Event{TimeUnixMs: at.UnixMilli(), Kind: &eventv1.Event_UserActivity{UserActivity: &eventv1.UserActivity{ActiveSeconds: 1}}})
				if !ok {
					t.Fatalf("%s: Apply at %v = false", zone, at)
				}
				if err := p.Check(decode(t, c)); err != nil {
					t.Fatalf("%s, %v: Check at %v = %v", zone, l, at, err)
				}
			}
		}
	}
}

// TestForbiddenNamesNoValue: the error is for logs.
func TestForbiddenNamesNoValue(t *testing.T) {
	p := preset(t, "balanced")
	ev := clearedEvent(t, p, sampleEvents()["process_start"][0])
	userOf(ev).Name = "zz-canary"
	err := p.Check(ev)
	if err == nil || strings.Contains(err.Error(), "canary") || !strings.Contains(err.Error(), "User.name") {
		t.Errorf("Check = %v; want User.name and no value", err)
	}
}
