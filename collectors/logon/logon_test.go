package logon

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// encode writes a record as login programs do.
func encode(l layout, kind int16, pid uint32, user, line, host string, at int64) []byte {
	b := make([]byte, l.size)
	binary.NativeEndian.PutUint16(b[l.kind:], uint16(kind))
	binary.NativeEndian.PutUint32(b[l.pid:], pid)
	copy(b[l.user[0]:l.user[1]], user)
	copy(b[l.line[0]:l.line[1]], line)
	copy(b[l.host[0]:l.host[1]], host)
	if l.wide {
		binary.NativeEndian.PutUint64(b[l.seconds:], uint64(at))
	} else {
		binary.NativeEndian.PutUint32(b[l.seconds:], uint32(at))
	}
	return b
}

func TestRecords(t *testing.T) {
	const ssh = 99
	tests := []struct {
		name             string
		kind             int16
		pid              uint32
		user, line, host string
		want             eventv1.LogonType // unspecified: no session
	}{
		{"console", recordUser, 1, "ada", "tty1", "", eventv1.LogonType_LOGON_TYPE_CONSOLE},
		{"display", recordUser, 1, "ada", "tty2", ":0", eventv1.LogonType_LOGON_TYPE_CONSOLE},
		{"ssh", recordUser, ssh, "ada", "pts/0", "198.51.100.7", eventv1.LogonType_LOGON_TYPE_SSH},
		{"other remote", recordUser, 2, "ada", "pts/0", "198.51.100.7", eventv1.LogonType_LOGON_TYPE_REMOTE},
		{"terminal window", recordUser, 1, "ada", "pts/1", ":0", 0},
		{"window without host", recordUser, 1, "ada", "pts/1", "", 0},
		{"multiplexer", recordUser, 1, "ada", "pts/2", "tmux(12).%0", 0},
		{"ended", 8, 1, "", "tty1", "", 0},
		{"boot", recordBoot, 0, "reboot", "~", "6.1.0", 0},
	}
	for _, l := range []layout{utmpNarrow, utmpWide, utmpxDarwin} {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				b := encode(l, tt.kind, tt.pid, tt.user, tt.line, tt.host, 1_700_000_000)
				open := sessionsOf(parseRecords(append(b, 1, 2, 3), l), func(pid uint32) bool { return pid == ssh })
				if tt.want == 0 {
					if len(open) != 0 {
						t.Errorf("sessionsOf() = %v; want none", open)
					}
					return
				}
				if len(open) != 1 {
					t.Fatalf("sessionsOf() has %d sessions; want 1", len(open))
				}
				for _, s := range open {
					if s.user != "ada" || s.kind != tt.want || s.began.Unix() != 1_700_000_000 {
						t.Errorf("session = %v; want ada, %v, since 1700000000", s, tt.want)
					}
				}
			})
		}
	}
}

const logindFile = `# This is private data. Do not parse.
UID=1000
USER=ada
ACTIVE=1
STATE=active
REMOTE=0
TYPE=wayland
CLASS=user
SERVICE=gdm-password
REALTIME=1700000000000000
MONOTONIC=77
`

func TestParseLogind(t *testing.T) {
	tests := []struct {
		name, in string
		ok       bool
		kind     eventv1.LogonType
	}{
		{"desktop", logindFile, true, eventv1.LogonType_LOGON_TYPE_CONSOLE},
		{"ssh", "USER=ada\nUID=1000\nREMOTE=1\nSERVICE=sshd\nCLASS=user\n", true, eventv1.LogonType_LOGON_TYPE_SSH},
		{"remote desktop", "USER=ada\nUID=1000\nREMOTE=1\nSERVICE=xrdp-sesman\nCLASS=user\n", true, eventv1.LogonType_LOGON_TYPE_REMOTE},
		{"greeter", "USER=gdm\nUID=42\nCLASS=greeter\n", false, 0},
		{"manager", "USER=ada\nUID=1000\nCLASS=manager\n", false, 0},
		{"closing", "USER=ada\nUID=1000\nCLASS=user\nSTATE=closing\n", false, 0},
		{"empty", "", false, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, ok := parseLogind(tt.in)
			if ok != tt.ok || ok && (s.kind != tt.kind || s.user != "ada" || s.sid != "1000") {
				t.Errorf("parseLogind(%q) = %v, %v; want ada (1000), %v, %v", tt.in, s, ok, tt.kind, tt.ok)
			}
		})
	}
}

func TestCompare(t *testing.T) {
	at := time.Unix(1_700_000_100, 0)
	ada := session{user: "ada", began: at.Add(-100 * time.Second)}
	away := ada
	away.away = true
	bob := session{user: "bob"}
	type seen struct {
		kind    eventv1.LogonKind
		user    string
		seconds uint64
		at      int64
	}
	tests := []struct {
		name        string
		before, now map[string]session
		want        []seen
	}{
		{"nothing", map[string]session{"1": ada}, map[string]session{"1": ada}, nil},
		{"logon, told late", nil, map[string]session{"1": ada}, []seen{{eventv1.LogonKind_LOGON_KIND_LOGON, "ada", 0, ada.began.UnixMilli()}}},
		{"logoff", map[string]session{"1": ada}, nil, []seen{{eventv1.LogonKind_LOGON_KIND_LOGOFF, "ada", 100, at.UnixMilli()}}},
		{"logoff of unknown length", map[string]session{"1": bob}, nil, []seen{{eventv1.LogonKind_LOGON_KIND_LOGOFF, "bob", 0, at.UnixMilli()}}},
		{"disconnect", map[string]session{"1": ada}, map[string]session{"1": away}, []seen{{eventv1.LogonKind_LOGON_KIND_DISCONNECT, "ada", 0, at.UnixMilli()}}},
		{"connect", map[string]session{"1": away}, map[string]session{"1": ada}, []seen{{eventv1.LogonKind_LOGON_KIND_CONNECT, "ada", 0, at.UnixMilli()}}},
		{"another in its place", map[string]session{"1": ada}, map[string]session{"1": bob}, []seen{
			{eventv1.LogonKind_LOGON_KIND_LOGOFF, "ada", 100, at.UnixMilli()},
			{eventv1.LogonKind_LOGON_KIND_LOGON, "bob", 0, at.UnixMilli()},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []seen
			r := newReporter(func(e *eventv1.Event) {
				l := e.GetLogon()
				got = append(got, seen{l.GetKind(), l.GetUser().GetName(), l.GetDurationSeconds(), e.GetTimeUnixMs()})
			})
			r.compare(tt.before, tt.now, at)
			if len(got) != len(tt.want) {
				t.Fatalf("compare() reported %v; want %v", got, tt.want)
			}
			for i := range got {
				if got[i] != tt.want[i] {
					t.Errorf("compare() reported %v; want %v", got[i], tt.want[i])
				}
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add(encode(utmpNarrow, recordUser, 1, "ada", "tty1", "", 1))
	f.Add([]byte(logindFile))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, l := range []layout{utmpNarrow, utmpWide, utmpxDarwin} {
			list := parseRecords(b, l)
			if len(list) > len(b)/l.size {
				t.Errorf("%d records of %d bytes in %d bytes", len(list), l.size, len(b))
			}
			sessionsOf(list, func(uint32) bool { return false })
		}
		parseLogind(string(b))
	})
}

var _ collectors.Collector = (*Collector)(nil)
