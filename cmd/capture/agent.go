//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/discreet-agent/discreet/cmd/lab"
)

// served is the agent as it runs for people, with a gateway on loopback.
type served struct {
	lab            *lab.Lab
	gateway, agent *lab.Proc
	cpu            time.Duration // at the last call of spent
	at             time.Time
	before         collector
}

// collector is the part of "discreet-agent collectors --json" that is looked at.
type collector struct {
	Name   string `json:"name"`
	Rung   string `json:"rung"`
	Reason string `json:"reason"`
	Events uint64 `json:"events"`
	Lost   uint64 `json:"lost"`
}

// serve starts both programs with the settings that are appended, and waits until
// the agent has connected.
func serve(ctx context.Context, b *bench, settings string) (*served, error) {
	dir, err := os.MkdirTemp("", "capture")
	if err != nil {
		return nil, err
	}
	l, err := lab.New(dir, b.bin)
	if err != nil {
		return nil, err
	}
	s := &served{lab: l}
	if err := s.start(ctx, settings); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *served) start(ctx context.Context, settings string) (err error) {
	if err := s.lab.Setup(ctx, 1); err != nil {
		return err
	}
	if err := s.lab.Write("agent.yaml", s.lab.AgentYAML()+settings); err != nil {
		return err
	}
	if s.gateway, err = s.lab.StartGateway(ctx); err != nil {
		return err
	}
	if s.agent, err = s.lab.StartAgent(); err != nil {
		return err
	}
	return s.lab.Until(ctx, 20*time.Second, "the agent to enrol and connect", func() bool {
		var st struct {
			Gateway struct {
				Connected bool `json:"connected"`
			} `json:"gateway"`
		}
		return s.lab.AgentJSON(ctx, &st, "status") == nil && st.Gateway.Connected
	})
}

func (s *served) close() {
	for _, p := range []*lab.Proc{s.agent, s.gateway} {
		if p != nil && p.Running() {
			_ = p.Stop(10 * time.Second)
		}
	}
	_ = os.RemoveAll(s.lab.Dir)
}

// spent returns the agent's CPU time since the last call, and how long that is.
func (s *served) spent() (cpu, span time.Duration) {
	now, at := cpuOf(s.agent.Cmd.Process.Pid), time.Now()
	cpu, span = now-s.cpu, at.Sub(s.at)
	s.cpu, s.at = now, at
	return cpu, span
}

// state asks the agent about one of its collectors.
func (s *served) state(ctx context.Context, name string) (collector, error) {
	var all []collector
	if err := s.lab.AgentJSON(ctx, &all, "collectors"); err != nil {
		return collector{}, err
	}
	for _, c := range all {
		if c.Name == name {
			return c, nil
		}
	}
	return collector{}, fmt.Errorf("collector %s: %w", name, os.ErrNotExist)
}

// begin notes where the agent stands before something happens.
func (s *served) begin(ctx context.Context, name string) (err error) {
	time.Sleep(3 * time.Second) // after the start
	s.before, err = s.state(ctx, name)
	s.spent()
	return err
}

// report prints what n things cost the whole agent, with all that it does
// meanwhile, and what the collector says.
func (s *served) report(ctx context.Context, name string, n int) error {
	cpu, _ := s.spent()
	after, err := s.state(ctx, name)
	if err != nil {
		return err
	}
	events := int(after.Events - s.before.Events)
	fmt.Printf("  agent, default policy, rung %s: %d events, lost %d, %.1f ms of CPU per 1,000; per 2,000 of all its events %.1f ms\n",
		after.Rung, events, after.Lost-s.before.Lost, each(cpu, n), each(2*cpu, max(1, events)))
	return nil
}
