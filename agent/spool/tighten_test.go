package spool

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/discreet-agent/discreet/privacy"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	"google.golang.org/protobuf/proto"
)

const secretPath = "/opt/zz-secret/tool"

// policies returns one under which a path is clear, and one that drops it and
// lets no single process leave.
func policies(t testing.TB) (lax privacy.Policy, stamp *privacy.Stamp, strict privacy.Policy) {
	t.Helper()
	lax, _ = privacy.Preset("classic")
	lax, _ = lax.With(privacy.ProgramPath, privacy.Cleartext)
	strict, _ = lax.With(privacy.ProgramPath, privacy.Drop)
	strict, ok := strict.With(privacy.Processes, privacy.Summary)
	if !ok {
		t.Fatal("the policies do not exist")
	}
	return lax, &privacy.Stamp{Digest: lax.Digest(), Levels: lax.Lines(), KeyID: "k1"}, strict
}

// event returns a record that stays, with less in it, or one that goes whole.
func event(t testing.TB, stays bool) []byte {
	t.Helper()
	p := &eventv1.Program{Name: "tool", Path: secretPath}
	ev := &eventv1.Event{Kind: &eventv1.Event_ProcessStart{ProcessStart: &eventv1.ProcessStart{Program: p}}}
	if stays {
		ev = &eventv1.Event{TimeUnixMs: 1767225600000, BucketSeconds: 900, Kind: &eventv1.Event_ConnectionSummary{ConnectionSummary: &eventv1.ConnectionSummary{Program: p, Port: 443}}}
	}
	b, err := proto.Marshal(ev)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// fillEvents appends one record for each letter: s stays, d is dropped.
func fillEvents(t testing.TB, s *Spool, stamp *privacy.Stamp, pattern string) {
	t.Helper()
	for _, c := range pattern {
		if err := s.append(stamp, event(t, c == 's')); err != nil {
			t.Fatal(err)
		}
	}
}

// numbers writes items without their payloads, which must not hold the secret.
func numbers(t testing.TB, items []Item) string {
	t.Helper()
	for i, it := range items {
		for k, r := range it.Records {
			if bytes.Contains(r, []byte(secretPath)) {
				t.Errorf("record %d holds what was dropped", it.First+uint64(k))
			}
			items[i].Records[k] = []byte("s")
		}
	}
	return show(items)
}

func (m *memFS) holds(secret string) (files []string) {
	for _, f := range m.dirs[testDir].names {
		if bytes.Contains(f.data, []byte(secret)) {
			files = append(files, f.name)
		}
	}
	return files
}

func TestTighten(t *testing.T) {
	for _, tt := range []struct {
		name, pattern    string
		ack              uint64
		want             string
		dropped, changed int64
	}{
		{"some", "sddsds", 0, "1s 2!POLICY:2-3(2) 4s 5!POLICY:5-5(1) 6s", 3, 3},
		{"all", "dddd", 0, "1!POLICY:1-4(4)", 4, 0},
		{"none", "sss", 0, "1s,s,s", 0, 3},
		{"the last", "sdd", 0, "1s 2!POLICY:2-3(2)", 2, 1},
		{"acked in part", "sddsd", 2, "3!POLICY:3-3(1) 4s 5!POLICY:5-5(1)", 2, 1},
		{"all acked", "sd", 2, "", 0, 0},
	} {
		for _, synced := range []bool{true, false} {
			if !synced && tt.ack > 0 {
				continue
			}
			t.Run(fmt.Sprint(tt.name, " synced ", synced), func(t *testing.T) {
				_, stamp, strict := policies(t)
				m := newTestFS()
				s := mustOpen(t, memOptions(m))
				fillEvents(t, s, stamp, tt.pattern)
				e := s.Stats().Epoch
				if synced {
					mustSync(t, s)
					drain(t, s, 10, 1<<20)
				}
				if err := s.Ack(e, tt.ack); tt.ack > 0 && err != nil {
					t.Fatal(err)
				}
				dropped, changed, err := s.Tighten(strict)
				if err != nil || dropped != tt.dropped || changed != tt.changed {
					t.Errorf("Tighten = %d, %d, %v; want %d, %d, nil", dropped, changed, err, tt.dropped, tt.changed)
				}
				if got := s.losses[eventv1.LossReason_LOSS_REASON_POLICY]; got != uint64(tt.dropped) {
					t.Errorf("counted as lost to the policy = %d; want %d", got, tt.dropped)
				}
				if files := m.holds(secretPath); len(files) > 0 {
					t.Errorf("the value lies in %v; want no file", files)
				}
				items := drain(t, s, 10, 1<<20)
				if got := numbers(t, items); got != tt.want {
					t.Errorf("Next = %s; want %s", got, tt.want)
				}
				for _, it := range items {
					if len(it.Records) > 0 && it.Stamp.Digest != strict.Digest() {
						t.Error("a record has the old stamp; want the stricter one")
					}
				}
				if d, c, err := s.Tighten(strict); d != 0 || c != 0 || err != nil {
					t.Errorf("Tighten again = %d, %d, %v; want nothing to do", d, c, err)
				}
				s.Close()
				s = mustOpen(t, memOptions(m))
				items = drain(t, s, 10, 1<<20)
				if got := numbers(t, items); got != tt.want {
					t.Errorf("Next after reopen = %s; want %s", got, tt.want)
				}
				for _, it := range items { // one by one, as the uplink does
					if err := s.Ack(it.Epoch, it.First+uint64(max(len(it.Records), 1))-1); err != nil {
						t.Fatal(err)
					}
				}
				mustSync(t, s)
				if st := s.Stats(); st.Events != 0 || st.Segments != 0 {
					t.Errorf("after all acks %d events in %d segments; want none", st.Events, st.Segments)
				}
			})
		}
	}
}

// TestTightenLooserPolicy leaves everything alone.
func TestTightenLooserPolicy(t *testing.T) {
	lax, stamp, _ := policies(t)
	m := newTestFS()
	s := mustOpen(t, memOptions(m))
	fillEvents(t, s, stamp, "sd")
	mustSync(t, s)
	before := m.ops
	if d, c, err := s.Tighten(lax); d != 0 || c != 0 || err != nil || m.ops != before {
		t.Errorf("Tighten(no stricter) = %d, %d, %v, %d changes on disk; want none", d, c, err, m.ops-before)
	}
}

// TestTightenTwice: what was refused, acked late or dropped before keeps its
// account.
func TestTightenTwice(t *testing.T) {
	_, stamp, strict := policies(t)
	s := mustOpen(t, memOptions(newTestFS()))
	fillEvents(t, s, stamp, "sdddss")
	mustSync(t, s)
	drain(t, s, 10, 1<<20)
	e := s.Stats().Epoch
	if err := s.Refuse(e, 3, 3, eventv1.LossReason_LOSS_REASON_REFUSED); err != nil {
		t.Fatal(err)
	}
	if d, _, err := s.Tighten(strict); d != 2 || err != nil {
		t.Errorf("Tighten = %d, %v; want 2: one was refused before", d, err)
	}
	stricter, _ := strict.With(privacy.Connections, privacy.Drop)
	if d, _, err := s.Tighten(stricter); d != 3 || err != nil {
		t.Errorf("Tighten again = %d, %v; want 3", d, err)
	}
	const want = "1!POLICY:1-1(1) 2!POLICY:2-2(1) 4!POLICY:4-4(1) 5!POLICY:5-6(2) 7!REFUSED:3-3(1)"
	if got := numbers(t, drain(t, s, 10, 1<<20)); got != want {
		t.Errorf("Next = %s; want %s", got, want)
	}
}

// TestTightenFull gives up what it cannot rewrite: the value goes in any case.
func TestTightenFull(t *testing.T) {
	_, stamp, strict := policies(t)
	m := newTestFS()
	s := mustOpen(t, memOptions(m))
	fillEvents(t, s, stamp, "sds")
	mustSync(t, s)
	m.fault = func(op, name string) (error, bool) {
		if op == "write" && name == rewriteName {
			return os.ErrInvalid, true
		}
		return nil, false
	}
	if d, _, err := s.Tighten(strict); d != 3 || err != nil {
		t.Errorf("Tighten = %d, %v; want all 3 given up", d, err)
	}
	m.fault = nil
	if files := m.holds(secretPath); len(files) > 0 {
		t.Errorf("the value lies in %v; want no file", files)
	}
	mustSync(t, s)
	if got, want := numbers(t, drain(t, s, 10, 1<<20)), "4!POLICY:1-3(3)"; got != want {
		t.Errorf("Next = %s; want %s", got, want)
	}
}

// TestTightenCrash takes the power away at every step: after the next open and
// pass nothing is there twice, out of order or clear, and no record is missing
// without a gap.
func TestTightenCrash(t *testing.T) {
	_, stamp, strict := policies(t)
	const pattern = "sddsdssdsd"
	for step := 1; ; step++ {
		m := newTestFS()
		s := mustOpen(t, memOptions(m))
		fillEvents(t, s, stamp, pattern)
		mustSync(t, s)
		begin, off := m.ops, false
		m.fault = func(string, string) (error, bool) {
			off = off || m.ops >= begin+step
			if off {
				return os.ErrClosed, false
			}
			return nil, false
		}
		s.Tighten(strict)
		if !off {
			if step < 5 {
				t.Fatalf("a pass has %d steps; want more", step-1)
			}
			t.Logf("%d steps", step-1)
			return
		}
		for seed := range uint64(8) {
			c := m.clone()
			c.fault = nil
			c.crash(rand.New(rand.NewPCG(uint64(step), seed)), float64(seed)/7)
			again := mustOpen(t, memOptions(c))
			if _, _, err := again.Tighten(strict); err != nil {
				t.Fatalf("step %d: Tighten after the crash = %v", step, err)
			}
			if files := c.holds(secretPath); len(files) > 0 {
				t.Fatalf("step %d: the value lies in %v; want no file", step, files)
			}
			mustSync(t, again)
			assertAccounted(t, step, pattern, drain(t, again, 10, 1<<20))
		}
	}
}

// assertAccounted verifies that each record of the pattern is there once, as a
// record or in a gap. Where the disk refused everything, all may be in one gap,
// or, where the crash came before that was written, gone with the segment.
func assertAccounted(t *testing.T, step int, pattern string, items []Item) {
	t.Helper()
	seen := map[uint64]int{}
	records := 0
	for _, it := range items {
		switch {
		case it.Gap == nil:
			for i := range it.Records {
				seen[it.First+uint64(i)]++
				records++
			}
		case it.Gap.Reason == eventv1.LossReason_LOSS_REASON_POLICY:
			for n := it.Gap.First; n <= it.Gap.Last; n++ {
				seen[n]++
			}
		}
	}
	if records == 0 && len(seen) == 0 {
		return
	}
	for n := range uint64(len(pattern)) {
		if seen[n+1] != 1 {
			t.Fatalf("step %d: record %d is there %d times; want once: %s", step, n+1, seen[n+1], show(items))
		}
	}
}

// TestS11TightenReachesTheFiles looks at a real directory.
func TestS11TightenReachesTheFiles(t *testing.T) {
	_, stamp, strict := policies(t)
	dir := filepath.Join(t.TempDir(), "spool")
	s := mustOpen(t, Options{Dir: dir, SegmentBytes: 4 << 10})
	for range 100 {
		fillEvents(t, s, stamp, "sds")
	}
	mustSync(t, s)
	if hits(t, dir) == 0 {
		t.Fatal("the value is not in the spool before; want it there")
	}
	if d, c, err := s.Tighten(strict); d != 100 || c != 200 || err != nil {
		t.Errorf("Tighten = %d, %d, %v; want 100, 200, nil", d, c, err)
	}
	if n := hits(t, dir); n > 0 {
		t.Errorf("the value stands %d times in the spool; want 0", n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func hits(t *testing.T, dir string) (n int) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		n += bytes.Count(b, []byte(secretPath))
	}
	return n
}
