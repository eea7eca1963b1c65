// Package example is a collector to copy. It reports the version of the
// machine's time zone database, which changes a few times a year and says
// nothing about anybody. docs/collectors.md walks through it.
//
// It is built and tested like the others, but it is not in the agent's list.
package example

import (
	"context"
	"strings"
	"time"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
)

// Spec declares the collector.
var Spec = collectors.Spec{
	Name:    "example",
	Doc:     "the version of the time zone database",
	Classes: []privacyv1.Class{privacyv1.Class_SOFTWARE},
	Rungs:   rungs,
	New:     New,
}

// lookEvery: the database is updated with other software, at most once a day.
const lookEvery = time.Hour

// Collector reports the version at start and when it changed.
type Collector struct {
	env     collectors.Env
	version func() (string, error)
}

// New returns the collector. It opens nothing.
func New(env collectors.Env) (collectors.Collector, error) {
	return &Collector{env, version}, nil
}

// Run reports until ctx is done.
func (c *Collector) Run(ctx context.Context, emit collectors.Emit) error {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	last := ""
	for {
		now, err := c.version()
		if err != nil {
			return err
		}
		c.env.Stats.SetRung(eventv1.Rung_RUNG_NATIVE)
		if now != last {
			emit(event(last, now))
			last = now
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

func event(last, now string) *eventv1.Event {
	change := eventv1.SoftwareChange_SOFTWARE_CHANGE_UPDATED
	if last == "" {
		change = eventv1.SoftwareChange_SOFTWARE_CHANGE_PRESENT
	}
	return &eventv1.Event{
		TimeUnixMs: collectors.At(time.Now()),
		Kind: &eventv1.Event_Software{Software: &eventv1.Software{
			Name: "tzdata", Version: now, Change: change,
		}},
	}
}

// parseVersion returns the version in the first line of a time zone database:
// "# version 2025b", or on macOS the version alone. It is empty where there is
// none.
func parseVersion(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	line = strings.TrimSpace(strings.TrimPrefix(line, "# version "))
	if len(line) > 16 || strings.ContainsAny(line, " #\x00") {
		return ""
	}
	return line
}
