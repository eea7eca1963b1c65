package wifi

import (
	"encoding/binary"
	"net"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// What the WLAN service of Windows answers with (wlanapi.h).
const (
	wlanListHead   = 8
	wlanItemSize   = 532 // WLAN_INTERFACE_INFO
	wlanItemState  = 528
	wlanConnected  = 1   // of WLAN_INTERFACE_STATE
	wlanLinkSize   = 604 // WLAN_CONNECTION_ATTRIBUTES
	wlanSSID       = 520 // a length and 32 bytes
	wlanBSSID      = 560
	wlanPhy        = 568
	wlanRx         = 580
	wlanTx         = 584
	wlanAuth       = 596
	wlanCipher     = 600
	wlanMaxSSID    = 32
	wlanNotifySize = 40 // WLAN_NOTIFICATION_DATA
)

// wlanAdapter is one Wi-Fi adapter.
type wlanAdapter struct {
	guid      [16]byte
	connected bool
}

// parseWLANAdapters reads WLAN_INTERFACE_INFO_LIST. It reports false for one that is
// cut short.
func parseWLANAdapters(b []byte) (list []wlanAdapter, ok bool) {
	if len(b) < wlanListHead {
		return nil, false
	}
	n := binary.LittleEndian.Uint32(b)
	for b = b[wlanListHead:]; n > 0 && len(list) < maxAdapters; n-- {
		if len(b) < wlanItemSize {
			return list, false
		}
		list = append(list, wlanAdapter{[16]byte(b), binary.LittleEndian.Uint32(b[wlanItemState:]) == wlanConnected})
		b = b[wlanItemSize:]
	}
	return list, true
}

// parseWLANLink reads WLAN_CONNECTION_ATTRIBUTES. Names that the policy drops are
// not looked at, nor is the profile's, which people choose. It reports false for what
// is cut short.
func parseWLANLink(b []byte, names names) (r *reading, security eventv1.WifiSecurity, ok bool) {
	if len(b) < wlanLinkSize {
		return nil, 0, false
	}
	word := func(at int) uint32 { return binary.LittleEndian.Uint32(b[at:]) }
	r = &reading{connected: word(0) == wlanConnected}
	if !r.connected {
		return r, 0, true
	}
	if n := word(wlanSSID); names.ssid && n <= wlanMaxSSID {
		r.ssid = append([]byte{}, b[wlanSSID+4:][:n]...)
	}
	if names.bssid {
		r.bssid = net.HardwareAddr(b[wlanBSSID:][:6]).String()
	}
	r.link.Phy = wlanPhyOf(word(wlanPhy))
	r.link.RxKbitPerSecond, r.link.TxKbitPerSecond = word(wlanRx), word(wlanTx)
	return r, wlanSecurityOf(word(wlanAuth), word(wlanCipher)), true
}

// wlanPhyOf reads DOT11_PHY_TYPE.
func wlanPhyOf(kind uint32) eventv1.WifiPhy {
	switch kind {
	case 2, 4, 5, 6:
		return eventv1.WifiPhy_WIFI_PHY_LEGACY
	case 7:
		return eventv1.WifiPhy_WIFI_PHY_N
	case 8:
		return eventv1.WifiPhy_WIFI_PHY_AC
	case 10:
		return eventv1.WifiPhy_WIFI_PHY_AX
	case 11:
		return eventv1.WifiPhy_WIFI_PHY_BE
	}
	return eventv1.WifiPhy_WIFI_PHY_UNSPECIFIED
}

// wlanSecurityOf reads DOT11_AUTH_ALGORITHM and DOT11_CIPHER_ALGORITHM. OWE, which
// encrypts for everybody, is no password: it stands with WPA3, whose part it is.
func wlanSecurityOf(auth, cipher uint32) eventv1.WifiSecurity {
	const wep40, wep104, wep = 1, 5, 0x101
	switch auth {
	case 1, 2:
		switch cipher {
		case wep40, wep104, wep:
			return eventv1.WifiSecurity_WIFI_SECURITY_WEP
		case 0:
			return eventv1.WifiSecurity_WIFI_SECURITY_OPEN
		}
	case 3, 4:
		return eventv1.WifiSecurity_WIFI_SECURITY_WPA
	case 6, 7:
		return eventv1.WifiSecurity_WIFI_SECURITY_WPA2
	case 8, 9, 10, 11:
		return eventv1.WifiSecurity_WIFI_SECURITY_WPA3
	}
	return eventv1.WifiSecurity_WIFI_SECURITY_UNSPECIFIED
}

// wlanNews is what a notification says of an adapter.
type wlanNews struct {
	guid [16]byte
	what wlanEvent
}

type wlanEvent uint8

const (
	wlanJoined wlanEvent = iota + 1
	wlanRoamed
	wlanLeft
)

// parseWLANNews reads the head of WLAN_NOTIFICATION_DATA. It reports false for what
// is not about a link.
func parseWLANNews(b []byte) (n wlanNews, ok bool) {
	if len(b) < wlanNotifySize {
		return n, false
	}
	const (
		fromACM = 8 // the auto configuration
		fromMSM = 16
	)
	order := binary.LittleEndian
	switch [2]uint32{order.Uint32(b), order.Uint32(b[4:])} {
	case [2]uint32{fromACM, 10}: // connection complete, or it failed: the look tells
		n.what = wlanJoined
	case [2]uint32{fromACM, 21}:
		n.what = wlanLeft
	case [2]uint32{fromMSM, 6}:
		n.what = wlanRoamed
	default:
		return n, false
	}
	n.guid = [16]byte(b[8:])
	return n, true
}
