//go:build linux

package main

import (
	"context"
	"encoding/gob"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/collectors/domain"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
)

// heard is what a watcher tells of one name.
type heard struct {
	Name, Path, UID string
	Source          int32
	Answered        bool
}

type hearing struct {
	Rung  string
	Lost  uint64
	Heard []heard
}

// watchNames runs the collector on a rung. It is ready when the source is open.
func watchNames(ctx context.Context, rung string, ready func(), out *gob.Encoder) error {
	var stats collectors.Stats
	c, err := domain.New(collectors.Env{
		Log:   slog.New(slog.NewTextHandler(io.Discard, nil)),
		Stats: &stats,
		Rung:  eventv1.Rung(eventv1.Rung_value["RUNG_"+strings.ToUpper(rung)]),
		Keeps: func(privacyv1.Class) bool { return true },
		Names: &collectors.Names{},
	})
	if err != nil {
		return err
	}
	opened, stop := context.WithCancel(ctx)
	go func() {
		defer stop()
		for stats.Rung() == 0 && ctx.Err() == nil {
			time.Sleep(10 * time.Millisecond)
		}
		ready()
	}()
	var result hearing
	err = c.Run(ctx, func(e *eventv1.Event) {
		d := e.GetDomainSeen()
		if strings.HasSuffix(d.GetDomain(), zone) {
			result.Heard = append(result.Heard, heard{d.GetDomain(), d.GetProgram().GetPath(), d.GetUser().GetSid(), int32(d.GetSource()), d.GetLatencyUs() > 0})
		}
	})
	stop()
	<-opened.Done()
	if err != nil {
		return err
	}
	result.Rung, result.Lost = stats.Rung().String(), stats.Lost()
	return out.Encode(result)
}

// domainPart lets programs look up and call names before the collector on each
// rung, and before the whole agent. The peer of the other parts, a poller, sees
// no names at all.
func domainPart(ctx context.Context, b *bench) error {
	servers, err := serveNames()
	if err != nil {
		return err
	}
	defer servers.close()
	for _, w := range []contacts{
		{what: "dns", n: b.count(2000), source: eventv1.NameSource_NAME_SOURCE_DNS, records: 2},
		{what: "tls", n: b.count(500), source: eventv1.NameSource_NAME_SOURCE_SNI, records: 1},
		{what: "quic", n: b.count(300), source: eventv1.NameSource_NAME_SOURCE_QUIC, records: 3},
	} {
		fmt.Printf("%d of %s by %d programs, half as root, half as uid %d\n", w.n, w.what, callers, stranger)
		for _, rung := range []string{"ebpf", "packet"} {
			if err := w.before(ctx, b, rung); err != nil {
				return err
			}
		}
	}
	return nil
}

// contacts is a series of lookups or calls.
type contacts struct {
	what    string
	n       int
	source  eventv1.NameSource
	records int // that a source hands out of each
}

func (w contacts) before(ctx context.Context, b *bench, rung string) error {
	agent, err := serve(ctx, b, "privacy: {domains: cleartext}\ncollectors: {domain: {rung: "+rung+"}}\n")
	if err != nil {
		return err
	}
	defer agent.close()
	v, err := watch(ctx, "domain:"+rung)
	if err != nil {
		return err
	}
	if err := agent.begin(ctx, "domain"); err != nil {
		return err
	}
	v.spent()
	truth, err := w.run(ctx)
	if err != nil {
		return err
	}
	time.Sleep(2500 * time.Millisecond) // two reads of the ring
	cpu := v.spent()
	spent, _ := agent.spent()
	after, err := agent.state(ctx, "domain")
	if err != nil {
		return err
	}
	var got hearing
	if err := v.result(&got); err != nil {
		return err
	}
	fmt.Printf("  %-12s %v  lost %d  %.1f us of CPU each, %.1f a record\n", got.Rung, w.compare(truth, got.Heard), got.Lost, micros(cpu, w.n), micros(cpu, w.n*w.records))
	fmt.Printf("  agent, domains in the clear, rung %s: %d events, lost %d, %.1f us of CPU each, with all else that it does\n",
		after.Rung, after.Events-agent.before.Events, after.Lost-agent.before.Lost, micros(spent, w.n))
	return nil
}

func micros(d time.Duration, n int) float64 { return d.Seconds() * 1e6 / float64(n) }

// compare holds what was heard against what was called.
func (w contacts) compare(truth []contact, got []heard) string {
	by := make(map[string][]heard, len(got))
	for _, h := range got {
		by[h.Name] = append(by[h.Name], h)
	}
	var seen, once, path, uid, source, answered int
	for _, c := range truth {
		hs := by[c.name]
		if len(hs) == 0 {
			continue
		}
		h := hs[0]
		seen++
		count(&once, len(hs) == 1)
		count(&path, h.Path == c.path)
		count(&uid, h.UID == strconv.Itoa(c.uid))
		count(&source, h.Source == int32(w.source))
		count(&answered, h.Answered)
	}
	share := func(n int) string { return fmt.Sprintf("%6.2f %%", 100*float64(n)/float64(len(truth))) }
	s := fmt.Sprintf("named %s  once %s  program %s  uid %s  source %s", share(seen), share(once), share(path), share(uid), share(source))
	if w.source == eventv1.NameSource_NAME_SOURCE_DNS {
		s += fmt.Sprintf("  answered %s", share(answered))
	}
	return s
}

// contact is one name that was looked up or called, and by whom.
type contact struct {
	name, path string
	uid        int
}

// run lets programs of different paths make the calls, and returns the truth.
func (w contacts) run(ctx context.Context) ([]contact, error) {
	dir, err := os.MkdirTemp("", "capture-callers")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, err
	}
	var truth []contact
	for i := range callers {
		from, to := i*w.n/callers, (i+1)*w.n/callers
		c, err := newCaller(dir, i)
		if err != nil {
			return nil, err
		}
		if err := c.run(ctx, w.what, from, to); err != nil {
			return nil, err
		}
		for k := from; k < to; k++ {
			truth = append(truth, contact{nameOf(w.what, k), c.path, c.uid})
		}
	}
	return truth, nil
}
