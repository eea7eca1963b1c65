package domain

import (
	"net/netip"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

const (
	asDNS     = eventv1.NameSource_NAME_SOURCE_DNS
	calledTLS = eventv1.NameSource_NAME_SOURCE_SNI
)

// told runs sightings through a reporter, one batch each.
func told(t *testing.T, env collectors.Env, src *fake, batches ...batch) []*eventv1.Event {
	t.Helper()
	env.Stats = &collectors.Stats{}
	var out []*eventv1.Event
	r := newReporter(env, src, func(e *eventv1.Event) { out = append(out, proto.Clone(e).(*eventv1.Event)) })
	for i := range batches {
		if err := r.batch(&batches[i]); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// TestCovers: a name beside an encrypted one is believed only where that very
// address was looked up for it.
func TestCovers(t *testing.T) {
	addr := netip.MustParseAddr("192.0.2.1")
	who := owner{pid: 7, start: 1e9}
	asked := sighting{owner: who, name: "a.example", source: asDNS, answered: true, latency: 2000, addrs: []netip.Addr{addr}}
	call := sighting{owner: who, flow: at(1, "192.0.2.1:443"), name: "a.example", source: calledTLS, hidden: true}
	but := func(s sighting, do func(*sighting)) sighting { do(&s); return s }
	tests := []struct {
		name      string
		list      []sighting
		want      string
		ambiguous bool
	}{
		{"looked up", []sighting{asked, call}, "a.example", true},
		{"looked up by another program", []sighting{but(asked, func(s *sighting) { s.owner.pid = 8 }), call}, "a.example", true},
		{"not looked up", []sighting{call}, "", false},
		{"another name looked up", []sighting{but(asked, func(s *sighting) { s.name = "b.example" }), call}, "", false},
		{"looked up for another address", []sighting{but(asked, func(s *sighting) { s.addrs = []netip.Addr{netip.MustParseAddr("192.0.2.2")} }), call}, "", false},
		{"looked up later", []sighting{call, asked, call}, "a.example", true},
		{"nothing encrypted", []sighting{but(call, func(s *sighting) { s.hidden = false })}, "a.example", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			events := told(t, collectors.Env{Names: &collectors.Names{}}, &fake{}, batch{sightings: tt.list})
			d := events[len(events)-1].GetDomainSeen()
			if d.Domain != tt.want || d.Ambiguous != tt.ambiguous {
				t.Errorf("domain %q, ambiguous %v; want %q, %v", d.Domain, d.Ambiguous, tt.want, tt.ambiguous)
			}
		})
	}
}

func TestSharedAddressIsAmbiguous(t *testing.T) {
	addr := []netip.Addr{netip.MustParseAddr("192.0.2.1")}
	who := owner{pid: 7, start: 1e9}
	var list []sighting
	for _, name := range []string{"a.example", "a.example", "b.example", "a.example"} {
		list = append(list, sighting{owner: who, name: name, source: asDNS, answered: true, latency: 1, addrs: addr})
	}
	for i, e := range told(t, collectors.Env{Names: &collectors.Names{}}, &fake{}, batch{sightings: list}) {
		if d := e.GetDomainSeen(); d.Ambiguous != (i >= 2) || d.LatencyUs != 1 {
			t.Errorf("answer %d: ambiguous %v, latency %d us; want %v, at least 1", i, d.Ambiguous, d.LatencyUs, i >= 2)
		}
	}
}

// TestPrograms: a pid that is used anew is another process, and one that calls
// exec is another program.
func TestPrograms(t *testing.T) {
	old, young := owner{pid: 7, uid: 4242, start: 1e9}, owner{pid: 7, uid: 4242, start: 9e9}
	see := func(o owner) []sighting { return []sighting{{owner: o, name: "a.example", source: asDNS}} }
	events := told(t, collectors.Env{}, &fake{},
		batch{programs: []program{{old, "a", "/a"}}, sightings: see(old)},
		batch{sightings: see(young)},
		batch{programs: []program{{old, "b", "/b"}}, sightings: see(old)},
		batch{sightings: see(owner{})},
	)
	for i, want := range []string{"/a", "", "/b", ""} {
		d := events[i].GetDomainSeen()
		if d.GetProgram().GetPath() != want {
			t.Errorf("event %d: program %q; want %q", i, d.GetProgram().GetPath(), want)
		}
		if known := i < 3; (d.GetUser().GetSid() == "4242") != known || (d.User == nil) == known {
			t.Errorf("event %d: user %v; want one: %v", i, d.User != nil, known)
		}
	}
}

func TestProgramsAreBounded(t *testing.T) {
	r := newReporter(collectors.Env{Stats: &collectors.Stats{}}, &fake{}, func(*eventv1.Event) {})
	for i := range 3 * maxPrograms {
		if err := r.batch(&batch{programs: []program{{owner: owner{pid: uint32(i + 1)}}}}); err != nil {
			t.Fatal(err)
		}
	}
	if len(r.programs) > maxPrograms {
		t.Errorf("remembers %d programs; want at most %d", len(r.programs), maxPrograms)
	}
}

// TestWatch runs the whole collector on a source of a test.
func TestWatch(t *testing.T) {
	src := &fake{gone: 5, packets: [][]packet{
		{
			{kind: kindDNSOut, at: 1e9, flow: at(1, resolver), data: packed(t, 5, "a.example", false)},
			{kind: kindDNSIn, at: 1e9 + 3_000_000, flow: at(1, resolver), data: packed(t, 5, "a.example", true, "192.0.2.1")},
		},
		{{kind: kindHello, at: 2e9, flow: at(2, "192.0.2.1:443"), data: record(made(sni("b.example")), 1<<14)}},
	}}
	names := &collectors.Names{}
	stats := &collectors.Stats{}
	c := &Collector{env: collectors.Env{Stats: stats, Names: names}}
	var got []*eventv1.Event
	var during collectors.Name
	if err := c.watch(t.Context(), src, func(e *eventv1.Event) {
		got = append(got, proto.Clone(e).(*eventv1.Event))
		during, _ = names.Find(collectors.Flow{Remote: netip.MustParseAddrPort("192.0.2.1:80")}, 0, 4e9, 4e9)
	}); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].TimeUnixMs != 1000 || got[0].GetDomainSeen().LatencyUs != 3000 || got[1].GetDomainSeen().Domain != "b.example" {
		t.Fatalf("%d events; want an answer after 3 ms, and a call", len(got))
	}
	if stats.Lost() != 5 || !src.closed {
		t.Errorf("lost %d, closed %v; want 5, true", stats.Lost(), src.closed)
	}
	if during.Domain != "a.example" {
		t.Errorf("a connection to the address is called %q; want a.example", during.Domain)
	}
	if _, known := names.Find(collectors.Flow{Remote: netip.MustParseAddrPort("192.0.2.1:80")}, 0, 4e9, 4e9); known {
		t.Error("names are known after the end; want them forgotten")
	}
}
