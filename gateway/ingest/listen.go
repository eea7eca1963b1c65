package ingest

import (
	"crypto/tls"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/grpclog"
	"google.golang.org/grpc/keepalive"
)

// NewGRPC returns a gRPC server with the bounds that many agents and a few
// hostile ones call for. TLS is 1.3 only; who is let in, and how far an expired
// certificate comes, is up to tlsConf.
func NewGRPC(tlsConf *tls.Config, o Options, more ...grpc.ServerOption) *grpc.Server {
	o = o.withDefaults()
	conf := tlsConf.Clone()
	conf.MinVersion, conf.MaxVersion = tls.VersionTLS13, 0
	conf.NextProtos = []string{"h2"}
	// A batch that is a little over the limit must arrive, to be answered with
	// the limit. What is far over it, the transport cuts off.
	maxRecv := 2*o.Limits.BatchBytes + 64<<10
	opts := []grpc.ServerOption{
		grpc.Creds(credentials.NewTLS(conf)),
		grpc.MaxConcurrentStreams(8),
		grpc.MaxHeaderListSize(8 << 10),
		grpc.ConnectionTimeout(10 * time.Second),
		grpc.MaxRecvMsgSize(maxRecv),
		grpc.MaxSendMsgSize(1 << 20),
		grpc.ReadBufferSize(0), grpc.WriteBufferSize(4 << 10),
		grpc.StaticStreamWindowSize(64 << 10), grpc.StaticConnWindowSize(128 << 10),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 15 * time.Second}),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			Time: time.Minute, Timeout: 20 * time.Second,
			MaxConnectionAge: o.ConnAge, MaxConnectionAgeGrace: o.ConnAgeGrace,
		}),
	}
	return grpc.NewServer(append(opts, more...)...)
}

// Quiet turns off the log of the gRPC library for the whole process: it goes to
// standard error by an environment variable, and names peers' addresses. Only
// main calls it, before anything else of this package.
func Quiet() {
	grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, io.Discard, io.Discard))
}
