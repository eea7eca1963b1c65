package uplink

import (
	"bufio"
	"context"
	"encoding/base64"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	uplinkv1 "github.com/discreet-agent/discreet/proto/uplink/v1"
)

// proxy is an HTTP proxy that knows CONNECT.
type proxy struct {
	l      net.Listener
	secret string        // "": none wanted
	idle   time.Duration // 0: never; else tunnels on which nothing goes up are cut
	target string        // what it dials, whatever name it was given

	mu    sync.Mutex
	asked []string // guarded by mu
	conns []net.Conn
	heads string
}

func newProxy(t *testing.T, target string) *proxy {
	p := &proxy{l: loopback(t), target: target}
	go p.accept()
	t.Cleanup(func() { p.l.Close(); p.cut() })
	return p
}

// seen returns what the proxy was asked, and the names of the headers.
func (p *proxy) seen() ([]string, string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.asked), p.heads
}

func (p *proxy) accept() {
	for {
		conn, err := p.l.Accept()
		if err != nil {
			return
		}
		go p.serve(conn)
	}
}

func (p *proxy) serve(conn net.Conn) {
	defer conn.Close()
	br := bufio.NewReader(conn)
	req, err := http.ReadRequest(br)
	if err != nil {
		return
	}
	p.mu.Lock()
	p.asked = append(p.asked, req.Method+" "+req.Host)
	for key := range req.Header {
		p.heads += key + " "
	}
	p.mu.Unlock()
	if want := "Basic " + base64.StdEncoding.EncodeToString([]byte(p.secret)); p.secret != "" && req.Header.Get("Proxy-Authorization") != want {
		io.WriteString(conn, "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"canary\"\r\nContent-Length: 0\r\n\r\n")
		return
	}
	up, err := net.Dial("tcp", p.target)
	if err != nil {
		io.WriteString(conn, "HTTP/1.1 502 Bad Gateway\r\n\r\n")
		return
	}
	defer up.Close()
	p.mu.Lock()
	p.conns = append(p.conns, conn, up)
	p.mu.Unlock()
	io.WriteString(conn, "HTTP/1.1 200 OK\r\nVia: 1.1 test\r\n\r\n")
	go func() { io.Copy(conn, up); conn.Close() }()
	for {
		if p.idle > 0 {
			conn.SetReadDeadline(time.Now().Add(p.idle))
		}
		if _, err := io.CopyN(up, br, 1); err != nil {
			return
		}
	}
}

// cut ends all tunnels.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.Close()
	}
	p.conns = nil
}

func secretFile(t *testing.T, text string, mode os.FileMode) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "proxy")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(name, mode); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestProxy(t *testing.T) {
	for _, tt := range []struct {
		name   string
		wants  string // credentials that the proxy wants
		change func(*testing.T, *Options)
		target string
		want   Reason // ReasonNone: the record arrives
	}{
		{name: "open"},
		{name: "credentials", wants: "agent:p:w", change: func(t *testing.T, o *Options) {
			o.ProxyCredentialsFile = secretFile(t, "agent:p:w\n", 0o600)
		}},
		{name: "wants credentials", wants: "agent:pw", want: ReasonProxyCredentials},
		{name: "other credentials", wants: "agent:pw", want: ReasonProxyCredentials, change: func(t *testing.T, o *Options) {
			o.ProxyCredentialsFile = secretFile(t, "agent:canary\n", 0o600)
		}},
		{name: "credentials open to all", wants: "agent:pw", want: ReasonProxySettings, change: func(t *testing.T, o *Options) {
			o.ProxyCredentialsFile = secretFile(t, "agent:pw\n", 0o644)
		}},
		{name: "credentials without a colon", want: ReasonProxySettings, change: func(t *testing.T, o *Options) {
			o.ProxyCredentialsFile = secretFile(t, "canary", 0o600)
		}},
		{name: "https", want: ReasonProxySettings, change: func(_ *testing.T, o *Options) {
			o.Proxy = strings.Replace(o.Proxy, "http:", "https:", 1)
		}},
		{name: "gateway not reached", target: "127.0.0.1:1", want: ReasonProxy},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.name == "credentials open to all" && os.PathSeparator == '\\' {
				t.Skip("Windows: modes do not tell who may read the file of the proxy's password; the access list of its folder does, which the installer sets")
			}
			p, _ := newPair(t, nil)
			target := tt.target
			if target == "" {
				target = p.o.Address
			}
			px := newProxy(t, target)
			px.secret = tt.wants
			o := p.o
			o.Address, o.ServerName, o.Proxy = "gw.test:8443", "", "http://"+px.l.Addr().String()
			if tt.change != nil {
				tt.change(t, &o)
			}
			p.src.add(record(1), stampOf(0))
			c := New(p.src, o)
			stop := start(t, c)
			if tt.want == ReasonNone {
				until(t, "the record", func() bool { return p.src.left() == 0 })
			} else {
				until(t, "the reason", func() bool { return c.Status().Reason == tt.want })
			}
			stop()
			asked, heads := px.seen()
			if tt.want != ReasonProxySettings && (len(asked) == 0 || asked[0] != "CONNECT gw.test:8443") {
				t.Errorf("proxy was asked %v; want CONNECT gw.test:8443", asked)
			}
			if tt.want == ReasonProxySettings && len(asked) > 0 {
				t.Errorf("proxy was asked %v; want nothing", asked)
			}
			if h := strings.TrimSpace(strings.ReplaceAll(heads, "Proxy-Authorization ", "")); h != "" {
				t.Errorf("proxy saw headers %s; want no other", h)
			}
			if strings.Contains(p.log.String(), "canary") {
				t.Errorf("the log holds a secret:\n%s", p.log)
			}
		})
	}
}

func TestCheckProxy(t *testing.T) {
	for _, tt := range []struct {
		in   string
		good bool
	}{
		{"", true}, {"http://proxy.test:3128", true}, {"http://[::1]:3128", true},
		{"https://proxy.test:3128", false}, {"socks5://proxy.test:1080", false}, {"proxy.test:3128", false},
		{"http://proxy.test", false}, {"http://me:canary@proxy.test:3128", false}, {"http://", false}, {"://", false},
	} {
		err := CheckProxy(tt.in)
		if (err == nil) != tt.good {
			t.Errorf("CheckProxy(%q) = %v; want good %v", tt.in, err, tt.good)
		}
		if err != nil && (!strings.Contains(err.Error(), "hint:") || strings.Contains(err.Error(), "canary")) {
			t.Errorf("CheckProxy(%q) = %v; want a hint and no secret", tt.in, err)
		}
	}
}

func TestIdleTunnelCut(t *testing.T) {
	p, _ := newPair(t, nil)
	px := newProxy(t, p.o.Address)
	px.idle = 100 * time.Millisecond
	o := p.o
	o.Address, o.ServerName, o.Proxy = "gw.test:8443", "", "http://"+px.l.Addr().String()
	c := New(p.src, o)
	start(t, c)
	until(t, "a cut", func() bool { return c.Status().Reconnects >= 2 })
	p.src.add(record(1), stampOf(0))
	until(t, "the record", func() bool { return p.src.left() == 0 })
}

func TestProxyThatSaysTooMuch(t *testing.T) {
	for name, answer := range map[string]string{
		"endless head": "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: "+strings.Repeat("x", 1000)+"\r\n", 50),
		"not HTTP":     "SSH-2.0-test\r\n\r\n",
		"cut":          "HTTP/1.1 200",
		"empty":        "",
	} {
		t.Run(name, func(t *testing.T) {
			ours, theirs := net.Pipe()
			go func() {
				io.CopyN(io.Discard, theirs, 10)
				go io.Copy(io.Discard, theirs)
				io.WriteString(theirs, answer)
				theirs.Close()
			}()
			if err := knock(ours, "gw.test:1", ""); err == nil || dialReason(err) != ReasonProxy {
				t.Errorf("knock() = %v; want a proxy error", err)
			}
		})
	}
}

// flaky is a connection that breaks after some bytes, and sometimes in silence.
type flaky struct {
	net.Conn
	mu   sync.Mutex
	left int
}

func (f *flaky) spend(n int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left -= n
	return f.left > 0
}

func (f *flaky) Read(p []byte) (int, error) {
	n, err := f.Conn.Read(p)
	if !f.spend(n) {
		f.Conn.Close()
	}
	return n, err
}

func (f *flaky) Write(p []byte) (int, error) {
	if !f.spend(len(p)) {
		f.Conn.Write(p[:len(p)/2]) // the gateway gets a part
		f.Conn.Close()
		return 0, io.ErrClosedPipe
	}
	return f.Conn.Write(p)
}

// TestNothingLostOrTwice cuts the connection at random places, restarts the
// gateway, lets it reject and put off, and compares at the end.
func TestNothingLostOrTwice(t *testing.T) {
	const records = 20_000
	rng := rand.New(rand.NewPCG(1, 2))
	var mu sync.Mutex
	chance := func(n int) int { mu.Lock(); defer mu.Unlock(); return rng.IntN(n) }
	ca := newAuthority(t)
	gw, src := newReceiver(t), newMemory(t)
	gw.onUp = func(up *uplinkv1.Up, send func(*uplinkv1.Down)) (bool, error) {
		b := up.GetBatch()
		if b == nil {
			return false, nil
		}
		switch chance(12) {
		case 0:
			send(&uplinkv1.Down{Message: &uplinkv1.Down_RetryAfter{RetryAfter: &uplinkv1.RetryAfter{Epoch: b.Epoch, FirstSeq: b.FirstSeq, AfterMs: 1}}})
			return true, nil
		case 1:
			if b.Count > 1 {
				send(rejectDown(b, uplinkv1.RejectCode_REJECT_CODE_TOO_LARGE, 0))
				return true, nil
			}
		case 2:
			gw.keep(b) // stored, and the acknowledgement is lost
			return true, io.ErrUnexpectedEOF
		}
		return false, nil
	}
	l := loopback(t)
	addr := l.Addr().String()
	stopServer := serve(t, gw, ca, l, nil)
	o := quick(ca, ca.issue(t, "agent", later()), addr)
	o.MaxBatchEvents = 100
	o.Dialer = func(ctx context.Context, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err != nil {
			return nil, err
		}
		return &flaky{Conn: conn, left: 4_000 + chance(40_000)}, nil
	}
	c := New(src, o)
	stop := start(t, c)
	for i := range records {
		src.add(record(i), stampOf(i/500))
		switch {
		case i%5000 == 4999:
			src.reopen()
		case i%7000 == 6999:
			stopServer()
			l, err := net.Listen("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			stopServer = serve(t, gw, ca, l, nil)
		}
	}
	defer func() { stopServer() }()
	until(t, "empty source", func() bool { return src.left() == 0 })
	stop()
	t.Logf("%d records, %d streams, %d came again", records, c.Status().Reconnects, gw.again)
	if gw.count() != records || c.Status().Reconnects < 10 || gw.again == 0 {
		t.Errorf("stored %d over %d streams, %d again; want %d, many, some", gw.count(), c.Status().Reconnects, gw.again, records)
	}
	for e, seqs := range gw.stored {
		for s := range seqs {
			if s == 0 || s > 5000 {
				t.Errorf("record %d of epoch %x was never written", s, e[:1])
			}
		}
	}
}
