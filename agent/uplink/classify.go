package uplink

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// dialReason classifies an error of the way to TLS. The texts of such errors
// name servers of DNS and addresses, and so go no further than this.
func dialReason(err error) Reason {
	var dns *net.DNSError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, errAddress):
		return ReasonAddress
	case errors.Is(err, errProxySettings):
		return ReasonProxySettings
	case errors.Is(err, errProxyCredentials):
		return ReasonProxyCredentials
	case errors.Is(err, errProxyAnswer):
		return ReasonProxy
	case errors.As(err, &dns):
		return ReasonDNS
	case isRefused(err):
		return ReasonConnRefused
	case isNoRoute(err):
		return ReasonNoRoute
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &timeout) && timeout.Timeout():
		return ReasonTimeout
	}
	return ReasonNoRoute
}

func isRefused(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, wsaRefused)
}

func isNoRoute(err error) bool {
	return errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EHOSTUNREACH) ||
		errors.Is(err, wsaNetUnreach) || errors.Is(err, wsaHostUnreach)
}

// Winsock's numbers for the same faults, which package syscall does not map.
const (
	wsaNetUnreach  = syscall.Errno(10051)
	wsaRefused     = syscall.Errno(10061)
	wsaHostUnreach = syscall.Errno(10065)
)

// handshakeReason classifies an error of the TLS handshake.
func handshakeReason(err error) Reason {
	var (
		ca      x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
		record  tls.RecordHeaderError
		timeout interface{ Timeout() bool }
	)
	switch {
	case errors.As(err, &ca):
		return ReasonWrongCA
	case errors.As(err, &name):
		return ReasonServerName
	case errors.As(err, &invalid):
		if invalid.Reason == x509.Expired {
			return ReasonServerExpired
		}
		return ReasonWrongCA
	case errors.As(err, &record):
		return ReasonNotTLS
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return ReasonTimeout
	}
	if r := alertReason(err); r != ReasonNone {
		return r
	}
	if strings.Contains(err.Error(), "protocol version") { // ours, of crypto/tls: it has no type
		return ReasonTLSVersion
	}
	return ReasonTLS
}

// readReason classifies how reading ended before the gateway said anything.
func readReason(err error) Reason {
	if r := alertReason(err); r != ReasonNone {
		return r
	}
	return ReasonDropped
}

// alertReason recognises what the other side said in TLS. The type of an alert
// is not exported by crypto/tls, so its text must do.
func alertReason(err error) Reason {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" {
		return ReasonNone
	}
	text := op.Err.Error()
	switch {
	case strings.Contains(text, "protocol version"):
		return ReasonTLSVersion
	case strings.Contains(text, "certificate"), strings.Contains(text, "access denied"):
		return ReasonCertNotTaken
	}
	return ReasonTLS
}

// streamReason classifies how a stream ended. Of a status only the code and a
// known word count; the text of a gateway is never shown.
func streamReason(err error, welcomed bool, f *faults) Reason {
	if errors.Is(err, io.EOF) {
		return ReasonClosed
	}
	st := status.Convert(err)
	if r := refusal(st.Message()); r != ReasonNone {
		return r
	}
	switch st.Code() {
	case codes.Unauthenticated, codes.PermissionDenied:
		return ReasonCertNotTaken
	case codes.ResourceExhausted:
		return ReasonTransportLimit
	case codes.Unimplemented, codes.InvalidArgument:
		return ReasonProtocol
	case codes.Internal, codes.Unknown, codes.DataLoss:
		if !strings.Contains(st.Message(), "RST_STREAM") { // a cut stream, not a fault of the gateway
			return ReasonGateway
		}
		return ReasonLost
	}
	if welcomed {
		return ReasonLost
	}
	if r := f.reason(); r != ReasonNone {
		return r
	}
	return ReasonLost
}
