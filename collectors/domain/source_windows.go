package domain

import (
	"context"
	"fmt"

	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/collectors/etw"
	"github.com/discreet-agent/discreet/collectors/nt"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// rungs: events of the system's own resolver: each question, whose it is, and what
// came of it. What a program asks past it, as browsers with DNS over HTTPS do, is
// not seen.
// Proof: compiled, layouts compared with the platform's headers, decoders tested on
// payloads from the published manifests; under Wine 8.0 it is denied, and says so.
var rungs = []eventv1.Rung{eventv1.Rung_RUNG_ETW}

func open(rung eventv1.Rung, env collectors.Env) (runner, error) {
	if rung != eventv1.Rung_RUNG_ETW {
		return nil, fmt.Errorf("domain source: %w", collectors.ErrUnsupported)
	}
	session, err := etw.Open("Discreet-domain", etw.DNSClient())
	if err != nil {
		return nil, err
	}
	return &resolving{env, session}, nil
}

// resolving is the rung ETW.
type resolving struct {
	env     collectors.Env
	session *etw.Session
}

func (r *resolving) run(ctx context.Context, emit collectors.Emit) error {
	defer r.env.Names.Forget()
	q := newQuestions(r.env, emit, newAskers().of)
	return r.session.Run(ctx, q.take, r.env.Stats.AddLost)
}

// askers knows who asks. What it knows of a process is found again by when that was
// created: pids are used again.
type askers struct {
	accounts *nt.Accounts
	known    map[uint64]asker
}

func newAskers() *askers { return &askers{nt.NewAccounts(), make(map[uint64]asker)} }

func (a *askers) of(pid uint32) asker {
	h, err := nt.Hold(pid)
	if err != nil {
		return asker{}
	}
	defer h.Close()
	f, err := h.Figures()
	if err != nil {
		return asker{}
	}
	key := nt.Key(f.Created, pid)
	if found, ok := a.known[key]; ok {
		return found
	}
	found := asker{key: key}
	if path, err := h.Path(); err == nil {
		found.name, found.path = nt.BaseName(path), path
	}
	whose, _ := a.accounts.OfProcess(h)
	found.user, found.sid = whose.Name, whose.SID
	if len(a.known) >= maxPrograms {
		clear(a.known)
	}
	a.known[key] = found
	return found
}
