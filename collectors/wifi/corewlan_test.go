package wifi

import (
	"testing"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

func TestCoreWLAN(t *testing.T) {
	whole := cwLink{signal: -55, noise: -92, rate: 866.7, channel: 36, band: 2, width: 3, phy: 5, security: 4}
	named := whole
	named.ssid, named.bssid = []byte("CORP"), "02:00:00:00:00:01"
	for _, c := range []struct {
		name      string
		link      cwLink
		asked     names
		connected bool
		status    eventv1.IdentityStatus
	}{
		{"no link", cwLink{}, names{true, true}, false, 0},
		{"a signal without a rate", cwLink{signal: -55}, names{}, false, 0},
		{"names not asked for", whole, names{}, true, eventv1.IdentityStatus_IDENTITY_STATUS_OFF_BY_POLICY},
		{"names withheld", whole, names{true, false}, true, eventv1.IdentityStatus_IDENTITY_STATUS_REDACTED_BY_SYSTEM},
		{"one of them withheld", cwLink{signal: -1, rate: 1, ssid: []byte("a")}, names{true, true}, true, eventv1.IdentityStatus_IDENTITY_STATUS_REDACTED_BY_SYSTEM},
		{"names told", named, names{true, true}, true, eventv1.IdentityStatus_IDENTITY_STATUS_OK},
	} {
		r, _ := c.link.reading(c.asked)
		if r.connected != c.connected {
			t.Errorf("%s: connected = %v; want %v", c.name, r.connected, c.connected)
		}
		l := &links{names: c.asked}
		if got := l.status(r); c.connected && got != c.status {
			t.Errorf("%s: status = %v; want %v", c.name, got, c.status)
		}
	}
	r, security := whole.reading(names{})
	if w := &r.link; w.SignalDbm != -55 || w.NoiseDbm != -92 || w.TxKbitPerSecond != 866700 || w.FrequencyMhz != 5180 || w.Channel != 36 || w.WidthMhz != 80 ||
		w.Phy != eventv1.WifiPhy_WIFI_PHY_AC || security != eventv1.WifiSecurity_WIFI_SECURITY_WPA2 {
		t.Errorf("reading() = %v, %v; want every figure", w, security)
	}
	for _, c := range []struct {
		band, channel int
		want          uint32
	}{{1, 1, 2412}, {1, 14, 2484}, {1, 36, 0}, {2, 165, 5825}, {3, 1, 5955}, {3, 2, 5935}, {0, 6, 0}, {1, 0, 0}, {2, -1, 0}, {2, 1 << 40, 0}} {
		if got := cwFrequency(c.band, c.channel); got != c.want {
			t.Errorf("cwFrequency(%d, %d) = %d; want %d", c.band, c.channel, got, c.want)
		}
	}
}
