package agent

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/discreet-agent/discreet/privacy"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

func TestS42RingIsBounded(t *testing.T) {
	now := time.Unix(1_790_000_000, 0)
	k := &kept{t: t}
	p := newPipeline(quiet(), k, func() time.Time { return now })
	p.use(filterFor(t, map[privacy.Key]privacy.Level{privacy.Processes: privacy.Each}), time.Minute)
	for i := range 2500 {
		p.emit(start(now, fmt.Sprintf("/opt/canary/tool-%d", i)))
	}
	got := p.sentRecords()
	if len(got) != ringEvents || len(k.events) != 2500 {
		t.Fatalf("ring holds %d of %d records; want %d", len(got), len(k.events), ringEvents)
	}
	for i, r := range got {
		ev := &eventv1.Event{}
		if err := proto.Unmarshal(r.wire, ev); err != nil || !proto.Equal(ev, k.events[1500+i]) {
			t.Fatalf("record %d is not the event %d that was spooled: %v", i, 1500+i, err)
		}
	}
	now = now.Add(ringAge + time.Second)
	if got := p.sentRecords(); len(got) != 0 || p.sent.bytes != 0 {
		t.Errorf("after 24 h the ring holds %d records, %d bytes; want none", len(got), p.sent.bytes)
	}
}

func TestS42RingHoldsOnlyWhatTheSpoolTook(t *testing.T) {
	k := &kept{t: t, err: fmt.Errorf("full")}
	p := newPipeline(quiet(), k, time.Now)
	p.use(filterFor(t, map[privacy.Key]privacy.Level{privacy.Processes: privacy.Each}), time.Minute)
	p.emit(start(time.Now(), "/opt/tool"))
	if got := p.sentRecords(); len(got) != 0 {
		t.Errorf("the ring holds %d records that the spool refused; want none", len(got))
	}
}

func TestRingBytesAreBounded(t *testing.T) {
	now := time.Unix(1_790_000_000, 0)
	p, _ := privacy.Preset("balanced")
	f := privacy.NewFilter(p, privacy.Context{OS: privacy.Linux, Host: "h", Location: time.UTC}, nil)
	h := &eventv1.AgentHealth{}
	for range 2000 {
		h.Collectors = append(h.Collectors, &eventv1.CollectorState{Name: "process", Events: 7})
	}
	c, ok := f.Apply(&eventv1.Event{TimeUnixMs: now.UnixMilli(), Kind: &eventv1.Event_AgentHealth{AgentHealth: h}})
	if !ok {
		t.Fatal("health is dropped")
	}
	var r ring
	for range 200 {
		r.add(c, now)
	}
	if r.bytes > ringBytes || r.bytes != r.n*c.Size() || r.n == 0 {
		t.Errorf("ring holds %d records of %d bytes, %d bytes; want at most %d", r.n, c.Size(), r.bytes, ringBytes)
	}
}

// BenchmarkRing is what looking back costs each record that goes to the spool.
func BenchmarkRing(b *testing.B) {
	now := time.Unix(1_790_000_000, 0)
	p, _ := privacy.Preset("balanced")
	p, _ = p.With(privacy.Processes, privacy.Each)
	f := privacy.NewFilter(p, privacy.Context{OS: privacy.Linux, Host: "h", Location: time.UTC}, nil)
	c, _ := f.Apply(start(now, "/usr/lib/firefox/firefox"))
	var r ring
	for range ringEvents {
		r.add(c, now)
	}
	memory := 0
	for _, s := range r.slots {
		memory += cap(s.wire) + 48
	}
	b.ReportAllocs()
	for b.Loop() {
		r.add(c, now)
	}
	b.ReportMetric(float64(c.Size()), "bytes/record")
	b.ReportMetric(float64(memory), "bytes/ring")
}
