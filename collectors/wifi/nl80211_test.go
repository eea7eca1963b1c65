package wifi

import (
	"encoding/binary"
	"strings"
	"testing"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// attr makes an attribute of the parts of its value.
func attr(kind uint16, parts ...string) string {
	value := strings.Join(parts, "")
	b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(value)))
	b = append(binary.NativeEndian.AppendUint16(b, kind), value...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return string(b)
}

func n32(v uint32) string { return string(binary.NativeEndian.AppendUint32(nil, v)) }

func TestParseFamily(t *testing.T) {
	const nested = 1 << 15
	b := attr(ctrlName, "nl80211\x00") + attr(ctrlID, "\x1c\x00") + attr(ctrlGroups|nested,
		attr(1|nested, attr(ctrlGroup, "config\x00"), attr(ctrlGroupID, n32(4))),
		attr(2|nested, attr(ctrlGroup, "mlme\x00"), attr(ctrlGroupID, n32(7))))
	if f, ok := parseFamily([]byte(b)); !ok || f != (family{0x1c, 7}) {
		t.Errorf("parseFamily = %v, %v; want id 28 and group 7", f, ok)
	}
	for n := range len(b) - 1 {
		if f, ok := parseFamily([]byte(b[:n])); ok && f.news != 7 {
			t.Errorf("parseFamily(first %d bytes) = %v, true; want false", n, f)
		}
	}
	if _, ok := parseFamily([]byte(strings.Replace(b, "nl80211", "ethtool", 1))); ok {
		t.Error("parseFamily took another family")
	}
}

// TestNamesStayInTheKernel: what the policy drops is not decoded at all.
func TestNamesStayInTheKernel(t *testing.T) {
	iface := []byte(attr(attrIndex, n32(3)) + attr(attrType, n32(typeStation)) + attr(attrSSID, "CorpNet") +
		attr(attrFreq, n32(5180)) + attr(attrWidth, n32(3)))
	station := []byte(attr(attrMAC, "\x02\x00\x00\x00\x01\x00") + attr(attrStation, attr(staSignal, "\xc4"),
		attr(staTransmit, attr(rate16, "\xff\xff"), attr(rate32, n32(11_600)), attr(rateHE, "\x07")),
		attr(staReceive, attr(rate16, "\x3c\x00"))))
	for _, n := range []names{{}, {ssid: true}, {bssid: true}, {true, true}} {
		a, r := parseAdapter(iface, n), &reading{}
		parseStation(station, n, r)
		if got := a.ssid != nil; got != n.ssid {
			t.Errorf("%v: the SSID is read = %v; want %v", n, got, n.ssid)
		}
		if got := r.bssid != ""; got != n.bssid {
			t.Errorf("%v: the BSSID is read = %v; want %v", n, got, n.bssid)
		}
		if !a.station || a.id != 3 || a.freq != 5180 || a.width != 80 {
			t.Errorf("parseAdapter = %+v; want a station at 5180 MHz, 80 MHz wide", a)
		}
		w := &r.link
		if !r.connected || w.GetSignalDbm() != -60 || w.GetTxKbitPerSecond() != 1_160_000 || w.GetRxKbitPerSecond() != 6000 || w.GetPhy() != eventv1.WifiPhy_WIFI_PHY_AX {
			t.Errorf("parseStation = %v dBm, %v up, %v down, %v; want -60, 1160000, 6000, AX",
				w.GetSignalDbm(), w.GetTxKbitPerSecond(), w.GetRxKbitPerSecond(), w.GetPhy())
		}
	}
}

func TestOnlyTheNetworkInUseIsRead(t *testing.T) {
	entry := func(name string, more ...string) []byte {
		return []byte(attr(attrBSS, append([]string{attr(bssElements, "\x01\x01\x02\x00", string(rune(len(name))), name)}, more...)...))
	}
	if got := parseUsed(entry("CorpNet", attr(bssStatus, n32(bssLinked)))); string(got) != "CorpNet" {
		t.Errorf("parseUsed(in use) = %q; want CorpNet", got)
	}
	if got := parseUsed(entry("Anna's phone")); got != nil {
		t.Errorf("parseUsed(nearby) = %q; want nil", got)
	}
	if got := parseUsed(entry("x", attr(bssStatus, n32(0)))); got != nil {
		t.Errorf("parseUsed(only authenticated) = %q; want nil", got)
	}
	if got := parseUsed([]byte(attr(attrBSS, attr(bssElements, "\x00\x21name"), attr(bssStatus, n32(bssLinked))))); got != nil {
		t.Errorf("parseUsed(cut short) = %q; want nil", got)
	}
}

func TestParseNoise(t *testing.T) {
	if dbm, in := parseNoise([]byte(attr(attrSurvey, attr(surveyNoise, "\xa4"), attr(surveyInUse)))); dbm != -92 || !in {
		t.Errorf("parseNoise = %d, %v; want -92 in use", dbm, in)
	}
	if _, in := parseNoise([]byte(attr(attrSurvey, attr(surveyNoise, "\xa4")))); in {
		t.Error("parseNoise took a channel nearby for the one in use")
	}
}

func TestSecurityOf(t *testing.T) {
	const ssid = "\x00\x07CorpNet"
	rsn := func(akm string) string {
		body := "\x01\x00" + "\x00\x0f\xac\x04" + "\x01\x00" + "\x00\x0f\xac\x04" + "\x01\x00" + akm + "\x00\x00"
		return "\x30" + string(rune(len(body))) + body
	}
	for name, row := range map[string]struct {
		in   string
		want eventv1.WifiSecurity
	}{
		"open":            {ssid, eventv1.WifiSecurity_WIFI_SECURITY_OPEN},
		"wpa":             {ssid + "\xdd\x06\x00\x50\xf2\x01\x01\x00", eventv1.WifiSecurity_WIFI_SECURITY_WPA},
		"psk":             {ssid + rsn("\x00\x0f\xac\x02"), eventv1.WifiSecurity_WIFI_SECURITY_WPA2},
		"802.1X":          {ssid + rsn("\x00\x0f\xac\x01"), eventv1.WifiSecurity_WIFI_SECURITY_WPA2},
		"sae":             {ssid + rsn("\x00\x0f\xac\x08"), eventv1.WifiSecurity_WIFI_SECURITY_WPA3},
		"owe":             {ssid + rsn("\x00\x0f\xac\x12"), eventv1.WifiSecurity_WIFI_SECURITY_WPA3},
		"another's suite": {ssid + rsn("\x00\x40\x96\x08"), eventv1.WifiSecurity_WIFI_SECURITY_WPA2},
		"short rsn":       {"\x30\x02\x01\x00", eventv1.WifiSecurity_WIFI_SECURITY_WPA2},
		"cut short":       {ssid + "\x30\x20\x01", eventv1.WifiSecurity_WIFI_SECURITY_UNSPECIFIED},
	} {
		if got := securityOf([]byte(row.in)); got != row.want {
			t.Errorf("%s: securityOf = %v; want %v", name, got, row.want)
		}
	}
}

func FuzzNl80211(f *testing.F) {
	f.Add([]byte(attr(attrIndex, n32(3))+attr(attrSSID, "CorpNet")+attr(attrRequest, "\x30\x02\x01\x00")), true)
	f.Add([]byte(attr(attrStation, attr(staTransmit, attr(rate16, "\x01\x00")))), false)
	f.Fuzz(func(t *testing.T, b []byte, on bool) {
		n := names{on, on}
		parseFamily(b)
		if a := parseAdapter(b, n); len(a.ssid) > 32 || !on && a.ssid != nil {
			t.Errorf("parseAdapter read a name of %d bytes", len(a.ssid))
		}
		r := &reading{}
		parseStation(b, n, r)
		if !on && r.bssid != "" {
			t.Error("parseStation read a name that is off")
		}
		parseUsed(b)
		parseNoise(b)
		parseNews(b)
		securityOf(b)
	})
}
