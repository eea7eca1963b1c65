package spool

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// countingFS counts what reaches the disk. Its spool runs in other goroutines.
type countingFS struct {
	mu    sync.Mutex
	syncs int
}

func (c *countingFS) on(m *memFS) *memFS {
	m.fault = func(op, name string) (error, bool) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if op == "sync" {
			c.syncs++
		}
		return nil, false
	}
	return m
}

func (c *countingFS) take() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.syncs
	c.syncs = 0
	return n
}

// running opens a spool on m and runs it until the test's bubble ends.
func running(t *testing.T, m *memFS, o Options) *Spool {
	s := mustOpen(t, o)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v; want nil", err)
		}
	})
	return s
}

func TestRunSyncsOncePerInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &countingFS{}
		m := c.on(newTestFS())
		s := running(t, m, memOptions(m))
		c.take()
		for range 60 { // one record a second for a minute
			s.mustAppend(t, stampA, "a")
			time.Sleep(time.Second)
		}
		time.Sleep(10 * time.Second)
		if n := c.take(); n < 10 || n > 13 {
			t.Errorf("syncs in a minute of records = %d; want one in 5 s", n)
		}
		if n := len(drain(t, s, 100, 1000)); n != 1 {
			t.Errorf("items = %d; want 1: all are durable", n)
		}
	})
}

func TestRunIsIdleWhenNothingIsNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &countingFS{}
		m := c.on(newTestFS())
		s := running(t, m, memOptions(m))
		s.mustAppend(t, stampA, "a")
		time.Sleep(time.Minute)
		drain(t, s, 10, 100)
		if err := s.Ack(s.Stats().Epoch, 1); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute) // the cursor is written within
		c.take()
		before := m.ops
		if at := s.due(); !at.IsZero() {
			t.Errorf("Run is to wake in %v; want never", time.Until(at))
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if m.ops != before {
			t.Errorf("operations in 10 idle minutes = %d; want 0", m.ops-before)
		}
	})
}

func TestRunFlushesAtOnceWhenMuchIsNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newTestFS()
		s := running(t, m, Options{Dir: testDir, FS: m})
		rec := string(make([]byte, 100<<10))
		s.mustAppend(t, stampA, rec, rec, rec)
		synctest.Wait() // no time passes
		if n := len(drain(t, s, 10, 1<<20)); n != 1 {
			t.Errorf("items = %d; want 1: 300 KiB are new", n)
		}
	})
}

func TestRunTriesAgainAfterAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newTestFS()
		s := running(t, m, memOptions(m))
		var mu sync.Mutex
		broken, tries := true, 0
		m.fault = func(op, _ string) (error, bool) {
			mu.Lock()
			defer mu.Unlock()
			if broken && (op == "write" || op == "create") {
				tries++
				return errSyncLost, false
			}
			return nil, false
		}
		s.mustAppend(t, stampA, "a")
		time.Sleep(time.Hour)
		mu.Lock()
		broken = false
		if tries < 60 || tries > 200 { // two a try, later and later
			t.Errorf("tries in an hour = %d; want about two a minute", tries)
		}
		mu.Unlock()
		time.Sleep(2 * time.Minute)
		checkItems(t, "Next", drain(t, s, 10, 100), "1a")
	})
}

func TestRunDropsWhatIsTooOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newTestFS()
		o := memOptions(m)
		o.MaxAge = 24 * time.Hour
		o.Now = func() time.Time { return time.Now().AddDate(26, 0, 0) } // a bubble begins in 2000
		s := running(t, m, o)
		s.mustAppend(t, stampA, "a")
		time.Sleep(25 * time.Hour)
		checkItems(t, "Next after 25 hours", drain(t, s, 10, 100), "2!TOO_OLD:1-1(1)")
	})
}

func TestConcurrentUse(t *testing.T) {
	o := Options{Dir: t.TempDir() + "/spool", MaxBytes: 1 << 20, Flush: time.Millisecond}
	s := mustOpen(t, o)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.Run(ctx); err != nil {
			t.Errorf("Run = %v; want nil", err)
		}
	})
	const n = 2000
	for range 2 {
		wg.Go(func() {
			for range n {
				if err := s.append(stampA, make([]byte, 200)); err != nil {
					t.Errorf("append = %v; want nil", err)
					return
				}
			}
		})
	}
	got := uint64(0)
	next, stop := context.WithTimeout(t.Context(), 3*time.Second)
	defer stop()
	for got < 2*n {
		item, err := s.Next(next, 50, 1<<20)
		if err != nil {
			t.Fatalf("Next = %v after %d of %d, %+v; want nil", err, got, 2*n, s.Stats())
		}
		last := item.First
		if item.Gap != nil {
			got += item.Gap.Count
		} else {
			got += uint64(len(item.Records))
			last += uint64(len(item.Records)) - 1
		}
		if err := s.Ack(item.Epoch, last); err != nil {
			t.Fatalf("Ack(%d) = %v; want nil", last, err)
		}
		s.Stats()
	}
	cancel()
	wg.Wait()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if st, err := Open(o); err != nil || st.Stats().Events != 0 {
		t.Errorf("Open after all is acked = %v, %+v; want no event", err, st.Stats())
	} else {
		st.Close()
	}
}
