package access

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"log/slog"
	"regexp"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/discreet-agent/discreet/gateway"
	enrollv1 "github.com/discreet-agent/discreet/proto/enroll/v1"
)

// EnrollmentOptions says how devices get certificates. A zero value in a field
// means its default.
type EnrollmentOptions struct {
	Days      int           // life of a device's certificate; 30
	Grace     time.Duration // how long after its expiry it still renews; 90 days
	PerSecond float64       // enrolments a second, of all devices together; 50
	Burst     int           // and how many at once; 200
	Log       *slog.Logger  // nil: silent

	// Lineage lets a laptop that was set up anew take the place of its old record;
	// nil: it does not.
	Lineage gateway.Lineage
	// Connected tells which devices talk to us now: their place is not taken. nil:
	// nobody knows.
	Connected func(gateway.Device) bool
	// Superseded is told how many records lost their place at once, for the audit
	// log; nil: nobody wants to know.
	Superseded func(ctx context.Context, n int)
}

// eachConn bounds one connection. An agent makes one call or two.
var eachConn = pace{perSecond: 0.2, burst: 5}

// storeTimeout bounds the work on the registry that goes on although the device
// has hung up.
const storeTimeout = 10 * time.Second

type enrollment struct {
	enrollv1.UnimplementedEnrollmentServer

	ca    *CA
	reg   gateway.Registry
	auth  *Authorizer
	days  int
	grace time.Duration
	log   *slog.Logger
	o     EnrollmentOptions

	// Renewals have a limit of their own: a flood of strangers who try to
	// enrol must not keep devices from renewing.
	enrolling, renewing *limiter
	recent              recent
}

// NewEnrollment returns the service that enrols devices and renews their
// certificates. It needs a server with the TLS of CA.ServerTLS.
func NewEnrollment(ca *CA, reg gateway.Registry, o EnrollmentOptions) enrollv1.EnrollmentServer {
	if o.Days == 0 {
		o.Days = 30
	}
	if o.Grace == 0 {
		o.Grace = 90 * 24 * time.Hour
	}
	if o.PerSecond == 0 {
		o.PerSecond = 50
	}
	if o.Burst == 0 {
		o.Burst = 200
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	all := pace{o.PerSecond, float64(o.Burst)}
	return &enrollment{
		ca: ca, reg: reg, auth: &Authorizer{CA: ca, Registry: reg},
		days: o.Days, grace: o.Grace, log: o.Log, o: o,
		enrolling: newLimiter(all, eachConn), renewing: newLimiter(all, eachConn),
		recent: recent{byKey: map[recentKey]recentEntry{}},
	}
}

// Enroll trades a token and a certificate request for a certificate. The token
// is used last, so that a bad request does not cost a use.
func (e *enrollment) Enroll(ctx context.Context, req *enrollv1.EnrollRequest) (*enrollv1.EnrollResponse, error) {
	if !e.enrolling.allow(connOf(ctx), e.ca.Now()) {
		return nil, errBusy
	}
	token, err := ParseToken(req.GetToken())
	if err != nil {
		return nil, e.refuse("enrolment refused", codes.PermissionDenied, err)
	}
	csr, err := parseCSR(req.GetCsr())
	if err != nil {
		return nil, e.refuse("enrolment refused", codes.InvalidArgument, err)
	}
	// From here on the work is done to its end: a device that hangs up now
	// would lose a use of its token for nothing.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()

	key := recentKey{token: token.Hash, spki: sha256.Sum256(csr.RawSubjectPublicKeyInfo)}
	if cert, dev := e.recent.find(key, e.ca.Now()); cert != nil {
		if rec, err := e.reg.Device(ctx, dev); err == nil && !rec.Revoked {
			return e.enrolled(cert, dev), nil
		}
	}
	dev, err := newDevice()
	if err != nil {
		return nil, e.broken("make device id", err)
	}
	cert, err := e.ca.issue(csr, dev, e.days)
	if err != nil {
		return nil, e.broken("issue certificate", err)
	}
	used, err := e.reg.UseToken(ctx, token.Hash, e.ca.Now())
	if reason := tokenReason(err); reason != nil {
		return nil, e.refuse("enrolment refused", codes.PermissionDenied, reason)
	}
	if err != nil {
		return nil, e.broken("use token", err)
	}
	err = e.put(ctx, gateway.DeviceRecord{
		Device:       dev,
		Group:        used.Group,
		Enrolled:     e.ca.Now(),
		AgentVersion: cleanVersion(req.GetAgentVersion()),
		AssetID:      cleanAsset(req.GetAssetId()),
		CertSerial:   serialOf(cert),
		CertExpires:  cert.NotAfter,
	})
	if err != nil {
		return nil, e.broken("put device", err)
	}
	e.recent.add(key, cert, dev, e.ca.Now())
	e.log.Info("device enrolled", "device", string(dev), "group", used.Group, "token_id", used.ID, "uses_left", used.UsesLeft)
	return e.enrolled(cert, dev), nil
}

func (e *enrollment) enrolled(cert *x509.Certificate, dev gateway.Device) *enrollv1.EnrollResponse {
	return &enrollv1.EnrollResponse{Certificates: [][]byte{cert.Raw}, Ca: e.ca.cert.Raw, DeviceId: string(dev)}
}

// Renew gives the device that calls a certificate for a new key. Its old
// certificate may have expired, but not longer ago than the grace: a laptop may
// lie in a drawer for a summer.
func (e *enrollment) Renew(ctx context.Context, req *enrollv1.RenewRequest) (*enrollv1.RenewResponse, error) {
	old := PeerCertificate(ctx)
	rec, err := e.auth.authorize(ctx, old, e.grace)
	var refused *Refusal
	if errors.As(err, &refused) {
		e.log.Warn("renewal refused", "reason", refused.Reason)
		return nil, refused
	}
	if err != nil {
		return nil, e.broken("authorize", err)
	}
	if !e.renewing.allow(connOf(ctx), e.ca.Now()) {
		return nil, errBusy
	}
	csr, err := parseCSR(req.GetCsr())
	if err != nil {
		return nil, e.refuse("renewal refused", codes.InvalidArgument, err)
	}
	if bytes.Equal(csr.RawSubjectPublicKeyInfo, old.RawSubjectPublicKeyInfo) {
		return nil, e.refuse("renewal refused", codes.InvalidArgument, errSameKey)
	}
	cert, err := e.ca.issue(csr, rec.Device, e.days)
	if err != nil {
		return nil, e.broken("issue certificate", err)
	}
	// Not PutDevice: a device that was deleted meanwhile must not come back.
	err = e.reg.RenewDevice(ctx, rec.Device, serialOf(cert), cert.NotAfter)
	if errors.Is(err, gateway.ErrNotFound) {
		return nil, &Refusal{ReasonUnknown}
	}
	if err != nil {
		return nil, e.broken("renew device", err)
	}
	e.log.Info("certificate renewed", "device", string(rec.Device), "expires", cert.NotAfter)
	return &enrollv1.RenewResponse{Certificates: [][]byte{cert.Raw}, Ca: e.ca.cert.Raw}, nil
}

var (
	errBusy    = status.Error(codes.ResourceExhausted, "too many requests, try again later")
	errSameKey = errors.New("certificate request refused: same key as before; want a new one")
)

func (e *enrollment) refuse(msg string, code codes.Code, reason error) error {
	e.log.Warn(msg, "reason", reason.Error())
	return status.Error(code, reason.Error())
}

// broken is for faults of our own. The device learns only that it should come
// again.
func (e *enrollment) broken(what string, err error) error {
	e.log.Error("enrolment service", "step", what, "err", err)
	return status.Error(codes.Unavailable, "gateway cannot do this now, try again later")
}

// tokenReason returns the bare reason for which the registry refused a token,
// or nil if err is something else.
func tokenReason(err error) error {
	for _, r := range []error{gateway.ErrTokenUnknown, gateway.ErrTokenUsedUp, gateway.ErrTokenExpired, gateway.ErrTokenRevoked} {
		if errors.Is(err, r) {
			return r
		}
	}
	return nil
}

var versionForm = regexp.MustCompile(`^[A-Za-z0-9.+_~-]{1,64}$`)

// cleanVersion keeps an agent's version only if it looks like one: it comes from
// outside and ends in lists and logs.
func cleanVersion(s string) string {
	if !versionForm.MatchString(s) {
		return ""
	}
	return s
}

// connOf names the connection of an RPC.
func connOf(ctx context.Context) string {
	if p, ok := peer.FromContext(ctx); ok && p.Addr != nil {
		return p.Addr.String()
	}
	return ""
}
