package uplink

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/discreet-agent/discreet/agent/spool"
	"github.com/discreet-agent/discreet/privacy"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// entry is a record or a gap in a memory.
type entry struct {
	epoch  spool.Epoch
	seq    uint64
	record string
	gap    *spool.Gap
	stamp  privacy.Stamp
}

// memory is a Source that lives in memory and checks how it is used.
type memory struct {
	t    testing.TB
	mu   sync.Mutex
	wake chan struct{} // closed and replaced at each append

	entries []entry // not freed
	epochs  []spool.Epoch
	seq     uint64
	cursor  int // into entries
	nexts   int
	refused map[uint64]eventv1.LossReason
	lent    [][]byte // the bytes of the last Next: overwritten at the next one
}

func newMemory(t testing.TB) *memory {
	return &memory{t: t, wake: make(chan struct{}), epochs: []spool.Epoch{{1}}, refused: map[uint64]eventv1.LossReason{}}
}

func stampOf(n int) privacy.Stamp {
	p, _ := privacy.Preset("balanced")
	if n%2 == 1 {
		p, _ = privacy.Preset("strict")
	}
	return privacy.Stamp{Digest: p.Digest(), Levels: p.Lines(), KeyID: "t1"}
}

func (m *memory) add(record string, stamp privacy.Stamp) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.push(entry{record: record, stamp: stamp})
}

func (m *memory) push(e entry) {
	m.seq++
	e.seq, e.epoch = m.seq, m.epochs[len(m.epochs)-1]
	m.entries = append(m.entries, e)
	close(m.wake)
	m.wake = make(chan struct{})
}

// reopen begins a new epoch, as a restarted agent does.
func (m *memory) reopen() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.epochs = append(m.epochs, spool.Epoch{byte(len(m.epochs) + 1)})
	m.seq = 0
}

func (m *memory) left() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.entries)
}

func (m *memory) Epochs() []spool.Epoch {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.epochs)
}

func (m *memory) Rewind() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cursor = 0
}

func (m *memory) Losses() []*eventv1.Loss { return nil }

func (m *memory) Next(ctx context.Context, maxRecords, maxBytes int) (spool.Item, error) {
	m.mu.Lock()
	m.nexts++
	for _, b := range m.lent {
		for i := range b {
			b[i] = 0xff
		}
	}
	m.lent = nil
	for m.cursor >= len(m.entries) {
		wake := m.wake
		m.mu.Unlock()
		select {
		case <-ctx.Done():
			return spool.Item{}, ctx.Err()
		case <-wake:
		}
		m.mu.Lock()
	}
	defer m.mu.Unlock()
	first := m.entries[m.cursor]
	item := spool.Item{Epoch: first.epoch, First: first.seq, Stamp: first.stamp, Gap: first.gap}
	if first.gap != nil {
		m.cursor++
		return item, nil
	}
	size := 0
	for m.cursor < len(m.entries) && len(item.Records) < maxRecords {
		e := m.entries[m.cursor]
		size += len(e.record)
		if e.gap != nil || e.epoch != first.epoch || e.stamp != first.stamp || e.seq != first.seq+uint64(len(item.Records)) ||
			len(item.Records) > 0 && size > maxBytes {
			break
		}
		b := []byte(e.record)
		item.Records, m.lent = append(item.Records, b), append(m.lent, b)
		m.cursor++
	}
	return item, nil
}

// free removes the first entries for which f holds.
func (m *memory) free(f func(entry) bool) {
	n := 0
	for n < len(m.entries) && f(m.entries[n]) {
		n++
	}
	m.entries = m.entries[n:]
	m.cursor = max(0, m.cursor-n)
}

func (m *memory) Ack(e spool.Epoch, through uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, have := range m.entries {
		if have.epoch == e && have.seq <= through && i >= m.cursor {
			m.t.Errorf("Ack(%d): number %d was not given yet", through, have.seq)
		}
	}
	m.free(func(have entry) bool { return have.epoch == e && have.seq <= through })
	return nil
}

func (m *memory) Refuse(e spool.Epoch, first, last uint64, reason eventv1.LossReason) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.entries) == 0 || m.entries[0].seq != first || m.entries[0].epoch != e {
		m.t.Errorf("Refuse(%d, %d): the oldest record is another one", first, last)
	}
	m.free(func(have entry) bool { return have.epoch == e && have.seq <= last })
	for s := first; s <= last; s++ {
		m.refused[s] = reason
	}
	m.push(entry{gap: &spool.Gap{Lost: e, First: first, Last: last, Count: last - first + 1, Reason: reason}})
	return nil
}
