// Package device describes the machine that the agent runs on: its system, its
// make and its size, and the names that IT gave it. It says so at start and when
// something changed.
//
// The serial number and the machine's own addresses are read only where the
// policy lets them through in some form.
package device

import (
	"context"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
)

// Spec declares the collector.
var Spec = collectors.Spec{
	Name: "device",
	Doc:  "what the machine is: system, make, size, and the names that IT gave it",
	// PLAIN: most of it describes the machine alone and leaves under any policy.
	Classes: []privacyv1.Class{
		privacyv1.Class_PLAIN, privacyv1.Class_DEVICE_NAME, privacyv1.Class_ASSET_ID,
		privacyv1.Class_DEVICE_SERIAL, privacyv1.Class_LOCAL_ADDRESSES,
	},
	Rungs: rungs,
	New:   New,
}

// lookEvery: a new system release or a disk that grew is no news of the minute.
const lookEvery = time.Hour

// Collector reports the device.
type Collector struct {
	env      collectors.Env
	describe func(collectors.Env, *eventv1.Device) error
}

// New returns the collector. It reads nothing.
func New(env collectors.Env) (collectors.Collector, error) {
	return &Collector{env, describe}, nil
}

// Run reports the device at once, and again when something changed, until ctx
// is done.
func (c *Collector) Run(ctx context.Context, emit collectors.Emit) error {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	var last *eventv1.Device
	for {
		d, err := c.look()
		if err != nil {
			return err
		}
		c.env.Stats.SetRung(eventv1.Rung_RUNG_NATIVE)
		if !proto.Equal(d, last) {
			emit(&eventv1.Event{
				TimeUnixMs: collectors.At(time.Now()),
				Kind:       &eventv1.Event_Device{Device: d},
			})
			last = d
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// look reads what the machine is now. What one system cannot tell stays empty.
func (c *Collector) look() (*eventv1.Device, error) {
	d := &eventv1.Device{
		AssetId:      c.env.Asset.ID,
		Tags:         c.env.Asset.Tags,
		AgentVersion: c.env.Version,
		Cores:        uint32(runtime.NumCPU()),
	}
	if err := c.describe(c.env, d); err != nil {
		return nil, err
	}
	if c.env.Keeps(privacyv1.Class_DEVICE_NAME) {
		d.Name, _ = os.Hostname() // a machine may have none
	}
	if c.env.Keeps(privacyv1.Class_LOCAL_ADDRESSES) {
		d.Addresses = addresses()
	}
	return d, nil
}

// maxAddresses bounds the list: a host of containers can have thousands.
const maxAddresses = 32

// addresses returns the machine's own IP and MAC addresses, sorted, without
// those of loopback.
func addresses() []string {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil
	}
	var list []string
	for _, i := range interfaces {
		if i.Flags&net.FlagLoopback != 0 || i.Flags&net.FlagUp == 0 {
			continue
		}
		if len(i.HardwareAddr) > 0 {
			list = append(list, i.HardwareAddr.String())
		}
		addrs, err := i.Addrs()
		if err != nil {
			continue // it went away
		}
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok {
				if ip, ok := netip.AddrFromSlice(n.IP); ok {
					list = append(list, ip.Unmap().String())
				}
			}
		}
	}
	slices.Sort(list)
	list = slices.Compact(list)
	return list[:min(len(list), maxAddresses)]
}

// dayOf returns the day of t in days since 1970.
func dayOf(t time.Time) uint32 { return uint32(max(0, t.Unix()/86400)) }
