package agent

import (
	"fmt"
	"runtime"
	"time"

	"github.com/discreet-agent/discreet/configs"
	"github.com/discreet-agent/discreet/privacy"
)

// Support is what a support bundle tells of an agent. It is built here, part by
// part, from numbers and from words of closed lists: no address, no path, no name
// that somebody chose, no text of a fault. So whoever reads it learns how the
// agent fares, and of whom it is nothing.
type Support struct {
	Status     SupportStatus      `json:"status"`
	Collectors []SupportCollector `json:"collectors"`
	Policy     SupportPolicy      `json:"policy"`
	Settings   SupportSettings    `json:"settings"`
	Log        []LogLine          `json:"log"`
}

// SupportStatus is how delivery and the program itself fare. Without a running
// agent it says no more than that.
type SupportStatus struct {
	Running        bool              `json:"running"`
	Version        string            `json:"version,omitempty"`
	Uptime         int64             `json:"uptime_seconds"`
	Enrolled       bool              `json:"enrolled"`
	Connected      bool              `json:"connected"`
	Reason         string            `json:"reason,omitempty"` // a word of package uplink
	LastAck        *time.Time        `json:"last_ack,omitempty"`
	CertExpires    *time.Time        `json:"certificate_expires,omitempty"`
	EventsAcked    uint64            `json:"events_acked"`
	BytesSent      uint64            `json:"bytes_sent"`
	Reconnects     uint64            `json:"reconnects"`
	Spool          SpoolStatus       `json:"spool"`
	Events         map[string]uint64 `json:"events,omitempty"` // by kinds of the schema
	Losses         map[string]uint64 `json:"losses,omitempty"` // by reasons of the schema
	Dropped        uint64            `json:"dropped_by_policy"`
	Tripwire       uint64            `json:"tripwire"`
	Waiting        int               `json:"summaries_waiting"`
	Goroutines     int               `json:"goroutines"`
	HeapBytes      uint64            `json:"heap_bytes"`
	RSSBytes       uint64            `json:"rss_bytes"`
	CPUMs          int64             `json:"cpu_ms"`
	GCs            uint32            `json:"garbage_collections"`
	NoPseudonymKey bool              `json:"no_pseudonym_key"`
}

// SupportCollector is a collector's account without its reason, which is a text
// of the system.
type SupportCollector struct {
	Name     string `json:"name"`
	State    string `json:"state"`
	Rung     string `json:"rung,omitempty"`
	Events   uint64 `json:"events"`
	Lost     uint64 `json:"lost"`
	Restarts uint64 `json:"restarts"`
}

// SupportPolicy is the policy without the lists, which can name people, and
// without the words of who set it.
type SupportPolicy struct {
	Digest     string            `json:"digest"`
	Preset     string            `json:"preset"`
	Since      *time.Time        `json:"since,omitempty"`
	Degraded   bool              `json:"degraded"`
	OnlyHealth bool              `json:"only_health"`
	Levels     []SupportLevel    `json:"levels"`
	Floor      map[string]string `json:"floor"`
}

// SupportLevel is the level of one privacy key, and which layer decided it.
type SupportLevel struct {
	Key     string `json:"key"`
	Level   string `json:"level"`
	Layer   string `json:"layer"`
	Default string `json:"default"`
	BoundBy string `json:"bound_by,omitempty"`
}

// SupportSettings are the settings and the places of their faults.
type SupportSettings struct {
	Keys   []configs.Plain      `json:"keys"`
	Faults []configs.PlainFault `json:"faults"`
}

// SupportOf returns what the files tell without a running agent.
func SupportOf(l *configs.Loaded) Support {
	s := Support{Policy: supportPolicy(l), Settings: SupportSettings{l.Plain(), l.PlainFaults()}, Log: []LogLine{}}
	for _, c := range Planned(l) {
		s.Collectors = append(s.Collectors, supportCollector(c))
	}
	return s
}

// support answers the command that makes a bundle. There is nothing in it of a
// person, so anybody on the device may ask.
func (a *Agent) support() Support {
	st, up := a.Status(), a.uplink.Status()
	a.mu.Lock()
	l := a.loaded
	a.mu.Unlock()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	cpu, rss := ownUse()
	s := Support{
		Policy: supportPolicy(l), Settings: SupportSettings{l.Plain(), l.PlainFaults()}, Log: a.o.Recent.Lines(),
		Status: SupportStatus{
			Running: true, Version: st.Version, Uptime: st.Uptime, Enrolled: st.Enrolled, Connected: up.Connected, Reason: string(up.Reason),
			LastAck: st.Gateway.LastAck, CertExpires: st.Gateway.CertExpires, EventsAcked: up.EventsAcked,
			BytesSent: up.BytesSent, Reconnects: up.Reconnects, Spool: st.Spool, Events: st.Events, Losses: map[string]uint64{},
			Dropped: st.Dropped, Tripwire: st.Tripwire, Waiting: st.Waiting, Goroutines: runtime.NumGoroutine(),
			HeapBytes: m.HeapAlloc, RSSBytes: rss, CPUMs: cpu.Milliseconds(), GCs: m.NumGC, NoPseudonymKey: st.Policy.KeyError != "",
		},
	}
	s.Policy.Since = &st.Policy.Since
	for _, loss := range a.spool.Losses() {
		s.Status.Losses[LossName(loss.GetReason())] += loss.GetCount()
	}
	for _, c := range st.Collectors {
		s.Collectors = append(s.Collectors, supportCollector(c))
	}
	return s
}

// supportCollector leaves out that a person asked for a pause: that is between her
// and the device.
func supportCollector(c CollectorState) SupportCollector {
	if c.State == "paused" {
		c.State = "off_by_policy"
	}
	return SupportCollector{Name: c.Name, State: c.State, Rung: c.Rung, Events: c.Events, Lost: c.Lost, Restarts: c.Restarts}
}

func supportPolicy(l *configs.Loaded) SupportPolicy {
	p := SupportPolicy{
		Digest: fmt.Sprintf("%x", l.Policy.Digest()), Preset: l.Settings.Privacy.Preset,
		Degraded: l.Degraded, OnlyHealth: l.OnlyHealth, Floor: levelsOf(l.Floor),
	}
	for _, d := range l.Decisions {
		p.Levels = append(p.Levels, SupportLevel{d.Key.String(), d.Level.String(), d.Layer, d.Default.String(), d.BoundBy})
	}
	return p
}

func levelsOf(levels map[privacy.Key]privacy.Level) map[string]string {
	out := map[string]string{}
	for k, l := range levels {
		out[k.String()] = l.String()
	}
	return out
}
