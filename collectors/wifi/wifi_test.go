package wifi

import (
	"fmt"
	"strings"
	"testing"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

func kindsOf(emitted *[]string) *links {
	return &links{emit: func(ev *eventv1.Event) {
		w := ev.GetWifiLink()
		kind := strings.ToLower(strings.TrimPrefix(w.GetKind().String(), "WIFI_KIND_"))
		status := strings.ToLower(strings.TrimPrefix(w.GetIdentityStatus().String(), "IDENTITY_STATUS_"))
		*emitted = append(*emitted, fmt.Sprintf("%s %q %s roams=%d %ddBm", kind, w.GetSsid(), status, w.GetRoams(), w.GetSignalDbm()))
	}}
}

func linked(ssid string, dbm int32) *reading {
	r := &reading{connected: true}
	if ssid != "" {
		r.ssid, r.bssid = []byte(ssid), "02:00:00:00:01:00"
	}
	r.link.SignalDbm = dbm
	return r
}

func TestLinks(t *testing.T) {
	wpa2 := eventv1.WifiSecurity_WIFI_SECURITY_WPA2
	for _, row := range []struct {
		name  string
		names names
		do    func(*links)
		want  string
	}{
		{"names off", names{}, func(l *links) {
			l.sampled(3, linked("", -40))
			l.connected(3, wpa2, linked("", -41))
			l.roamed(3, wpa2, linked("", -42))
			l.sampled(3, linked("", -43))
			l.disconnected(3)
		}, `sample "" off_by_policy roams=0 -40dBm, connect "" off_by_policy roams=0 -41dBm, ` +
			`roam "" off_by_policy roams=1 -42dBm, sample "" off_by_policy roams=1 -43dBm, disconnect "" off_by_policy roams=1 -43dBm`},
		{"names on", names{true, true}, func(l *links) {
			l.connected(3, wpa2, linked("CorpNet", -50))
			l.sampled(3, &reading{})
			l.sampled(3, &reading{})
		}, `connect "CorpNet" ok roams=0 -50dBm, disconnect "CorpNet" ok roams=0 -50dBm`},
		{"the kernel tells no name", names{true, false}, func(l *links) { l.sampled(3, linked("", -50)) },
			`sample "" unsupported roams=0 -50dBm`},
		{"unplugged", names{}, func(l *links) {
			l.sampled(3, linked("", -50))
			l.sampled(4, linked("", -60))
			l.keepOnly(map[uint32]bool{4: true})
		}, `sample "" off_by_policy roams=0 -50dBm, sample "" off_by_policy roams=0 -60dBm, disconnect "" off_by_policy roams=0 -50dBm`},
		{"an end without a link", names{}, func(l *links) { l.disconnected(9) }, ``},
	} {
		var got []string
		l := kindsOf(&got)
		l.names = row.names
		row.do(l)
		if s := strings.Join(got, ", "); s != row.want {
			t.Errorf("%s: emitted\n%s\nwant\n%s", row.name, s, row.want)
		}
	}
}

func TestLinksAreBounded(t *testing.T) {
	l := &links{emit: func(*eventv1.Event) {}}
	for id := range uint32(1000) {
		l.sampled(id, linked("", -1))
	}
	if len(l.byID) > maxAdapters {
		t.Errorf("%d adapters are remembered; want at most %d", len(l.byID), maxAdapters)
	}
}

func TestChannelOf(t *testing.T) {
	for mhz, want := range map[uint32]uint32{
		2412: 1, 2472: 13, 2484: 14, 5180: 36, 5825: 165, 5935: 2, 5955: 1, 7115: 233, 0: 0, 2400: 0, 58320: 0,
	} {
		if got := channelOf(mhz); got != want {
			t.Errorf("channelOf(%d) = %d; want %d", mhz, got, want)
		}
	}
}
