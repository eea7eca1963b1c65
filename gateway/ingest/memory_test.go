package ingest

import (
	"context"
	"sync"
	"time"

	"github.com/discreet-agent/discreet/gateway"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

type place struct {
	dev   gateway.Device
	epoch gateway.Epoch
	seq   uint64
}

// memory is a Store and a Registry as far as ingest uses them.
type memory struct {
	gateway.Store
	gateway.Registry

	mu       sync.Mutex
	fail     error
	slow     chan struct{} // Append waits for it, if set
	rows     map[place]*eventv1.Event
	gaps     []gateway.Gap
	skipped  int
	devices  map[gateway.Device]gateway.DeviceRecord
	policies map[[32]byte]string
	touches  int
}

func newMemory() *memory {
	return &memory{
		rows: map[place]*eventv1.Event{}, policies: map[[32]byte]string{},
		devices: map[gateway.Device]gateway.DeviceRecord{"d1": {Device: "d1", Group: "g"}, "d2": {Device: "d2"}},
	}
}

func (m *memory) setFail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = err
}

func (m *memory) Append(ctx context.Context, dev gateway.Device, epoch gateway.Epoch, first uint64, events []*eventv1.Event) error {
	if m.slow != nil {
		select {
		case <-m.slow:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	for i, ev := range events {
		p := place{dev, epoch, first + uint64(i)}
		if m.rows[p] != nil {
			m.skipped++
			continue
		}
		m.rows[p] = ev
	}
	return nil
}

func (m *memory) AppendGap(_ context.Context, _ gateway.Device, gap gateway.Gap) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	m.gaps = append(m.gaps, gap)
	return nil
}

func (m *memory) Acked(_ context.Context, dev gateway.Device, epoch gateway.Epoch) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return 0, m.fail
	}
	n := uint64(0)
	for m.rows[place{dev, epoch, n + 1}] != nil {
		n++
	}
	return n, nil
}

func (m *memory) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.rows)
}

func (m *memory) Device(_ context.Context, dev gateway.Device) (gateway.DeviceRecord, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	rec, ok := m.devices[dev]
	if !ok {
		return rec, gateway.ErrNotFound
	}
	return rec, nil
}

func (m *memory) DescribeDevice(_ context.Context, dev gateway.Device, assetID string, tags []string, system eventv1.System) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, ok := m.devices[dev]
	if !ok {
		return gateway.ErrNotFound
	}
	d.AssetID, d.Tags, d.System = assetID, tags, system
	m.devices[dev] = d
	return nil
}

func (m *memory) Touch(_ context.Context, dev gateway.Device, at time.Time, version string, digest []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.touches++
	rec := m.devices[dev]
	rec.LastContact = at
	if version != "" {
		rec.AgentVersion = version
	}
	if len(digest) > 0 {
		rec.PolicyDigest = digest
	}
	m.devices[dev] = rec
	return nil
}

func (m *memory) PutPolicy(_ context.Context, digest [32]byte, levels string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.policies[digest] = levels
	return m.fail
}

func (m *memory) Policy(_ context.Context, digest [32]byte) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	levels, ok := m.policies[digest]
	if !ok {
		return "", gateway.ErrNotFound
	}
	return levels, nil
}
