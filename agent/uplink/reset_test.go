package uplink

import (
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	uplinkv1 "github.com/discreet-agent/discreet/proto/uplink/v1"
)

// TestResetForgetsWhatWasRead changes the source's records while the gateway
// leaves the first batches unanswered: after Reset no old byte comes.
func TestResetForgetsWhatWasRead(t *testing.T) {
	var held, old atomic.Int64
	var changed atomic.Bool
	release := make(chan struct{})
	var said strings.Builder
	p, c := newPair(t, func(p *pair) {
		p.o.MaxBatchEvents = 10
		p.o.Log = slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelError}))
		p.gw.onUp = func(up *uplinkv1.Up, _ func(*uplinkv1.Down)) (bool, error) {
			b := up.GetBatch()
			if b == nil {
				return false, nil
			}
			if !changed.Load() {
				held.Add(1)
				<-release // no further message of this stream is looked at
				return true, errors.New("the stream is over")
			}
			records, err := open(b.Payload)
			if err != nil {
				return false, err
			}
			for _, r := range records {
				if strings.Contains(string(r), "made-up") {
					old.Add(1)
				}
			}
			return false, nil
		}
	})
	for i := range 200 {
		p.src.add(record(i), stampOf(0))
	}
	c.Reset() // not started: nothing to forget
	stop := start(t, c)
	until(t, "batches in flight", func() bool { return held.Load() > 0 })
	p.src.mu.Lock()
	for i := range p.src.entries {
		p.src.entries[i].record = strings.ReplaceAll(p.src.entries[i].record, "made-up", "tighter")
	}
	p.src.mu.Unlock()
	c.Reset()
	changed.Store(true)
	close(release)
	until(t, "empty source", func() bool { return p.src.left() == 0 })
	c.Reset() // while it waits for more
	stop()
	c.Reset()
	if said.Len() > 0 {
		t.Errorf("a session that Reset ended is a fault in the log: %s", &said)
	}
	if old.Load() > 0 || p.gw.count() != 200 || p.gw.again != 0 {
		t.Errorf("%d old records came after Reset, %d stored, %d twice; want 0, 200, 0", old.Load(), p.gw.count(), p.gw.again)
	}
}
