package ingest

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"log/slog"
	"maps"
	"math/big"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/protobuf/proto"

	"github.com/discreet-agent/discreet/gateway"
	"github.com/discreet-agent/discreet/privacy"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	uplinkv1 "github.com/discreet-agent/discreet/proto/uplink/v1"
)

// authority is a throw-away CA.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, _ := x509.ParseCertificate(der)
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &authority{cert, key, pool}
}

// issue returns a certificate: for the gateway, or for a device.
func (a *authority) issue(t testing.TB, dev string, after time.Time) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: after,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	if dev == "" {
		tmpl.DNSNames = []string{"gw.test"}
	} else {
		u, err := url.Parse("spiffe://test/device/" + dev)
		if err != nil {
			t.Fatal(err)
		}
		tmpl.URIs = []*url.URL{u}
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func later() time.Time { return time.Now().Add(time.Hour) }

// warden authorises by the name in the certificate and a list of devices.
type warden struct {
	mu    sync.Mutex
	state map[gateway.Device]string // "": let in; else the words of the refusal
}

func (w *warden) set(dev gateway.Device, words string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state[dev] = words
}

func (w *warden) Authorize(_ context.Context, cert *x509.Certificate) (gateway.Device, error) {
	if cert == nil {
		return "", &Refusal{"no client certificate"}
	}
	name, ok := strings.CutPrefix(cert.URIs[0].String(), "spiffe://test/device/")
	if !ok {
		return "", &Refusal{"wrong trust domain"}
	}
	if time.Now().After(cert.NotAfter) {
		return "", &Refusal{"certificate expired"}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	words, known := w.state[gateway.Device(name)]
	switch {
	case !known:
		return "", &Refusal{"device unknown"}
	case words != "":
		return "", &Refusal{words}
	}
	return gateway.Device(name), nil
}

// site is a running gateway on loopback.
type site struct {
	t     testing.TB
	ca    *authority
	guard *warden
	store *memory
	srv   *Server
	gs    *grpc.Server
	addr  string
	log   *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newSite(t testing.TB, change func(*Options)) *site {
	t.Helper()
	s := &site{
		t: t, ca: newAuthority(t), store: newMemory(), log: &lockedBuffer{},
		guard: &warden{state: map[gateway.Device]string{"d1": "", "d2": "", "gone": "device revoked"}},
	}
	o := Options{Log: slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	if change != nil {
		change(&o)
	}
	s.srv = New(s.store, s.store, s.guard, o)
	conf := &tls.Config{
		MinVersion: tls.VersionTLS12, // NewGRPC must raise it
		ClientAuth: tls.RequestClientCert, Certificates: []tls.Certificate{s.ca.issue(t, "", later())},
		VerifyConnection: func(c tls.ConnectionState) error {
			for _, cert := range c.PeerCertificates {
				if err := cert.CheckSignatureFrom(s.ca.cert); err != nil {
					return err
				}
			}
			return nil
		},
	}
	s.gs = NewGRPC(conf, o)
	s.srv.Register(s.gs)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	var wg sync.WaitGroup
	wg.Go(func() { s.gs.Serve(l) })
	t.Cleanup(func() {
		s.gs.Stop()
		wg.Wait()
		s.srv.Wait()
	})
	return s
}

// agent is a hand-driven client.
type agent struct {
	t      testing.TB
	stream uplinkv1.Uplink_StreamClient
	cancel func()
	conn   *grpc.ClientConn
}

func (s *site) dial(conf *tls.Config) *agent {
	s.t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+s.addr, grpc.WithTransportCredentials(credentials.NewTLS(conf)))
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	s.t.Cleanup(func() { cancel(); conn.Close() })
	stream, err := uplinkv1.NewUplinkClient(conn).Stream(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	return &agent{s.t, stream, cancel, conn}
}

func (s *site) conf(certs ...tls.Certificate) *tls.Config {
	return &tls.Config{RootCAs: s.ca.pool, ServerName: "gw.test", Certificates: certs}
}

// open returns a stream of dev that has been welcomed.
func (s *site) open(dev string) *agent {
	s.t.Helper()
	a := s.dial(s.conf(s.ca.issue(s.t, dev, later())))
	a.hello()
	return a
}

func (a *agent) hello(epochs ...[]byte) *uplinkv1.Welcome {
	a.t.Helper()
	a.send(&uplinkv1.Up{Message: &uplinkv1.Up_Hello{Hello: &uplinkv1.Hello{Protocol: 1, Schema: 1, AgentVersion: "1.2.3", Epochs: epochs}}})
	w := a.recv().GetWelcome()
	if w == nil {
		a.t.Fatal("first answer is no welcome")
	}
	return w
}

func (a *agent) send(up *uplinkv1.Up) {
	a.t.Helper()
	if err := a.stream.Send(up); err != nil {
		a.t.Fatalf("Send() = %v", err)
	}
}

func (a *agent) recv() *uplinkv1.Down {
	a.t.Helper()
	d, err := a.stream.Recv()
	if err != nil {
		a.t.Fatalf("Recv() = %v", err)
	}
	return d
}

// fails returns the error that ends the stream.
func (a *agent) fails() error {
	a.t.Helper()
	for range 10 {
		if _, err := a.stream.Recv(); err != nil {
			return err
		}
	}
	a.t.Fatal("the stream goes on")
	return nil
}

func balanced() privacy.Policy {
	p, _ := privacy.Preset("balanced")
	return p
}

func (a *agent) policy(p privacy.Policy) {
	a.t.Helper()
	d := p.Digest()
	a.send(&uplinkv1.Up{Message: &uplinkv1.Up_Policy{Policy: &uplinkv1.Policy{Digest: d[:], Levels: p.Lines()}}})
}

func pack(records ...[]byte) []byte {
	raw, err := proto.Marshal(&uplinkv1.Records{Events: records})
	if err != nil {
		panic(err)
	}
	return squeeze(raw)
}

func squeeze(raw []byte) []byte {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(64<<10))
	if err != nil {
		panic(err)
	}
	defer z.Close()
	return z.EncodeAll(raw, nil)
}

func software(name string) []byte {
	b, err := proto.Marshal(&eventv1.Event{TimeUnixMs: 1, Kind: &eventv1.Event_Software{Software: &eventv1.Software{Name: name}}})
	if err != nil {
		panic(err)
	}
	return b
}

// batch returns a good batch of n events that begins at first.
func batch(first uint64, n int) *uplinkv1.Batch {
	var records [][]byte
	for i := range n {
		records = append(records, software("package "+string(rune('a'+i%26))))
	}
	d := balanced().Digest()
	return &uplinkv1.Batch{
		Epoch: bytes.Repeat([]byte{7}, 16), FirstSeq: first, Count: uint32(n), PolicyDigest: d[:],
		Encoding: uplinkv1.Encoding_ENCODING_ZSTD_RECORDS, Payload: pack(records...),
	}
}

func (a *agent) batch(b *uplinkv1.Batch) *uplinkv1.Down {
	a.t.Helper()
	a.send(&uplinkv1.Up{Message: &uplinkv1.Up_Batch{Batch: b}})
	return a.recv()
}

func (s *site) refused(words string) bool {
	_, ok := maps.Clone(s.srv.Counters().Refused)[words]
	return ok
}
