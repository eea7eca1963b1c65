package privacy

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	"google.golang.org/protobuf/proto"
)

// excluding returns a filter with lists.
func excluding(t testing.TB, p Policy, os OS, edit func(*Context)) *Filter {
	t.Helper()
	ctx := testContext(os)
	edit(&ctx)
	return NewFilter(p, ctx, testKeys(t))
}

func TestExcludePrograms(t *testing.T) {
	for _, c := range []struct {
		name       string
		os         OS
		entry      string
		program    string
		path       string
		wantGoneBy bool
	}{
		{"name", Linux, "firefox", "firefox", "", true},
		{"another name", Linux, "firefox", "firefoxes", "", false},
		{"case", Linux, "FireFox", "firefoX", "", true},
		{"case beyond ASCII", Linux, "ÜBUNG", "übung", "", true},
		{"composed and not", Darwin, "Übung", "U\u0308bung", "", true},
		{"entry with .exe", Windows, "Signal.exe", "signal", "", true},
		{"program with .exe", Windows, "signal", "Signal.EXE", "", true},
		{"both with .exe", Windows, "signal.exe", "Signal.EXE", "", true},
		{"name of the file", Linux, "keepassxc-browser-helper", "keepassxc-brows", "/usr/bin/keepassxc-browser-helper", true},
		{"name of the file, Windows", Windows, "signal", "", `C:\Apps\Signal.exe`, true},
		{"a backslash in a Linux name", Linux, "b", "x", `/opt/a\b`, false},
		{"file replaced while it runs", Linux, "firefox", "x", "/usr/lib/firefox/firefox (deleted)", true},
		{"open name", Linux, "signal*", "signal-desktop", "", true},
		{"folder of that name", Linux, "firefox", "x", "/usr/lib/firefox/x", false},
		{"path", Linux, "/opt/a/b", "b", "/opt/a/b", true},
		{"path replaced while it runs", Linux, "/opt/a/b", "b", "/opt/a/b (deleted)", true},
		{"longer path", Linux, "/opt/a/b", "b", "/opt/a/b2", false},
		{"case of a Linux path", Linux, "/opt/A/b", "b", "/opt/a/b", false},
		{"case of a Windows path", Windows, `c:\apps\A.exe`, "a", `C:\Apps\a.EXE`, true},
		{"long form of a Windows path", Windows, `C:\Apps\a.exe`, "a", `\\?\C:\Apps\a.exe`, true},
		{"slashes of a Windows path", Windows, `C:/Apps/*`, "a", `C:\Apps\a.exe`, true},
		{"case of a macOS path", Darwin, "/applications/signal.app/*", "Signal", "/Applications/Signal.app/Contents/MacOS/Signal", true},
		{"folder", Linux, "/opt/a/*", "b", "/opt/a/c/b", true},
		{"folder itself is not in it", Linux, "/opt/a/*", "a", "/opt/a", false},
		{"folder beside it", Linux, "/opt/a/*", "b", "/opt/ab/b", false},
		{"no path known", Linux, "/opt/a/b", "b", "", false},
		{"nothing known", Linux, "firefox", "", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := excluding(t, laxest(), c.os, func(ctx *Context) { ctx.ExcludePrograms = []string{"zzz", "/opt/zz*", c.entry, "aaa", "/aa*"} })
			for kind, list := range sampleEvents() {
				ev := proto.Clone(list[0]).(*eventv1.Event)
				p, about := aboutProgram(ev)
				if !about {
					continue
				}
				p.Name, p.Path = c.program, c.path
				gone := c.wantGoneBy || kind == "domain_seen" && c.program+c.path == "" // TestDomainsOfListedPrograms
				for _, when := range []string{"cold", "warm"} {
					if _, ok := f.Apply(ev); ok == gone {
						t.Errorf("%s Apply(%s of %q at %q) = %v; want %v", when, kind, c.program, c.path, ok, !gone)
					}
				}
			}
		})
	}
}

// TestExcludeEveryKind: a kind of event that names a program can be excluded.
func TestExcludeEveryKind(t *testing.T) {
	for _, kind := range kindFields() {
		names := kind.Message().Fields().ByName("program") != nil
		if _, ok := aboutProgram(filled(kind)); ok != names {
			t.Errorf("aboutProgram(%s) = %v; want %v, as the schema has it", kind.Name(), ok, names)
		}
	}
}

// TestExcludeOthers: what is about no program leaves as ever.
func TestExcludeOthers(t *testing.T) {
	plain := newSampleFilter(t, laxest())
	f := excluding(t, laxest(), Linux, func(ctx *Context) {
		ctx.ExcludePrograms, ctx.CountOnlyPrograms = []string{"*"}, []string{"*"}
		ctx.OnlyNetworks = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	})
	for kind, list := range sampleEvents() {
		for _, ev := range list {
			if _, about := aboutProgram(ev); about {
				if _, ok := f.Apply(ev); ok {
					t.Errorf("Apply(%s) = true; want it dropped", kind)
				}
				continue
			}
			want, ok := plain.Apply(ev)
			got, ok2 := f.Apply(ev)
			if ok != ok2 || !proto.Equal(decode(t, got), decode(t, want)) {
				t.Errorf("Apply(%s) differs with lists that do not concern it", kind)
			}
		}
	}
}

// connectionsTo returns a connection and a summary of one to address.
func connectionsTo(program, address string) []*eventv1.Event {
	c := proto.Clone(sampleEvents()["connection"][0]).(*eventv1.Event)
	c.TimeUnixMs = sampleTime.UnixMilli()
	c.GetConnection().Program.Name, c.GetConnection().Address = program, address
	s := proto.Clone(sampleEvents()["connection_summary"][0]).(*eventv1.Event)
	s.TimeUnixMs = sampleTime.UnixMilli()
	s.GetConnectionSummary().Program.Name, s.GetConnectionSummary().Address = program, address
	s.GetConnectionSummary().Domain, s.GetConnectionSummary().DomainSource = "a.example.org", eventv1.NameSource_NAME_SOURCE_DNS
	s.GetConnectionSummary().DomainAmbiguous = true
	return []*eventv1.Event{c, s}
}

// described reports whether anything in m says where to.
func described(m *eventv1.ConnectionSummary) bool {
	return m.Address != "" || m.Domain != "" || m.Port != 0 || m.Transport != 0 ||
		m.Direction != 0 || m.Scope != 0 || m.DomainSource != 0 || m.DomainAmbiguous
}

func TestCountOnly(t *testing.T) {
	policies := map[string]Policy{"laxest": laxest()}
	for _, name := range []string{"strict", "balanced", "classic"} {
		policies[name] = preset(t, name)
	}
	policies["balanced, with names"], _ = policies["balanced"].With(Domains, Cleartext)
	for name, p := range policies {
		t.Run(name, func(t *testing.T) {
			f := excluding(t, p, Linux, func(ctx *Context) { ctx.CountOnlyPrograms = []string{"Browser"} })
			for _, ev := range connectionsTo("other", "198.51.100.7") { // nothing of it may stay behind
				f.Apply(ev)
			}
			var all *Cleared
			for _, address := range []string{"198.51.100.7", "2001:db8::1", "10.20.3.4"} {
				for _, ev := range connectionsTo("browser", address) {
					c, ok := f.Apply(ev)
					if !ok {
						t.Fatalf("Apply(%s) = false; want a summary", address)
					}
					got := decode(t, c)
					m := got.GetConnectionSummary()
					if m == nil || described(m) || m.Program.GetName() == "" || m.Attempts == 0 || m.BytesIn == 0 {
						t.Errorf("Apply(%s) = %v; want a summary with program and figures, and no other end", address, got)
					}
					if err := p.Check(got); err != nil {
						t.Errorf("Check(%s) = %v; want nil", address, err)
					}
					if all == nil {
						first := c.Clone()
						all = &first
					}
				}
			}
			// One row for each program, person and interval.
			for _, address := range []string{"203.0.113.9", "10.0.0.1"} {
				ev := connectionsTo("browser", address)[0]
				ev.GetConnection().Port, ev.GetConnection().Transport = 53, eventv1.Transport_TRANSPORT_UDP
				ev.GetConnection().Direction = eventv1.Direction_DIRECTION_INBOUND
				if c, _ := f.Apply(ev); !Merge(all, c) {
					t.Errorf("Merge(connection to %s) = false; want one row", address)
				}
			}
			if _, ok := f.Apply(sampleEvents()["process_stop"][0]); !ok {
				t.Error("Apply(process_stop) = false; want it described")
			}
			seen := proto.Clone(sampleEvents()["domain_seen"][0]).(*eventv1.Event)
			seen.GetDomainSeen().Program.Name = "browser"
			if _, ok := f.Apply(seen); ok {
				t.Error("Apply(domain_seen) = true; want it dropped")
			}
		})
	}
}

// TestCountOnlyLeavesNothing: after a described connection nothing of it stands
// in a counted one, nor the other way round.
func TestCountOnlyLeavesNothing(t *testing.T) {
	p := preset(t, "classic")
	f := excluding(t, p, Linux, func(ctx *Context) { ctx.CountOnlyPrograms = []string{"browser"} })
	for range 2 {
		for _, ev := range connectionsTo("mail", "198.51.100.7") {
			c, _ := f.Apply(ev)
			if m := decode(t, c).GetConnectionSummary(); m.Address == "" || m.Port == 0 {
				t.Errorf("Apply(mail) = %v; want it described", m)
			}
		}
		for _, ev := range connectionsTo("browser", "198.51.100.8") {
			c, _ := f.Apply(ev)
			if m := decode(t, c).GetConnectionSummary(); described(m) {
				t.Errorf("Apply(browser) = %v; want it counted", m)
			}
		}
	}
}

func TestOnlyNetworks(t *testing.T) {
	some := []string{"10.0.0.0/8", "10.1.0.0/16", "192.168.7.0/24", "2001:db8::/32", "198.51.100.7/32"}
	for _, c := range []struct {
		name, address string
		nets          []string
		counted       bool
	}{
		{"inside", "10.1.2.3", some, false},
		{"first of it", "10.0.0.0", some, false},
		{"last of it", "10.255.255.255", some, false},
		{"just after", "11.0.0.0", some, true},
		{"just before", "9.255.255.255", some, true},
		{"one address", "198.51.100.7", some, false},
		{"beside it", "198.51.100.8", some, true},
		{"version 6", "2001:db8::7", some, false},
		{"version 6 outside", "2001:db9::7", some, true},
		{"version 4 in 6", "::ffff:10.1.2.3", some, false},
		{"zone", "2001:db8::7%eth0", some, false},
		{"loopback is elsewhere", "127.0.0.1", some, true},
		{"not known", "", some, true},
		{"no address", "printer", some, true},
		{"none is meant", "10.1.2.3", []string{"0.0.0.0/32"}, true},
		{"no list", "203.0.113.9", nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := laxest()
			f := excluding(t, p, Linux, func(ctx *Context) {
				for _, n := range c.nets {
					ctx.OnlyNetworks = append(ctx.OnlyNetworks, netip.MustParsePrefix(n))
				}
			})
			for _, ev := range connectionsTo("browser", c.address) {
				got, ok := f.Apply(ev)
				if !ok {
					t.Fatal("Apply = false; want an event")
				}
				out := decode(t, got)
				m := out.GetConnectionSummary()
				if counted := m != nil && !described(m); counted != c.counted {
					t.Errorf("Apply(connection to %q) counted = %v; want %v", c.address, counted, c.counted)
				}
				if err := p.Check(out); err != nil {
					t.Errorf("Check = %v; want nil", err)
				}
			}
		})
	}
}

// fifty returns lists of that many entries, half of them paths.
func fifty(ctx *Context) {
	for i := range 25 {
		ctx.ExcludePrograms = append(ctx.ExcludePrograms, fmt.Sprintf("program%d.exe", i), fmt.Sprintf("/opt/vendor%d/*", i))
		ctx.CountOnlyPrograms = append(ctx.CountOnlyPrograms, fmt.Sprintf("counted%d", i), fmt.Sprintf("/opt/counted%d/bin", i))
		ctx.OnlyNetworks = append(ctx.OnlyNetworks, netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 51, byte(80 + i), 0}), 24),
			netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i), 0, 0}), 16))
	}
}

// TestExclusionsAllocateNothing: a warm filter with long lists asks nothing of
// the heap.
func TestExclusionsAllocateNothing(t *testing.T) {
	f := excluding(t, preset(t, "classic"), Linux, fifty)
	events := append(connectionsTo("counted7", "198.51.100.7"), connectionsTo("firefox", "2001:db8::1")...)
	for _, list := range sampleEvents() {
		events = append(events, list...)
	}
	for _, ev := range events {
		if n := testing.AllocsPerRun(100, func() { f.Apply(ev) }); n != 0 {
			t.Errorf("Apply(%T) allocates %v times; want 0", ev.Kind, n)
		}
	}
}

func BenchmarkExclusions(b *testing.B) {
	for _, c := range []struct {
		name string
		edit func(*Context)
	}{{"none", func(*Context) {}}, {"fifty", fifty}} {
		f := excluding(b, preset(b, "balanced"), Linux, c.edit)
		for _, kind := range []string{"process_start", "connection"} {
			b.Run(c.name+"/"+kind, func(b *testing.B) {
				ev := sampleEvents()[kind][0]
				b.ReportAllocs()
				for b.Loop() {
					f.Apply(ev)
				}
			})
		}
	}
}

// BenchmarkFate is what the lists alone cost an event.
func BenchmarkFate(b *testing.B) {
	f := excluding(b, preset(b, "balanced"), Linux, fifty)
	for _, kind := range []string{"process_start", "connection", "wifi_link"} {
		b.Run(kind, func(b *testing.B) {
			ev := sampleEvents()[kind][0]
			b.ReportAllocs()
			for b.Loop() {
				f.except.of(ev)
			}
		})
	}
}

// FuzzExclusions: whatever a program and an address are called, a program in
// the list stays out, and nothing counted is described.
func FuzzExclusions(f *testing.F) {
	f.Add("firefox", "/usr/bin/firefox", "10.0.0.1")
	f.Add("Übung.EXE", `C:\a\b.exe`, "::ffff:1.2.3.4%eth0")
	f.Add("a\xff", "/\xff (deleted)", "")
	f.Fuzz(func(t *testing.T, name, path, address string) {
		p := laxest()
		for _, os := range []OS{Linux, Windows, Darwin} {
			if Canonical(name) != "" && nameForm(name) != "" {
				flt := excluding(t, p, os, func(ctx *Context) { ctx.ExcludePrograms = []string{nameForm(name)} })
				ev := connectionsTo(name, address)[0]
				if _, ok := flt.Apply(ev); ok && !strings.ContainsAny(nameForm(name), `/\*`) && nameForm(nameForm(name)) == nameForm(name) {
					t.Errorf("%s: a listed program leaves", os)
				}
			}
			flt := excluding(t, p, os, func(ctx *Context) { ctx.OnlyNetworks = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/32")} })
			ev := connectionsTo(name, address)[0]
			ev.GetConnection().Program.Path = path
			c, ok := flt.Apply(ev)
			if addr, err := netip.ParseAddr(address); ok && (err != nil || !addr.IsUnspecified()) && described(decode(t, c).GetConnectionSummary()) {
				t.Errorf("%s: a connection elsewhere is described", os)
			}
		}
	})
}
