package uplink

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"

	"github.com/discreet-agent/discreet/agent/spool"
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
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(1000 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
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

// issue returns a certificate for name, good until after.
func (a *authority) issue(t testing.TB, name string, after time.Time) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: after, DNSNames: []string{name},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func later() time.Time { return time.Now().Add(999 * time.Hour) }

// clientTLS returns what Options.TLS gives in these tests.
func (a *authority) clientTLS(cert tls.Certificate) func() (*tls.Config, error) {
	return func() (*tls.Config, error) {
		return &tls.Config{RootCAs: a.pool, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &cert, nil
		}}, nil
	}
}

// receiver is a gateway for tests. Its hooks see each message first; without
// them it stores and acknowledges.
type receiver struct {
	uplinkv1.UnimplementedUplinkServer
	t testing.TB

	// onOpen may end a stream at once.
	onOpen func() error
	// onUp may answer a message in its own way and say so.
	onUp   func(up *uplinkv1.Up, send func(*uplinkv1.Down)) (done bool, err error)
	limits *uplinkv1.Limits

	mu      sync.Mutex
	stored  map[spool.Epoch]map[uint64]string // guarded by mu, as are those below
	again   int
	batches int
	gaps    []*uplinkv1.Gap
	hellos  []*uplinkv1.Hello
	headers metadata.MD
	health  int
}

func newReceiver(t testing.TB) *receiver {
	return &receiver{t: t, stored: map[spool.Epoch]map[uint64]string{}}
}

func (r *receiver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, e := range r.stored {
		n += len(e)
	}
	return n
}

func (r *receiver) batchCount() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.batches
}

func (r *receiver) Stream(stream uplinkv1.Uplink_StreamServer) error {
	if r.onOpen != nil {
		if err := r.onOpen(); err != nil {
			return err
		}
	}
	up, err := stream.Recv()
	if err != nil {
		return err
	}
	h := up.GetHello()
	if h == nil {
		return errors.New("no hello")
	}
	r.mu.Lock()
	r.hellos = append(r.hellos, h)
	r.headers, _ = metadata.FromIncomingContext(stream.Context())
	w := &uplinkv1.Welcome{Limits: r.limits}
	for _, b := range h.Epochs {
		through := uint64(0)
		for r.stored[spool.Epoch(b)][through+1] != "" {
			through++
		}
		w.Acked = append(w.Acked, &uplinkv1.AckedEpoch{Epoch: b, ThroughSeq: through})
	}
	r.mu.Unlock()
	if err := stream.Send(&uplinkv1.Down{Message: &uplinkv1.Down_Welcome{Welcome: w}}); err != nil {
		return err
	}
	known := map[string]bool{}
	for {
		up, err := stream.Recv()
		if err != nil {
			return nil
		}
		if p := up.GetPolicy(); p != nil {
			known[string(p.Digest)] = true
		}
		if r.onUp != nil {
			done, err := r.onUp(up, func(d *uplinkv1.Down) { stream.Send(d) })
			if err != nil {
				return err
			}
			if done {
				continue
			}
		}
		switch m := up.Message.(type) {
		case *uplinkv1.Up_Batch:
			if !known[string(m.Batch.PolicyDigest)] {
				r.t.Errorf("batch of %d before its policy", m.Batch.FirstSeq)
			}
			r.keep(m.Batch)
			stream.Send(ackDown(m.Batch.Epoch, m.Batch.FirstSeq+uint64(m.Batch.Count)-1))
		case *uplinkv1.Up_Gap:
			r.mu.Lock()
			r.gaps = append(r.gaps, m.Gap)
			r.put(spool.Epoch(m.Gap.Epoch), m.Gap.Seq, "gap")
			r.mu.Unlock()
			stream.Send(ackDown(m.Gap.Epoch, m.Gap.Seq))
		case *uplinkv1.Up_Health:
			r.mu.Lock()
			r.health++
			r.mu.Unlock()
		}
	}
}

func (r *receiver) put(e spool.Epoch, seq uint64, record string) {
	if r.stored[e] == nil {
		r.stored[e] = map[uint64]string{}
	}
	if have := r.stored[e][seq]; have != "" {
		r.again++
		if have != record {
			r.t.Errorf("record %d came with two contents", seq)
		}
	}
	r.stored[e][seq] = record
}

func (r *receiver) keep(b *uplinkv1.Batch) {
	records, err := open(b.Payload)
	if err != nil || len(records) != int(b.Count) {
		r.t.Errorf("batch of %d: %d records, %v; want %d", b.FirstSeq, len(records), err, b.Count)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.batches++
	for i, record := range records {
		r.put(spool.Epoch(b.Epoch), b.FirstSeq+uint64(i), string(record))
	}
}

func ackDown(epoch []byte, through uint64) *uplinkv1.Down {
	return &uplinkv1.Down{Message: &uplinkv1.Down_Ack{Ack: &uplinkv1.Ack{Epoch: epoch, ThroughSeq: through}}}
}

func rejectDown(b *uplinkv1.Batch, code uplinkv1.RejectCode, index uint32) *uplinkv1.Down {
	return &uplinkv1.Down{Message: &uplinkv1.Down_Reject{Reject: &uplinkv1.Reject{
		Epoch: b.Epoch, FirstSeq: b.FirstSeq, Code: code, Index: index, Field: "User.name",
	}}}
}

// serve starts gw on l with mutual TLS and returns how to stop it.
func serve(t testing.TB, gw *receiver, ca *authority, l net.Listener, conf *tls.Config) (stop func()) {
	t.Helper()
	if conf == nil {
		conf = &tls.Config{
			MinVersion: tls.VersionTLS13, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.pool,
			Certificates: []tls.Certificate{ca.issue(t, "gw.test", later())},
		}
	}
	gs := grpc.NewServer(grpc.Creds(credentials.NewTLS(conf)),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 15 * time.Second}))
	uplinkv1.RegisterUplinkServer(gs, gw)
	var wg sync.WaitGroup
	wg.Go(func() { gs.Serve(l) })
	return sync.OnceFunc(func() { gs.Stop(); wg.Wait() })
}

// loopback listens on a port of its own.
func loopback(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// quick are options for tests in real time.
func quick(ca *authority, cert tls.Certificate, addr string) Options {
	return Options{
		Address: addr, ServerName: "gw.test", TLS: ca.clientTLS(cert), AgentVersion: "1.2.3",
		Linger: time.Millisecond, DrainFor: time.Second, BackoffBase: time.Millisecond, BackoffCap: 20 * time.Millisecond,
		FirstJitter: time.Millisecond, DialTimeout: 5 * time.Second,
	}
}

// start runs c until the test ends or the returned function is called.
func start(t testing.TB, c *Client) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run() = %v; want nil", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// until waits for a condition in real time, far longer than it should take.
func until(t testing.TB, what string, f func() bool) {
	t.Helper()
	for range 2000 {
		if f() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("%s did not come about", what)
}

func record(i int) string { return fmt.Sprintf("record %06d of a made-up kind", i) }
