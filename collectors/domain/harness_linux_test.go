package domain

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"golang.org/x/net/dns/dnsmessage"
	"google.golang.org/protobuf/proto"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
)

// roleKey tells a copy of the test binary what to do instead of testing.
const roleKey = "DISCREET_TEST_ROLE"

// host is the address of the servers of these tests. The ports are the well-known
// ones: others are not looked at.
const host = "127.83.7.1"

func TestMain(m *testing.M) {
	if role := os.Getenv(roleKey); role != "" {
		if err := play(role); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// play does what a role says: a list of "what:count".
func play(role string) error {
	for part := range strings.SplitSeq(role, ",") {
		what, count, _ := strings.Cut(part, ":")
		var n int
		if _, err := fmt.Sscan(count, &n); err != nil {
			return err
		}
		for i := range n {
			if err := contact(what, i); err != nil {
				return fmt.Errorf("%s %d: %w", what, i, err)
			}
		}
	}
	return nil
}

// nameOf is the name that the call number i is about.
func nameOf(what string, i int) string { return fmt.Sprintf("%s%d.example.test", what, i) }

func contact(what string, i int) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	config := &tls.Config{ServerName: nameOf(what, i), InsecureSkipVerify: true, NextProtos: []string{"test"}}
	switch what {
	case "udp", "tcp", "nx", "loose", "six":
		return ask(ctx, what, nameOf(what, i))
	case "named": // and then called at the address that many names have
		if err := ask(ctx, what, nameOf(what, i)); err != nil {
			return err
		}
		conn, err := net.Dial("tcp", host+":8443")
		if err == nil {
			conn.Close()
		}
		return err
	case "denied":
		return denied()
	case "first":
		return notTheFirst()
	case "tls":
		conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", host+":443")
		if err == nil {
			conn.Close()
		}
		return err
	case "split":
		conn, err := net.Dial("tcp", host+":443")
		if err != nil {
			return err
		}
		defer conn.Close()
		return tls.Client(&slow{conn}, config).HandshakeContext(ctx)
	case "quic":
		conn, err := quic.DialAddr(ctx, host+":443", config, nil)
		if err == nil {
			err = conn.CloseWithError(0, "")
		}
		return err
	}
	return errors.ErrUnsupported
}

// denied runs the collector and wants it to be refused for want of capabilities.
func denied() error {
	stats := &collectors.Stats{}
	c, err := New(collectors.Env{Log: slog.New(slog.DiscardHandler), Stats: stats})
	if err != nil {
		return err
	}
	err = c.Run(context.Background(), func(*eventv1.Event) {})
	if !errors.Is(err, collectors.ErrDenied) || !strings.Contains(err.Error(), "CAP_NET_RAW") || !strings.Contains(stats.Note(), "CAP_BPF") {
		return fmt.Errorf("Run() = %w with note %q; want ErrDenied, and both capabilities named", err, stats.Note())
	}
	return nil
}

// slow writes its first bytes in parts of 100.
type slow struct{ net.Conn }

func (s *slow) Write(b []byte) (n int, err error) {
	for len(b) > 0 && err == nil {
		var m int
		m, err = s.Conn.Write(b[:min(100, len(b))])
		n, b = n+m, b[m:]
	}
	return n, err
}

// ask asks for one address, as a resolver does.
func ask(ctx context.Context, what, name string) error {
	q := dnsmessage.Question{Name: dnsmessage.MustNewName(strings.ToUpper(name) + "."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: uint16(time.Now().UnixNano()), RecursionDesired: true}, Questions: []dnsmessage.Question{q}}
	b, err := m.Pack()
	if err != nil {
		return err
	}
	switch what {
	case "tcp":
		// In three parts: the length alone, then the message broken in its middle.
		return exchange(ctx, "tcp", host+":53", binary.BigEndian.AppendUint16(nil, uint16(len(b))), b[:20], b[20:])
	case "six":
		return exchange(ctx, "udp", "[::1]:53", b)
	case "loose": // not connected, as some resolvers do
		conn, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer conn.Close()
		if _, err := conn.WriteTo(b, &net.UDPAddr{IP: net.ParseIP(host), Port: 53}); err != nil {
			return err
		}
		_, _, err = conn.ReadFrom(make([]byte, 4096))
		return err
	}
	return exchange(ctx, "udp", host+":53", b)
}

func exchange(ctx context.Context, network, server string, parts ...[]byte) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, server)
	if err != nil {
		return err
	}
	defer conn.Close()
	for _, part := range parts {
		if _, err := conn.Write(part); err != nil { // at once: Go turns Nagle's algorithm off
			return err
		}
	}
	_, err = conn.Read(make([]byte, 4096))
	return err
}

// serve starts servers of DNS, TLS and QUIC until the test ends.
func serve(t *testing.T) {
	t.Helper()
	pc, err := net.ListenPacket("udp", host+":53")
	if err != nil {
		t.Fatal(err)
	}
	pc6, err := net.ListenPacket("udp", "[::1]:53")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", host+":53")
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{certificate(t)}, NextProtos: []string{"test"}}
	tl, err := tls.Listen("tcp", host+":443", config)
	if err != nil {
		t.Fatal(err)
	}
	qc, err := net.ListenPacket("udp", host+":443")
	if err != nil {
		t.Fatal(err)
	}
	transport := &quic.Transport{Conn: qc}
	ql, err := transport.Listen(config, nil)
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	t.Cleanup(func() {
		for _, c := range []io.Closer{pc, pc6, l, tl, ql, transport, qc} {
			c.Close()
		}
		running.Wait()
	})
	for _, pc := range []net.PacketConn{pc, pc6} {
		running.Go(func() {
			b := make([]byte, 4096)
			for {
				n, from, err := pc.ReadFrom(b)
				if err != nil {
					return
				}
				if out := answer(b[:n]); out != nil {
					_, _ = pc.WriteTo(out, from)
				}
			}
		})
	}
	accept := func(l net.Listener, do func(net.Conn)) {
		running.Go(func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				running.Go(func() { defer c.Close(); do(c) })
			}
		})
	}
	accept(l, func(c net.Conn) {
		var size [2]byte
		if _, err := io.ReadFull(c, size[:]); err != nil {
			return
		}
		b := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(c, b); err != nil {
			return
		}
		out := answer(b)
		_, _ = c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(out))), out...))
	})
	accept(tl, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	running.Go(func() {
		for {
			if _, err := ql.Accept(context.Background()); err != nil {
				return
			}
		}
	})
}

// answer makes the answer to a question: an address behind another name, or no
// such name for what begins with nx.
func answer(b []byte) []byte {
	var m dnsmessage.Message
	if m.Unpack(b) != nil || len(m.Questions) != 1 {
		return nil
	}
	m.Response = true
	q := m.Questions[0]
	switch name := strings.ToLower(q.Name.String()); {
	case strings.HasPrefix(name, "nx"):
		m.RCode = dnsmessage.RCodeNameError
	default:
		edge := dnsmessage.MustNewName("edge.cdn.example.test.")
		m.Answers = []dnsmessage.Resource{
			{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 60}, Body: &dnsmessage.CNAMEResource{CNAME: edge}},
			{Header: dnsmessage.ResourceHeader{Name: edge, Class: q.Class, TTL: 60}, Body: &dnsmessage.AResource{A: [4]byte{127, 83, 7, 1}}},
		}
	}
	out, err := m.Pack()
	if err != nil {
		return nil
	}
	return out
}

func certificate(t testing.TB) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"*.example.test"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// seen gathers events about names under example.test, by name.
type seen struct {
	mu     sync.Mutex // guards events
	events map[string][]*eventv1.Event
}

func (s *seen) emit(e *eventv1.Event) {
	d := e.GetDomainSeen()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events[d.GetDomain()] = append(s.events[d.GetDomain()], proto.Clone(e).(*eventv1.Event))
}

func (s *seen) of(name string) []*eventv1.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.events[name]
}

// collect runs the collector on one rung while do runs, until done says that all
// was seen.
func collect(t *testing.T, rung eventv1.Rung, do func(), done func(*seen) bool) (*seen, *collectors.Stats) {
	t.Helper()
	s := &seen{events: make(map[string][]*eventv1.Event)}
	env := collectors.Env{
		Log: slog.New(slog.DiscardHandler), Stats: &collectors.Stats{}, Rung: rung, Names: &collectors.Names{},
		Keeps: func(privacyv1.Class) bool { return true },
	}
	c, err := New(env)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx, s.emit) }()
	until(t, ended, func() bool { return env.Stats.Rung() != 0 })
	do()
	until(t, ended, func() bool { return done(s) })
	stop()
	if err := <-ended; err != nil {
		t.Errorf("Run() = %v; want nil", err)
	}
	return s, env.Stats
}

func until(t *testing.T, ended chan error, what func() bool) {
	t.Helper()
	for range 300 {
		if what() {
			return
		}
		select {
		case err := <-ended:
			if errors.Is(err, collectors.ErrDenied) && os.Getuid() != 0 {
				t.Skipf("needs capabilities(7): %v", err)
			}
			t.Fatalf("Run() = %v; want it to run on", err)
		case <-time.After(100 * time.Millisecond):
		}
	}
	t.Error("not seen within 30 s")
}

// client runs a copy of the test binary, from a path of its own and as an account
// of its own, that plays a role. It returns the path.
func client(t *testing.T, uid uint32, role string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "domain-test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "client")
	if err := os.WriteFile(path, program, 0o755); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(path)
	c.Dir, c.Env = "/", []string{roleKey + "=" + role, "GORACE=atexit_sleep_ms=0", "GOMAXPROCS=" + os.Getenv("GOMAXPROCS")}
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", role, err, out)
	}
	return path
}
