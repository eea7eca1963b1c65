package wifi

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// rungs: the WLAN service: told of connect, roam and disconnect, and a sample every
// five minutes; no scan.
// Proof: compiled, layouts compared with the platform's headers; under Wine 8.0, which
// has no adapter, it waits for one.
var rungs = []eventv1.Rung{eventv1.Rung_RUNG_NATIVE}

const (
	opConnection = 7          // wlan_intf_opcode_current_connection
	opChannel    = 8          // wlan_intf_opcode_channel_number
	opRSSI       = 0x10000102 // wlan_intf_opcode_rssi
	newsSources  = 8 | 16     // WLAN_NOTIFICATION_SOURCE_ACM, _MSM
	maxNews      = 64
	maxAnswer    = 64 << 10

	noAdapter = "no Wi-Fi adapter; waits for one"
	deaf      = "the WLAN service does not tell of changes: links are looked at every five minutes"
	// withheld: since Windows 11 24H2 the name of a network is a location, which the
	// person or IT lets services know or not.
	withheld = "Windows withholds which network it is, and how it is secured: location services are off, or not for this agent"
)

// wlan asks the WLAN service.
type wlan struct {
	links  *links
	stats  *collectors.Stats
	handle windows.Handle
	news   chan wlanNews
	ids    map[[16]byte]uint32
	api    wlanAPI

	none, denied, deaf bool // why less is seen
}

type wlanAPI struct{ open, close, list, ask, register, free *windows.LazyProc }

func newWLANAPI() (wlanAPI, error) {
	dll := windows.NewLazySystemDLL("wlanapi.dll")
	a := wlanAPI{
		dll.NewProc("WlanOpenHandle"), dll.NewProc("WlanCloseHandle"), dll.NewProc("WlanEnumInterfaces"),
		dll.NewProc("WlanQueryInterface"), dll.NewProc("WlanRegisterNotification"), dll.NewProc("WlanFreeMemory"),
	}
	for _, p := range []*windows.LazyProc{a.open, a.close, a.list, a.ask, a.register, a.free} {
		if err := p.Find(); err != nil {
			return a, fmt.Errorf("no Wi-Fi on this Windows: %w: %w", collectors.ErrUnsupported, err)
		}
	}
	return a, nil
}

func (c *Collector) run(ctx context.Context, l *links) error {
	api, err := newWLANAPI()
	if err != nil {
		return err
	}
	w := &wlan{links: l, stats: c.env.Stats, news: make(chan wlanNews, maxNews), ids: map[[16]byte]uint32{}, api: api}
	if err := w.open(); err != nil {
		return err
	}
	var pinned runtime.Pinner // the service has its address until the handle is closed
	pinned.Pin(w)
	defer pinned.Unpin()
	defer w.close()
	return w.listen(ctx)
}

func (w *wlan) open() error {
	var version uint32
	r, _, _ := w.api.open.Call(2, 0, uintptr(unsafe.Pointer(&version)), uintptr(unsafe.Pointer(&w.handle)))
	switch err := windows.Errno(r); {
	case err == 0:
		return nil
	case errors.Is(err, windows.ERROR_SERVICE_NOT_ACTIVE), errors.Is(err, windows.ERROR_SERVICE_DOES_NOT_EXIST):
		return fmt.Errorf("the WLAN service does not run: %w: %w", collectors.ErrUnsupported, err)
	case errors.Is(err, windows.ERROR_ACCESS_DENIED):
		return fmt.Errorf("ask the WLAN service: %w: %w", collectors.ErrDenied, err)
	default:
		return fmt.Errorf("ask the WLAN service: %w", err)
	}
}

// close closes the handle: no news come after it.
func (w *wlan) close() { _, _, _ = w.api.close.Call(uintptr(w.handle), 0) }

// onWLANNews is the one function that the service calls.
var onWLANNews = sync.OnceValue(func() uintptr {
	return windows.NewCallback(func(data *[wlanNotifySize]byte, w *wlan) uintptr {
		if n, ok := parseWLANNews(data[:]); ok {
			select {
			case w.news <- n:
			default:
				w.stats.AddLost(1) // the next sample tells what came of it
			}
		}
		return 0
	})
})

// listen takes the news, and a sample of every link each five minutes.
func (w *wlan) listen(ctx context.Context) error {
	w.stats.SetRung(eventv1.Rung_RUNG_NATIVE)
	r, _, _ := w.api.register.Call(uintptr(w.handle), newsSources, 0, onWLANNews(), uintptr(unsafe.Pointer(w)), 0, 0)
	w.deaf = r != 0
	ticker := time.NewTicker(sampleEvery)
	defer ticker.Stop()
	if err := w.sample(); err != nil {
		return err
	}
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			err = w.sample()
		case n := <-w.news:
			err = w.take(n)
		}
		if err != nil {
			return err
		}
	}
}

// take follows one piece of news.
func (w *wlan) take(n wlanNews) error {
	id := w.id(n.guid)
	if n.what == wlanLeft {
		w.links.disconnected(id)
		return nil
	}
	r, security, err := w.read(n.guid)
	w.none = false
	w.note()
	switch {
	case err != nil || !r.connected: // gone again already; its end is the next news
	case n.what == wlanRoamed:
		w.links.roamed(id, security, r)
	default:
		w.links.connected(id, security, r)
	}
	return err
}

func (w *wlan) id(guid [16]byte) uint32 {
	id, ok := w.ids[guid]
	if !ok {
		if len(w.ids) >= 4*maxAdapters {
			clear(w.ids)
		}
		id = uint32(len(w.ids) + 1)
		w.ids[guid] = id
	}
	return id
}

// sample looks at every adapter.
func (w *wlan) sample() error {
	var list unsafe.Pointer
	r, _, _ := w.api.list.Call(uintptr(w.handle), 0, uintptr(unsafe.Pointer(&list)))
	if r != 0 {
		return fmt.Errorf("list Wi-Fi adapters: %w", windows.Errno(r))
	}
	defer w.api.free.Call(uintptr(list))
	n := *(*uint32)(list)
	all, ok := parseWLANAdapters(unsafe.Slice((*byte)(list), wlanListHead+wlanItemSize*int(min(n, maxAdapters))))
	if !ok {
		return errors.New("list Wi-Fi adapters: the list is cut short")
	}
	w.none = len(all) == 0
	defer w.note()
	ids := map[uint32]bool{}
	for _, a := range all {
		id := w.id(a.guid)
		ids[id] = true
		r, security, err := &reading{}, eventv1.WifiSecurity_WIFI_SECURITY_UNSPECIFIED, error(nil)
		if a.connected {
			if r, security, err = w.read(a.guid); err != nil {
				return err
			}
		}
		w.links.of(id).security = security
		w.links.sampled(id, r)
	}
	w.links.keepOnly(ids)
	return nil
}

// note says why less is seen than could be.
func (w *wlan) note() {
	switch {
	case w.none:
		w.stats.SetNote(noAdapter)
	case w.denied:
		w.stats.SetNote(withheld)
	case w.deaf:
		w.stats.SetNote(deaf)
	default:
		w.stats.SetNote("")
	}
}

// read looks at an adapter that has a link. Where the system withholds whose it is,
// the strength and the channel are told all the same.
func (w *wlan) read(guid [16]byte) (*reading, eventv1.WifiSecurity, error) {
	var r *reading
	var security eventv1.WifiSecurity
	err := w.ask(guid, opConnection, func(b []byte) {
		if got, s, ok := parseWLANLink(b, w.links.names); ok {
			r, security = got, s
		}
	})
	w.denied = errors.Is(err, windows.ERROR_ACCESS_DENIED)
	switch {
	case w.denied:
		r = &reading{connected: true, denied: true}
	case errors.Is(err, windows.ERROR_INVALID_STATE), errors.Is(err, windows.ERROR_NOT_FOUND), errors.Is(err, windows.ERROR_GEN_FAILURE):
		return &reading{}, 0, nil // no link, or unplugged
	case err != nil:
		return nil, 0, fmt.Errorf("look at a Wi-Fi link: %w", err)
	case r == nil:
		return nil, 0, errors.New("look at a Wi-Fi link: the answer is cut short")
	}
	// A driver that does not tell leaves them 0.
	_ = w.ask(guid, opRSSI, func(b []byte) {
		if len(b) >= 4 {
			r.link.SignalDbm = *(*int32)(unsafe.Pointer(&b[0]))
		}
	})
	_ = w.ask(guid, opChannel, func(b []byte) {
		if len(b) >= 4 {
			r.link.Channel = *(*uint32)(unsafe.Pointer(&b[0]))
		}
	})
	return r, security, nil
}

// ask calls use with the answer to one question about an adapter.
func (w *wlan) ask(guid [16]byte, op uintptr, use func([]byte)) error {
	var size uint32
	var data unsafe.Pointer
	r, _, _ := w.api.ask.Call(uintptr(w.handle), uintptr(unsafe.Pointer(&guid)), op, 0,
		uintptr(unsafe.Pointer(&size)), uintptr(unsafe.Pointer(&data)), 0)
	if r != 0 {
		return windows.Errno(r)
	}
	defer w.api.free.Call(uintptr(data))
	use(unsafe.Slice((*byte)(data), min(size, maxAnswer)))
	return nil
}
