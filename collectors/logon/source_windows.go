package logon

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// rungs: the sessions of Remote Desktop Services, which know the console's too; their
// messages to a window that nobody sees, for locks and sleep as well.
// Proof: compiled; the window and its messages run under Wine 8.0, which lists no
// session.
var rungs = []eventv1.Rung{eventv1.Rung_RUNG_NATIVE}

const (
	// lookEvery is for what no message told.
	lookEvery = 5 * time.Minute
	// lookUnheard: without messages half a minute is finer than any level but one
	// lets out.
	lookUnheard = 30 * time.Second
)

// What Remote Desktop Services say of a session (wtsapi32.h).
const (
	stateActive       = 0
	stateDisconnected = 4

	infoUser     = 5
	infoDomain   = 7
	infoProtocol = 16

	protocolConsole = 0
)

// terminals asks Remote Desktop Services, which know the console's session too.
type terminals struct {
	enumerate, query, free *windows.LazyProc
	sids                   map[string]string // by account: a look-up may ask a domain controller
	heard                  atomic.Bool       // messages come
	news                   chan struct{}
}

func open(collectors.Env) (source, error) {
	dll := windows.NewLazySystemDLL("wtsapi32.dll")
	t := &terminals{
		enumerate: dll.NewProc("WTSEnumerateSessionsW"),
		query:     dll.NewProc("WTSQuerySessionInformationW"),
		free:      dll.NewProc("WTSFreeMemory"),
		sids:      make(map[string]string),
		news:      make(chan struct{}, 1),
	}
	for _, p := range []*windows.LazyProc{t.enumerate, t.query, t.free} {
		if err := p.Find(); err != nil {
			return nil, fmt.Errorf("no Remote Desktop Services: %w: %w", collectors.ErrUnsupported, err)
		}
	}
	return t, nil
}

func (t *terminals) close() {}

func (t *terminals) sessions() (map[string]session, error) {
	var list *struct { // WTS_SESSION_INFOW
		id    uint32
		name  *uint16
		state uint32
	}
	var count uint32
	ok, _, err := t.enumerate.Call(0, 0, 1, uintptr(unsafe.Pointer(&list)), uintptr(unsafe.Pointer(&count)))
	if ok == 0 {
		if errors.Is(err, windows.ERROR_ACCESS_DENIED) {
			return nil, fmt.Errorf("list sessions: %w: %w", collectors.ErrDenied, err)
		}
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	defer t.free.Call(uintptr(unsafe.Pointer(list)))
	open := make(map[string]session)
	for _, info := range unsafe.Slice(list, min(count, maxSessions)) {
		if info.state != stateActive && info.state != stateDisconnected {
			continue
		}
		user := t.text(info.id, infoUser)
		if user == "" {
			continue // services, and a console that waits for somebody
		}
		s := session{user: t.text(info.id, infoDomain) + `\` + user, away: info.state == stateDisconnected}
		s.kind = eventv1.LogonType_LOGON_TYPE_CONSOLE
		if t.protocol(info.id) != protocolConsole {
			s.kind = eventv1.LogonType_LOGON_TYPE_REMOTE
		}
		s.sid = t.sid(s.user)
		open[strconv.FormatUint(uint64(info.id), 10)] = s
	}
	return open, nil
}

// ask calls use with what the system tells of a session.
func (t *terminals) ask(id, class uint32, use func(p *uint16, bytes uint32)) {
	var p *uint16
	var bytes uint32
	ok, _, _ := t.query.Call(0, uintptr(id), uintptr(class), uintptr(unsafe.Pointer(&p)), uintptr(unsafe.Pointer(&bytes)))
	if ok == 0 || p == nil {
		return // the session ended meanwhile
	}
	defer t.free.Call(uintptr(unsafe.Pointer(p)))
	use(p, bytes)
}

func (t *terminals) text(id, class uint32) (s string) {
	t.ask(id, class, func(p *uint16, bytes uint32) { s = windows.UTF16ToString(unsafe.Slice(p, bytes/2)) })
	return s
}

func (t *terminals) protocol(id uint32) (protocol uint16) {
	t.ask(id, infoProtocol, func(p *uint16, bytes uint32) {
		if bytes >= 2 {
			protocol = *p
		}
	})
	return protocol
}

func (t *terminals) sid(account string) string {
	sid, known := t.sids[account]
	if !known {
		if found, _, _, err := windows.LookupSID("", account); err == nil {
			sid = found.String()
		}
		if len(t.sids) >= maxSessions {
			clear(t.sids)
		}
		t.sids[account] = sid
	}
	return sid
}

// changed says that the list of sessions is another. It does not wait.
func (t *terminals) changed() {
	select {
	case t.news <- struct{}{}:
	default:
	}
}

func (t *terminals) wait(ctx context.Context) error {
	every := lookUnheard
	if t.heard.Load() {
		every = lookEvery
	}
	timer := time.NewTimer(every)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-t.news:
	}
	return nil
}

func (t *terminals) booted() time.Time { return time.Now().Add(-windows.DurationSinceBoot()) }
