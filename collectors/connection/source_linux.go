package connection

import (
	"context"
	"fmt"
	"time"

	gops "github.com/shirou/gopsutil/v3/process"

	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/collectors/procfs"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// rungs: socket programs in the kernel with tcp_info, else inet_diag, else
// gopsutil.
var rungs = []eventv1.Rung{eventv1.Rung_RUNG_EBPF, eventv1.Rung_RUNG_NETLINK, eventv1.Rung_RUNG_GOPSUTIL}

func open(rung eventv1.Rung, env collectors.Env) (source, error) {
	switch rung {
	case eventv1.Rung_RUNG_EBPF:
		return openTraced(env)
	case eventv1.Rung_RUNG_NETLINK:
		return openDiag(env)
	case eventv1.Rung_RUNG_GOPSUTIL:
		return openGopsutil(env)
	}
	return nil, fmt.Errorf("connection source: %w", collectors.ErrUnsupported)
}

// gopsutilEvery is long: a look reads every descriptor of every process.
const gopsutilEvery = 10 * time.Second

type users struct{ accounts *procfs.Accounts }

func newUsers() users { return users{procfs.NewAccounts("")} }

func (u users) of(ctx context.Context, p *gops.Process) (name, id string) {
	uids, err := p.UidsWithContext(ctx)
	if err != nil || len(uids) == 0 {
		return "", ""
	}
	return u.accounts.Find(uint32(uids[0]))
}
