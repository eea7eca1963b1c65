package uplink

import (
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
	p, c := newPair(t, func(p *pair) {
		p.o.MaxBatchEvents = 10
		p.gw.onUp = func(up *uplinkv1.Up, _ func(*uplinkv1.Down)) (bool, error) {
			b := up.GetBatch()
			if b == nil {
				return false, nil
			}
			if !changed.Load() {
				held.Add(1)
				return true, nil
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
	until(t, "batches in flight", func() bool { return held.Load() >= 5 })
	p.src.mu.Lock()
	for i := range p.src.entries {
		p.src.entries[i].record = strings.ReplaceAll(p.src.entries[i].record, "made-up", "tighter")
	}
	p.src.mu.Unlock()
	c.Reset()
	changed.Store(true)
	until(t, "empty source", func() bool { return p.src.left() == 0 })
	stop()
	c.Reset()
	if old.Load() > 0 || p.gw.count() != 200 || p.gw.again != 0 {
		t.Errorf("%d old records came after Reset, %d stored, %d twice; want 0, 200, 0", old.Load(), p.gw.count(), p.gw.again)
	}
}
