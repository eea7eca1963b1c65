package privacy

import (
	"bytes"
	"math"
	"strings"
	"testing"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	"google.golang.org/protobuf/encoding/protowire"
)

// TestWireBounds: what a collector hands over has no bound, what leaves has, and the
// second look accepts it.
func TestWireBounds(t *testing.T) {
	device := func(d *eventv1.Device) *eventv1.Event {
		return &eventv1.Event{Kind: &eventv1.Event_Device{Device: d}}
	}
	applied := func(digest []byte) *eventv1.Event {
		return &eventv1.Event{Kind: &eventv1.Event_PolicyApplied{PolicyApplied: &eventv1.PolicyApplied{Digest: digest, Version: 1}}}
	}
	version := func(ev *eventv1.Event) any { return ev.GetDevice().GetVersion() }
	digest := func(ev *eventv1.Event) any { return len(ev.GetPolicyApplied().GetDigest()) }
	at := func(ms int64) *eventv1.Event {
		ev := device(&eventv1.Device{})
		ev.TimeUnixMs = ms
		return ev
	}
	clock := func(ev *eventv1.Event) any { return ev.TimeUnixMs }
	tests := []struct {
		name string
		ev   *eventv1.Event
		get  func(*eventv1.Event) any
		want any
	}{
		{"text that fits", device(&eventv1.Device{Version: strings.Repeat("a", maxText)}), version, strings.Repeat("a", maxText)},
		{"longer text", device(&eventv1.Device{Version: strings.Repeat("a", maxText+1)}), version, strings.Repeat("a", maxText)},
		{"text cut at a character", device(&eventv1.Device{Version: strings.Repeat("ü", maxText/2-1) + "a€"}), version, strings.Repeat("ü", maxText/2-1) + "a"},
		{"bytes that are no text", device(&eventv1.Device{Version: "1\xff2\x00"}), version, "1\ufffd2\x00"},
		{"many bytes that are no text", device(&eventv1.Device{Version: strings.Repeat("\xff", maxText)}), version, strings.Repeat("\ufffd", maxText/3)},
		{"bytes that fit", applied(make([]byte, maxText)), digest, maxText},
		{"more bytes mean something else", applied(make([]byte, maxText+1)), digest, 0},
		{"long list", device(&eventv1.Device{Tags: strings.Split(strings.Repeat("a,", maxItems)+"a", ",")}),
			func(ev *eventv1.Event) any { return len(ev.GetDevice().GetTags()) }, maxItems},
		{"empty items", device(&eventv1.Device{Tags: []string{"", "a", ""}}),
			func(ev *eventv1.Event) any { return len(ev.GetDevice().GetTags()) }, 1},
		{"enum that the schema does not name", device(&eventv1.Device{System: 99}),
			func(ev *eventv1.Event) any { return ev.GetDevice().GetSystem() }, eventv1.System(0)},
		{"negative enum", device(&eventv1.Device{System: -1}),
			func(ev *eventv1.Event) any { return ev.GetDevice().GetSystem() }, eventv1.System(0)},
		{"before 1970", at(-5), clock, int64(0)},
		{"the first time there is", at(math.MinInt64), clock, int64(0)},
		{"the last time there is", at(math.MaxInt64), clock, int64(maxTime)},
	}
	p := laxest()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, ok := newSampleFilter(t, p).Apply(tt.ev)
			if !ok {
				t.Fatal("Apply = false")
			}
			ev := decode(t, c)
			if got := tt.get(ev); got != tt.want {
				t.Errorf("left %.60v; want %.60v", got, tt.want)
			}
			if err := p.Check(ev); err != nil {
				t.Errorf("Check = %v; want nil", err)
			}
		})
	}
}

// TestLengths: a nested message reads back whatever the number of bytes that its
// length takes.
func TestLengths(t *testing.T) {
	for _, n := range []int{1, 126, 127, 128, 129, 16383, 16384, 1 << 21} {
		body := bytes.Repeat([]byte{'x'}, n)
		for _, tag := range []uint64{10, 130} {
			b := putOpen([]byte("before"), tag)
			b = putClose(append(b, body...), len("before"), sizeVarint(tag))
			want := protowire.AppendBytes(protowire.AppendVarint([]byte("before"), tag), body)
			if !bytes.Equal(b, want) {
				t.Errorf("a message of %d bytes under tag %d is not what protowire writes", n, tag)
			}
		}
	}
	if got := putClose(putOpen([]byte("before"), 130), len("before"), 2); string(got) != "before" {
		t.Errorf("an empty message leaves %q; want nothing", got)
	}
}

func TestVarints(t *testing.T) {
	for shift := range 64 {
		for _, v := range []uint64{1 << shift, 1<<shift - 1} {
			want := protowire.AppendVarint(nil, v)
			if got := appendVarint(nil, v); !bytes.Equal(got, want) || sizeVarint(v) != len(want) {
				t.Errorf("varint of %d = %x, %d bytes; want %x", v, got, sizeVarint(v), want)
			}
			if got := zigzag(-int64(v)); got != protowire.EncodeZigZag(-int64(v)) {
				t.Errorf("zigzag(%d) = %d", -int64(v), got)
			}
		}
	}
}
