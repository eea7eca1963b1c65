package process

import (
	"context"
	"fmt"
	"time"

	"github.com/shirou/gopsutil/v3/host"
	gops "github.com/shirou/gopsutil/v3/process"

	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/collectors/procfs"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// rungs: tracepoints in the kernel, else the process connector, else /proc each
// second, else gopsutil.
var rungs = []eventv1.Rung{eventv1.Rung_RUNG_EBPF, eventv1.Rung_RUNG_NETLINK, eventv1.Rung_RUNG_POLL, eventv1.Rung_RUNG_GOPSUTIL}

func open(rung eventv1.Rung, env collectors.Env) (source, error) {
	switch rung {
	case eventv1.Rung_RUNG_EBPF:
		return openTraced(env)
	case eventv1.Rung_RUNG_NETLINK:
		return openConnector(env)
	case eventv1.Rung_RUNG_POLL:
		return openPoll(env)
	case eventv1.Rung_RUNG_GOPSUTIL:
		return openGopsutil(env)
	}
	return nil, fmt.Errorf("process source: %w", collectors.ErrUnsupported)
}

// gopsutilEvery is longer than the interval of the rung POLL: a look costs
// several times as much.
const gopsutilEvery = 10 * time.Second

// keys turns what gopsutil says into what the other rungs say.
type keys struct {
	bootMS   int64
	accounts *procfs.Accounts
}

func newKeys() (keys, error) {
	boot, err := host.BootTime()
	if err != nil {
		return keys{}, fmt.Errorf("read boot time: %w", err)
	}
	return keys{int64(boot) * 1000, procfs.NewAccounts("")}, nil
}

// ticks returns a start time as the kernel counts it, to the second or so: that
// is all that gopsutil tells. The keys of this rung are therefore its own.
func (k keys) ticks(createdMS int64) uint64 {
	return uint64(max(0, createdMS-k.bootMS)) * procfs.TicksPerSecond / 1000
}

func (k keys) owner(ctx context.Context, p *gops.Process) (account, uint32) {
	uids, err := p.UidsWithContext(ctx)
	if err != nil || len(uids) == 0 {
		return account{}, 0
	}
	name, id := k.accounts.Find(uint32(uids[0]))
	return account{name, id}, 0
}

// partOfKernel knows kernel threads by their parent, kthreadd, which is pid 2.
func partOfKernel(pid, parent int32) bool { return pid == 2 || parent == 2 }

func baseName(path string) string { return procfs.ProgramName(path) }
