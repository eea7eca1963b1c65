package uplink

import (
	"io"

	"google.golang.org/grpc/grpclog"
)

// Quiet turns off the log of the gRPC library for the whole process: it goes to
// standard error by an environment variable, and names addresses. Only main
// calls it, before anything else of this package.
func Quiet() {
	grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, io.Discard, io.Discard))
}
