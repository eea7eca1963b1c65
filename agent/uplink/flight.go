package uplink

import (
	"time"

	"github.com/discreet-agent/discreet/agent/spool"
	"github.com/discreet-agent/discreet/privacy"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	uplinkv1 "github.com/discreet-agent/discreet/proto/uplink/v1"
)

// state is how far a flight has come.
type state uint8

const (
	waiting state = iota // to be sent, or sent again
	sent                 // no answer yet
	acked                // durable at the gateway
	refused              // never to be taken
)

// flight is a batch, or a gap, from the moment when it is encoded until it is
// freed in the spool.
type flight struct {
	epoch   spool.Epoch
	first   uint64
	count   uint32 // 1 for a gap
	gap     *spool.Gap
	payload []byte
	decoded int // size of the payload before compression
	stamp   privacy.Stamp
	losses  []*eventv1.Loss

	state  state
	order  uint64 // counts sendings: answers come in the order of sending
	sentAt time.Time
	asked  bool // the gateway asked for its policy once
	reason eventv1.LossReason
}

func (f *flight) last() uint64 { return f.first + uint64(f.count) - 1 }

// up returns the message to send.
func (f *flight) up() *uplinkv1.Up {
	if f.gap != nil {
		g := &uplinkv1.Gap{
			Epoch: f.epoch[:], Seq: f.first,
			LostFirst: f.gap.First, LostLast: f.gap.Last, Count: f.gap.Count, Reason: f.gap.Reason,
		}
		if f.gap.Lost != (spool.Epoch{}) {
			g.LostEpoch = f.gap.Lost[:]
		}
		return &uplinkv1.Up{Message: &uplinkv1.Up_Gap{Gap: g}}
	}
	return &uplinkv1.Up{Message: &uplinkv1.Up_Batch{Batch: &uplinkv1.Batch{
		Epoch: f.epoch[:], FirstSeq: f.first, Count: f.count,
		Encoding: uplinkv1.Encoding_ENCODING_ZSTD_RECORDS, Payload: f.payload,
		PolicyDigest: f.stamp.Digest[:], KeyId: f.stamp.KeyID, Losses: f.losses,
	}}}
}

// flights are kept in the order in which the source gave them. They are freed
// from the front only, so the source is never told of a hole.
type flights []*flight

// due returns the oldest flight that waits.
func (fs flights) due() *flight {
	for _, f := range fs {
		if f.state == waiting {
			return f
		}
	}
	return nil
}

// inFlight returns how many flights have no answer yet, how many bytes all hold,
// and when the oldest unanswered one was sent.
func (fs flights) inFlight() (n, bytes int, oldest time.Time) {
	for _, f := range fs {
		bytes += len(f.payload)
		if f.state != sent {
			continue
		}
		n++
		if oldest.IsZero() || f.sentAt.Before(oldest) {
			oldest = f.sentAt
		}
	}
	return n, bytes, oldest
}

// answered returns the unanswered flight that an answer names by its first
// number, or nil.
func (fs flights) answered(e spool.Epoch, first uint64) *flight {
	for _, f := range fs {
		if f.state == sent && f.epoch == e && f.first == first {
			return f
		}
	}
	return nil
}

// ack marks what an Ack covers and returns how many events that is. An Ack ends
// with the last record of a flight and covers all of its epoch that was sent
// before that flight and not rejected or put off. What was sent again later is
// not covered: its answer is still to come.
func (fs flights) ack(e spool.Epoch, through uint64) (events uint64) {
	var end *flight
	for _, f := range fs {
		if f.state == sent && f.epoch == e && f.last() == through {
			end = f
		}
	}
	if end == nil {
		return 0 // old news, or a part of a flight, which frees nothing
	}
	for _, f := range fs {
		if f.state == sent && f.epoch == e && f.last() <= through && f.order <= end.order {
			f.state = acked
			if f.gap == nil {
				events += uint64(f.count)
			}
		}
	}
	return events
}

// replace puts parts where f was.
func (fs flights) replace(f *flight, parts ...*flight) flights {
	out := make(flights, 0, len(fs)+len(parts))
	for _, have := range fs {
		if have == f {
			out = append(out, parts...)
			continue
		}
		out = append(out, have)
	}
	return out
}

// isolate cuts record i out of f, to be refused, and returns the parts in order.
// The records around it are sent again.
func isolate(f *flight, i int, reason eventv1.LossReason) ([]*flight, error) {
	bad := func(at int) *flight {
		return &flight{epoch: f.epoch, first: f.first + uint64(at), count: 1, state: refused, reason: reason}
	}
	if f.count == 1 {
		return []*flight{bad(0)}, nil
	}
	parts, err := cut(f, i, i+1)
	if err != nil {
		return nil, err
	}
	for k, part := range parts {
		if part.first == f.first+uint64(i) {
			parts[k] = bad(i)
		}
	}
	return parts, nil
}

// halve splits f in two, or refuses it where it is a single record.
func halve(f *flight, reason eventv1.LossReason) ([]*flight, error) {
	if f.count == 1 {
		return isolate(f, 0, reason)
	}
	return cut(f, int(f.count/2))
}

// cut splits f before each of the given records.
func cut(f *flight, at ...int) ([]*flight, error) {
	records, err := open(f.payload)
	if err != nil {
		return nil, err
	}
	if len(records) != int(f.count) {
		return nil, errPayload
	}
	enc, err := newEncoder()
	if err != nil {
		return nil, err
	}
	defer enc.close()
	var parts []*flight
	from := 0
	for _, to := range append(at, len(records)) {
		if from == to {
			continue
		}
		part := &flight{
			epoch: f.epoch, first: f.first + uint64(from), count: uint32(to - from),
			stamp: f.stamp, asked: f.asked,
		}
		if from == 0 {
			part.losses = f.losses
		}
		for _, record := range records[from:to] {
			enc.add(record)
		}
		part.decoded = enc.decoded()
		part.payload = enc.seal()
		parts, from = append(parts, part), to
	}
	return parts, nil
}
