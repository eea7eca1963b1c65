package ingest

import (
	"bytes"
	"context"
	"crypto/tls"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	uplinkv1 "github.com/discreet-agent/discreet/proto/uplink/v1"
)

func TestRefusals(t *testing.T) {
	foreign := newAuthority(t)
	for _, tt := range []struct {
		name string
		conf func(*site) *tls.Config
		want string // "": no stream comes about at all
	}{
		{"revoked", func(s *site) *tls.Config { return s.conf(s.ca.issue(t, "gone", later())) }, "device revoked"},
		{"unknown", func(s *site) *tls.Config { return s.conf(s.ca.issue(t, "nobody", later())) }, "device unknown"},
		{"expired", func(s *site) *tls.Config { return s.conf(s.ca.issue(t, "d1", time.Now().Add(-time.Minute))) }, "certificate expired"},
		{"none", func(s *site) *tls.Config { return s.conf() }, "no client certificate"},
		{"foreign CA", func(s *site) *tls.Config { return s.conf(foreign.issue(t, "d1", later())) }, ""},
		{"TLS 1.2", func(s *site) *tls.Config {
			c := s.conf(s.ca.issue(t, "d1", later()))
			c.MaxVersion = tls.VersionTLS12
			return c
		}, ""},
		{"gateway of a foreign CA", func(s *site) *tls.Config {
			c := s.conf(s.ca.issue(t, "d1", later()))
			c.RootCAs = foreign.pool
			return c
		}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, nil)
			conn, err := grpc.NewClient("passthrough:///"+s.addr, grpc.WithTransportCredentials(credentialsOf(tt.conf(s))))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			stream, err := uplinkv1.NewUplinkClient(conn).Stream(ctx)
			if err == nil {
				_, err = stream.Recv()
			}
			st := status.Convert(err)
			if tt.want != "" && (st.Code() != codes.Unauthenticated || st.Message() != tt.want || !s.refused(tt.want)) {
				t.Errorf("stream = %v; want Unauthenticated %q", err, tt.want)
			}
			if tt.want == "" && (err == nil || st.Code() != codes.Unavailable || s.srv.Counters().Streams != 0) {
				t.Errorf("stream = %v; want none", err)
			}
		})
	}
}

func TestHello(t *testing.T) {
	hello := func(h *uplinkv1.Hello) *uplinkv1.Up { return &uplinkv1.Up{Message: &uplinkv1.Up_Hello{Hello: h}} }
	for _, tt := range []struct {
		name string
		up   *uplinkv1.Up
		want string
	}{
		{"not a hello", &uplinkv1.Up{Message: &uplinkv1.Up_Batch{Batch: batch(1, 1)}}, ReasonMalformed},
		{"nothing", &uplinkv1.Up{}, ReasonMalformed},
		{"newer protocol", hello(&uplinkv1.Hello{Protocol: 2}), ReasonProtocolVersion},
		{"short epoch", hello(&uplinkv1.Hello{Protocol: 1, Epochs: [][]byte{{1}}}), ReasonMalformed},
		{"many epochs", hello(&uplinkv1.Hello{Protocol: 1, Epochs: make([][]byte, 1025)}), ReasonMalformed},
		{"silence", nil, ReasonNoHello},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, func(o *Options) { o.HelloWithin = 200 * time.Millisecond })
			a := s.dial(s.conf(s.ca.issue(t, "d1", later())))
			if tt.up != nil {
				a.send(tt.up)
			}
			if got := status.Convert(a.fails()).Message(); got != tt.want {
				t.Errorf("stream ends with %q; want %q", got, tt.want)
			}
		})
	}
	s := newSite(t, nil)
	a := s.open("d1")
	a.send(hello(&uplinkv1.Hello{Protocol: 1}))
	if got := status.Convert(a.fails()).Message(); got != ReasonMalformed {
		t.Errorf("second hello ends the stream with %q; want %q", got, ReasonMalformed)
	}
}

func TestStreamsPerDevice(t *testing.T) {
	s := newSite(t, nil)
	a := s.open("d1")
	s.open("d1")
	c := s.dial(s.conf(s.ca.issue(t, "d1", later())))
	if st := status.Convert(c.fails()); st.Code() != codes.ResourceExhausted || st.Message() != ReasonTooManyStreams {
		t.Errorf("third stream = %v; want ResourceExhausted", st)
	}
	s.open("d2")
	a.cancel()
	for range 1000 { // the gateway hears of it soon
		if s.srv.Counters().Open < 3 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	s.open("d1")
}

func TestRevocationEndsALiveStream(t *testing.T) {
	for _, tt := range []struct {
		name string
		idle bool
	}{{"busy", false}, {"idle", true}} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, func(o *Options) {
				o.RecheckBusy, o.RecheckIdle = time.Nanosecond, time.Hour
				if tt.idle {
					o.RecheckBusy, o.RecheckIdle = time.Hour, 50*time.Millisecond
				}
			})
			a := s.open("d1")
			a.policy(balanced())
			a.batch(batch(1, 1))
			s.guard.set("d1", "device revoked")
			if !tt.idle {
				a.send(&uplinkv1.Up{Message: &uplinkv1.Up_Batch{Batch: batch(2, 1)}})
			}
			if st := status.Convert(a.fails()); st.Code() != codes.Unauthenticated || st.Message() != "device revoked" {
				t.Errorf("stream ends with %v; want device revoked", st)
			}
			if s.store.count() != 1 {
				t.Errorf("rows %d; want 1: nothing after the revocation", s.store.count())
			}
		})
	}
}

// TestBomb sends 256 MiB of zeros in a few kilobytes, again and again, and looks
// at what the process allocates meanwhile, both ends of the stream together.
func TestBomb(t *testing.T) {
	var undeclared bytes.Buffer // a frame that does not say how large it becomes
	z, err := zstd.NewWriter(&undeclared, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(64<<10))
	if err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	for range 256 {
		z.Write(zeros)
	}
	z.Close()
	frames := bytes.Repeat(squeeze(zeros[:512<<10]), 512)
	for _, tt := range []struct {
		name    string
		payload []byte
	}{
		{"declared", squeeze(make([]byte, 256<<20))}, {"undeclared", undeclared.Bytes()}, {"many frames", frames},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, nil)
			b := batch(1, 3)
			b.Payload = tt.payload
			a := s.open("d1")
			a.policy(balanced())
			a.batch(b) // the buffers come with the first
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for range 50 {
				if r := a.batch(b).GetReject(); r.GetCode() != tooLarge {
					t.Fatalf("answer = %v; want TOO_LARGE", r)
				}
			}
			runtime.ReadMemStats(&after)
			got := (after.TotalAlloc - before.TotalAlloc) >> 10
			t.Logf("50 bombs of %d KiB: %d KiB allocated", len(tt.payload)>>10, got)
			if got > 50<<10 { // the race detector throws half of gRPC's buffers away
				t.Errorf("%d KiB allocated; want at most 50 MiB", got)
			}
		})
	}
}

func TestFarOverTheTransport(t *testing.T) {
	s := newSite(t, nil)
	a := s.open("d1")
	a.policy(balanced())
	b := batch(1, 3)
	b.Payload = make([]byte, 3<<20)
	a.stream.Send(&uplinkv1.Up{Message: &uplinkv1.Up_Batch{Batch: b}})
	if st := status.Convert(a.fails()); st.Code() != codes.ResourceExhausted {
		t.Errorf("stream ends with %v; want ResourceExhausted", st)
	}
}

// TestHostileDoesNotStarve lets one device send nonsense without waiting, and
// the others work.
func TestHostileDoesNotStarve(t *testing.T) {
	s := newSite(t, func(o *Options) { o.Limits.BatchesInHand = 2 })
	bad := s.open("d1")
	bad.policy(balanced())
	bomb := batch(1, 3)
	bomb.Payload = squeeze(make([]byte, 900<<10))
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil && bad.stream.Send(&uplinkv1.Up{Message: &uplinkv1.Up_Batch{Batch: bomb}}) == nil {
		}
	})
	wg.Go(func() { // it reads, or its own answers would stop it
		for {
			if _, err := bad.stream.Recv(); err != nil {
				return
			}
		}
	})
	good := s.open("d2")
	good.policy(balanced())
	for i := range 50 {
		if d := good.batch(batch(uint64(i*10+1), 10)); d.GetAck() == nil {
			t.Fatalf("answer = %v; want an ack", d)
		}
	}
	cancel()
	bad.cancel()
	wg.Wait()
}

func TestVersionOf(t *testing.T) {
	for in, want := range map[string]string{
		"1.2.3": "1.2.3", "v1.0.0-rc.1+build_5": "v1.0.0-rc.1+build_5", "": "",
		"1.0\n{\"level\":\"error\"}": "", "jdoe@corp": "", strings.Repeat("1", 65): "",
	} {
		if got := versionOf(in); got != want {
			t.Errorf("versionOf(%q) = %q; want %q", in, got, want)
		}
	}
}
