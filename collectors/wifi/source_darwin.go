package wifi

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"
	"unsafe"

	"github.com/ebitengine/purego"
	"github.com/ebitengine/purego/objc"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// rungs: CoreWLAN, asked every five minutes; names are withheld by the system.
var rungs = []eventv1.Rung{eventv1.Rung_RUNG_NATIVE}

const coreWLAN = "/System/Library/Frameworks/CoreWLAN.framework/CoreWLAN"

// withheld is the collector's note where the policy would let a name through.
const withheld = "macOS tells the names of networks only to who may know the location, and a service may not"

// run takes a sample every five minutes. Links that come and go between two are
// not seen, and neither are changes of the access point, whose name is withheld.
func (c *Collector) run(ctx context.Context, l *links) error {
	if _, err := purego.Dlopen(coreWLAN, purego.RTLD_LAZY|purego.RTLD_GLOBAL); err != nil {
		return fmt.Errorf("open CoreWLAN: %w: %w", collectors.ErrUnsupported, err)
	}
	if objc.GetClass("CWWiFiClient") == 0 {
		return fmt.Errorf("find CWWiFiClient: %w", collectors.ErrUnsupported)
	}
	c.env.Stats.SetRung(eventv1.Rung_RUNG_NATIVE)
	ticker := time.NewTicker(sampleEvery)
	defer ticker.Stop()
	for {
		if err := c.look(l); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// look takes one sample of every adapter. What the framework lends belongs to the
// thread.
func (c *Collector) look(l *links) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	pool := objc.ID(objc.GetClass("NSAutoreleasePool")).Send(objc.RegisterName("new"))
	defer pool.Send(objc.RegisterName("drain"))
	client := objc.ID(objc.GetClass("CWWiFiClient")).Send(objc.RegisterName("sharedWiFiClient"))
	if client == 0 {
		return errors.New("ask CoreWLAN: no client")
	}
	adapters := client.Send(objc.RegisterName("interfaces"))
	count := uint(0)
	if adapters != 0 {
		count = min(objc.Send[uint](adapters, objc.RegisterName("count")), maxAdapters)
	}
	note := ""
	seen := map[uint32]bool{}
	for i := range count {
		found := ask(adapters.Send(objc.RegisterName("objectAtIndex:"), i), c.names)
		r, security := found.reading(c.names)
		if r.redacted {
			note = withheld
		}
		id := uint32(i) + 1
		seen[id] = true
		l.of(id).security = security
		l.sampled(id, r)
	}
	l.keepOnly(seen)
	c.env.Stats.SetNote(note)
	return nil
}

// ask asks one adapter. Names that may not leave are not asked for.
func ask(adapter objc.ID, may names) cwLink {
	number := func(of objc.ID, name string) int { return objc.Send[int](of, objc.RegisterName(name)) }
	found := cwLink{
		signal: number(adapter, "rssiValue"), noise: number(adapter, "noiseMeasurement"),
		rate: objc.Send[float64](adapter, objc.RegisterName("transmitRate")),
		phy:  number(adapter, "activePHYMode"), security: number(adapter, "security"),
	}
	if ch := adapter.Send(objc.RegisterName("wlanChannel")); ch != 0 {
		found.channel, found.band, found.width = number(ch, "channelNumber"), number(ch, "channelBand"), number(ch, "channelWidth")
	}
	if may.ssid {
		if data := adapter.Send(objc.RegisterName("ssidData")); data != 0 {
			n := objc.Send[uint](data, objc.RegisterName("length"))
			if n > 0 && n <= 32 {
				found.ssid = make([]byte, n)
				data.Send(objc.RegisterName("getBytes:length:"), unsafe.Pointer(&found.ssid[0]), n)
			}
		}
	}
	if may.bssid {
		if name := adapter.Send(objc.RegisterName("bssid")); name != 0 {
			found.bssid = objc.Send[string](name, objc.RegisterName("UTF8String"))
		}
	}
	return found
}
