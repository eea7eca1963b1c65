package logon

import (
	"context"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/discreet-agent/discreet/collectors/bus"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// sessionPaths is where logind keeps its sessions' objects.
const sessionPaths = bus.LoginPath + "/session/"

// The waits before a bus that went away is asked for again.
const (
	busPause    = 5 * time.Second
	busMaxPause = 5 * time.Minute
)

// locks tells what only logind's bus does: that a session is locked or unlocked,
// that the device goes to sleep or wakes. A bus that is not there is noted, and
// asked for again, later and later.
func (f *files) locks(ctx context.Context, note func(string), tell func(signal)) {
	if f.logind == "" {
		note("no logind here: locks and sleep are not seen")
		return
	}
	for pause := busPause; ctx.Err() == nil; pause = min(2*pause, busMaxPause) {
		began := time.Now()
		listen(ctx, f.bus, func() { note("") }, tell)
		if ctx.Err() != nil {
			return
		}
		note("the system's message bus does not answer: locks and sleep are not seen")
		if time.Since(began) > busMaxPause {
			pause = busPause
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// listen hears one connection's signals until it ends.
func listen(ctx context.Context, address string, up func(), tell func(signal)) {
	c, err := bus.Dial(ctx, address)
	if err != nil {
		return
	}
	defer c.Close()
	heard := make(chan *dbus.Signal, 64)
	c.Signal(heard)
	sleep := bus.Match(ctx, c, dbus.WithMatchSender(bus.Login), dbus.WithMatchInterface(bus.Login+".Manager"), dbus.WithMatchMember("PrepareForSleep"))
	locks := bus.Match(ctx, c, dbus.WithMatchSender(bus.Login), dbus.WithMatchInterface(bus.Properties), dbus.WithMatchPathNamespace(bus.LoginPath+"/session"))
	if sleep != nil || locks != nil {
		return
	}
	up()
	for {
		select {
		case <-ctx.Done():
			return
		case s, ok := <-heard:
			if !ok {
				return
			}
			if sig, ok := parseSignal(s); ok {
				tell(sig)
			}
		}
	}
}

// parseSignal reads one signal of logind.
func parseSignal(s *dbus.Signal) (signal, bool) {
	switch {
	case s.Name == bus.Login+".Manager.PrepareForSleep" && len(s.Body) == 1:
		if sleeps, ok := s.Body[0].(bool); ok {
			if sleeps {
				return signal{kind: eventv1.LogonKind_LOGON_KIND_SLEEP}, true
			}
			return signal{kind: eventv1.LogonKind_LOGON_KIND_WAKE}, true
		}
	case s.Name == bus.Properties+".PropertiesChanged" && len(s.Body) >= 2:
		changed, _ := s.Body[1].(map[string]dbus.Variant)
		hint, there := changed["LockedHint"]
		id, ours := strings.CutPrefix(string(s.Path), sessionPaths)
		if locked, ok := hint.Value().(bool); ok && there && ours {
			if locked {
				return signal{eventv1.LogonKind_LOGON_KIND_LOCK, unescape(id)}, true
			}
			return signal{eventv1.LogonKind_LOGON_KIND_UNLOCK, unescape(id)}, true
		}
	}
	return signal{}, false
}

// unescape returns the name in a path's last part: what is no letter or digit
// stands there as _ and its two hexadecimal digits (sd_bus_path_encode(3)).
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '_' && i+2 < len(s) {
			hi, lo := strings.IndexByte(hex, s[i+1]), strings.IndexByte(hex, s[i+2])
			if hi >= 0 && lo >= 0 {
				b.WriteByte(byte(hi<<4 | lo))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

const hex = "0123456789abcdef"
