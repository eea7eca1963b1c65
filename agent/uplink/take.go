package uplink

import (
	"fmt"
	"time"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	uplinkv1 "github.com/discreet-agent/discreet/proto/uplink/v1"
)

// take follows one message of the gateway. An error means that it makes no
// sense, and ends the stream: nothing is freed on its word. Messages that this
// agent does not know are for newer ones.
func (p *pump) take(down *uplinkv1.Down) error {
	switch m := down.GetMessage().(type) {
	case *uplinkv1.Down_Ack:
		return p.takeAck(m.Ack)
	case *uplinkv1.Down_RetryAfter:
		return p.takeRetry(m.RetryAfter)
	case *uplinkv1.Down_Reject:
		return p.takeReject(m.Reject)
	case *uplinkv1.Down_Directive:
		p.takeDirective(m.Directive.GetCode())
	case *uplinkv1.Down_Drain:
		p.leaving = true
		p.drainAfter = min(time.Duration(m.Drain.GetAfterMs())*time.Millisecond, maxDrain)
	case *uplinkv1.Down_PolicyBundle:
		if p.c.o.OnPolicyBundle != nil {
			p.c.o.OnPolicyBundle(m.PolicyBundle.GetEnvelope())
		}
	case *uplinkv1.Down_Welcome:
		return fmt.Errorf("%w: second welcome", errProtocol)
	}
	return nil
}

func (p *pump) takeAck(a *uplinkv1.Ack) error {
	e, ok := epochOf(a.GetEpoch())
	high := p.sentHigh[e]
	if !ok || a.GetThroughSeq() == 0 || a.GetThroughSeq() > high {
		return fmt.Errorf("%w: ack of what was not sent", errProtocol)
	}
	events := p.flights.ack(e, a.GetThroughSeq())
	p.acked = true
	p.c.note(func(s *Status) {
		s.LastAck = time.Now()
		s.EventsAcked += events
	})
	return nil
}

// takeRetry puts a batch off. The pause holds for the whole stream: what was
// sent behind it would meet the same trouble.
func (p *pump) takeRetry(r *uplinkv1.RetryAfter) error {
	e, ok := epochOf(r.GetEpoch())
	f := p.flights.answered(e, r.GetFirstSeq())
	if !ok || f == nil {
		return fmt.Errorf("%w: retry of what was not sent", errProtocol)
	}
	f.state = waiting
	d := min(max(time.Duration(r.GetAfterMs())*time.Millisecond, 100*time.Millisecond), maxPause)
	d += p.c.backoff.upTo(d / 4)
	if until := time.Now().Add(d); until.After(p.pauseUntil) {
		p.pauseUntil = until
	}
	return nil
}

func (p *pump) takeReject(r *uplinkv1.Reject) error {
	e, ok := epochOf(r.GetEpoch())
	f := p.flights.answered(e, r.GetFirstSeq())
	if !ok || f == nil {
		return fmt.Errorf("%w: reject of what was not sent", errProtocol)
	}
	p.logReject(r)
	if f.gap != nil {
		// A gap that is not taken cannot be put in other words. It is let go, or
		// it would hold up all that comes behind it.
		f.state = acked
		return nil
	}
	var parts []*flight
	var err error
	switch r.GetCode() {
	case uplinkv1.RejectCode_REJECT_CODE_POLICY_UNKNOWN:
		if f.asked {
			return fmt.Errorf("%w: policy asked for twice", errProtocol)
		}
		f.asked, f.state = true, waiting
		delete(p.policies, f.stamp.Digest)
		return nil
	case uplinkv1.RejectCode_REJECT_CODE_TOO_LARGE:
		parts, err = halve(f, eventv1.LossReason_LOSS_REASON_TOO_LARGE)
	case uplinkv1.RejectCode_REJECT_CODE_FORBIDDEN, uplinkv1.RejectCode_REJECT_CODE_MALFORMED:
		if i := r.GetIndex(); i < f.count {
			parts, err = isolate(f, int(i), eventv1.LossReason_LOSS_REASON_REFUSED)
		} else { // no record in particular
			parts, err = halve(f, eventv1.LossReason_LOSS_REASON_REFUSED)
		}
	default:
		return fmt.Errorf("%w: reject code %d", errProtocol, r.GetCode())
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errSpool, err)
	}
	p.flights = p.flights.replace(f, parts...)
	return nil
}

func (p *pump) takeDirective(code uplinkv1.DirectiveCode) {
	switch code {
	case uplinkv1.DirectiveCode_DIRECTIVE_CODE_SLOW:
		p.slow = true
	case uplinkv1.DirectiveCode_DIRECTIVE_CODE_RESUME:
		if p.slow {
			p.slow, p.pauseUntil = false, time.Time{}
		}
	case uplinkv1.DirectiveCode_DIRECTIVE_CODE_ROTATE_CERT:
	default:
		return // of a newer protocol
	}
	if p.c.o.OnDirective != nil {
		p.c.o.OnDirective(code)
	}
}

// logReject logs each kind of refusal once a stream.
func (p *pump) logReject(r *uplinkv1.Reject) {
	field := fieldName(r.GetField())
	key := fmt.Sprint(r.GetCode(), field)
	if p.logged[key] || len(p.logged) >= 32 {
		return
	}
	p.logged[key] = true
	p.c.o.Log.Warn("gateway refused a batch", "code", int32(r.GetCode()), "field", field)
}

// fieldName lets through what can be the name of a field, and nothing else: the
// gateway's text ends in the log.
func fieldName(s string) string {
	if len(s) > 64 {
		return ""
	}
	for _, b := range []byte(s) {
		if (b < 'a' || b > 'z') && (b < 'A' || b > 'Z') && (b < '0' || b > '9') && b != '_' && b != '.' {
			return ""
		}
	}
	return s
}
