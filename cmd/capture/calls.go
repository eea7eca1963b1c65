//go:build linux

package main

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// calls is one connection part on one rung.
type calls struct {
	*cable
	servers map[string]*launched // by namespace
	ports   map[string][]int     // tcp4, tcp6, udp4, udp6
	tcp     []trueEnd
	failed  []trueEnd
	udp     []trueEnd
}

// connectionPart makes connections over a cable before every watcher.
func connectionPart(ctx context.Context, b *bench) error {
	c, err := layCable()
	if err != nil {
		return err
	}
	defer c.close()
	fmt.Printf("%d connections each way over a pair of interfaces, IPv4 and IPv6, the callers as uid %d, the servers as root\n", b.count(10000), stranger)
	w := &calls{cable: c, servers: map[string]*launched{}, ports: map[string][]int{}}
	return w.before(ctx, b)
}

// before makes the calls before the collector on two rungs, the poller, and the
// whole agent, all at once. eBPF sees every namespace. The others see their own
// alone, so they are in the near one and are held against its ends.
func (w *calls) before(ctx context.Context, b *bench) error {
	agent, err := serve(ctx, b, "collectors: {connection: {rung: ebpf}}\n")
	if err != nil {
		return err
	}
	defer agent.close()
	inside := "become:" + w.near + " 0 " + w.program("server") + " "
	var watchers []*watcher
	for _, role := range []string{"connection:ebpf", inside + "connection:netlink", inside + "netpoller:"} {
		v, err := watch(ctx, role)
		if err != nil {
			return err
		}
		watchers = append(watchers, v)
	}
	if err := w.listen(ctx); err != nil {
		return err
	}
	if err := agent.begin(ctx, "connection"); err != nil {
		return err
	}
	for _, v := range watchers {
		v.spent()
	}
	began := time.Now()
	if err := w.both(ctx, b.count(10000)); err != nil {
		return err
	}
	span := time.Since(began)
	time.Sleep(2500 * time.Millisecond)
	fmt.Printf("  in %.1f s: %.0f a second, of each both ends\n", span.Seconds(), float64(len(w.tcp)/2)/span.Seconds())
	if err := agent.report(ctx, "connection", len(w.tcp)); err != nil {
		return err
	}
	var cpu []time.Duration
	for _, v := range watchers {
		cpu = append(cpu, v.spent())
	}
	if err := w.rest(ctx, b); err != nil {
		return err
	}
	time.Sleep(6 * time.Second) // a look of sock_diag, too
	for i, v := range watchers {
		var got ends
		if err := v.result(&got); err != nil {
			return err
		}
		w.print(got, cpu[i], i > 0)
	}
	return nil
}

func (w *calls) print(got ends, cpu time.Duration, nearOnly bool) {
	within := func(truth []trueEnd) (list []trueEnd) {
		for _, t := range truth {
			if t.near || !nearOnly {
				list = append(list, t)
			}
		}
		return list
	}
	fmt.Printf("  %s: lost %d, %.1f ms of CPU per 1,000 ends\n", got.Rung, got.Lost, each(cpu, len(within(w.tcp))))
	var tcp, udp []end
	for _, e := range got.Seen {
		if e.UDP {
			udp = append(udp, e)
		} else {
			tcp = append(tcp, e)
		}
	}
	for _, row := range []struct {
		name  string
		truth []trueEnd
		got   []end
	}{{"short", w.tcp, tcp}, {"failed", w.failed, tcp}, {"UDP sockets", w.udp, udp}} {
		var s netScore
		s.of(within(row.truth), row.got)
		fmt.Printf("    %-11s %6d ends: %v\n", row.name, s.all, s)
	}
}

// listen starts a server at each end of the cable.
func (w *calls) listen(ctx context.Context) error {
	for _, ns := range []string{w.near, w.far} {
		l, err := w.start(ctx, "server", ns, 0, "serve:")
		if err != nil {
			return err
		}
		var ports []int
		if err := l.out.Decode(&ports); err != nil {
			return fmt.Errorf("server: %w", err)
		}
		w.servers[ns], w.ports[ns] = l, ports
	}
	return nil
}

// call runs one series from a namespace to the other.
func (w *calls) call(ctx context.Context, from, kind, host string, port, n int) error {
	l, err := w.start(ctx, "caller", from, stranger, fmt.Sprintf("call:%s %s %d", kind, net.JoinHostPort(host, strconv.Itoa(port)), n))
	if err != nil {
		return err
	}
	var done bool
	if err := l.out.Decode(&done); err != nil {
		return fmt.Errorf("caller: %w", err)
	}
	return l.end()
}

func (w *calls) outbound(near bool, port int, out, in uint64, o eventv1.Outcome) trueEnd {
	return trueEnd{near, false, uint32(port), out, in, w.program("caller"), strconv.Itoa(stranger), o}
}

func (w *calls) inbound(near bool, port int, out, in uint64, o eventv1.Outcome) trueEnd {
	return trueEnd{near, true, uint32(port), out, in, w.program("server"), "0", o}
}

// both makes n short connections each way and with each protocol.
func (w *calls) both(ctx context.Context, n int) error {
	for _, way := range []struct {
		from, to string
		hosts    [2]string
	}{
		{w.near, w.far, [2]string{"192.0.2.2", "2001:db8::2"}},
		{w.far, w.near, [2]string{"192.0.2.1", "2001:db8::1"}},
	} {
		for family, host := range way.hosts {
			port := w.ports[way.to][family]
			if err := w.call(ctx, way.from, "short", host, port, n); err != nil {
				return err
			}
			for i := range n {
				out, in := sizes(i)
				w.tcp = append(w.tcp, w.outbound(way.from == w.near, port, uint64(head+out), uint64(in), eventv1.Outcome_OUTCOME_ESTABLISHED),
					w.inbound(way.to == w.near, port, uint64(in), uint64(head+out), eventv1.Outcome_OUTCOME_ESTABLISHED))
			}
		}
	}
	return nil
}

// rest makes what fails, and packets of UDP, and ends the servers.
func (w *calls) rest(ctx context.Context, b *bench) error {
	for _, f := range []struct {
		kind, host string
		port, n    int
		outcome    eventv1.Outcome
	}{
		{"refused", "192.0.2.2", 1, 500, eventv1.Outcome_OUTCOME_REFUSED},
		{"refused", "2001:db8::2", 1, 500, eventv1.Outcome_OUTCOME_REFUSED},
		{"silent", silentAddress, 2, 100, eventv1.Outcome_OUTCOME_TIMED_OUT},
		{"leave", silentAddress, 3, 100, eventv1.Outcome_OUTCOME_ABANDONED},
		{"reset", "192.0.2.2", w.ports[w.far][0], 200, eventv1.Outcome_OUTCOME_RESET},
	} {
		if err := w.call(ctx, w.near, f.kind, f.host, f.port, b.count(f.n)); err != nil {
			return err
		}
		for i := range b.count(f.n) {
			var sent uint64
			if f.kind == "reset" {
				out, _ := sizes(i)
				sent = uint64(head + out)
			}
			w.failed = append(w.failed, w.outbound(true, f.port, sent, 0, f.outcome))
		}
	}
	for family, host := range []string{"192.0.2.2", "2001:db8::2"} {
		port, n := w.ports[w.far][2+family], b.count(100)
		if err := w.call(ctx, w.near, "udp", host, port, n); err != nil {
			return err
		}
		const sent, got = packetsEach * packetBytes, packetsEach * packetBytes / 2
		for range n {
			w.udp = append(w.udp, w.outbound(true, port, sent, got, eventv1.Outcome_OUTCOME_UNSPECIFIED))
		}
		w.udp = append(w.udp, w.inbound(false, port, uint64(n)*got, uint64(n)*sent, eventv1.Outcome_OUTCOME_UNSPECIFIED))
	}
	for _, l := range w.servers {
		if err := l.end(); err != nil {
			return err
		}
	}
	return nil
}
