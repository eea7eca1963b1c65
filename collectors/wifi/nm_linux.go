package wifi

import (
	"context"
	"fmt"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/collectors/bus"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// NetworkManager's names (its D-Bus API, version 1.42), for kernels or rights
// without nl80211. It tells no signal strength in dBm, and none is made up.
const (
	nmName     = "org.freedesktop.NetworkManager"
	nmPath     = "/org/freedesktop/NetworkManager"
	nmDevice   = nmName + ".Device"
	nmWireless = nmDevice + ".Wireless"
	nmAccess   = nmName + ".AccessPoint"

	nmTypeWifi    = 2
	nmPrivacy     = 0x1 // of an access point's flags
	nmKeysPSK     = 0x100
	nmKeys8021X   = 0x200
	nmKeysSAE     = 0x400
	nmKeysOWE     = 0x800
	nmKeysOWETM   = 0x1000
	nmKeysSuiteB  = 0x2000
	nmNoAccess    = dbus.ObjectPath("/")
	nmMaxSignals  = 64
	nmMaxAdapters = maxAdapters
)

// manager asks NetworkManager.
type manager struct {
	c     *dbus.Conn
	links *links
	used  map[dbus.ObjectPath]dbus.ObjectPath // access point by adapter
	ids   map[dbus.ObjectPath]uint32
}

// dialManager connects to NetworkManager. It is an error where it is not there or
// has no Wi-Fi adapter.
func dialManager(ctx context.Context, address string, l *links) (*manager, error) {
	c, err := bus.Dial(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("ask NetworkManager: %w", err)
	}
	m := &manager{c, l, map[dbus.ObjectPath]dbus.ObjectPath{}, map[dbus.ObjectPath]uint32{}}
	list, err := m.adapters(ctx)
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("NetworkManager has no Wi-Fi adapter: %w", collectors.ErrUnsupported)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return m, nil
}

// run follows NetworkManager until ctx is done.
func (m *manager) run(ctx context.Context, stats *collectors.Stats) error {
	defer m.c.Close()
	heard := make(chan *dbus.Signal, nmMaxSignals)
	m.c.Signal(heard)
	err := bus.Match(ctx, m.c, dbus.WithMatchSender(nmName), dbus.WithMatchInterface(bus.Properties),
		dbus.WithMatchPathNamespace(nmPath+"/Devices"))
	if err != nil {
		return err
	}
	stats.SetRung(eventv1.Rung_RUNG_NATIVE)
	stats.SetNote("by NetworkManager: no strength of the signal")
	ticker := time.NewTicker(sampleEvery)
	defer ticker.Stop()
	if err := m.sample(ctx); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			if err := m.sample(ctx); err != nil {
				return err
			}
		case s, ok := <-heard:
			if !ok {
				return bus.Ended(ctx)
			}
			if used, ok := usedAccessPoint(s); ok {
				if err := m.changed(ctx, s.Path, used); err != nil {
					return err
				}
			}
		}
	}
}

// usedAccessPoint reads from a change of an adapter's properties to which access
// point it is linked from now on.
func usedAccessPoint(s *dbus.Signal) (dbus.ObjectPath, bool) {
	if s.Name != bus.Properties+".PropertiesChanged" || len(s.Body) < 2 || s.Body[0] != any(nmWireless) {
		return "", false
	}
	changed, _ := s.Body[1].(map[string]dbus.Variant)
	used, ok := changed["ActiveAccessPoint"].Value().(dbus.ObjectPath)
	return used, ok
}

// adapters lists the Wi-Fi adapters.
func (m *manager) adapters(ctx context.Context) ([]dbus.ObjectPath, error) {
	var all, list []dbus.ObjectPath
	if err := bus.Call(ctx, m.c.Object(nmName, nmPath), nmName+".GetDevices", []any{&all}); err != nil {
		return nil, err
	}
	for _, path := range all {
		var kind uint32
		if m.get(ctx, path, nmDevice, "DeviceType", &kind) == nil && kind == nmTypeWifi && len(list) < nmMaxAdapters {
			list = append(list, path)
		}
	}
	return list, nil
}

// get reads one property, so that those which the policy drops are never asked
// for.
func (m *manager) get(ctx context.Context, path dbus.ObjectPath, iface, name string, into any) error {
	var v dbus.Variant
	if err := bus.Call(ctx, m.c.Object(nmName, path), bus.Properties+".Get", []any{&v}, iface, name); err != nil {
		return err
	}
	return dbus.Store([]any{v.Value()}, into)
}

func (m *manager) id(path dbus.ObjectPath) uint32 {
	if m.ids[path] == 0 {
		if len(m.ids) >= 4*nmMaxAdapters {
			clear(m.ids)
		}
		m.ids[path] = uint32(len(m.ids) + 1)
	}
	return m.ids[path]
}

func (m *manager) sample(ctx context.Context) error {
	list, err := m.adapters(ctx)
	if err != nil {
		return err
	}
	ids := map[uint32]bool{}
	for _, path := range list {
		ids[m.id(path)] = true
		used := nmNoAccess
		if m.get(ctx, path, nmWireless, "ActiveAccessPoint", &used) != nil {
			continue // it went away
		}
		m.used[path] = used
		r, security := m.read(ctx, path, used)
		if r.connected {
			m.links.of(m.id(path)).security = security
		}
		m.links.sampled(m.id(path), r)
	}
	m.links.keepOnly(ids)
	return nil
}

// changed takes the news that an adapter is linked to another access point, or to
// none. From one to another without none between is a roam.
func (m *manager) changed(ctx context.Context, path, used dbus.ObjectPath) error {
	id, before := m.id(path), m.used[path]
	m.used[path] = used
	if used == nmNoAccess {
		m.links.disconnected(id)
		return nil
	}
	r, security := m.read(ctx, path, used)
	switch {
	case !r.connected:
	case before != "" && before != nmNoAccess && before != used:
		m.links.roamed(id, security, r)
	default:
		m.links.connected(id, security, r)
	}
	return nil
}

// read asks what is known of a link. An access point that went away meanwhile is
// none.
func (m *manager) read(ctx context.Context, adapter, access dbus.ObjectPath) (*reading, eventv1.WifiSecurity) {
	r := &reading{}
	if access == nmNoAccess {
		return r, 0
	}
	var flags, wpa, rsn uint32
	if m.get(ctx, access, nmAccess, "Frequency", &r.link.FrequencyMhz) != nil ||
		m.get(ctx, access, nmAccess, "Flags", &flags) != nil ||
		m.get(ctx, access, nmAccess, "WpaFlags", &wpa) != nil || m.get(ctx, access, nmAccess, "RsnFlags", &rsn) != nil {
		return r, 0
	}
	r.connected, r.link.Channel = true, channelOf(r.link.FrequencyMhz)
	_ = m.get(ctx, adapter, nmWireless, "Bitrate", &r.link.TxKbitPerSecond) // 0 where it does not say
	if m.links.names.ssid {
		var ssid []byte
		if m.get(ctx, access, nmAccess, "Ssid", &ssid) == nil && len(ssid) <= 32 {
			r.ssid = ssid
		}
	}
	if m.links.names.bssid {
		_ = m.get(ctx, access, nmAccess, "HwAddress", &r.bssid) // "" where it does not say
	}
	return r, nmSecurity(flags, wpa, rsn)
}

// nmSecurity says how an access point protects its links, by the strictest that
// every client of it must speak.
func nmSecurity(flags, wpa, rsn uint32) eventv1.WifiSecurity {
	switch {
	case rsn&(nmKeysPSK|nmKeys8021X) != 0:
		return eventv1.WifiSecurity_WIFI_SECURITY_WPA2
	case rsn&(nmKeysSAE|nmKeysOWE|nmKeysOWETM|nmKeysSuiteB) != 0:
		return eventv1.WifiSecurity_WIFI_SECURITY_WPA3
	case wpa != 0:
		return eventv1.WifiSecurity_WIFI_SECURITY_WPA
	case flags&nmPrivacy != 0:
		return eventv1.WifiSecurity_WIFI_SECURITY_WEP
	}
	return eventv1.WifiSecurity_WIFI_SECURITY_OPEN
}
