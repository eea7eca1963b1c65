package wifi

import (
	"encoding/binary"
	"testing"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

const (
	wlanOpen = eventv1.WifiSecurity_WIFI_SECURITY_OPEN
	wlanWEP  = eventv1.WifiSecurity_WIFI_SECURITY_WEP
	wlanWPA  = eventv1.WifiSecurity_WIFI_SECURITY_WPA
	wlanWPA2 = eventv1.WifiSecurity_WIFI_SECURITY_WPA2
	wlanWPA3 = eventv1.WifiSecurity_WIFI_SECURITY_WPA3
	wlanNone = eventv1.WifiSecurity_WIFI_SECURITY_UNSPECIFIED
)

// wlanLink writes WLAN_CONNECTION_ATTRIBUTES as the service does.
func wlanLink(state uint32, ssid string, phy, auth, cipher uint32) []byte {
	b := make([]byte, wlanLinkSize)
	put := func(at int, v uint32) { binary.LittleEndian.PutUint32(b[at:], v) }
	put(0, state)
	copy(b[8:], "p\x00r\x00o\x00f\x00i\x00l\x00e\x00")
	put(520, uint32(len(ssid)))
	copy(b[524:], ssid)
	copy(b[560:], "\x00\x25\x9c\xaa\xbb\xcc")
	put(568, phy)
	put(576, 80) // quality, which is not read
	put(580, 390_000)
	put(584, 433_300)
	put(588, 1)
	put(596, auth)
	put(600, cipher)
	return b
}

func TestParseWLANLink(t *testing.T) {
	both := names{true, true}
	for _, c := range []struct {
		name     string
		data     []byte
		names    names
		ssid     string
		bssid    string
		phy      eventv1.WifiPhy
		security eventv1.WifiSecurity
	}{
		{"WPA2", wlanLink(1, "CORP-WIFI", 8, 7, 4), both, "CORP-WIFI", "00:25:9c:aa:bb:cc", eventv1.WifiPhy_WIFI_PHY_AC, wlanWPA2},
		{"no names", wlanLink(1, "CORP-WIFI", 10, 9, 4), names{}, "", "", eventv1.WifiPhy_WIFI_PHY_AX, wlanWPA3},
		{"one name", wlanLink(1, "CORP-WIFI", 7, 3, 2), names{ssid: true}, "CORP-WIFI", "", eventv1.WifiPhy_WIFI_PHY_N, wlanWPA},
		{"the longest name", wlanLink(1, "12345678901234567890123456789012", 11, 10, 4), both, "12345678901234567890123456789012", "00:25:9c:aa:bb:cc", eventv1.WifiPhy_WIFI_PHY_BE, wlanWPA3},
	} {
		r, security, ok := parseWLANLink(c.data, c.names)
		if !ok || !r.connected || string(r.ssid) != c.ssid || r.bssid != c.bssid || security != c.security ||
			r.link.Phy != c.phy || r.link.RxKbitPerSecond != 390_000 || r.link.TxKbitPerSecond != 433_300 || (r.ssid != nil) != c.names.ssid {
			t.Errorf("%s: %d bytes of a name, %q, %v, %+v, %v; want %d, %q, %v", c.name, len(r.ssid), r.bssid, security, &r.link, ok, len(c.ssid), c.bssid, c.security)
		}
		for n := range c.data {
			if _, _, ok := parseWLANLink(c.data[:n:n], c.names); ok {
				t.Fatalf("%s: cut to %d bytes it is taken", c.name, n)
			}
		}
	}
	if r, _, ok := parseWLANLink(wlanLink(4, "CORP-WIFI", 8, 7, 4), both); !ok || r.connected || r.ssid != nil {
		t.Errorf("no link: %+v, %v; want a reading without", r, ok)
	}
	long := wlanLink(1, "x", 8, 7, 4)
	binary.LittleEndian.PutUint32(long[520:], 33)
	if r, _, ok := parseWLANLink(long, both); !ok || r.ssid != nil {
		t.Errorf("a name of 33 bytes: %d taken; want none", len(r.ssid))
	}
}

func TestWLANSecurity(t *testing.T) {
	for _, c := range []struct {
		name         string
		auth, cipher uint32
		want         eventv1.WifiSecurity
	}{
		{"open", 1, 0, wlanOpen}, {"WEP", 1, 0x101, wlanWEP}, {"WEP, shared key", 2, 5, wlanWEP}, {"WPA", 3, 2, wlanWPA}, {"WPA, password", 4, 2, wlanWPA},
		{"WPA2", 6, 4, wlanWPA2}, {"WPA2, password", 7, 4, wlanWPA2}, {"WPA3, 192 bits", 8, 9, wlanWPA3}, {"SAE", 9, 4, wlanWPA3}, {"OWE", 10, 4, wlanWPA3},
		{"WPA3", 11, 4, wlanWPA3}, {"between two programs", 5, 0, wlanNone}, {"what is to come", 12, 4, wlanNone}, {"open and encrypted", 1, 4, wlanNone},
	} {
		if got := wlanSecurityOf(c.auth, c.cipher); got != c.want {
			t.Errorf("%s: wlanSecurityOf(%d, %d) = %v; want %v", c.name, c.auth, c.cipher, got, c.want)
		}
	}
}

func TestParseWLANAdapters(t *testing.T) {
	b := make([]byte, wlanListHead+2*wlanItemSize)
	b[0], b[8], b[8+wlanItemSize] = 2, 7, 9
	binary.LittleEndian.PutUint32(b[8+wlanItemState:], 1)
	binary.LittleEndian.PutUint32(b[8+wlanItemSize+wlanItemState:], 4)
	list, ok := parseWLANAdapters(b)
	if !ok || len(list) != 2 || list[0].guid[0] != 7 || !list[0].connected || list[1].guid[0] != 9 || list[1].connected {
		t.Errorf("parseWLANAdapters = %v, %v; want two, the first with a link", list, ok)
	}
	for n := range b {
		if _, ok := parseWLANAdapters(b[:n:n]); ok {
			t.Fatalf("cut to %d bytes it is taken", n)
		}
	}
	many := make([]byte, wlanListHead+100*wlanItemSize)
	many[0] = 100
	if list, ok := parseWLANAdapters(many); !ok || len(list) != maxAdapters {
		t.Errorf("100 adapters: %d, %v; want %d", len(list), ok, maxAdapters)
	}
}

func wlanNotice(source, code uint32) []byte {
	b := make([]byte, wlanNotifySize)
	binary.LittleEndian.PutUint32(b, source)
	binary.LittleEndian.PutUint32(b[4:], code)
	b[8] = 7
	return b
}

func TestParseWLANNews(t *testing.T) {
	for _, c := range []struct {
		name         string
		source, code uint32
		want         wlanEvent
	}{
		{"joined", 8, 10, wlanJoined}, {"left", 8, 21, wlanLeft}, {"roamed", 16, 6, wlanRoamed},
		{"a scan", 8, 7, 0}, {"begins to roam", 16, 5, 0}, {"another source", 4, 10, 0},
	} {
		n, ok := parseWLANNews(wlanNotice(c.source, c.code))
		if n.what != c.want || ok != (c.want != 0) || ok && n.guid[0] != 7 {
			t.Errorf("%s: parseWLANNews = %+v, %v; want %v", c.name, n, ok, c.want)
		}
	}
	if _, ok := parseWLANNews(wlanNotice(8, 10)[:wlanNotifySize-1]); ok {
		t.Error("one that is cut short is taken")
	}
}

// TestWithheld: a link of which the system does not tell the name says so.
func TestWithheld(t *testing.T) {
	for _, c := range []struct {
		name  string
		names names
		want  eventv1.IdentityStatus
	}{
		{"asked for", names{true, true}, eventv1.IdentityStatus_IDENTITY_STATUS_DENIED},
		{"not asked for", names{}, eventv1.IdentityStatus_IDENTITY_STATUS_OFF_BY_POLICY},
	} {
		var got eventv1.IdentityStatus
		l := &links{emit: func(ev *eventv1.Event) { got = ev.GetWifiLink().GetIdentityStatus() }, names: c.names}
		if l.sampled(1, &reading{connected: true, denied: true}); got != c.want {
			t.Errorf("%s: status %v; want %v", c.name, got, c.want)
		}
	}
}

func FuzzWLAN(f *testing.F) {
	f.Add(wlanLink(1, "CORP-WIFI", 8, 7, 4))
	f.Add(wlanNotice(8, 10))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, _, ok := parseWLANLink(b, names{true, true}); ok && len(r.ssid) > wlanMaxSSID {
			t.Fatalf("a name of %d bytes", len(r.ssid))
		}
		parseWLANAdapters(b)
		parseWLANNews(b)
	})
}
