package wifi

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/collectors/bus"
	"github.com/discreet-agent/discreet/collectors/bus/bustest"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// played is a stand-in for NetworkManager on a real bus: its properties, and which
// of them were asked for.
type played struct {
	c     *dbus.Conn
	mu    sync.Mutex
	props map[string]any // path interface name
	asked map[string]bool
}

// object is one of its paths.
type object struct {
	p    *played
	path string
}

func (o object) Get(iface, name string) (dbus.Variant, *dbus.Error) {
	o.p.mu.Lock()
	defer o.p.mu.Unlock()
	o.p.asked[name] = true
	v, ok := o.p.props[o.path+" "+iface+" "+name]
	if !ok {
		return dbus.Variant{}, dbus.MakeFailedError(errors.New("no such property"))
	}
	return dbus.MakeVariant(v), nil
}

func (o object) GetDevices() ([]dbus.ObjectPath, *dbus.Error) {
	return []dbus.ObjectPath{nmPath + "/Devices/1", nmPath + "/Devices/2"}, nil
}

// playManager runs a bus with NetworkManager's stand-in: a cable and an adapter,
// two access points.
func playManager(t *testing.T) (string, *played) {
	t.Helper()
	address := bustest.Start(t)
	c, err := bus.Dial(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	p := &played{c: c, asked: map[string]bool{}, props: map[string]any{}}
	set := func(path, iface string, props map[string]any) {
		for name, v := range props {
			p.props[path+" "+iface+" "+name] = v
		}
		if err := c.Export(object{p, path}, dbus.ObjectPath(path), bus.Properties); err != nil {
			t.Fatal(err)
		}
	}
	set(nmPath+"/Devices/1", nmDevice, map[string]any{"DeviceType": uint32(1)})
	set(nmPath+"/Devices/2", nmDevice, map[string]any{"DeviceType": uint32(nmTypeWifi)})
	set(nmPath+"/Devices/2", nmWireless, map[string]any{"ActiveAccessPoint": dbus.ObjectPath(nmPath + "/AccessPoint/7"), "Bitrate": uint32(540_000)})
	for path, mhz := range map[string]uint32{nmPath + "/AccessPoint/7": 5180, nmPath + "/AccessPoint/8": 2412} {
		set(path, nmAccess, map[string]any{"Frequency": mhz, "Flags": uint32(1), "WpaFlags": uint32(0), "RsnFlags": uint32(0x188),
			"Ssid": []byte("CorpNet"), "HwAddress": "02:00:00:00:01:00"})
	}
	if err := c.Export(object{p, nmPath}, nmPath, nmName); err != nil {
		t.Fatal(err)
	}
	if _, err := c.RequestName(nmName, dbus.NameFlagDoNotQueue); err != nil {
		t.Fatal(err)
	}
	return address, p
}

// TestNetworkManager follows a link through a roam and its end, with the names on
// and off: what is off is not asked for.
func TestNetworkManager(t *testing.T) {
	for name, n := range map[string]names{"names on": {true, true}, "names off": {}} {
		t.Run(name, func(t *testing.T) {
			address, p := playManager(t)
			events := make(chan string, 10)
			l := &links{names: n, emit: func(ev *eventv1.Event) {
				w := ev.GetWifiLink()
				events <- strings.ToLower(strings.TrimPrefix(w.GetKind().String(), "WIFI_KIND_")) + " " + string(w.GetSsid()) +
					w.GetBssid() + " " + time.Duration(w.GetChannel()).String() + " " + strings.TrimPrefix(w.GetSecurity().String(), "WIFI_SECURITY_")
			}}
			ctx, cancel := context.WithCancel(t.Context())
			m, err := dialManager(ctx, address, l)
			if err != nil {
				t.Fatal(err)
			}
			stats := &collectors.Stats{}
			done := make(chan error, 1)
			go func() { done <- m.run(ctx, stats) }()
			who := ""
			if n.ssid {
				who = "CorpNet02:00:00:00:01:00"
			}
			hear := func(want string) {
				t.Helper()
				select {
				case got := <-events:
					if got != want {
						t.Errorf("heard %q; want %q", got, want)
					}
				case <-time.After(10 * time.Second):
					t.Fatalf("heard nothing within 10 s; want %q", want)
				}
			}
			use := func(access string) {
				t.Helper()
				if err := p.c.Emit(nmPath+"/Devices/2", bus.Properties+".PropertiesChanged", nmWireless,
					map[string]dbus.Variant{"ActiveAccessPoint": dbus.MakeVariant(dbus.ObjectPath(access))}, []string{}); err != nil {
					t.Fatal(err)
				}
			}
			hear("sample " + who + " 36ns WPA2")
			use(nmPath + "/AccessPoint/8")
			hear("roam " + who + " 1ns WPA2")
			use("/")
			hear("disconnect " + who + " 1ns WPA2")
			use(nmPath + "/AccessPoint/7")
			hear("connect " + who + " 36ns WPA2")
			cancel()
			if err := <-done; err != nil {
				t.Errorf("run() = %v; want nil", err)
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			if got := p.asked["Ssid"] || p.asked["HwAddress"]; got != n.ssid {
				t.Errorf("names were asked for = %v; want %v", got, n.ssid)
			}
		})
	}
}

func TestNmSecurity(t *testing.T) {
	for want, in := range map[eventv1.WifiSecurity][3]uint32{
		eventv1.WifiSecurity_WIFI_SECURITY_OPEN: {0, 0, 0}, eventv1.WifiSecurity_WIFI_SECURITY_WEP: {1, 0, 0},
		eventv1.WifiSecurity_WIFI_SECURITY_WPA: {1, nmKeysPSK, 0}, eventv1.WifiSecurity_WIFI_SECURITY_WPA2: {1, 0, nmKeysPSK | nmKeysSAE},
		eventv1.WifiSecurity_WIFI_SECURITY_WPA3: {1, 0, nmKeysSAE},
	} {
		if got := nmSecurity(in[0], in[1], in[2]); got != want {
			t.Errorf("nmSecurity(%#x) = %v; want %v", in, got, want)
		}
	}
}
