package wifi

import (
	"math"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// cwLink is what CoreWLAN of macOS tells of an adapter, in its own numbers
// (CoreWLANTypes.h).
type cwLink struct {
	signal, noise int     // dBm; 0: not told
	rate          float64 // of sending, Mbit/s
	channel       int
	band          int // 1: 2.4 GHz, 2: 5 GHz, 3: 6 GHz
	width         int // 1: 20 MHz, doubled with each
	phy           int
	security      int
	ssid          []byte // nil where it was not asked for, or is withheld
	bssid         string // the same
}

// reading returns it as the collector takes it. Without signal and rate there is no
// link: whether there is one, the framework says only by the name that it may
// withhold.
func (l cwLink) reading(asked names) (*reading, eventv1.WifiSecurity) {
	if l.signal >= 0 || l.rate <= 0 {
		return &reading{}, eventv1.WifiSecurity_WIFI_SECURITY_UNSPECIFIED
	}
	r := &reading{connected: true, ssid: l.ssid, bssid: l.bssid}
	// Since macOS 14 the names are for those who may know the location, and a
	// service may not.
	r.redacted = asked.ssid && l.ssid == nil || asked.bssid && l.bssid == ""
	w := &r.link
	w.SignalDbm, w.Channel, w.FrequencyMhz = int32(l.signal), uint32(max(0, l.channel)), cwFrequency(l.band, l.channel)
	w.NoiseDbm = int32(min(l.noise, 0))
	w.TxKbitPerSecond = uint32(math.Min(l.rate*1000, math.MaxUint32))
	if l.width >= 1 && l.width <= 4 {
		w.WidthMhz = 20 << (l.width - 1)
	}
	switch l.phy {
	case 1, 2, 3:
		w.Phy = eventv1.WifiPhy_WIFI_PHY_LEGACY
	case 4:
		w.Phy = eventv1.WifiPhy_WIFI_PHY_N
	case 5:
		w.Phy = eventv1.WifiPhy_WIFI_PHY_AC
	case 6:
		w.Phy = eventv1.WifiPhy_WIFI_PHY_AX
	}
	return r, cwSecurity(l.security)
}

// cwSecurity leaves out what stands for several: a network that takes both, and
// those whose name says only that it is for persons or enterprises.
func cwSecurity(n int) eventv1.WifiSecurity {
	switch n {
	case 0:
		return eventv1.WifiSecurity_WIFI_SECURITY_OPEN
	case 1, 6:
		return eventv1.WifiSecurity_WIFI_SECURITY_WEP
	case 2, 7:
		return eventv1.WifiSecurity_WIFI_SECURITY_WPA
	case 4, 9:
		return eventv1.WifiSecurity_WIFI_SECURITY_WPA2
	case 11, 12:
		return eventv1.WifiSecurity_WIFI_SECURITY_WPA3
	}
	return eventv1.WifiSecurity_WIFI_SECURITY_UNSPECIFIED
}

// cwFrequency is channelOf the other way round; 0 where there is none.
func cwFrequency(band, channel int) uint32 {
	mhz := uint32(0)
	n := uint32(max(0, min(channel, 1000)))
	switch {
	case band == 1 && n == 14:
		mhz = 2484
	case band == 1:
		mhz = 2407 + 5*n
	case band == 2:
		mhz = 5000 + 5*n
	case band == 3 && n == 2:
		mhz = 5935
	case band == 3:
		mhz = 5950 + 5*n
	}
	if n == 0 || channelOf(mhz) != n {
		return 0
	}
	return mhz
}
