package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/discreet-agent/discreet/agent"
	"github.com/discreet-agent/discreet/agent/identity"
	"github.com/discreet-agent/discreet/agent/spool"
	"github.com/discreet-agent/discreet/configs"
)

// clockSlack is how far the clocks of both sides may lie apart: as far as the
// certificates of the gateway reach into the past.
const clockSlack = 5 * time.Minute

// conflictChecks names each key about which IT's own files contradict each other.
func conflictChecks(l *configs.Loaded) []check {
	var checks []check
	for _, c := range l.Conflicts() {
		way := "let one of the files name the key, or both the same level"
		if c.By != "layer" {
			way = "take the laxer level away, or let the " + c.By + " allow it"
		}
		checks = append(checks, check{"policy", "fault", fmt.Sprintf("privacy.%s: %s says %s, and %s holds it at %s", c.Key, c.Asked.Source, c.Asked.Value, c.Held.Source, c.Held.Value),
			way + "; discreet-agent config explain privacy." + c.Key.String(), exitConfig})
	}
	return checks
}

// diskCheck looks for room where the spool lies. Where no agent ran yet, or this
// account may not look, it says nothing.
func diskCheck(set configs.Agent) []check {
	free, err := spool.DiskFree(set.StateDir)
	switch {
	case err != nil:
		return nil
	case free < set.Spool.MinFree:
		return []check{{"disk", "fault", "the disk of state_dir has less room than spool.min_free: events that wait are lost",
			"make room there, or lower spool.min_free; until then the spool keeps its newest events alone", exitFailure}}
	}
	return []check{{Name: "disk", State: "ok", Text: "there is room for events that wait"}}
}

// runningChecks looks at the agent that runs; st is nil where none answers.
func runningChecks(st *agent.Status) []check {
	if st == nil {
		return []check{{Name: "agent", State: "warning", Text: "no agent answers on this device", Hint: "discreet-agent service start"}}
	}
	checks := []check{{Name: "agent", State: "ok", Text: "it runs, version " + st.Version}}
	for _, c := range st.Collectors {
		text, hint := splitHint(c.Reason)
		if hint != "" {
			hint += "; "
		}
		switch {
		case c.State == "denied":
			checks = append(checks, check{"collectors", "fault", c.Name + ": " + text,
				hint + "run the agent as the packages' service does, or turn collectors." + c.Name + ".enabled off", exitPermission})
		case c.State == "failed":
			checks = append(checks, check{"collectors", "fault", c.Name + ": " + text,
				hint + "it is tried again by itself; turn collectors." + c.Name + ".enabled off if it is not wanted", exitFailure})
		case c.State == "running" && c.Reason != "":
			checks = append(checks, check{Name: "collectors", State: "warning", Text: c.Name + " sees less: " + text, Hint: hint + "discreet-agent collectors"})
		}
	}
	return checks
}

// identityChecks reads the certificate; the identity is nil where there is none that
// can be shown.
func identityChecks(l *configs.Loaded, st *agent.Status) (*identity.Identity, []check) {
	fault := func(text, hint string) []check { return []check{{"identity", "fault", text, hint, exitNotEnrolled}} }
	id, err := identity.Load(filepath.Join(l.Settings.StateDir, "identity"))
	switch {
	case errors.Is(err, identity.ErrNotEnrolled) && st != nil && st.Gateway.Enrolment != "":
		text, hint := splitHint(st.Gateway.Enrolment)
		return nil, fault("this device is not enrolled: "+text, hint)
	case errors.Is(err, identity.ErrNotEnrolled):
		return nil, fault("this device is not enrolled", "discreet-agent enroll --token-file FILE")
	case errors.Is(err, fs.ErrPermission):
		text, hint := splitHint(err.Error())
		if hint == "" {
			hint = "run doctor as root or administrator"
		}
		c := fault(text, hint)
		c[0].code = exitPermission
		return nil, c
	case err != nil:
		return nil, fault(splitHint(err.Error()))
	case time.Now().After(id.NotAfter()):
		return id, fault("this device's certificate has expired", "start the agent: it renews a certificate within 90 days; after that, enrol again with a new token")
	}
	return id, []check{{Name: "identity", State: "ok", Text: "device " + id.Device() + ", good until " + id.NotAfter().Local().Format(time.DateTime)}}
}

// splitHint parts an error for people from the way out at its end.
func splitHint(s string) (text, hint string) {
	if text, hint, ok := strings.Cut(s, " (hint: "); ok {
		return text, strings.TrimSuffix(hint, ")")
	}
	text, hint, _ = strings.Cut(s, "; hint: ")
	return text, hint
}

// clockCheck compares the clocks; skew is how far the gateway's is ahead of ours.
func clockCheck(skew time.Duration) check {
	side := "behind"
	if skew < 0 {
		skew, side = -skew, "ahead of"
	}
	if skew <= clockSlack {
		return check{Name: "clock", State: "ok", Text: "it agrees with the gateway's"}
	}
	return check{"clock", "fault", fmt.Sprintf("this device's clock is %s %s the gateway's", apart(skew), side),
		"set the clock, and let the system keep it (timedatectl set-ntp true, w32tm /resync, sntp); events carry its time", exitFailure}
}

// apart writes how far two clocks lie apart, in the unit that says most.
func apart(d time.Duration) string {
	d = d.Round(time.Minute)
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}} {
		if n := int(d / u.unit); n == 1 {
			return "1 " + u.name
		} else if n > 1 {
			return fmt.Sprintf("%d %ss", n, u.name)
		}
	}
	return "no minute"
}
