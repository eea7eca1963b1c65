package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	"github.com/discreet-agent/discreet/gateway/access"
	"github.com/discreet-agent/discreet/gateway/ingest"
	"github.com/discreet-agent/discreet/privacy"
	enrollv1 "github.com/discreet-agent/discreet/proto/enroll/v1"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	uplinkv1 "github.com/discreet-agent/discreet/proto/uplink/v1"
)

const (
	drainTime   = 10 * time.Second // how long a stop waits for streams to end
	expireEvery = time.Hour
)

func serveCommand(s *shared) *cobra.Command {
	return &cobra.Command{
		Use: "serve", Short: "receive from agents until stopped", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return s.with(c.Context(), func(r *room) error { return serve(c.Context(), r) })
		},
	}
}

// serve receives until ctx is done: enrolment and streams on one port, old days
// taken away once an hour.
func serve(ctx context.Context, r *room) error {
	ingest.Quiet()
	level := &slog.LevelVar{}
	_ = level.UnmarshalText([]byte(r.set.Log.Level))
	log := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	ca, err := r.ca()
	if err != nil {
		return fmt.Errorf("%w; hint: discreet-gateway ca init --host NAME", err)
	}
	tlsConf, err := ca.ServerTLS()
	if err != nil {
		return err
	}
	o := ingest.Options{
		Limits: ingest.Limits{
			BatchEvents: r.set.Limits.MaxBatchEvents, BatchBytes: int(r.set.Limits.MaxBatchBytes),
			DecodedBytes: int(r.set.Limits.MaxDecodedBytes), WindowBatches: r.set.Limits.WindowBatches,
			StreamsPerDevice: r.set.Limits.StreamsPerDevice,
		},
		Log:   log,
		Check: func(p privacy.Policy, ev *eventv1.Event) error { return p.Check(ev) },
		Field: forbiddenField, Identities: r.store, States: r.store,
	}
	auth := &access.Authorizer{CA: ca, Registry: r.store}
	srv := ingest.NewGRPC(tlsConf, o)
	up := ingest.New(r.store, r.store, auth, o)
	uplinkv1.RegisterUplinkServer(srv, up)
	enrollv1.RegisterEnrollmentServer(srv, access.NewEnrollment(ca, r.store, access.EnrollmentOptions{
		Days: r.set.CertificateDays, Log: log, Lineage: r.store, Connected: up.Connected,
		Superseded: func(ctx context.Context, n int) {
			if err := r.record(ctx, "device.supersede", "machine", int64(n), 0); err != nil {
				log.Error("audit log not written", "err", err)
			}
		},
	}))
	lis, err := net.Listen("tcp", r.set.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	log.Info("gateway started", "version", version, "listen", lis.Addr().String(), "pid", os.Getpid())
	return run(ctx, srv, lis, r, log, &pusher{file: pushFile(r.set), push: up.Push, log: log})
}

// forbiddenField names the field that the second look is about.
func forbiddenField(err error) string {
	var f *privacy.Forbidden
	if errors.As(err, &f) {
		return f.Field
	}
	return ""
}

func run(ctx context.Context, srv *grpc.Server, lis net.Listener, r *room, log *slog.Logger, p *pusher) error {
	p.look() // before the first agent connects
	served := make(chan error, 1)
	go func() { served <- srv.Serve(lis) }()
	tick := time.NewTicker(expireEvery)
	defer tick.Stop()
	look := time.NewTicker(pushEvery)
	defer look.Stop()
	expire(ctx, r, log)
	for {
		select {
		case err := <-served:
			return err
		case <-look.C:
			p.look()
		case <-tick.C:
			expire(ctx, r, log)
		case <-ctx.Done():
			stop(srv)
			log.Info("gateway stopped")
			if err := <-served; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
				return err
			}
			return nil
		}
	}
}

// stop lets streams end by themselves for a while.
func stop(srv *grpc.Server) {
	done := make(chan struct{})
	go func() { srv.GracefulStop(); close(done) }()
	select {
	case <-done:
	case <-time.After(drainTime):
		srv.Stop()
		<-done
	}
}

// expire takes away the days that are over the retention.
func expire(ctx context.Context, r *room, log *slog.Logger) {
	n, err := r.store.Expire(ctx, time.Now().Add(-r.set.Retention))
	switch {
	case err != nil && ctx.Err() == nil:
		log.Error("retention not applied", "err", err)
	case n > 0:
		log.Info("retention applied", "events", n)
	}
}
