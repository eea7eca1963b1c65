package spool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/discreet-agent/discreet/privacy"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

var (
	stampA = &privacy.Stamp{Digest: [32]byte{1}, Levels: "schema=1\nusername=hashed\n", KeyID: "k1"}
	stampB = &privacy.Stamp{Digest: [32]byte{2}, Levels: "schema=1\nusername=drop\n"}
)

// The folders of these tests, as this system writes them.
var (
	rootDir = filepath.FromSlash("/")
	testDir = filepath.FromSlash("/var/spool")
)

func memOptions(m *memFS) Options {
	return Options{Dir: testDir, FS: m, SegmentBytes: 4 << 10, MaxBytes: 1 << 20}
}

func newTestFS() *memFS {
	m := newMemFS()
	m.Mkdir(filepath.Dir(testDir))
	m.SyncDir(rootDir)
	return m
}

func mustOpen(t testing.TB, o Options) *Spool {
	t.Helper()
	s, err := Open(o)
	if err != nil {
		t.Fatalf("Open = %v; want nil", err)
	}
	return s
}

func (s *Spool) mustAppend(t testing.TB, stamp *privacy.Stamp, recs ...string) {
	t.Helper()
	for _, r := range recs {
		if err := s.append(stamp, []byte(r)); err != nil {
			t.Fatalf("append(%.20q) = %v; want nil", r, err)
		}
	}
}

func mustSync(t testing.TB, s *Spool) {
	t.Helper()
	if err := s.Sync(); err != nil {
		t.Fatalf("Sync = %v; want nil", err)
	}
}

// drain returns all items that wait.
func drain(t testing.TB, s *Spool, maxRecords, maxBytes int) []Item {
	t.Helper()
	var items []Item
	for {
		item, ok, err := s.tryNext(maxRecords, maxBytes)
		if err != nil {
			t.Fatalf("Next = %v; want nil", err)
		}
		if !ok {
			return items
		}
		items = append(items, item)
	}
}

// show writes items as a test can compare them.
func show(items []Item) string {
	var b bytes.Buffer
	for _, it := range items {
		if it.Gap != nil {
			fmt.Fprintf(&b, "%d!%s:%d-%d(%d) ", it.First, it.Gap.Reason.String()[len("LOSS_REASON_"):], it.Gap.First, it.Gap.Last, it.Gap.Count)
			continue
		}
		fmt.Fprintf(&b, "%d%s ", it.First, bytes.Join(it.Records, []byte(",")))
	}
	return string(bytes.TrimSpace(b.Bytes()))
}

func checkItems(t *testing.T, what string, items []Item, want string) {
	t.Helper()
	if got := show(items); got != want {
		t.Errorf("%s = %s; want %s", what, got, want)
	}
}

func TestOrderAndAck(t *testing.T) {
	m := newTestFS()
	s := mustOpen(t, memOptions(m))
	s.mustAppend(t, stampA, "a", "b", "c")
	checkItems(t, "Next before Sync", drain(t, s, 10, 100), "")
	mustSync(t, s)
	checkItems(t, "Next", drain(t, s, 2, 100), "1a,b 3c")
	e := s.Stats().Epoch
	if err := s.Ack(e, 4); !errors.Is(err, ErrAckUnknown) {
		t.Errorf("Ack(4) = %v; want ErrAckUnknown", err)
	}
	if err := s.Ack(Epoch{1}, 1); !errors.Is(err, ErrAckUnknown) {
		t.Errorf("Ack(other epoch) = %v; want ErrAckUnknown", err)
	}
	for range 2 {
		if err := s.Ack(e, 2); err != nil {
			t.Errorf("Ack(2) = %v; want nil", err)
		}
	}
	s.Rewind()
	checkItems(t, "Next after Rewind", drain(t, s, 10, 100), "3c")
	if n := s.Stats().Events; n != 1 {
		t.Errorf("Stats.Events = %d; want 1", n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = mustOpen(t, memOptions(m))
	if st := s.Stats(); st.Unclean || st.Events != 1 || st.Epoch == e {
		t.Errorf("Stats after a clean stop = %+v; want clean, 1 event, a new epoch", st)
	}
	if got := s.Epochs(); len(got) != 2 || got[0] != e || got[1] != s.Stats().Epoch {
		t.Errorf("Epochs = %x; want the old one and the new one", got)
	}
	s.mustAppend(t, stampA, "d")
	mustSync(t, s)
	items := drain(t, s, 10, 100)
	checkItems(t, "Next after reopen", items, "3c 1d")
	if items[0].Epoch != e || items[0].Stamp != *stampA {
		t.Errorf("item of the old epoch = %x, %v; want its own epoch and stamp", items[0].Epoch, items[0].Stamp)
	}
}

func TestNextLimits(t *testing.T) {
	for _, tt := range []struct {
		name       string
		maxRecords int
		maxBytes   int
		want       string
	}{
		{"all", 10, 1000, "1aa,bbbb,c 4dd,e"},
		{"two records", 2, 1000, "1aa,bbbb 3c 4dd,e"},
		{"bytes", 10, 6, "1aa,bbbb 3c 4dd,e"},
		{"one at least", 10, 1, "1aa 2bbbb 3c 4dd 5e"},
		{"zero is one", 0, 0, "1aa 2bbbb 3c 4dd 5e"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := mustOpen(t, memOptions(newTestFS()))
			s.mustAppend(t, stampA, "aa", "bbbb", "c")
			s.mustAppend(t, stampB, "dd", "e")
			mustSync(t, s)
			items := drain(t, s, tt.maxRecords, tt.maxBytes)
			checkItems(t, "Next", items, tt.want)
			if last := items[len(items)-1]; last.Stamp != *stampB {
				t.Errorf("stamp of the last item = %v; want the second", last.Stamp)
			}
		})
	}
}

func TestNextWaits(t *testing.T) {
	s := mustOpen(t, memOptions(newTestFS()))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Next(ctx, 1, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("Next with ctx done = %v; want context.Canceled", err)
	}
	got := make(chan error)
	go func() {
		_, err := s.Next(context.Background(), 1, 1)
		got <- err
	}()
	s.mustAppend(t, stampA, "a")
	mustSync(t, s)
	if err := <-got; err != nil {
		t.Errorf("Next = %v; want nil", err)
	}
	go func() {
		_, err := s.Next(context.Background(), 1, 1)
		got <- err
	}()
	s.Close()
	if err := <-got; !errors.Is(err, ErrClosed) {
		t.Errorf("Next after Close = %v; want ErrClosed", err)
	}
	if err := s.append(stampA, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("Append after Close = %v; want ErrClosed", err)
	}
}

func TestRefuse(t *testing.T) {
	m := newTestFS()
	s := mustOpen(t, memOptions(m))
	s.mustAppend(t, stampA, "a", "b", "c", "d", "e")
	mustSync(t, s)
	drain(t, s, 10, 100)
	e := s.Stats().Epoch
	const refused = eventv1.LossReason_LOSS_REASON_REFUSED
	if err := s.Refuse(e, 5, 6, refused); !errors.Is(err, ErrAckUnknown) {
		t.Errorf("Refuse(5, 6) = %v; want ErrAckUnknown", err)
	}
	for range 2 { // again is no second loss
		if err := s.Refuse(e, 2, 3, refused); err != nil {
			t.Errorf("Refuse(2, 3) = %v; want nil", err)
		}
	}
	mustSync(t, s)
	s.Rewind()
	checkItems(t, "Next", drain(t, s, 10, 100), "1a 4d,e 6!REFUSED:2-3(2)")
	if err := s.Ack(e, 1); err != nil {
		t.Fatal(err)
	}
	s.Rewind()
	checkItems(t, "Next after Ack(1)", drain(t, s, 10, 100), "4d,e 6!REFUSED:2-3(2)")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, memOptions(m))
	checkItems(t, "Next after reopen", drain(t, s, 10, 100), "4d,e 6!REFUSED:2-3(2)")
}

func TestLosses(t *testing.T) {
	s := mustOpen(t, memOptions(newTestFS()))
	s.mustAppend(t, stampA, "a")
	if err := s.append(stampA, make([]byte, maxRecord+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("append(1 MiB + 1) = %v; want ErrTooLarge", err)
	}
	s.ReportLoss(eventv1.LossReason_LOSS_REASON_SOURCE_OVERRUN, 3)
	s.ReportLoss(eventv1.LossReason_LOSS_REASON_SOURCE_OVERRUN, 4)
	mustSync(t, s)
	checkItems(t, "Next", drain(t, s, 10, 100), "1a 2!TOO_LARGE:0-0(1) 3!SOURCE_OVERRUN:0-0(7)")
	var got string
	for _, l := range s.Losses() {
		got += fmt.Sprintf("%s=%d ", l.Reason, l.Count)
	}
	if want := "LOSS_REASON_TOO_LARGE=1 LOSS_REASON_SOURCE_OVERRUN=7 "; got != want {
		t.Errorf("Losses = %s; want %s", got, want)
	}
	if n := s.Stats().Lost; n != 8 {
		t.Errorf("Stats.Lost = %d; want 8", n)
	}
	if err := s.Append(privacy.Cleared{}); !errors.Is(err, ErrUncleared) {
		t.Errorf("Append(zero) = %v; want ErrUncleared", err)
	}
}

func TestUncleanStop(t *testing.T) {
	m := newTestFS()
	s := mustOpen(t, memOptions(m))
	if s.Stats().Unclean {
		t.Error("Unclean at the first open = true; want false")
	}
	m = m.clone()
	s = mustOpen(t, memOptions(m))
	if !s.Stats().Unclean {
		t.Error("Unclean after a kill = false; want true")
	}
	s.mustAppend(t, stampA, "a")
	mustSync(t, s)
	checkItems(t, "Next", drain(t, s, 10, 100), "1!UNCLEAN_STOP:0-0(0) 2a")
	if n := s.Stats().Segments; n != 1 {
		t.Errorf("Segments = %d; want 1: the gap goes with the record", n)
	}
	s.Close()
	if s = mustOpen(t, memOptions(m)); s.Stats().Unclean {
		t.Error("Unclean after Close = true; want false")
	}
}

func TestAllAckedIsNeverSentAgain(t *testing.T) {
	m := newTestFS()
	for i := range 100 {
		s := mustOpen(t, memOptions(m))
		checkItems(t, "Next after restart", drain(t, s, 10, 100), "")
		s.mustAppend(t, stampA, "a", "b")
		mustSync(t, s)
		drain(t, s, 10, 100)
		if err := s.Ack(s.Stats().Epoch, 2); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if n := len(m.dirs[testDir].names); n > 5 {
			t.Fatalf("files after %d restarts = %d; want 5 at most", i+1, n)
		}
	}
}

func TestOverflowDropsTheOldest(t *testing.T) {
	m := newTestFS()
	o := memOptions(m)
	o.MaxBytes = 32 << 10
	s := mustOpen(t, o)
	rec := make([]byte, 500)
	const n = 1000
	for i := range n {
		copy(rec, fmt.Sprintf("%08d", i))
		s.mustAppend(t, stampA, string(rec))
		if b := s.Stats().Bytes; b > o.MaxBytes {
			t.Fatalf("bytes on disk = %d; want %d at most", b, o.MaxBytes)
		}
	}
	mustSync(t, s)
	got, lost := uint64(0), uint64(0)
	var after uint64
	for _, it := range drain(t, s, 100, 1<<20) {
		if it.Gap != nil {
			if it.Gap.Reason != eventv1.LossReason_LOSS_REASON_SPOOL_FULL || it.Gap.Lost != it.Epoch {
				t.Errorf("gap = %+v; want SPOOL_FULL of this epoch", it.Gap)
			}
			lost += it.Gap.Count
			continue
		}
		if it.First <= after {
			t.Errorf("first = %d after %d; want them in order", it.First, after)
		}
		after = it.First
		got += uint64(len(it.Records))
	}
	if got+lost != n || lost == 0 {
		t.Errorf("records = %d, in gaps = %d; want %d together", got, lost, n)
	}
	if st := s.Stats(); st.Lost != lost {
		t.Errorf("Stats.Lost = %d; want %d", st.Lost, lost)
	}
}

func TestLowDiskKeepsTwoSegments(t *testing.T) {
	m := newTestFS()
	o := memOptions(m)
	o.MinFree = 1 << 20
	s := mustOpen(t, o)
	for range 100 {
		s.mustAppend(t, stampA, string(make([]byte, 500)))
	}
	mustSync(t, s)
	m.free = 1 << 19
	s.mustAppend(t, stampA, "x")
	mustSync(t, s)
	if st := s.Stats(); st.Bytes > 2*o.SegmentBytes+4<<10 || st.Lost == 0 {
		t.Errorf("Stats with a low disk = %+v; want two segments at most and the rest lost", st)
	}
}

func TestMaxAge(t *testing.T) {
	m := newTestFS()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	o := memOptions(m)
	o.MaxAge, o.Now = 30*24*time.Hour, func() time.Time { return now }
	s := mustOpen(t, o)
	s.mustAppend(t, stampA, "a", "b")
	mustSync(t, s)
	now = now.Add(29 * 24 * time.Hour)
	s.mustAppend(t, stampA, "c")
	s.tick()
	s.Sync()
	if n := s.Stats().Events; n != 3 {
		t.Errorf("Events after 29 days = %d; want 3", n)
	}
	now = now.Add(25 * time.Hour)
	s.tick()
	checkItems(t, "Next after 30 days", drain(t, s, 10, 100), "3c 4!TOO_OLD:1-2(2)")
}

func TestClockOfADeadBattery(t *testing.T) {
	m := newTestFS()
	now := time.Unix(100, 0)
	o := memOptions(m)
	o.MaxAge, o.Now = 24*time.Hour, func() time.Time { return now }
	s := mustOpen(t, o)
	s.mustAppend(t, stampA, "a")
	mustSync(t, s)
	now = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s.tick()
	checkItems(t, "Next", drain(t, s, 10, 100), "1a")
}
