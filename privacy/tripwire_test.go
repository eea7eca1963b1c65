package privacy

import (
	"bytes"
	"encoding/hex"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	"golang.org/x/text/unicode/norm"
)

func deviceEvent(d *eventv1.Device) *eventv1.Event {
	return &eventv1.Event{TimeUnixMs: sampleTime.UnixMilli(), Kind: &eventv1.Event_Device{Device: d}}
}

func kernelEvent(v string) *eventv1.Event { return deviceEvent(&eventv1.Device{Kernel: v}) }

// TestS52TripwireDropsAndCounts plays a collector that puts a raw name where
// none belongs.
func TestS52TripwireDropsAndCounts(t *testing.T) {
	health := func(name string) *eventv1.Event {
		return &eventv1.Event{TimeUnixMs: 1, Kind: &eventv1.Event_AgentHealth{AgentHealth: &eventv1.AgentHealth{
			Collectors: []*eventv1.CollectorState{{Name: "process"}, {Name: name}},
		}}}
	}
	for name, ev := range map[string]*eventv1.Event{
		"whole value":           kernelEvent("jdoe"),
		"between other words":   kernelEvent("6.12.41 (jdoe@build) #1 SMP"),
		"upper case":            kernelEvent("6.12-JDOE"),
		"possessive":            kernelEvent("jdoes kernel"),
		"8.3 form":              kernelEvent(`C:\JDOE~1`),
		"full width":            kernelEvent("ｊｄｏｅ"),
		"zero width within":     kernelEvent("j\u200bdoe"),
		"behind a control":      kernelEvent("x\x01jdoe"),
		"Cyrillic, upper case":  kernelEvent("ядро АННА"),
		"long name within":      kernelEvent("xzz-canary-7f3ax"),
		"long name, upper case": kernelEvent("xxxZZ-CANARY-7F3Axx"),
		"short 8.3 with digits": kernelEvent("xjohndo~12"),
		"behind an ellipsis":    kernelEvent("x…jdoe"),
		"the host's name":       kernelEvent("jdoe-laptop"),
		"display name":          kernelEvent("built by John Doe"),
		"UPN":                   kernelEvent("john.doe@corp.example.com"),
		"last field":            deviceEvent(&eventv1.Device{Kernel: "6.1", AgentVersion: "jdoe"}),
		"field before another":  deviceEvent(&eventv1.Device{Kernel: "jdoe", Maker: "R"}),
		"collector's name":      health("jdoe"),
		"bytes that are no digest": {Kind: &eventv1.Event_PolicyApplied{PolicyApplied: &eventv1.PolicyApplied{
			Digest: []byte("jdoe"),
		}}},
		"signer": {Kind: &eventv1.Event_PolicyApplied{PolicyApplied: &eventv1.PolicyApplied{Signer: "jdoe-2026"}}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newSampleFilter(t, with(t, preset(t, "balanced"), DeviceName, Hashed))
			if c, ok := f.Apply(ev); ok {
				t.Errorf("Apply = %d bytes; want it dropped", c.Size())
			}
			if got := f.Tripped(); got != 1 {
				t.Errorf("Tripped() = %d; want 1", got)
			}
			for _, kept := range [][]byte{f.buf[:cap(f.buf)], f.trip.text[:cap(f.trip.text)], f.trip.spare[:cap(f.trip.spare)]} {
				if bytes.Contains(bytes.ToLower(kept), []byte("doe")) {
					t.Error("the filter keeps what it found")
				}
			}
			if c, ok := f.Apply(kernelEvent("6.12.41")); !ok || f.Tripped() != 1 {
				t.Errorf("Apply of the next event = %v, %v, %d tripped; want it to leave", c, ok, f.Tripped())
			}
		})
	}
}

// TestTripwirePasses: what may leave does not trip it.
func TestTripwirePasses(t *testing.T) {
	keys := testKeys(t)
	role := func(who string) *eventv1.Event {
		return &eventv1.Event{Kind: &eventv1.Event_Logon{Logon: &eventv1.Logon{User: &eventv1.User{Name: who}}}}
	}
	for _, row := range []struct {
		name   string
		ids    string // identities, with commas
		host   string
		levels map[Key]Level
		ev     *eventv1.Event
	}{
		{"parts of words", "tom,ann", "h", nil, kernelEvent("custom channel annex atom")},
		{"two letters", "li", "h", nil, kernelEvent("li")},
		{"digest with the bytes of a name", "jdoe", "h", nil, &eventv1.Event{Kind: &eventv1.Event_PolicyApplied{
			PolicyApplied: &eventv1.PolicyApplied{Digest: []byte("\x00jdoe\x00 32 bytes, at random - - -")},
		}}},
		{"pseudonym", "t1,abc", "h", nil, role("abc")},
		{"role", "system,service", "h", nil, role("root")},
		{"hex digest", "abcdef0123,face", "h", nil, kernelEvent(hex.EncodeToString([]byte("\x0f\xac\xe0 0123456789")))},
		{"a place, whose word is a name", "user,other", "h", nil, startOf("/home/xyz/bin/tool")},
		{"the system's word", "ubuntu,user", "laptop", nil, deviceEvent(&eventv1.Device{Kernel: "6.8-ubuntu", Chassis: "laptop"})},
		{"address", "face,ada", "h", map[Key]Level{LocalAddresses: Cleartext}, deviceEvent(&eventv1.Device{Addresses: []string{"2001:db8::face:ada", "00:25:9c:aa:bb:cd"}})},
		{"asset id", "jdoe", "h", nil, deviceEvent(&eventv1.Device{AssetId: "NB-jdoe", Tags: []string{"jdoe"}})},
		{"account, clear", "jdoe", "h", map[Key]Level{Username: Cleartext}, kernelEvent("jdoe")},
		{"UPN, clear", "mary.smith@example.org", "h", map[Key]Level{UPN: Cleartext}, kernelEvent("mary.smith")},
		{"program name, clear", "jdoe", "h", map[Key]Level{ProgramName: Cleartext, ProgramPath: Generalised}, startOf("/usr/bin/x")},
		{"program path, clear", "jdoe", "h", map[Key]Level{ProgramPath: Cleartext}, startOf("/home/jdoe/tool")},
		{"host, clear", "jdoe", "jdoe-pc", map[Key]Level{DeviceName: Cleartext}, deviceEvent(&eventv1.Device{Name: "jdoe-pc"})},
		{"host, clear, elsewhere", "jdoe", "berlin-12", map[Key]Level{DeviceName: Cleartext}, kernelEvent("berlin-12")},
		{"host, auto and clear", "jdoe", "NB-004711", map[Key]Level{DeviceName: Auto}, deviceEvent(&eventv1.Device{Name: "NB-004711"})},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := preset(t, "balanced")
			for k, l := range row.levels {
				p = with(t, p, k, l)
			}
			p = with(t, p, Processes, Each)
			f := NewFilter(p, Context{OS: Linux, Host: row.host, Identities: strings.Split(row.ids, ",")}, keys)
			if _, ok := f.Apply(row.ev); !ok || f.Tripped() != 0 {
				t.Errorf("Apply = %v, Tripped() = %d; want it to leave", ok, f.Tripped())
			}
		})
	}
}

func startOf(path string) *eventv1.Event {
	return &eventv1.Event{Kind: &eventv1.Event_ProcessStart{ProcessStart: &eventv1.ProcessStart{
		Program: &eventv1.Program{Name: "jdoe-notes", Path: path}, User: &eventv1.User{Name: "root", Sid: "0"},
	}}}
}

// TestTripwireHides: what one level gives away is hidden at the next, and in
// other fields.
func TestTripwireHides(t *testing.T) {
	for _, row := range []struct {
		name   string
		host   string
		levels map[Key]Level
		ev     *eventv1.Event
	}{
		{"display name where accounts are clear", "h", map[Key]Level{Username: Cleartext}, kernelEvent("Mary Smith")},
		{"account where UPNs are clear", "h", map[Key]Level{UPN: Cleartext}, kernelEvent("jdoe")},
		{"program path, clear: another field", "h", map[Key]Level{ProgramPath: Cleartext}, kernelEvent("jdoe")},
		{"a person's name in a clear host name", "jdoe-pc", map[Key]Level{DeviceName: Cleartext}, kernelEvent("jdoe")},
		{"host that auto hashes", "berlin-12", map[Key]Level{DeviceName: Auto}, kernelEvent("berlin-12")},
		{"host, dropped", "NB-004711", map[Key]Level{DeviceName: Drop}, kernelEvent("nb-004711")},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := preset(t, "balanced")
			for k, l := range row.levels {
				p = with(t, p, k, l)
			}
			f := NewFilter(p, Context{OS: Linux, Host: row.host, Identities: []string{"jdoe", "Mary Smith"}}, testKeys(t))
			if _, ok := f.Apply(row.ev); ok || f.Tripped() != 1 {
				t.Errorf("Apply = %v, Tripped() = %d; want it dropped", ok, f.Tripped())
			}
		})
	}
}

// TestTripwireLearns: a name that an event brings is known from then on.
func TestTripwireLearns(t *testing.T) {
	f := newSampleFilter(t, preset(t, "balanced"))
	f.Apply(kernelEvent("6.1 Zoë"))
	if f.Tripped() != 0 {
		t.Fatalf("Tripped() = %d before the name is known; want 0", f.Tripped())
	}
	f.Apply(&eventv1.Event{Kind: &eventv1.Event_Logon{Logon: &eventv1.Logon{User: &eventv1.User{Name: `CORP\zoë`, Sid: "1009"}}}})
	for i, v := range []string{"6.1 Zoë", norm.NFD.String("6.1 ZOË")} {
		if f.Apply(kernelEvent(v)); f.Tripped() != uint64(i+1) {
			t.Errorf("Tripped() = %d after form %d of a learned name; want %d", f.Tripped(), i, i+1)
		}
	}
}

// TestTripwireRefusesWhatIsNoMessage: bytes that it cannot read do not leave.
func TestTripwireRefusesWhatIsNoMessage(t *testing.T) {
	f := newSampleFilter(t, preset(t, "balanced"))
	for name, b := range map[string][]byte{
		"cut tag":       {0x80},
		"cut number":    {0x08, 0x80},
		"cut text":      {0x4a, 5, 'x'},
		"nothing":       {0x08},
		"group":         {0x0b, 0},
		"unknown field": append([]byte{0xfa, 0x7f, 4}, "jdoe"...),
	} {
		if f.trip.clean(kindDevice, b) {
			t.Errorf("clean(%s) = true; want false", name)
		}
	}
	ssid := append([]byte{0x12, 32}, "jdoe's network of 32 bytes, x -- "[:32]...)
	if f.trip.clean(kindWifiLink, ssid) {
		t.Error("clean(raw SSID as long as a digest) = true; want false")
	}
	if !f.trip.clean(kindDevice, append([]byte{0xfa, 0x7f, 3}, "6.1"...)) {
		t.Error("clean(unknown field without a name) = false; want true")
	}
}

// TestTripwireAgreesWithScrub compares both on texts made of names, parts of
// names, and what may stand around them.
func TestTripwireAgreesWithScrub(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	parts := []string{
		"jdoe", "JDoe", "doe", "john", "John.Doe", "johndo~", "johndo~1", "zz-canary-7f3a", "анна", "АННА", "an", "s", "S", "x", "1", "23456", "~",
		" ", "/", "-", "_", ".", "é", "…", "\u200b", "\x01", "jdoe-laptop", "laptop", "\uff4a", "e\u0301", "\xff", "usr/lib", "linux-gnu",
	}
	f := NewFilter(Policy{}, testContext(Linux), testKeys(t))
	hits := 0
	for range 100_000 {
		var b strings.Builder
		for range 1 + random.IntN(9) {
			b.WriteString(parts[random.IntN(len(parts))])
		}
		v := b.String()
		got, want := f.trip.finds([]byte(v), tripLook{}), f.rules.holdsIdentity(v, false)
		if got != want {
			t.Fatalf("finds(%q) = %v; want %v as the scrub", v, got, want)
		}
		if got {
			hits++
		}
	}
	if hits < 10_000 || hits > 90_000 {
		t.Errorf("%d of 100,000 texts hold a name; want a mixture", hits)
	}
}

// TestTripwireInScripts looks for names of twenty scripts in the forms in which
// a system may write them.
func TestTripwireInScripts(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for _, script := range scripts {
		letters := lettersOf(script)
		for range 10 {
			var runes []rune
			for range 3 + random.IntN(8) {
				runes = append(runes, letters[random.IntN(len(letters))])
			}
			name := string(runes)
			f := NewFilter(preset(t, "balanced"), Context{OS: Linux, Identities: []string{name}}, testKeys(t))
			for _, form := range []string{name, strings.ToUpper(name), strings.ToLower(name), norm.NFD.String(name), norm.NFC.String(name)} {
				before := f.Tripped()
				if f.Apply(kernelEvent("6.1 (" + form + ") x")); f.Tripped() != before+1 {
					t.Errorf("%s: %+q is not found in a form of it, %+q", script, name, form)
				}
			}
		}
	}
}

// TestTripwireFalsePositives looks through all names of files below /usr for 200
// accounts that do not exist.
func TestTripwireFalsePositives(t *testing.T) {
	if testing.Short() {
		t.Skip("short: reads all of /usr")
	}
	firsts := strings.Fields("maria jonas peter lena thomas anna lukas sophie david julia martin laura stefan nina paul clara felix emma simon olga")
	lasts := strings.Fields("rossi lindqvist okafor hartmann dupont novak jansen silva kowalski meier")
	var people []string
	for _, first := range firsts {
		for i, last := range lasts {
			people = append(people, []string{first[:1] + last, first + "." + last}[i%2])
		}
	}
	f := NewFilter(preset(t, "balanced"), Context{OS: Linux, Host: "NB-004711", Identities: people}, testKeys(t))
	files, hits, bytes := 0, 0, 0
	_ = filepath.WalkDir("/usr", func(path string, d fs.DirEntry, err error) error {
		if err != nil || files >= 200_000 || !utf8.ValidString(path) {
			return nil
		}
		files++
		bytes += len(path)
		if f.trip.finds([]byte(path), tripLook{}) {
			hits++
		}
		return nil
	})
	if files == 0 {
		t.Skip("no /usr here")
	}
	rate := float64(hits) / float64(files)
	t.Logf("%d accounts, %d files, %d bytes: %d hits, %.4f %%", len(people), files, bytes, hits, 100*rate)
	if rate > 0.005 {
		t.Errorf("%d of %d names of files hold an account; want at most one in 200", hits, files)
	}
}

// TestTripwireAllocatesNothing: neither for text of ASCII, nor for other text
// that comes back.
func TestTripwireAllocatesNothing(t *testing.T) {
	f := NewFilter(preset(t, "balanced"), twentyPeople(), testKeys(t))
	for _, text := range []string{
		strings.Repeat("/usr/lib/x86_64-linux-gnu ", 2000), "/usr/share/приложения/Редактор", "line\nbreak",
		"<user>/…/tool", norm.NFD.String("/usr/share/Ångström-Zubehör"), "\xff\xfe",
	} {
		for name, body := range map[string][]byte{
			"as a plain text": appendVarint([]byte{0x4a}, uint64(len(text))),
			"as a serial":     appendVarint([]byte{0x22}, uint64(len(text))),
		} {
			body = append(body, text...)
			f.trip.clean(kindDevice, body)
			if n := testing.AllocsPerRun(50, func() { f.trip.clean(kindDevice, body) }); n != 0 {
				t.Errorf("clean(%.30q %s) allocates %v times; want 0", text, name, n)
			}
		}
	}
}
