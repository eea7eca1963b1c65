package storetest

import (
	"context"
	"math"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/discreet-agent/discreet/gateway"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

var appendCases = []storeCase{
	{"append/once", appendOnce},
	{"append/holes", appendHoles},
	{"append/overlap", appendOverlap},
	{"append/several_days", appendDays},
	{"append/leaves_the_event_alone", appendLeavesEvent},
	{"append/refuses_bad_numbers", appendNumbers},
	{"append/broken_clock", appendClock},
	{"append/expired", appendExpired},
	{"append/epochs_and_devices_apart", appendApart},
	{"append/eight_devices_at_once", appendConcurrently},
	{"append/same_batch_at_once", appendSameBatch},
	{"gap/completes", gapCompletes},
	{"gap/own_number_once", gapOnce},
}

func appendOnce(f *fixture) {
	f.wantAcked(devA, epoch(1), 0)
	batch := []*eventv1.Event{usage(at(0), "ann", "vi"), usage(at(0), "", "cron")}
	f.put(devA, epoch(1), 1, batch...)
	f.put(devA, epoch(1), 1, batch...)
	f.wantAcked(devA, epoch(1), 2)
	f.wantLines("Events(0)", f.all(0), "0a/1/1 use ann vi", "0a/1/2 use  cron")
	f.reopen()
	f.put(devA, epoch(1), 1, batch...)
	f.wantAcked(devA, epoch(1), 2)
	if t := f.totals(); t.Events != 2 || t.Duplicates != 0 || t.Skipped != 4 || t.Kinds["execution_summary"] != 2 {
		f.Errorf("Totals() = %+v; want 2 events, no duplicates, 4 skipped", t)
	}
}

func appendHoles(f *fixture) {
	f.put(devA, epoch(1), 3, usage(at(0), "ann", "3"))
	f.wantAcked(devA, epoch(1), 0)
	f.put(devA, epoch(1), 1, usage(at(0), "ann", "1"))
	f.wantAcked(devA, epoch(1), 1)
	f.put(devA, epoch(1), 2, usage(at(1), "ann", "2"))
	f.wantAcked(devA, epoch(1), 3)
	f.put(devA, epoch(1), 6, usage(at(0), "ann", "6"))
	f.reopen()
	f.wantAcked(devA, epoch(1), 3)
	f.put(devA, epoch(1), 4, usage(at(2), "ann", "4"), usage(at(0), "ann", "5"))
	f.wantAcked(devA, epoch(1), 6)
}

func appendOverlap(f *fixture) {
	ev := func(n string) *eventv1.Event { return usage(at(0), "ann", n) }
	f.put(devA, epoch(1), 2, ev("2"), ev("3"))
	f.put(devA, epoch(1), 1, ev("1"), ev("2"), ev("3"), ev("4"))
	f.wantAcked(devA, epoch(1), 4)
	f.wantLines("Events(0)", f.all(0), "0a/1/1 use ann 1", "0a/1/2 use ann 2", "0a/1/3 use ann 3", "0a/1/4 use ann 4")
}

func appendDays(f *fixture) {
	batch := []*eventv1.Event{usage(at(2), "ann", "1"), usage(at(0), "ann", "2"), usage(at(1), "ann", "3"), usage(at(0), "ann", "4")}
	f.put(devA, epoch(1), 1, batch...)
	f.reopen()
	f.put(devA, epoch(1), 1, batch...)
	f.wantAcked(devA, epoch(1), 4)
	if t := f.totals(); t.Events != 4 || t.Skipped != 4 {
		f.Errorf("Totals() = %+v; want 4 events, 4 skipped", t)
	}
	if got := f.find(gateway.Person, "ann"); len(got) != 1 || got[0].Events != 4 || !got[0].First.Equal(at(2)) || !got[0].Last.Equal(at(0)) {
		f.Errorf("Subjects(ann) = %+v; want one with 4 events from %v to %v", got, at(2), at(0))
	}
}

func appendLeavesEvent(f *fixture) {
	for _, ev := range []*eventv1.Event{usage(at(0), "ann", "vi"), machine(at(0), "host")} {
		before := proto.Clone(ev)
		f.put(devA, epoch(1), 1, ev)
		if !proto.Equal(before, ev) {
			f.Errorf("Append changed the event of its caller")
		}
	}
}

func appendNumbers(f *fixture) {
	for _, first := range []uint64{0, math.MaxUint64, math.MaxInt64} {
		if err := f.Append(context.Background(), devA, epoch(1), first, []*eventv1.Event{usage(at(0), "ann", "vi")}); err == nil {
			f.Errorf("Append(first %d) = nil; want an error", first)
		}
	}
	for _, g := range []gateway.Gap{{Epoch: epoch(1)}, {Epoch: epoch(1), Seq: math.MaxUint64}, {Epoch: epoch(1), Seq: 1, First: 3, Last: 2}, {Epoch: epoch(1), Seq: 1, First: 1, Last: math.MaxUint64}} {
		if err := f.AppendGap(context.Background(), devA, g); err == nil {
			f.Errorf("AppendGap(%+v) = nil; want an error", g)
		}
	}
	f.wantAcked(devA, epoch(1), 0)
}

// appendClock sends what a device without a clock would. Nothing of it may be
// lost or taken twice.
func appendClock(f *fixture) {
	batch := []*eventv1.Event{
		usage(time.UnixMilli(-5), "ann", "negative"), usage(time.UnixMilli(0), "ann", "1970"),
		usage(time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), "ann", "9999"), usage(at(0), "ann", "good"),
		{TimeUnixMs: math.MaxInt64}, {TimeUnixMs: math.MinInt64},
	}
	f.put(devA, epoch(1), 1, batch...)
	f.put(devA, epoch(1), 1, batch...)
	f.wantAcked(devA, epoch(1), 6)
	if t := f.totals(); t.Events != 6 || t.Skipped != 6 || t.Duplicates != 0 {
		f.Errorf("Totals() = %+v; want 6 events, 6 skipped", t)
	}
	for st, err := range f.Events(context.Background(), 0) {
		if err != nil {
			f.Fatal(err)
		}
		if want := batch[st.Seq-1].GetTimeUnixMs(); st.Event.GetTimeUnixMs() != want {
			f.Errorf("record %d: time = %d; want its own, %d", st.Seq, st.Event.GetTimeUnixMs(), want)
		}
	}
}

func appendExpired(f *fixture) {
	old := []*eventv1.Event{machine(at(9), "host"), usage(at(9), "ann", "1"), usage(at(3), "ann", "2"), usage(at(0), "ben", "3")}
	f.put(devA, epoch(1), 1, old...)
	n, err := f.Expire(context.Background(), at(3))
	if err != nil || n != 2 {
		f.Errorf("Expire(3 days) = %d, %v; want 2", n, err)
	}
	f.wantLines("Events(0)", f.all(0), "0a/1/3 use ann 2", "0a/1/4 use ben 3")
	f.wantAcked(devA, epoch(1), 4)
	f.reopen()
	f.wantAcked(devA, epoch(1), 4)
	f.put(devA, epoch(1), 1, old...)
	f.put(devA, epoch(1), 5, usage(at(8), "eve", "late"))
	f.wantAcked(devA, epoch(1), 5)
	f.wantLines("Events(0)", f.all(0), "0a/1/3 use ann 2", "0a/1/4 use ben 3")
	if got := f.find(gateway.Person, "eve"); len(got) != 0 {
		f.Errorf("Subjects(eve) = %d; want 0: her only event came too late", len(got))
	}
	if n, err := f.Expire(context.Background(), at(2)); err != nil || n != 1 {
		f.Errorf("Expire(2 days) = %d, %v; want 1", n, err)
	}
	if got := f.find(gateway.Person, "ann"); len(got) != 0 {
		f.Errorf("Subjects(ann) = %d; want 0: nothing of her is left", len(got))
	}
	f.one(gateway.Person, "ben")
}

func appendApart(f *fixture) {
	f.put(devA, epoch(1), 1, usage(at(0), "ann", "a"))
	f.put(devA, epoch(2), 1, usage(at(0), "ann", "b"))
	f.put(devB, epoch(1), 1, usage(at(0), "ann", "c"), usage(at(0), "ann", "d"))
	f.wantAcked(devA, epoch(1), 1)
	f.wantAcked(devA, epoch(2), 1)
	f.wantAcked(devB, epoch(1), 2)
	f.wantAcked(devB, epoch(2), 0)
	f.wantLines("Events(0)", f.all(0), "0a/1/1 use ann a", "0a/2/1 use ann b", "1b/1/1 use ann c", "1b/1/2 use ann d")
	f.one(gateway.Person, "ann") // one person, whatever device reports her
}

func appendConcurrently(f *fixture) {
	const devices, batches, size = 8, 5, 10
	var wg sync.WaitGroup
	for d := range devices {
		wg.Go(func() {
			dev := gateway.Device(string(rune('a'+d)) + "-device")
			for b := range batches {
				batch := make([]*eventv1.Event, size)
				for i := range batch {
					batch[i] = usage(at(i%2), "shared", "p")
				}
				if err := f.Append(context.Background(), dev, epoch(1), uint64(b*size+1), batch); err != nil {
					f.Errorf("Append() = %v; want nil", err)
				}
			}
			f.wantAcked(dev, epoch(1), batches*size)
		})
	}
	wg.Wait()
	if t := f.totals(); t.Events != devices*batches*size || t.Duplicates != 0 || t.Skipped != 0 {
		f.Errorf("Totals() = %+v; want %d events", t, devices*batches*size)
	}
	if got := f.find(gateway.Person, "shared"); len(got) != 1 || got[0].Events != devices*batches*size {
		f.Errorf("Subjects(shared) = %d subjects; want one, with all events", len(got))
	}
}

func appendSameBatch(f *fixture) {
	batch := []*eventv1.Event{usage(at(0), "ann", "1"), usage(at(1), "ben", "2"), usage(at(0), "ann", "3")}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := f.Append(context.Background(), devA, epoch(1), 1, batch); err != nil {
				f.Errorf("Append() = %v; want nil", err)
			}
		})
	}
	wg.Wait()
	if t := f.totals(); t.Events != 3 || t.Skipped != 21 || t.Duplicates != 0 {
		f.Errorf("Totals() = %+v; want 3 events, 21 skipped", t)
	}
}

func gapCompletes(f *fixture) {
	f.put(devA, epoch(1), 1, usage(at(0), "ann", "1"))
	f.put(devA, epoch(1), 6, usage(at(0), "ann", "6"))
	f.gap(devA, gateway.Gap{Epoch: epoch(1), Seq: 7, Lost: epoch(1), First: 2, Last: 5, Count: 4, Reason: eventv1.LossReason_LOSS_REASON_SPOOL_FULL})
	f.wantAcked(devA, epoch(1), 7)
	f.gap(devA, gateway.Gap{Epoch: epoch(1), Seq: 8, Lost: epoch(9), First: 1, Last: 10, Count: 10})
	f.gap(devA, gateway.Gap{Epoch: epoch(1), Seq: 9}) // losses without numbers
	f.reopen()
	f.wantAcked(devA, epoch(1), 9)
	f.wantAcked(devA, epoch(9), 10)
	f.wantAcked(devB, epoch(1), 0)
	if t := f.totals(); t.Gaps != 3 || t.Lost != 14 || t.Events != 2 {
		f.Errorf("Totals() = %+v; want 3 gaps, 14 lost, 2 events", t)
	}
	f.put(devA, epoch(1), 3, usage(at(0), "ann", "found again"))
	if t := f.totals(); t.Events != 3 {
		f.Errorf("a record that was given up and came after all: Events = %d; want 3", t.Events)
	}
}

func gapOnce(f *fixture) {
	g := gateway.Gap{Epoch: epoch(1), Seq: 2, Lost: epoch(1), First: 1, Last: 1, Count: 1}
	f.gap(devA, g)
	f.gap(devA, g)
	f.put(devA, epoch(1), 2, usage(at(0), "ann", "under the gap's number"))
	f.put(devA, epoch(1), 3, usage(at(0), "ann", "3"))
	f.gap(devA, gateway.Gap{Epoch: epoch(1), Seq: 3, Count: 7})
	if t := f.totals(); t.Gaps != 1 || t.Lost != 1 || t.Events != 1 || t.Skipped != 3 {
		f.Errorf("Totals() = %+v; want 1 gap, 1 lost, 1 event, 3 skipped", t)
	}
	f.wantAcked(devA, epoch(1), 3)
}
