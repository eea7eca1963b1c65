package privacy

import eventv1 "github.com/discreet-agent/discreet/proto/event/v1"

// A Filter applies one Policy. It is not safe for concurrent use: the agent
// holds one lock from Apply to the spool.
type Filter struct {
	policy Policy
	stamp  Stamp
	rules  *rules
}

// NewFilter compiles p for one device. keys may be nil: then whatever would be
// hashed is dropped.
func NewFilter(p Policy, ctx Context, keys *Pseudonyms) *Filter {
	return &Filter{policy: p, stamp: Stamp{p.Digest(), p.Lines(), keys.KeyID()}, rules: newRules(ctx, keys)}
}

// Apply constructs the event that may leave. It reports false where the policy
// drops the event whole. At level summary the result is a summary of one.
func (f *Filter) Apply(ev *eventv1.Event) (Cleared, bool) { return Cleared{}, false }

// AppendTo appends the encoded event to b.
func (c Cleared) AppendTo(b []byte) []byte { return append(b, c.wire...) }

// Merge folds from into into, and reports whether it could: both are summaries
// of one kind, under one stamp, with equal keys.
func Merge(into *Cleared, from Cleared) bool { return false }
