package connection

import (
	"context"
	"fmt"
	"time"

	gops "github.com/shirou/gopsutil/v3/process"

	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/collectors/nt"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// rungs: the kernel's events of connections and of data, UDP's too (ETW), else the system's
// table of TCP sockets with its counters every five seconds, else gopsutil.
// Proof: poll and gopsutil run under Wine 8.0, which denies etw and has no counters;
// those are compiled, layouts compared with the platform's headers, decoders tested on
// payloads that follow descriptions of the events, their manifest was not at hand; live
// delivery not tested.
var rungs = []eventv1.Rung{eventv1.Rung_RUNG_ETW, eventv1.Rung_RUNG_POLL, eventv1.Rung_RUNG_GOPSUTIL}

func open(rung eventv1.Rung, env collectors.Env) (source, error) {
	switch rung {
	case eventv1.Rung_RUNG_ETW:
		return openETW(env)
	case eventv1.Rung_RUNG_POLL:
		return openTables(env)
	case eventv1.Rung_RUNG_GOPSUTIL:
		return openGopsutil(env)
	}
	return nil, fmt.Errorf("connection source: %w", collectors.ErrUnsupported)
}

// gopsutilEvery: a look asks for each process's name and file, too.
const gopsutilEvery = 10 * time.Second

// users knows whose a process is.
type users struct{ accounts *nt.Accounts }

func newUsers() users { return users{nt.NewAccounts()} }

func (u users) of(_ context.Context, p *gops.Process) (name, id string) {
	h, err := nt.Hold(uint32(p.Pid))
	if err != nil {
		return "", ""
	}
	defer h.Close()
	whose, _ := u.accounts.OfProcess(h)
	return whose.Name, whose.SID
}
