package wifi

import (
	"encoding/binary"
	"net"
	"slices"

	"github.com/discreet-agent/discreet/collectors/netlink"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// Numbers of linux/nl80211.h and linux/genetlink.h.
const (
	genlHeader = 4 // command, version, two bytes unused

	ctrlFamily   = 16
	ctrlGet      = 3
	ctrlNew      = 1
	ctrlID       = 1
	ctrlName     = 2
	ctrlGroups   = 7
	ctrlGroup    = 1 // its name
	ctrlGroupID  = 2
	familyName   = "nl80211"
	newsGroup    = "mlme"
	notifyGroup  = 16 // of the controller: families that come
	attrKindMask = 0x3fff

	cmdGetInterface = 5
	cmdGetStation   = 17
	cmdGetScan      = 32
	cmdConnect      = 46
	cmdRoam         = 47
	cmdDisconnect   = 48
	cmdGetSurvey    = 50

	attrIndex    = 3
	attrType     = 5
	attrMAC      = 6
	attrStation  = 21
	attrFreq     = 38
	attrBSS      = 47
	bssElements  = 6
	bssStatus    = 9 // only on the network in use
	bssLinked    = 1
	elementSSID  = 0
	attrSSID     = 52
	attrStatus   = 72
	attrRequest  = 77 // information elements of the association request
	attrSurvey   = 84
	attrWidth    = 159
	typeStation  = 2
	staSignal    = 7
	staTransmit  = 8
	staAverage   = 13
	staReceive   = 14
	rate16       = 1 // in 100 kbit/s
	rateHT       = 2
	rate32       = 5
	rateVHT      = 6
	rateHE       = 13
	rateEHT      = 19
	surveyNoise  = 2
	surveyInUse  = 3
	elementRSN   = 48
	elementOther = 221
)

// each calls f for each attribute of b, without the flags of its kind.
func each(b []byte, f func(kind uint16, data []byte)) {
	for {
		kind, data, rest, ok := netlink.NextAttr(b)
		if !ok {
			return
		}
		f(kind&attrKindMask, data)
		b = rest
	}
}

func u32(b []byte) uint32 {
	switch len(b) {
	case 1:
		return uint32(b[0])
	case 2:
		return uint32(binary.NativeEndian.Uint16(b))
	case 4:
		return binary.NativeEndian.Uint32(b)
	}
	return 0
}

// family is what the kernel calls nl80211 until it restarts.
type family struct {
	id   uint16
	news uint32 // the multicast group of connections that come and go
}

// parseFamily reads the controller's answer. It reports false for another family.
func parseFamily(b []byte) (f family, ok bool) {
	each(b, func(kind uint16, data []byte) {
		switch kind {
		case ctrlID:
			f.id = uint16(u32(data))
		case ctrlName:
			ok = string(data) == familyName+"\x00"
		case ctrlGroups:
			each(data, func(_ uint16, group []byte) {
				var id uint32
				var name string
				each(group, func(kind uint16, data []byte) {
					switch kind {
					case ctrlGroup:
						name = string(data)
					case ctrlGroupID:
						id = u32(data)
					}
				})
				if name == newsGroup+"\x00" {
					f.news = id
				}
			})
		}
	})
	return f, ok && f.id != 0 && f.news != 0
}

// An adapter is one Wi-Fi interface that joins networks.
type adapter struct {
	id      uint32
	station bool
	ssid    []byte
	freq    uint32
	width   uint32 // MHz
}

// parseAdapter reads an interface. It looks at the network's name only where n
// lets it.
func parseAdapter(b []byte, n names) adapter {
	var a adapter
	each(b, func(kind uint16, data []byte) {
		switch kind {
		case attrIndex:
			a.id = u32(data)
		case attrType:
			a.station = u32(data) == typeStation
		case attrFreq:
			a.freq = u32(data)
		case attrWidth:
			a.width = widthOf(u32(data))
		case attrSSID:
			if n.ssid && len(data) <= 32 {
				a.ssid = slices.Clone(data)
			}
		}
	})
	return a
}

// widthOf returns the MHz of a value of enum nl80211_chan_width; 80+80 counts as
// 160.
func widthOf(code uint32) uint32 {
	widths := [...]uint32{20, 20, 40, 80, 160, 160, 5, 10, 1, 2, 4, 8, 16, 320}
	if int(code) < len(widths) {
		return widths[code]
	}
	return 0
}

// parseStation reads an access point that an adapter is linked to into r.
func parseStation(b []byte, n names, r *reading) {
	each(b, func(kind uint16, data []byte) {
		switch kind {
		case attrMAC:
			if n.bssid && len(data) == 6 {
				r.bssid = net.HardwareAddr(data).String()
			}
		case attrStation:
			r.connected = true
			parseStationInfo(data, &r.link)
		}
	})
}

func parseStationInfo(b []byte, w *eventv1.WifiLink) {
	each(b, func(kind uint16, data []byte) {
		switch kind {
		case staAverage:
			if len(data) == 1 {
				w.SignalDbm = int32(int8(data[0]))
			}
		case staSignal:
			if len(data) == 1 && w.SignalDbm == 0 {
				w.SignalDbm = int32(int8(data[0]))
			}
		case staTransmit:
			var phy eventv1.WifiPhy
			w.TxKbitPerSecond, phy = parseRate(data)
			w.Phy = max(w.Phy, phy)
		case staReceive:
			var phy eventv1.WifiPhy
			w.RxKbitPerSecond, phy = parseRate(data)
			w.Phy = max(w.Phy, phy)
		}
	})
}

// parseRate reads a rate in kbit/s, and by which generation of the standard it is
// spoken. Beacons are received at old rates: the newer of both directions counts.
func parseRate(b []byte) (kbit uint32, phy eventv1.WifiPhy) {
	phy = eventv1.WifiPhy_WIFI_PHY_LEGACY
	each(b, func(kind uint16, data []byte) {
		switch kind {
		case rate16:
			if kbit == 0 {
				kbit = u32(data) * 100
			}
		case rate32:
			if r := u32(data); r < 1<<25 {
				kbit = r * 100
			}
		case rateHT:
			phy = max(phy, eventv1.WifiPhy_WIFI_PHY_N)
		case rateVHT:
			phy = max(phy, eventv1.WifiPhy_WIFI_PHY_AC)
		case rateHE:
			phy = max(phy, eventv1.WifiPhy_WIFI_PHY_AX)
		case rateEHT:
			phy = max(phy, eventv1.WifiPhy_WIFI_PHY_BE)
		}
	})
	return kbit, phy
}

// parseUsed returns the SSID of an entry of the last scan, if it is the network in
// use; nil for those nearby, which are passed over unread.
func parseUsed(b []byte) (ssid []byte) {
	each(b, func(kind uint16, bss []byte) {
		if kind != attrBSS {
			return
		}
		var elements []byte
		used := false
		each(bss, func(kind uint16, data []byte) {
			switch kind {
			case bssElements:
				elements = data
			case bssStatus:
				used = u32(data) == bssLinked
			}
		})
		for used && len(elements) >= 2 && len(elements) >= 2+int(elements[1]) {
			size := int(elements[1])
			if elements[0] == elementSSID && size <= 32 {
				ssid = slices.Clone(elements[2 : 2+size])
				return
			}
			elements = elements[2+size:]
		}
	})
	return ssid
}

// parseNoise reads a survey of one channel: its noise in dBm, and whether it is
// the one in use.
func parseNoise(b []byte) (dbm int32, inUse bool) {
	each(b, func(kind uint16, data []byte) {
		if kind != attrSurvey {
			return
		}
		each(data, func(kind uint16, data []byte) {
			switch {
			case kind == surveyInUse:
				inUse = true
			case kind == surveyNoise && len(data) == 1:
				dbm = int32(int8(data[0]))
			}
		})
	})
	return dbm, inUse
}

// news is what the kernel says of its own accord.
type news struct {
	id       uint32
	failed   bool // the association was refused
	security eventv1.WifiSecurity
}

func parseNews(b []byte) news {
	var n news
	each(b, func(kind uint16, data []byte) {
		switch kind {
		case attrIndex:
			n.id = u32(data)
		case attrStatus:
			n.failed = u32(data) != 0
		case attrRequest:
			n.security = securityOf(data)
		}
	})
	return n
}

// securityOf reads from an association request how the link is protected: the
// element RSN (IEEE 802.11-2020 9.4.2.24) names the key management that was
// chosen. The network's name stands in the same list and is passed over. Without
// the element a network is open, or WEP, which nothing in the request tells.
func securityOf(elements []byte) eventv1.WifiSecurity {
	security := eventv1.WifiSecurity_WIFI_SECURITY_OPEN
	for len(elements) >= 2 {
		id, size := elements[0], int(elements[1])
		if len(elements) < 2+size {
			return eventv1.WifiSecurity_WIFI_SECURITY_UNSPECIFIED
		}
		body := elements[2 : 2+size]
		elements = elements[2+size:]
		switch {
		case id == elementRSN:
			security = max(security, keyManagement(body))
		case id == elementOther && len(body) >= 4 && string(body[:4]) == "\x00\x50\xf2\x01":
			security = max(security, eventv1.WifiSecurity_WIFI_SECURITY_WPA)
		}
	}
	return security
}

// keyManagement reads the first suite of key management of an element RSN:
// version, group cipher, list of pairwise ciphers, list of suites.
func keyManagement(b []byte) eventv1.WifiSecurity {
	if len(b) < 8 {
		return eventv1.WifiSecurity_WIFI_SECURITY_WPA2
	}
	b = b[6:]
	skip := 2 + 4*int(binary.LittleEndian.Uint16(b))
	if len(b) < skip+6 || string(b[skip+2:skip+5]) != "\x00\x0f\xac" {
		return eventv1.WifiSecurity_WIFI_SECURITY_WPA2
	}
	switch b[skip+5] {
	// SAE and its fast transition, Suite B, OWE, and their successors.
	case 8, 9, 11, 12, 13, 18, 22, 23, 24, 25:
		return eventv1.WifiSecurity_WIFI_SECURITY_WPA3
	}
	return eventv1.WifiSecurity_WIFI_SECURITY_WPA2
}
