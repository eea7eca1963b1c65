package ingest

import (
	"maps"
	"sync"
	"sync/atomic"

	uplinkv1 "github.com/discreet-agent/discreet/proto/uplink/v1"
)

// Counters are what the server did since it began.
type Counters struct {
	Streams    uint64 // opened
	Open       int    // now
	Batches    uint64 // stored and acknowledged, those that came again included
	Events     uint64
	Gaps       uint64
	LostEvents uint64 // for which gaps account, as far as they give a number
	Policies   uint64
	Identities uint64
	Reports    uint64 // ConfigStatus messages
	Unknown    uint64 // messages of a newer protocol
	PutOff     uint64 // batches that the store did not take, to come again
	Rejected   map[uplinkv1.RejectCode]uint64
	Refused    map[string]uint64 // streams, by the words that ended them
}

// counters is the live form. Both maps are bounded: codes and reasons are from
// closed lists.
type counters struct {
	streams, batches, events, gaps, lost, policies, identities, reports, unknown, putOff atomic.Uint64

	mu       sync.Mutex
	rejected map[uplinkv1.RejectCode]uint64 // guarded by mu
	refused  map[string]uint64              // guarded by mu
}

func (c *counters) reject(code uplinkv1.RejectCode) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rejected == nil {
		c.rejected = map[uplinkv1.RejectCode]uint64{}
	}
	c.rejected[code]++
}

func (c *counters) refuse(reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refused == nil {
		c.refused = map[string]uint64{}
	}
	c.refused[reason]++
}

// Counters returns the figures as they are now. How many records came twice and
// were skipped, the store knows: gateway.Totals.
func (s *Server) Counters() Counters {
	c := &s.count
	s.mu.Lock()
	open := s.open
	s.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	return Counters{
		Streams: c.streams.Load(), Open: open, Batches: c.batches.Load(), Events: c.events.Load(),
		Gaps: c.gaps.Load(), LostEvents: c.lost.Load(), Policies: c.policies.Load(),
		Identities: c.identities.Load(), Reports: c.reports.Load(), Unknown: c.unknown.Load(),
		PutOff: c.putOff.Load(), Rejected: maps.Clone(c.rejected), Refused: maps.Clone(c.refused),
	}
}
