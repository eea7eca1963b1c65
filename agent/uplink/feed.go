package uplink

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/discreet-agent/discreet/agent/spool"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

const (
	// topUpWait is how long a look for more records may take once the linger is
	// over: the source has no call that does not wait.
	topUpWait = 5 * time.Millisecond
	// drainPoll is the same when the agent stops.
	drainPoll = 100 * time.Millisecond
	// maxRun bounds the records of one batch before compression.
	maxRun = 256 << 10
)

// errEmpty says that the agent stops and nothing waits any more.
var errEmpty = errors.New("nothing waits")

// feeder turns the source's items into flights, one ahead of the pump.
type feeder struct {
	src      Source
	enc      *encoder
	current  spool.Epoch // the one that is written now
	max      int
	maxBytes int
	linger   time.Duration
	drain    context.Context // done when the agent stops
	said     []*eventv1.Loss // the losses as last sent on this stream
	out      chan *flight
	err      error // why out was closed
}

// run feeds until ctx ends, the source fails, or all is drained; then it closes
// out.
func (f *feeder) run(ctx context.Context) {
	defer close(f.out)
	var item spool.Item
	var carried bool
	for {
		if !carried {
			if item, f.err = f.next(ctx, f.max, f.maxBytes); f.err != nil {
				return
			}
		}
		fl := f.start(item)
		carried = false
		if f.short(fl) {
			f.wait(ctx)
			if item, carried, f.err = f.topUp(ctx, fl); f.err != nil {
				return
			}
		}
		if fl.gap == nil {
			fl.decoded = f.enc.decoded()
			fl.payload = f.enc.seal()
			fl.losses = f.losses()
		}
		select {
		case f.out <- fl:
		case <-ctx.Done():
			f.err = ctx.Err()
			return
		}
	}
}

// losses returns what the next batch should say of losses: nothing, while
// nothing is new.
func (f *feeder) losses() []*eventv1.Loss {
	now := f.src.Losses()
	if slices.EqualFunc(now, f.said, func(a, b *eventv1.Loss) bool {
		return a.GetReason() == b.GetReason() && a.GetCount() == b.GetCount()
	}) {
		return nil
	}
	f.said = now
	return now
}

// next asks the source. When the agent stops, it asks once more for what is
// there already.
func (f *feeder) next(ctx context.Context, records, bytes int) (spool.Item, error) {
	if f.drain.Err() == nil {
		both, cancel := context.WithCancel(ctx)
		stop := context.AfterFunc(f.drain, cancel)
		item, err := f.src.Next(both, records, bytes)
		stop()
		cancel()
		if err == nil || ctx.Err() != nil || f.drain.Err() == nil {
			return f.checked(item, err)
		}
	}
	item, err := f.poll(ctx, records, bytes, drainPoll)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		err = errEmpty
	}
	return f.checked(item, err)
}

// poll asks the source and does not wait for longer than d.
func (f *feeder) poll(ctx context.Context, records, bytes int, d time.Duration) (spool.Item, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return f.src.Next(ctx, records, bytes)
}

// checked makes sure that an item has numbers which can be sent.
func (f *feeder) checked(item spool.Item, err error) (spool.Item, error) {
	if err != nil {
		return item, err
	}
	if item.First == 0 || item.Gap == nil && len(item.Records) == 0 ||
		item.First > math.MaxUint64-uint64(len(item.Records)) {
		return item, fmt.Errorf("spool gave an item without records or number")
	}
	return item, nil
}

// start begins a flight with the records of an item.
func (f *feeder) start(item spool.Item) *flight {
	fl := &flight{epoch: item.Epoch, first: item.First, gap: item.Gap, stamp: item.Stamp}
	if item.Gap != nil {
		fl.count = 1
		return fl
	}
	f.add(fl, item)
	return fl
}

func (f *feeder) add(fl *flight, item spool.Item) {
	for _, record := range item.Records {
		f.enc.add(record)
	}
	fl.count += uint32(len(item.Records))
}

// short reports whether a flight should wait for more. Only the epoch that is
// being written can grow.
func (f *feeder) short(fl *flight) bool {
	return fl.gap == nil && f.linger > 0 && fl.epoch == f.current && f.room(fl)
}

func (f *feeder) room(fl *flight) bool {
	return int(fl.count) < f.max && f.enc.decoded() < f.maxBytes*3/4
}

// wait lets records gather. It sleeps, because waking for each one would cost
// more than sending it.
func (f *feeder) wait(ctx context.Context) {
	timer := time.NewTimer(f.linger)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-f.drain.Done():
	}
}

// topUp adds to a flight what has gathered. An item that cannot be added is
// returned to be the next flight.
func (f *feeder) topUp(ctx context.Context, fl *flight) (spool.Item, bool, error) {
	for f.room(fl) {
		item, err := f.poll(ctx, f.max-int(fl.count), f.maxBytes-f.enc.decoded(), topUpWait)
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			return spool.Item{}, false, nil
		}
		if item, err = f.checked(item, err); err != nil {
			return item, false, err
		}
		if item.Gap != nil || item.Epoch != fl.epoch || item.First != fl.last()+1 ||
			item.Stamp.Digest != fl.stamp.Digest || item.Stamp.KeyID != fl.stamp.KeyID {
			return item, true, nil
		}
		f.add(fl, item)
	}
	return spool.Item{}, false, nil
}
