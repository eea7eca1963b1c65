package connection

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// two are two network namespaces with a cable between them. The far one routes:
// one network into nothing, one to "unreachable".
type two struct {
	t         *testing.T
	near, far string
}

const (
	nearIPv4, farIPv4 = "192.0.2.1", "192.0.2.2"
	nearIPv6, farIPv6 = "2001:db8::1", "2001:db8::2"
	nobody            = "192.0.2.9"   // has no hardware address
	silent            = "203.0.113.9" // swallowed on the way
	noWay             = "2001:db8:1::9"
	refusedByRouter   = "198.51.100.9" // said to be unreachable
)

func makeTwo(t *testing.T) *two {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can make network namespaces (network_namespaces(7))")
	}
	w := &two{t, fmt.Sprintf("discreet-near-%d", os.Getpid()), fmt.Sprintf("discreet-far-%d", os.Getpid())}
	t.Cleanup(func() {
		exec.Command("ip", "netns", "del", w.near).Run()
		exec.Command("ip", "netns", "del", w.far).Run()
	})
	for _, line := range []string{
		"netns add " + w.near,
		"netns add " + w.far,
		"link add near netns " + w.near + " type veth peer name far netns " + w.far,
		"-n " + w.near + " addr add " + nearIPv4 + "/24 dev near",
		"-n " + w.far + " addr add " + farIPv4 + "/24 dev far",
		"-n " + w.near + " addr add " + nearIPv6 + "/64 dev near nodad",
		"-n " + w.far + " addr add " + farIPv6 + "/64 dev far nodad",
		"-n " + w.near + " link set near up",
		"-n " + w.far + " link set far up",
		"-n " + w.near + " link set lo up",
		"-n " + w.near + " route add default via " + farIPv4,
		"-n " + w.far + " route add blackhole 203.0.113.0/24",
		"-n " + w.far + " route add unreachable 198.51.100.0/24",
	} {
		if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", line, err, out)
		}
	}
	w.in(w.far, func() { w.set("net/ipv4/ip_forward", "1"); w.set("net/ipv4/icmp_ratelimit", "0") })
	w.in(w.near, func() { w.set("net/ipv4/tcp_syn_retries", "2"); w.set("net/ipv4/icmp_ratelimit", "0") })
	return w
}

func (w *two) set(key, value string) {
	if err := os.WriteFile("/proc/sys/"+key, []byte(value), 0o644); err != nil {
		w.t.Error(err)
	}
}

// in runs f in a namespace: what sockets it opens are that one's. The thread goes
// back, for it may be the one that /proc/net is about.
func (w *two) in(ns string, f func()) {
	w.t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		w.t.Error(err)
		return
	}
	defer unix.Close(home)
	there, err := unix.Open("/run/netns/"+ns, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		w.t.Error(err)
		return
	}
	defer unix.Close(there)
	if err := unix.Setns(there, unix.CLONE_NEWNET); err != nil {
		w.t.Error(err)
		return
	}
	defer func() {
		if err := unix.Setns(home, unix.CLONE_NEWNET); err != nil {
			panic(err) // nothing after this can be trusted
		}
	}()
	f()
}

func (w *two) listen(address string) (l net.Listener, port uint16) {
	w.t.Helper()
	w.in(w.far, func() { l, port = listenTCP(w.t, "tcp", net.JoinHostPort(address, "0")) })
	return l, port
}

// call connects from near, and gives up after patience. Without patience it waits
// in the kernel for what that says: Go asks for errors before they are final.
func (w *two) call(address string, port uint16, patience time.Duration) (c net.Conn, err error) {
	w.in(w.near, func() {
		if patience == 0 {
			fd, _ := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			defer unix.Close(fd)
			err = unix.Connect(fd, &unix.SockaddrInet4{Port: int(port), Addr: [4]byte(net.ParseIP(address).To4())})
			return
		}
		d := net.Dialer{Timeout: patience}
		c, err = d.Dial("tcp", net.JoinHostPort(address, fmt.Sprint(port)))
	})
	var late net.Error
	if errors.As(err, &late) && late.Timeout() && !errors.Is(err, syscall.ETIMEDOUT) {
		return c, os.ErrDeadlineExceeded
	}
	return c, err
}

// failures are the ways in which an attempt or a connection goes wrong, and what
// is said of it. The error is the program's: it says that the way was this one.
func failures(w *two) []failure {
	serve := func(how func(net.Conn)) uint16 {
		l, port := w.listen(farIPv4)
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				how(c)
				c.Close()
			}
		}()
		return port
	}
	closed, closedPort := w.listen(farIPv4)
	closed.Close()
	read := func(c net.Conn) error { _, err := io.Copy(io.Discard, c); return err }
	return []failure{
		{"refused", farIPv4, closedPort, time.Minute, nil, syscall.ECONNREFUSED, eventv1.Outcome_OUTCOME_REFUSED},
		{"no answer", silent, 4001, time.Minute, nil, syscall.ETIMEDOUT, eventv1.Outcome_OUTCOME_TIMED_OUT},
		{"the program gives up", silent, 4002, 300 * time.Millisecond, nil, os.ErrDeadlineExceeded, eventv1.Outcome_OUTCOME_ABANDONED},
		{"said to be unreachable", refusedByRouter, 4003, 0, nil, syscall.EHOSTUNREACH, eventv1.Outcome_OUTCOME_UNREACHABLE},
		{"no way", noWay, 4005, time.Minute, nil, syscall.ENETUNREACH, eventv1.Outcome_OUTCOME_UNREACHABLE},
		{"nobody on the cable", nobody, 4004, 0, nil, syscall.EHOSTUNREACH, eventv1.Outcome_OUTCOME_UNREACHABLE},
		{"closed", farIPv4, serve(func(net.Conn) {}), time.Minute, read, nil, eventv1.Outcome_OUTCOME_ESTABLISHED},
		{"reset by the other end", farIPv4, serve(func(c net.Conn) { c.(*net.TCPConn).SetLinger(0) }), time.Minute, read, syscall.ECONNRESET, eventv1.Outcome_OUTCOME_RESET},
		{"reset by us", farIPv4, serve(func(c net.Conn) { io.Copy(io.Discard, c) }), time.Minute,
			func(c net.Conn) error { return c.(*net.TCPConn).SetLinger(0) }, nil, eventv1.Outcome_OUTCOME_ESTABLISHED},
	}
}

type failure struct {
	name     string
	address  string
	port     uint16
	patience time.Duration
	then     func(net.Conn) error
	err      error
	want     eventv1.Outcome
}

func TestEBPFOutcomes(t *testing.T) {
	w := makeTwo(t)
	r := startTraced(t)
	const times = 5
	rows := failures(w)
	told := make([]map[eventv1.Outcome]int, len(rows)) // what the programs were told
	var mu sync.Mutex
	var wait sync.WaitGroup
	for i, f := range rows {
		told[i] = map[eventv1.Outcome]int{}
		for range times {
			wait.Go(func() {
				c, err := w.call(f.address, f.port, f.patience)
				if c != nil {
					if f.then != nil {
						err = f.then(c)
					}
					c.Close()
				}
				want := f.want
				switch {
				case errors.Is(err, f.err):
				case f.want == eventv1.Outcome_OUTCOME_UNREACHABLE && errors.Is(err, syscall.ETIMEDOUT):
					want = eventv1.Outcome_OUTCOME_TIMED_OUT // routers say it only so often
				default:
					t.Errorf("%s: the program's error = %v; want %v", f.name, err, f.err)
				}
				mu.Lock()
				told[i][want]++
				mu.Unlock()
			})
		}
	}
	wait.Wait()
	out := eventv1.Direction_DIRECTION_OUTBOUND
	for i, f := range rows {
		t.Run(f.name, func(t *testing.T) {
			events := r.await(f.name, func(e []*eventv1.Event) bool { return len(ends(e, f.port, out)) >= times })
			got := map[eventv1.Outcome]int{}
			for _, c := range ends(events, f.port, out) {
				got[c.GetOutcome()]++
				if f.address != farIPv4 && c.GetAddress() != f.address {
					t.Errorf("address = %s; want %s", c.GetAddress(), f.address)
				}
				if c.GetProgram().GetPath() == "" {
					t.Errorf("connection = %v; want its program", c)
				}
			}
			// Whether the last try is before the kernel gives the cable up is a matter
			// of moments on a slow machine.
			if !maps.Equal(got, told[i]) || got[f.want] == 0 && f.address != nobody {
				t.Errorf("outcomes = %v; want %v, as the programs were told", got, told[i])
			}
		})
	}
	r.stopNow()
}

func TestEBPFCountsUDP(t *testing.T) {
	w := makeTwo(t)
	r := startTraced(t)
	for _, tt := range []struct {
		name, address string
		connected     bool
		size, n       int
	}{
		{"IPv4", farIPv4, true, 512, 200},
		{"IPv6", farIPv6, true, 512, 200},
		{"IPv4, each with its address", farIPv4, false, 100, 50},
		{"IPv6, each with its address", farIPv6, false, 100, 50},
		{"IPv4, in fragments", farIPv4, true, 4000, 20},
		{"empty", farIPv4, true, 0, 20},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var s, c net.PacketConn
			w.in(w.far, func() {
				var err error
				if s, err = net.ListenPacket("udp", net.JoinHostPort(tt.address, "0")); err != nil {
					t.Fatal(err)
				}
			})
			port := uint16(s.LocalAddr().(*net.UDPAddr).Port)
			w.in(w.near, func() {
				var err error
				if tt.connected {
					var d net.Conn
					d, err = net.Dial("udp", s.LocalAddr().String())
					c, _ = d.(net.PacketConn)
				} else {
					c, err = net.ListenPacket("udp", net.JoinHostPort(map[bool]string{true: nearIPv4, false: nearIPv6}[tt.address == farIPv4], "0"))
				}
				if err != nil {
					t.Fatal(err)
				}
			})
			in, out := make([]byte, 1<<16), make([]byte, tt.size)
			for range tt.n {
				var err error
				if tt.connected {
					_, err = c.(net.Conn).Write(out)
				} else {
					_, err = c.WriteTo(out, s.LocalAddr())
				}
				if err != nil {
					t.Fatal(err)
				}
				_, from, err := s.ReadFrom(in)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := s.WriteTo(in[:tt.size/2], from); err != nil {
					t.Fatal(err)
				}
				if _, _, err := c.ReadFrom(in); err != nil {
					t.Fatal(err)
				}
			}
			c.Close()
			s.Close()
			events := r.await("both ends", func(e []*eventv1.Event) bool { return len(to(e, port)) >= 2 })
			for _, c := range to(events, port) {
				sent, got := uint64(tt.n*tt.size), uint64(tt.n*(tt.size/2))
				if c.GetDirection() == eventv1.Direction_DIRECTION_INBOUND {
					sent, got = got, sent
				}
				if c.GetBytesOut() != sent || c.GetBytesIn() != got || c.GetSegmentsOut() != uint64(tt.n) || c.GetSegmentsIn() != uint64(tt.n) {
					t.Errorf("%v: %d bytes out, %d in, %d packets out, %d in; want %d, %d, %d of each", c.GetDirection(),
						c.GetBytesOut(), c.GetBytesIn(), c.GetSegmentsOut(), c.GetSegmentsIn(), sent, got, tt.n)
				}
				if c.GetTransport() != eventv1.Transport_TRANSPORT_UDP || c.GetProgram().GetPath() == "" || c.GetUser().GetSid() != "0" {
					t.Errorf("flow = %v; want UDP, this program, root", c)
				}
			}
		})
	}
	r.stopNow()
}
