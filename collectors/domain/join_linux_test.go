package domain

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/collectors/connection"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
)

// ends gathers what the connection collector tells of the servers of these tests.
type ends struct {
	mu  sync.Mutex // guards all
	all []*eventv1.Connection
}

func (e *ends) emit(ev *eventv1.Event) {
	c := ev.GetConnection()
	if c.GetInterim() || c.GetDirection() != eventv1.Direction_DIRECTION_OUTBOUND || c.GetPort() != 443 && c.GetPort() != 8443 {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, proto.Clone(c).(*eventv1.Connection))
}

// named counts the connections by name and source.
func (e *ends) named() (names map[string]int, ambiguous int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	names = make(map[string]int)
	for _, c := range e.all {
		names[fmt.Sprintf("%s by %v to %d", c.Domain, c.DomainSource, c.Port)]++
		if c.DomainAmbiguous {
			ambiguous++
		}
	}
	return names, ambiguous
}

// TestConnectionsAreNamed: names that one collector sees stand at the connections
// that the other reports, also where each lives for less than one read of the
// rings, and where many names stand for one address.
func TestConnectionsAreNamed(t *testing.T) {
	for _, rung := range rungs {
		t.Run(rung.String(), func(t *testing.T) { connectionsAreNamed(t, rung) })
	}
}

func connectionsAreNamed(t *testing.T, rung eventv1.Rung) {
	const n = 20
	serve(t)
	l, err := net.Listen("tcp", host+":8443")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	names := &collectors.Names{}
	env := func(rung eventv1.Rung) collectors.Env {
		return collectors.Env{
			Log: slog.New(slog.DiscardHandler), Stats: &collectors.Stats{}, Rung: rung, Names: names,
			Keeps: func(privacyv1.Class) bool { return true },
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var e ends
	ended := make(chan error, 2)
	run := func(spec collectors.Spec, env collectors.Env, emit collectors.Emit) {
		c, err := spec.New(env)
		if err != nil {
			t.Fatal(err)
		}
		go func() { ended <- c.Run(ctx, emit) }()
		until(t, ended, func() bool { return env.Stats.Rung() != 0 })
	}
	run(Spec, env(rung), func(*eventv1.Event) {})
	run(connection.Spec, env(eventv1.Rung_RUNG_EBPF), e.emit)
	client(t, 1, fmt.Sprintf("named:%d,tls:%d,quic:%d", n, n, n))
	until(t, ended, func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return len(e.all) >= 3*n
	})
	got, ambiguous := e.named()
	for i := range n {
		for _, want := range []string{
			nameOf("named", i) + " by NAME_SOURCE_DNS to 8443",
			nameOf("tls", i) + " by NAME_SOURCE_SNI to 443",
			nameOf("quic", i) + " by NAME_SOURCE_QUIC to 443",
		} {
			if got[want] != 1 {
				t.Errorf("%d connections are named %s; want 1", got[want], want)
			}
		}
	}
	if ambiguous < n-1 {
		t.Errorf("%d connections have an ambiguous name; want all that were called by DNS but the first", ambiguous)
	}
	if t.Failed() {
		t.Logf("seen: %v", got)
	}
	stop()
	for range 2 {
		if err := <-ended; err != nil {
			t.Errorf("Run() = %v; want nil", err)
		}
	}
}
