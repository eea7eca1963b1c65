package connection

import (
	"fmt"

	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/collectors/libproc"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// rungs: the kernel's lists of TCP and UDP sockets by sysctl every ten seconds;
// without bytes and outcomes.
var rungs = []eventv1.Rung{eventv1.Rung_RUNG_POLL}

func open(rung eventv1.Rung, env collectors.Env) (source, error) {
	if rung != eventv1.Rung_RUNG_POLL {
		return nil, fmt.Errorf("no better source: the system's counters are private to Apple: %w", collectors.ErrUnsupported)
	}
	if _, err := libproc.ListSockets("tcp"); err != nil {
		return nil, err
	}
	paths, err := libproc.OpenPaths()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", collectors.ErrUnsupported, err)
	}
	return newListed(env, &mac{paths, libproc.NewAccounts()}), nil
}

// mac asks sysctl(3) for the lists and libproc for the programs.
type mac struct {
	paths    *libproc.Paths
	accounts *libproc.Accounts
}

func (m *mac) sockets(protocol string) ([]libproc.Socket, error) {
	return libproc.ListSockets(protocol)
}

func (m *mac) owner(pid, uid uint32) *owner {
	o := &owner{path: m.paths.Of(pid)}
	o.name = baseName(o.path)
	o.user, o.sid = m.accounts.Find(uid)
	return o
}
