package logon

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"strings"
	"time"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// layout says where things stand in a record of a file of sessions.
type layout struct {
	size             int
	kind, pid        int
	user, line, host [2]int // from, to
	seconds          int
	wide             bool // seconds take eight bytes
}

// The layouts of utmp(5) on Linux, where arm64 alone keeps wide times, and of
// utmpx(5) on macOS.
var (
	utmpNarrow  = layout{size: 384, kind: 0, pid: 4, line: [2]int{8, 40}, user: [2]int{44, 76}, host: [2]int{76, 332}, seconds: 340}
	utmpWide    = layout{size: 400, kind: 0, pid: 4, line: [2]int{8, 40}, user: [2]int{44, 76}, host: [2]int{76, 332}, seconds: 344, wide: true}
	utmpxDarwin = layout{size: 628, user: [2]int{0, 256}, line: [2]int{260, 292}, pid: 292, kind: 296, seconds: 300, host: [2]int{308, 564}}
)

// Kinds of records (utmp(5)).
const (
	recordBoot = 2
	recordUser = 7
)

// record is one line of a file of sessions. Of the host only whether there is
// one is kept.
type record struct {
	kind         int16
	pid          uint32
	user, line   string
	remote, self bool // from elsewhere; from a display or a terminal of this device
	at           time.Time
}

// parseRecords reads the records in b. What is cut short at its end is left out.
func parseRecords(b []byte, l layout) []record {
	var list []record
	for len(b) >= l.size && len(list) < maxSessions {
		r := record{
			kind: int16(binary.NativeEndian.Uint16(b[l.kind:])),
			pid:  binary.NativeEndian.Uint32(b[l.pid:]),
			user: word(b[l.user[0]:l.user[1]]),
			line: word(b[l.line[0]:l.line[1]]),
		}
		seconds := int64(int32(binary.NativeEndian.Uint32(b[l.seconds:])))
		if l.wide {
			seconds = int64(binary.NativeEndian.Uint64(b[l.seconds:]))
		}
		r.at = time.Unix(seconds, 0)
		switch host := b[l.host[0]:l.host[1]]; {
		case host[0] == ':' || bytes.HasPrefix(host, []byte("tmux(")):
			r.self = true
		case host[0] != 0:
			r.remote = true
		}
		list = append(list, r)
		b = b[l.size:]
	}
	return list
}

func word(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}

// sessionsOf returns the sessions among records. A terminal window or a
// multiplexer writes a record too, but nobody logged on for it. viaSSH says
// whether a process is an ssh server's.
func sessionsOf(records []record, viaSSH func(pid uint32) bool) map[string]session {
	open := make(map[string]session)
	for _, r := range records {
		terminal := strings.HasPrefix(r.line, "pts/") || strings.HasPrefix(r.line, "ttys")
		if r.kind != recordUser || r.user == "" || terminal && !r.remote {
			continue
		}
		s := session{user: r.user, began: r.at, kind: eventv1.LogonType_LOGON_TYPE_CONSOLE}
		if r.remote {
			s.kind = eventv1.LogonType_LOGON_TYPE_REMOTE
			if viaSSH(r.pid) {
				s.kind = eventv1.LogonType_LOGON_TYPE_SSH
			}
		}
		open[r.line+" "+strconv.FormatUint(uint64(r.pid), 10)] = s
	}
	return open
}

// parseLogind reads a file of systemd-logind below /run/systemd/sessions. It
// reports false for what is no person's session, as that of a greeter. The
// format is logind's own, and it may change it; an unknown key is skipped.
func parseLogind(text string) (session, bool) {
	var s session
	var class, service string
	var remote, closing bool
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch key {
		case "UID":
			s.sid = value
		case "USER":
			s.user = value
		case "CLASS":
			class = value
		case "SERVICE":
			service = value
		case "REMOTE":
			remote = value == "1"
		case "STATE":
			closing = value == "closing"
		case "REALTIME":
			if us, err := strconv.ParseInt(value, 10, 64); err == nil {
				s.began = time.UnixMicro(us)
			}
		}
	}
	switch {
	case strings.HasPrefix(service, "ssh"):
		s.kind = eventv1.LogonType_LOGON_TYPE_SSH
	case remote:
		s.kind = eventv1.LogonType_LOGON_TYPE_REMOTE
	default:
		s.kind = eventv1.LogonType_LOGON_TYPE_CONSOLE
	}
	person := class == "" || class == "user" || class == "user-early" || class == "user-light"
	return s, person && !closing && s.user != ""
}
