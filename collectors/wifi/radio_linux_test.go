//go:build vm

package wifi

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
)

const (
	network = "CorpNet"
	phrase  = "a long pass phrase"
)

// watch runs the collector and returns what it emits.
func watch(t *testing.T, keeps func(privacyv1.Class) bool) <-chan *eventv1.WifiLink {
	t.Helper()
	stats := &collectors.Stats{}
	c, err := New(collectors.Env{Log: slog.New(slog.DiscardHandler), Stats: stats, Keeps: keeps})
	if err != nil {
		t.Fatal(err)
	}
	events := make(chan *eventv1.WifiLink, 100)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- c.Run(ctx, func(ev *eventv1.Event) {
			w := ev.GetWifiLink()
			events <- &eventv1.WifiLink{
				Kind: w.GetKind(), Ssid: w.GetSsid(), Bssid: w.GetBssid(), IdentityStatus: w.GetIdentityStatus(),
				SignalDbm: w.GetSignalDbm(), NoiseDbm: w.GetNoiseDbm(), FrequencyMhz: w.GetFrequencyMhz(), Channel: w.GetChannel(),
				WidthMhz: w.GetWidthMhz(), Phy: w.GetPhy(), Security: w.GetSecurity(), Roams: w.GetRoams(),
				RxKbitPerSecond: w.GetRxKbitPerSecond(), TxKbitPerSecond: w.GetTxKbitPerSecond(),
			}
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run() = %v; want nil", err)
		}
	})
	for deadline := time.Now().Add(10 * time.Second); stats.Rung() != eventv1.Rung_RUNG_NETLINK; {
		if time.Now().After(deadline) {
			t.Fatal("the collector found no Wi-Fi")
		}
		time.Sleep(10 * time.Millisecond)
	}
	return events
}

func next(t *testing.T, events <-chan *eventv1.WifiLink, kind eventv1.WifiKind) *eventv1.WifiLink {
	t.Helper()
	for deadline := time.After(2 * time.Minute); ; {
		select {
		case w := <-events:
			t.Logf("%v %q %s %v %d dBm %d MHz %d kbit/s %v %v", w.GetKind(), w.GetSsid(), w.GetBssid(), w.GetIdentityStatus(),
				w.GetSignalDbm(), w.GetFrequencyMhz(), w.GetTxKbitPerSecond(), w.GetPhy(), w.GetSecurity())
			if w.GetKind() == kind {
				return w
			}
		case <-deadline:
			t.Fatalf("no %v within 2 min", kind)
		}
	}
}

// start runs a program that stays, and stops it at the end of the test.
func start(t *testing.T, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}

func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func must(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// accessPoint runs hostapd on a radio.
func accessPoint(t *testing.T, radio string, channel int) {
	t.Helper()
	start(t, "hostapd", file(t, "hostapd.conf", fmt.Sprintf(
		"interface=%s\ndriver=nl80211\nssid=%s\nhw_mode=g\nchannel=%d\nieee80211n=1\nwpa=2\nwpa_key_mgmt=WPA-PSK\nrsn_pairwise=CCMP\nwpa_passphrase=%s\n",
		radio, network, channel, phrase)))
}

func address(t *testing.T, radio string) string {
	t.Helper()
	b, err := os.ReadFile("/sys/class/net/" + radio + "/address")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

// TestVMRadio follows a link on simulated radios through its life: two access
// points, a connection, a roam, an end. Two collectors watch, one of them with the
// names off.
func TestVMRadio(t *testing.T) {
	accessPoint(t, "wlan1", 1)
	accessPoint(t, "wlan2", 6)
	on := watch(t, func(privacyv1.Class) bool { return true })
	off := watch(t, func(c privacyv1.Class) bool {
		return c != privacyv1.Class_WIFI_SSID && c != privacyv1.Class_WIFI_BSSID
	})
	control := t.TempDir()
	start(t, "wpa_supplicant", "-i", "wlan0", "-D", "nl80211", "-c", file(t, "wpa.conf", fmt.Sprintf(
		"ctrl_interface=%s\nnetwork={\nssid=%q\npsk=%q\nbssid=%s\n}\n", control, network, phrase, address(t, "wlan1"))))

	w := next(t, on, eventv1.WifiKind_WIFI_KIND_CONNECT)
	if string(w.GetSsid()) != network || w.GetBssid() != address(t, "wlan1") || w.GetIdentityStatus() != eventv1.IdentityStatus_IDENTITY_STATUS_OK {
		t.Errorf("connected to %q %s (%v); want %q %s", w.GetSsid(), w.GetBssid(), w.GetIdentityStatus(), network, address(t, "wlan1"))
	}
	if w.GetFrequencyMhz() != 2412 || w.GetChannel() != 1 || w.GetWidthMhz() != 20 || w.GetSecurity() != eventv1.WifiSecurity_WIFI_SECURITY_WPA2 {
		t.Errorf("link at %d MHz, channel %d, %d MHz wide, %v; want 2412, 1, 20, WPA2", w.GetFrequencyMhz(), w.GetChannel(), w.GetWidthMhz(), w.GetSecurity())
	}
	if s := w.GetSignalDbm(); s > -10 || s < -100 {
		t.Errorf("signal %d dBm; want one of a radio", s)
	}
	must(t, "wpa_cli", "-p", control, "-i", "wlan0", "set_network", "0", "bssid", address(t, "wlan2"))
	must(t, "wpa_cli", "-p", control, "-i", "wlan0", "reassociate")
	w = next(t, on, eventv1.WifiKind_WIFI_KIND_CONNECT)
	if w.GetBssid() != address(t, "wlan2") || w.GetChannel() != 6 {
		t.Errorf("moved to %s on channel %d; want %s on 6", w.GetBssid(), w.GetChannel(), address(t, "wlan2"))
	}
	late := watch(t, func(privacyv1.Class) bool { return true })
	if w := next(t, late, eventv1.WifiKind_WIFI_KIND_SAMPLE); string(w.GetSsid()) != network || w.GetTxKbitPerSecond() == 0 {
		t.Errorf("a collector that came later sees %q at %d kbit/s; want %q and a rate", w.GetSsid(), w.GetTxKbitPerSecond(), network)
	}
	must(t, "wpa_cli", "-p", control, "-i", "wlan0", "disconnect")
	next(t, on, eventv1.WifiKind_WIFI_KIND_DISCONNECT)

	for _, kind := range []eventv1.WifiKind{eventv1.WifiKind_WIFI_KIND_CONNECT, eventv1.WifiKind_WIFI_KIND_CONNECT, eventv1.WifiKind_WIFI_KIND_DISCONNECT} {
		w := next(t, off, kind)
		if len(w.GetSsid()) > 0 || w.GetBssid() != "" || w.GetIdentityStatus() != eventv1.IdentityStatus_IDENTITY_STATUS_OFF_BY_POLICY {
			t.Errorf("%v: names are off and there: %v", kind, w.GetIdentityStatus())
		}
	}
}
