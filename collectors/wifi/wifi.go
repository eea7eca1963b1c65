// Package wifi reports the quality of the link to an access point, and where the
// policy lets it through, to which network.
//
// Names of networks are read only where the policy lets them leave in some form;
// else they stay in the kernel. Networks nearby say where the device is: no scan is
// ever made, and of what the last one found only the network in use is read.
package wifi

import (
	"context"
	"time"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
)

// Spec declares the collector.
var Spec = collectors.Spec{
	Name:    "wifi",
	Doc:     "how good the Wi-Fi link is, and where the policy lets it through, to which network",
	Classes: []privacyv1.Class{privacyv1.Class_WIFI_QUALITY},
	Rungs:   rungs,
	New:     New,
}

// sampleEvery: a link that gets slow is a matter of minutes, and each look wakes
// the device.
const sampleEvery = 5 * time.Minute

// Collector reports the links of every Wi-Fi adapter.
type Collector struct {
	env   collectors.Env
	names names
}

// names says which names of a network may be read at all.
type names struct{ ssid, bssid bool }

// New returns the collector. It opens nothing.
func New(env collectors.Env) (collectors.Collector, error) {
	return &Collector{env, names{
		env.Keeps(privacyv1.Class_WIFI_SSID), env.Keeps(privacyv1.Class_WIFI_BSSID),
	}}, nil
}

// Run reports links as they come, change and go, and a sample of each every five
// minutes, until ctx is done.
func (c *Collector) Run(ctx context.Context, emit collectors.Emit) error {
	return c.run(ctx, &links{emit: emit, names: c.names})
}

// A reading is what one adapter says of its link. Figures that it cannot tell are
// 0.
type reading struct {
	connected bool
	denied    bool   // the system does not tell which network it is
	ssid      []byte // nil where it was not read
	bssid     string // "" where it was not read
	link      eventv1.WifiLink
}

// links remembers each adapter's link between two reports.
type links struct {
	emit  collectors.Emit
	names names
	byID  map[uint32]*link
}

type link struct {
	last     *reading // nil: no link
	roams    uint32
	security eventv1.WifiSecurity
}

// maxAdapters bounds the table; a device has one or two.
const maxAdapters = 16

func (l *links) of(id uint32) *link {
	if l.byID == nil {
		l.byID = map[uint32]*link{}
	}
	if l.byID[id] == nil {
		if len(l.byID) == maxAdapters {
			return &link{}
		}
		l.byID[id] = &link{}
	}
	return l.byID[id]
}

// connected takes the news that an adapter has a new link.
func (l *links) connected(id uint32, security eventv1.WifiSecurity, r *reading) {
	k := l.of(id)
	*k = link{last: r, security: security}
	l.report(k, eventv1.WifiKind_WIFI_KIND_CONNECT)
}

// roamed takes the news that an adapter changed to another access point of its
// network.
func (l *links) roamed(id uint32, security eventv1.WifiSecurity, r *reading) {
	k := l.of(id)
	k.roams++
	k.last = r
	if security != eventv1.WifiSecurity_WIFI_SECURITY_UNSPECIFIED {
		k.security = security
	}
	l.report(k, eventv1.WifiKind_WIFI_KIND_ROAM)
}

// disconnected takes the news that a link is gone. It is described as it was
// last.
func (l *links) disconnected(id uint32) {
	k := l.of(id)
	if k.last == nil {
		return
	}
	l.report(k, eventv1.WifiKind_WIFI_KIND_DISCONNECT)
	delete(l.byID, id)
}

// sampled takes a look at an adapter. It finds out what the news did not tell: a
// link from before the agent's start, or one whose end was missed.
func (l *links) sampled(id uint32, r *reading) {
	if !r.connected {
		l.disconnected(id)
		return
	}
	k := l.of(id)
	k.last = r
	l.report(k, eventv1.WifiKind_WIFI_KIND_SAMPLE)
}

// keepOnly ends the links of adapters that are no longer there.
func (l *links) keepOnly(ids map[uint32]bool) {
	for id := range l.byID {
		if !ids[id] {
			l.disconnected(id)
			delete(l.byID, id)
		}
	}
}

func (l *links) report(k *link, kind eventv1.WifiKind) {
	w := &k.last.link
	w.Kind, w.Roams, w.Security = kind, k.roams, k.security
	w.Ssid, w.Bssid, w.IdentityStatus = k.last.ssid, k.last.bssid, l.status(k.last)
	l.emit(&eventv1.Event{
		TimeUnixMs: collectors.At(time.Now()),
		Kind:       &eventv1.Event_WifiLink{WifiLink: w},
	})
}

// status says why names are there or not.
func (l *links) status(r *reading) eventv1.IdentityStatus {
	switch {
	case !l.names.ssid && !l.names.bssid:
		return eventv1.IdentityStatus_IDENTITY_STATUS_OFF_BY_POLICY
	case r.denied:
		return eventv1.IdentityStatus_IDENTITY_STATUS_DENIED
	case l.names.ssid && r.ssid == nil, l.names.bssid && r.bssid == "":
		return eventv1.IdentityStatus_IDENTITY_STATUS_UNSUPPORTED
	}
	return eventv1.IdentityStatus_IDENTITY_STATUS_OK
}

// channelOf returns the channel number of a frequency in MHz (IEEE 802.11-2020
// 17.3.8.4.3, 19.3.15.2 and 27.3.23.2); 0 where there is none.
func channelOf(mhz uint32) uint32 {
	switch {
	case mhz == 2484:
		return 14
	case mhz >= 2412 && mhz <= 2472:
		return (mhz - 2407) / 5
	case mhz >= 5150 && mhz <= 5895:
		return (mhz - 5000) / 5
	case mhz == 5935:
		return 2
	case mhz >= 5955 && mhz <= 7115:
		return (mhz - 5950) / 5
	}
	return 0
}
