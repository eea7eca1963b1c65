package wifi

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/discreet-agent/discreet/collectors/bus"
	"github.com/discreet-agent/discreet/collectors/netlink"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// rungs: nl80211, else NetworkManager.
var rungs = []eventv1.Rung{eventv1.Rung_RUNG_NETLINK, eventv1.Rung_RUNG_NATIVE}

const (
	newsBuffer   = 64 << 10
	answerWithin = 10 * time.Second
)

// nl80211 asks the kernel's Wi-Fi layer. It needs no privilege.
type nl80211 struct {
	links *links
	fam   family
	news  *netlink.Socket
	ask   *netlink.Socket
	seq   uint32
	buf   []byte
}

// run listens to the kernel. Without Wi-Fi in the kernel it waits until there is
// one, as an adapter that is plugged in brings it: the kernel tells, nothing is
// polled.
//
// Where the kernel has none and NetworkManager has, that is asked.
func (c *Collector) run(ctx context.Context, l *links) error {
	if c.env.Rung == eventv1.Rung_RUNG_NATIVE {
		m, err := dialManager(ctx, bus.System, l)
		if err != nil {
			return err
		}
		return m.run(ctx, c.env.Stats)
	}
	k := &nl80211{links: l, buf: make([]byte, 32<<10)}
	if err := k.open(); err != nil {
		return err
	}
	defer k.close()
	if c.env.Rung == eventv1.Rung_RUNG_UNSPECIFIED && errors.Is(k.resolve(), unix.ENOENT) {
		if m, err := dialManager(ctx, bus.System, l); err == nil {
			return m.run(ctx, c.env.Stats)
		}
	}
	stop := context.AfterFunc(ctx, func() { k.news.Interrupt(); k.ask.Interrupt() })
	defer stop()
	if err := k.listen(ctx, c); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

func (k *nl80211) open() error {
	var err error
	if k.news, err = netlink.Open(unix.NETLINK_GENERIC, 0, newsBuffer); err != nil {
		return err
	}
	if k.ask, err = netlink.Open(unix.NETLINK_GENERIC, 0, newsBuffer); err != nil {
		k.news.Close()
		return err
	}
	return nil
}

func (k *nl80211) close() {
	k.news.Close()
	k.ask.Close()
}

// listen takes the news, and a sample of every link each five minutes.
func (k *nl80211) listen(ctx context.Context, c *Collector) error {
	if err := k.wait(ctx, c); err != nil {
		return err
	}
	if err := k.news.Join(k.fam.news); err != nil {
		return err
	}
	c.env.Stats.SetRung(eventv1.Rung_RUNG_NETLINK)
	c.env.Stats.SetNote("")
	next := time.Now() // by the monotonic clock
	for {
		if !time.Now().Before(next) {
			if err := k.sample(); err != nil {
				return err
			}
			next = time.Now().Add(sampleEvery)
		}
		if ctx.Err() != nil {
			return nil
		}
		if err := k.news.SetDeadline(next); err != nil {
			return err
		}
		if ctx.Err() != nil { // it came between, and its interrupt is undone
			return nil
		}
		n, err := k.news.Receive(k.buf)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
		case errors.Is(err, unix.ENOBUFS):
			c.env.Stats.AddLost(1)
			next = time.Now() // a look tells what the lost news would have
		case err != nil:
			return fmt.Errorf("listen to nl80211: %w", err)
		default:
			if err := k.take(append([]byte(nil), k.buf[:n]...)); err != nil {
				return err
			}
		}
	}
}

// wait returns when the kernel knows nl80211.
func (k *nl80211) wait(ctx context.Context, c *Collector) error {
	if err := k.news.Join(notifyGroup); err != nil {
		return err
	}
	err := k.resolve()
	for errors.Is(err, unix.ENOENT) {
		c.env.Stats.SetNote("no Wi-Fi in this kernel; waits until an adapter brings it")
		if _, err := k.news.Receive(k.buf); err != nil && !errors.Is(err, unix.ENOBUFS) {
			return fmt.Errorf("wait for Wi-Fi: %w", err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		err = k.resolve()
	}
	return errors.Join(err, k.news.Leave(notifyGroup))
}

// resolve asks what the kernel calls nl80211.
func (k *nl80211) resolve() error {
	found := false
	err := k.request(ctrlFamily, ctrlGet, 0, attrBytes(ctrlName, familyName+"\x00"), func(b []byte) {
		if f, ok := parseFamily(b); ok {
			k.fam, found = f, true
		}
	})
	if err == nil && !found {
		err = errors.New("the kernel's answer names no family")
	}
	if err != nil {
		return fmt.Errorf("ask for nl80211: %w", err)
	}
	return nil
}

// take handles one datagram of news.
func (k *nl80211) take(b []byte) error {
	for {
		m, rest, ok := netlink.Next(b)
		if !ok {
			return nil
		}
		b = rest
		if m.Type != k.fam.id || len(m.Data) < genlHeader {
			continue
		}
		n := parseNews(m.Data[genlHeader:])
		switch cmd := m.Data[0]; {
		case cmd == cmdDisconnect:
			k.links.disconnected(n.id)
		case cmd == cmdConnect && !n.failed, cmd == cmdRoam:
			r, err := k.read(n.id)
			if err != nil {
				return err
			}
			switch {
			case !r.connected: // gone again already; its end is the next news
			case cmd == cmdRoam:
				k.links.roamed(n.id, n.security, r)
			default:
				k.links.connected(n.id, n.security, r)
			}
		}
	}
}

// sample looks at every adapter.
func (k *nl80211) sample() error {
	ids := map[uint32]bool{}
	var all []adapter
	err := k.request(k.fam.id, cmdGetInterface, unix.NLM_F_DUMP, nil, func(b []byte) {
		if a := parseAdapter(b, k.links.names); a.station && a.id != 0 && len(all) < maxAdapters {
			all = append(all, a)
		}
	})
	if err != nil {
		return fmt.Errorf("list Wi-Fi adapters: %w", err)
	}
	for _, a := range all {
		r, err := k.station(a)
		if err != nil {
			return err
		}
		ids[a.id] = true
		k.links.sampled(a.id, r)
	}
	k.links.keepOnly(ids)
	return nil
}

// read looks at one adapter.
func (k *nl80211) read(id uint32) (*reading, error) {
	var a adapter
	err := k.request(k.fam.id, cmdGetInterface, 0, attrUint32(attrIndex, id), func(b []byte) {
		a = parseAdapter(b, k.links.names)
	})
	if errors.Is(err, unix.ENODEV) {
		return &reading{}, nil // unplugged
	}
	if err != nil {
		return nil, fmt.Errorf("look at a Wi-Fi adapter: %w", err)
	}
	return k.station(a)
}

// station asks for the access point that an adapter is linked to, and for the
// noise on its channel, which not every driver knows.
func (k *nl80211) station(a adapter) (*reading, error) {
	r := &reading{ssid: a.ssid}
	r.link.FrequencyMhz, r.link.Channel, r.link.WidthMhz = a.freq, channelOf(a.freq), a.width
	index := attrUint32(attrIndex, a.id)
	err := k.request(k.fam.id, cmdGetStation, unix.NLM_F_DUMP, index, func(b []byte) {
		parseStation(b, k.links.names, r)
	})
	if errors.Is(err, unix.ENODEV) || errors.Is(err, unix.EOPNOTSUPP) { // gone, or a driver that does not tell
		return &reading{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look at a Wi-Fi link: %w", err)
	}
	if k.links.names.ssid && r.connected && r.ssid == nil {
		// Kernels up to 6.1 tell the name here only.
		err := k.request(k.fam.id, cmdGetScan, unix.NLM_F_DUMP, index, func(b []byte) {
			if ssid := parseUsed(b); ssid != nil {
				r.ssid = ssid
			}
		})
		if err != nil && !errors.Is(err, unix.ENODEV) {
			return nil, fmt.Errorf("look at a Wi-Fi network: %w", err)
		}
	}
	err = k.request(k.fam.id, cmdGetSurvey, unix.NLM_F_DUMP, index, func(b []byte) {
		if dbm, inUse := parseNoise(b); inUse {
			r.link.NoiseDbm = dbm
		}
	})
	if err != nil && !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.ENODEV) {
		return nil, fmt.Errorf("look at the noise of a Wi-Fi channel: %w", err)
	}
	return r, nil
}

// request sends one command and hands the attributes of each answer to f.
func (k *nl80211) request(family, cmd, flags uint16, attrs []byte, f func(b []byte)) error {
	k.seq++
	flags |= unix.NLM_F_REQUEST
	if flags&unix.NLM_F_DUMP == 0 {
		flags |= unix.NLM_F_ACK
	}
	msg := netlink.AppendHeader(nil, family, flags, k.seq, genlHeader+len(attrs))
	msg = append(msg, byte(cmd), 1, 0, 0)
	if err := k.ask.SetDeadline(time.Now().Add(answerWithin)); err != nil {
		return err
	}
	if err := k.ask.Send(append(msg, attrs...)); err != nil {
		return err
	}
	for {
		n, err := k.ask.Receive(k.buf)
		if err != nil {
			return err
		}
		for b := k.buf[:n]; ; {
			m, rest, ok := netlink.Next(b)
			if !ok {
				break
			}
			b = rest
			switch {
			case m.Seq != k.seq: // of a question that was given up
			case m.Type == netlink.TypeDone:
				return nil
			case m.Type == netlink.TypeError:
				if n := netlink.ErrorNumber(m.Data); n != 0 {
					return unix.Errno(n)
				}
				return nil
			case len(m.Data) >= genlHeader:
				f(m.Data[genlHeader:])
			}
		}
	}
}

func attrBytes(kind uint16, data string) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(data)))
	b = append(binary.NativeEndian.AppendUint16(b, kind), data...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func attrUint32(kind uint16, v uint32) []byte {
	b := binary.NativeEndian.AppendUint16(nil, 8)
	return binary.NativeEndian.AppendUint32(binary.NativeEndian.AppendUint16(b, kind), v)
}
