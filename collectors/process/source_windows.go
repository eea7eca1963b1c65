package process

import (
	"context"
	"fmt"
	"strings"
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
	return nil, fmt.Errorf("process source: %w", collectors.ErrUnsupported)
}

// gopsutilEvery is short because it is the only rung here: what lives for less
// is not seen.
const gopsutilEvery = 5 * time.Second

// maxAccounts bounds the cache of account names. A device has a handful; each
// session adds a few of the system's.
const maxAccounts = 1024

// keys knows whose a process is. Looking up a name may ask a domain controller,
// so each account is looked up once.
type keys struct {
	names map[string]string // by SID
}

func newKeys() (keys, error) { return keys{make(map[string]string)}, nil }

// ticks returns the start time for the start key: here milliseconds since 1970,
// not since boot. What counts is that it tells processes with one pid apart.
func (k keys) ticks(createdMS int64) uint64 { return uint64(createdMS) }

// owner returns the account in a process's token, and its session.
func (k keys) owner(_ context.Context, p *gops.Process) (account, uint32) {
	var session uint32
	// Where it cannot be told, 0 is the session of services: right for whatever
	// refuses to tell.
	_ = windows.ProcessIdToSessionId(uint32(p.Pid), &session)
	h, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, uint32(p.Pid))
	if err != nil {
		return account{}, session
	}
	defer windows.CloseHandle(h)
	var token windows.Token
	if windows.OpenProcessToken(h, windows.TOKEN_QUERY, &token) != nil {
		return account{}, session
	}
	defer token.Close()
	user, err := token.GetTokenUser()
	if err != nil {
		return account{}, session
	}
	sid := user.User.Sid.String()
	name, known := k.names[sid]
	if !known {
		if n, domain, _, err := user.User.Sid.LookupAccount(""); err == nil {
			name = domain + `\` + n
		}
		if len(k.names) >= maxAccounts {
			clear(k.names)
		}
		k.names[sid] = name
	}
	return account{name, sid}, session
}

// partOfKernel knows the idle process and the kernel itself.
func partOfKernel(pid, _ int32) bool { return pid == 0 || pid == 4 }

func baseName(path string) string { return path[strings.LastIndexAny(path, `\/`)+1:] }
