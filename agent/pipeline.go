package agent

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/discreet-agent/discreet/privacy"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// maxSummaries bounds how many summaries wait in memory. At the bound all of
// them go to the spool early: that costs bytes, not data.
const maxSummaries = 4096

// sink is the part of the spool that the pipeline needs.
type sink interface {
	Append(privacy.Cleared) error
	ReportLoss(reason eventv1.LossReason, count uint64) error
}

// pipeline is the whole way from a collector to the spool: one function call
// under one lock. Summaries wait in it, already filtered, for at most the flush
// interval.
type pipeline struct {
	log  *slog.Logger
	out  sink
	now  func() time.Time
	wake chan struct{} // told when the first summary begins to wait

	mu      sync.Mutex // guards what follows
	filter  *privacy.Filter
	flush   time.Duration
	waiting map[string]*privacy.Cleared
	key     []byte // reused
	due     time.Time
	kinds   map[string]uint64 // events let through, by kind
	dropped uint64            // events that the policy drops whole
	tripped uint64            // events in which a hidden identity was found
	failed  uint64            // events that the spool could not take
	errs    uint64            // failures since the last success: one log line each time it begins
}

func newPipeline(log *slog.Logger, out sink, now func() time.Time) *pipeline {
	return &pipeline{
		log: log, out: out, now: now, wake: make(chan struct{}, 1),
		waiting: map[string]*privacy.Cleared{}, kinds: map[string]uint64{},
	}
}

// emit filters an event and stores it, or folds it into a summary that waits.
// Before the first filter is set nothing passes.
func (p *pipeline) emit(ev *eventv1.Event) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.filter == nil {
		p.dropped++
		return false
	}
	tripped := p.filter.Tripped()
	c, ok := p.filter.Apply(ev)
	if !ok {
		if p.filter.Tripped() != tripped {
			p.trip()
		} else {
			p.dropped++
		}
		return false
	}
	p.kinds[c.Kind()]++
	if !c.Summary() {
		p.append(c)
		return true
	}
	p.fold(c)
	return true
}

// trip counts an event in which the filter found an identity that the policy
// hides. It is a mistake of ours and lost to the gateway, which is told so; of
// the event itself nothing is said.
func (p *pipeline) trip() {
	if p.tripped++; p.tripped == 1 {
		p.log.Error("an event held an identity that the policy hides and was dropped; hint: see tripwire in the status, and report it")
	}
	if err := p.out.ReportLoss(eventv1.LossReason_LOSS_REASON_TRIPWIRE, 1); err != nil {
		p.failed++
	}
}

// fold merges c into the summary with its key, or lets it wait as the first.
func (p *pipeline) fold(c privacy.Cleared) {
	p.key = append(p.key[:0], c.Kind()...)
	p.key = append(p.key, 0)
	p.key = append(p.key, c.MergeKey()...)
	if have, ok := p.waiting[string(p.key)]; ok && privacy.Merge(have, c) {
		return
	}
	if len(p.waiting) >= maxSummaries {
		p.empty()
	}
	first := c.Clone()
	p.waiting[string(p.key)] = &first
	if len(p.waiting) == 1 {
		p.due = p.now().Add(p.flush)
		select {
		case p.wake <- struct{}{}:
		default:
		}
	}
}

// append hands a cleared event to the spool. The spool itself counts what it
// loses; here a failure is only logged, once for a row of them.
func (p *pipeline) append(c privacy.Cleared) {
	err := p.out.Append(c)
	if err == nil {
		p.errs = 0
		return
	}
	p.failed++
	if p.errs++; p.errs == 1 {
		p.log.Error("spool refuses events", "err", err)
	}
}

// empty moves every waiting summary to the spool. The caller holds mu.
func (p *pipeline) empty() {
	for k, c := range p.waiting {
		p.append(*c)
		delete(p.waiting, k)
	}
}

// flushNow moves every waiting summary to the spool.
func (p *pipeline) flushNow() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.empty()
}

// use puts another filter in force. What waits was made by the old one and goes
// to the spool first, so that no batch mixes policies.
func (p *pipeline) use(f *privacy.Filter, flush time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.empty()
	p.filter, p.flush = f, flush
}

// run flushes summaries when they are due. It sleeps without a timer while none
// wait.
func (p *pipeline) run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			p.flushNow()
			return
		case <-p.wake:
			p.mu.Lock()
			wait := p.due.Sub(p.now())
			p.mu.Unlock()
			timer.Reset(wait)
		case <-timer.C:
			p.flushNow()
		}
	}
}

// counts is what the pipeline tells about itself.
type counts struct {
	Kinds   map[string]uint64
	Dropped uint64
	Tripped uint64
	Failed  uint64
	Waiting int
}

func (p *pipeline) counts() counts {
	p.mu.Lock()
	defer p.mu.Unlock()
	kinds := make(map[string]uint64, len(p.kinds))
	for k, n := range p.kinds {
		kinds[k] = n
	}
	return counts{Kinds: kinds, Dropped: p.dropped, Tripped: p.tripped, Failed: p.failed, Waiting: len(p.waiting)}
}
