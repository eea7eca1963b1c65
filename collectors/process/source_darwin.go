package process

import (
	"context"
	"errors"
	"fmt"

	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/collectors/libproc"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// rungs: the kernel's list by sysctl every five seconds, ends by kqueue, paths by
// libproc.
var rungs = []eventv1.Rung{eventv1.Rung_RUNG_POLL}

func open(rung eventv1.Rung, env collectors.Env) (source, error) {
	if rung != eventv1.Rung_RUNG_POLL {
		return nil, fmt.Errorf("no better source: Endpoint Security needs an entitlement of Apple: %w", collectors.ErrUnsupported)
	}
	paths, err := libproc.OpenPaths()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", collectors.ErrUnsupported, err)
	}
	exits, err := libproc.OpenExits()
	if err != nil {
		return nil, err
	}
	return &mac{env: env, paths: paths, exits: exits, accounts: libproc.NewAccounts()}, nil
}

// mac asks sysctl(3) for the list, libproc for paths, kqueue(2) for ends.
type mac struct {
	env      collectors.Env
	paths    *libproc.Paths
	exits    *libproc.Exits
	accounts *libproc.Accounts
}

func (m *mac) run(ctx context.Context, emit collectors.Emit) error {
	err := newSnapshot(m.env, m).run(ctx, emit)
	return errors.Join(err, m.exits.Close())
}

func (m *mac) processes() ([]libproc.Process, error) { return libproc.ListProcesses() }

func (m *mac) describe(p libproc.Process) (string, account) {
	m.exits.Watch(p.PID)
	name, id := m.accounts.Find(p.UID)
	return m.paths.Of(p.PID), account{name, id}
}

func (m *mac) ends(ended func(pid, status uint32)) error { return m.exits.Take(ended) }
