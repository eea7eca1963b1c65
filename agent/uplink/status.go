package uplink

import (
	"time"
)

// Reason is a class of fault, for people and for scripts. The empty Reason
// means that all is well.
type Reason string

// The reasons. Those from ReasonExpired on are refusals by the gateway.
const (
	ReasonNone             Reason = ""
	ReasonStarting         Reason = "starting"
	ReasonStopped          Reason = "stopped"
	ReasonIdentity         Reason = "no_identity"
	ReasonAddress          Reason = "address"
	ReasonDNS              Reason = "dns"
	ReasonNoRoute          Reason = "no_route"
	ReasonConnRefused      Reason = "connection_refused"
	ReasonTimeout          Reason = "timeout"
	ReasonProxySettings    Reason = "proxy_settings"
	ReasonProxyCredentials Reason = "proxy_credentials"
	ReasonProxy            Reason = "proxy"
	ReasonWrongCA          Reason = "wrong_ca"
	ReasonServerName       Reason = "server_name"
	ReasonServerExpired    Reason = "server_certificate_time"
	ReasonTLSVersion       Reason = "tls_version"
	ReasonNotTLS           Reason = "not_tls"
	ReasonTLS              Reason = "tls"
	ReasonCertNotTaken     Reason = "certificate_not_taken"
	ReasonDropped          Reason = "dropped_after_tls"
	ReasonClosed           Reason = "closed"
	ReasonLost             Reason = "connection_lost"
	ReasonNoAnswer         Reason = "no_answer"
	ReasonProtocol         Reason = "protocol"
	ReasonTransportLimit   Reason = "transport_limit"
	ReasonGateway          Reason = "gateway"
	ReasonDrain            Reason = "drain"
	ReasonSpool            Reason = "spool"

	ReasonExpired         Reason = "expired"
	ReasonRevoked         Reason = "revoked"
	ReasonUnknownDevice   Reason = "unknown_device"
	ReasonNoCertificate   Reason = "no_certificate"
	ReasonTrustDomain     Reason = "trust_domain"
	ReasonNotOurs         Reason = "certificate_not_ours"
	ReasonNotYetValid     Reason = "not_yet_valid"
	ReasonTooManyStreams  Reason = "too_many_streams"
	ReasonMalformed       Reason = "malformed"
	ReasonPolicyUnread    Reason = "policy_unreadable"
	ReasonProtocolVersion Reason = "protocol_version"
)

// reasonTexts holds fixed texts only, so that no value can get into them.
var reasonTexts = map[Reason]string{
	ReasonStarting:         "not connected yet",
	ReasonStopped:          "stopped",
	ReasonIdentity:         "no usable certificate; hint: enrol this device with discreet-agent enroll",
	ReasonAddress:          "gateway.address is not host:port; hint: gateway.address: gw.example:8443",
	ReasonDNS:              "the gateway's name cannot be resolved; hint: check gateway.address and the network",
	ReasonNoRoute:          "no route to the gateway; hint: check the network",
	ReasonConnRefused:      "the connection was refused; hint: is the gateway running, and is the port right?",
	ReasonTimeout:          "no answer in time; hint: a firewall may drop the connection",
	ReasonProxySettings:    "the proxy settings cannot be used; hint: gateway.proxy: http://host:port, credentials in gateway.proxy_credentials_file, readable by the agent alone",
	ReasonProxyCredentials: "the proxy wants credentials; hint: a file with one line, user:password, readable by the agent alone, named in gateway.proxy_credentials_file",
	ReasonProxy:            "the proxy did not open a tunnel; hint: it must allow CONNECT to the gateway's port",
	ReasonWrongCA:          "the gateway's certificate is not from the authority that this device enrolled with; hint: enrol again if the gateway has a new one; if not, a proxy on the way intercepts TLS",
	ReasonServerName:       "the gateway's certificate is for another name; hint: check gateway.address",
	ReasonServerExpired:    "the gateway's certificate is not valid at this device's time; hint: check this device's clock; if it is right, the gateway's",
	ReasonTLSVersion:       "the other side does not speak TLS 1.3; hint: a proxy may intercept TLS",
	ReasonNotTLS:           "the other side does not speak TLS; hint: a sign-in page of the network may answer instead",
	ReasonTLS:              "the TLS handshake did not succeed",
	ReasonCertNotTaken:     "the gateway did not take this device's certificate; hint: enrol again",
	ReasonDropped:          "the connection was cut right after the TLS handshake; hint: the gateway may not know the CA of this device's certificate",
	ReasonClosed:           "the gateway closed the stream",
	ReasonLost:             "the connection was lost",
	ReasonNoAnswer:         "the gateway did not answer a message in time",
	ReasonProtocol:         "the gateway sent something that makes no sense; hint: compare the versions of both sides",
	ReasonTransportLimit:   "a batch was larger than the transport takes; it will be sent in smaller ones",
	ReasonGateway:          "the gateway reported a fault of its own; hint: see its log",
	ReasonDrain:            "the gateway asked to connect again later",
	ReasonSpool:            "the spool cannot be read or freed; hint: see its entry in the log",

	ReasonExpired:         "the gateway says that this device's certificate has expired; hint: a running agent renews it within 90 days; after that, enrol again with a new token",
	ReasonRevoked:         "the gateway says that this device is revoked; hint: ask IT; if it is a mistake, enrol again with a new token",
	ReasonUnknownDevice:   "the gateway does not know this device; hint: enrol again",
	ReasonNoCertificate:   "the gateway got no certificate from this device; hint: enrol again",
	ReasonTrustDomain:     "this device's certificate belongs to another installation; hint: enrol again",
	ReasonNotOurs:         "this device's certificate is not from the gateway's CA; hint: enrol again",
	ReasonNotYetValid:     "this device's certificate is not valid yet at the gateway's time; hint: check both clocks",
	ReasonTooManyStreams:  "too many streams are open under this device's name; hint: was the disk cloned? enrol the copy anew",
	ReasonMalformed:       "the gateway cannot read what this agent sends; hint: compare the versions of both sides",
	ReasonPolicyUnread:    "the gateway cannot read this agent's policy; hint: update the gateway first",
	ReasonProtocolVersion: "the gateway does not speak this agent's protocol; hint: update the older side",
}

// Text returns the reason in words, with a way out where there is one.
func (r Reason) Text() string { return reasonTexts[r] }

// certRefused reports whether only another certificate can help.
func (r Reason) certRefused() bool {
	switch r {
	case ReasonExpired, ReasonRevoked, ReasonUnknownDevice, ReasonNoCertificate,
		ReasonTrustDomain, ReasonNotOurs, ReasonCertNotTaken:
		return true
	}
	return false
}

// refusal recognises the words with which a gateway refuses a stream. Any other
// text gives ReasonNone, and is never shown, because it comes from outside.
func refusal(text string) Reason {
	switch text {
	case "certificate expired":
		return ReasonExpired
	case "certificate not yet valid":
		return ReasonNotYetValid
	case "device revoked":
		return ReasonRevoked
	case "device unknown":
		return ReasonUnknownDevice
	case "no client certificate":
		return ReasonNoCertificate
	case "certificate not from this gateway":
		return ReasonNotOurs
	case "wrong trust domain":
		return ReasonTrustDomain
	case "too many streams":
		return ReasonTooManyStreams
	case "malformed message":
		return ReasonMalformed
	case "policy unreadable":
		return ReasonPolicyUnread
	case "protocol version":
		return ReasonProtocolVersion
	}
	return ReasonNone
}

// Status is how the uplink fares.
type Status struct {
	Connected bool
	Since     time.Time // of the stream, or of its end
	LastAck   time.Time
	LastError string // fixed words for Reason
	Reason    Reason // why there is no stream, or why the last one ended
	// CertRefused says that the gateway refused our certificate: renew or enrol.
	CertRefused bool

	BytesSent     uint64 // on the wire, TLS included
	BatchesSent   uint64 // resends included
	EventsAcked   uint64
	EventsRefused uint64 // by the gateway, for good
	Reconnects    uint64 // attempts and streams that ended
}

// Status returns a copy of the state as it is now.
func (c *Client) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.status
	s.BytesSent = c.sent.Load()
	return s
}

// note changes the status under its lock.
func (c *Client) note(change func(*Status)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.status)
}

// connected notes a Welcome.
func (c *Client) connected() {
	c.note(func(s *Status) {
		s.Connected, s.Since, s.CertRefused = true, time.Now(), false
		s.Reason, s.LastError = ReasonNone, ""
	})
	c.o.Log.Info("uplink connected", "gateway", c.o.Address)
}

// ended notes the end of a session, and logs it once for each change.
func (c *Client) ended(end outcome) {
	var changed bool
	c.note(func(s *Status) {
		changed = s.Connected || s.Reason != end.reason
		if changed {
			s.Since = time.Now()
		}
		s.Connected, s.Reason, s.LastError = false, end.reason, end.reason.Text()
		s.CertRefused = end.reason.certRefused()
		s.Reconnects++
	})
	if !changed {
		return
	}
	switch end.reason {
	case ReasonStopped, ReasonClosed, ReasonLost, ReasonDrain: // they happen
		c.o.Log.Info("uplink ended", "reason", string(end.reason))
	default:
		c.o.Log.Warn("uplink not connected", "reason", string(end.reason), "err", end.reason.Text())
	}
}
