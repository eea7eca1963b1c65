package connection

import (
	"context"
	"fmt"
	"time"

	gops "github.com/shirou/gopsutil/v3/process"
	"golang.org/x/sys/windows"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

var rungs = []eventv1.Rung{eventv1.Rung_RUNG_GOPSUTIL}

func open(rung eventv1.Rung, env collectors.Env) (source, error) {
	if rung == eventv1.Rung_RUNG_GOPSUTIL {
		return openGopsutil(env)
	}
	return nil, fmt.Errorf("connection source: %w", collectors.ErrUnsupported)
}

// gopsutilEvery: a look is one table from the system, but connections that live
// for less than it are not seen either way without event tracing.
const gopsutilEvery = 10 * time.Second

// maxAccounts bounds the cache of account names.
const maxAccounts = 1024

// users knows the names of accounts by their SIDs: looking one up may ask a
// domain controller.
type users struct{ names map[string]string }

func newUsers() users { return users{make(map[string]string)} }

func (u users) of(_ context.Context, p *gops.Process) (name, id string) {
	h, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, uint32(p.Pid))
	if err != nil {
		return "", ""
	}
	defer windows.CloseHandle(h)
	var token windows.Token
	if windows.OpenProcessToken(h, windows.TOKEN_QUERY, &token) != nil {
		return "", ""
	}
	defer token.Close()
	user, err := token.GetTokenUser()
	if err != nil {
		return "", ""
	}
	id = user.User.Sid.String()
	name, known := u.names[id]
	if !known {
		if n, domain, _, err := user.User.Sid.LookupAccount(""); err == nil {
			name = domain + `\` + n
		}
		if len(u.names) >= maxAccounts {
			clear(u.names)
		}
		u.names[id] = name
	}
	return name, id
}
