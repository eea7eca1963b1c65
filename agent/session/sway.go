package session

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"slices"
)

// sway's own protocol tells the process of a window too (sway-ipc(7)). Titles
// stand in its messages; no field takes them.

const (
	swayMagic     = "i3-ipc"
	swaySubscribe = 2
	swayTree      = 4
	swayWindow    = 0x80000003
	swayMax       = 16 << 20
	swayDepth     = 64
)

var errSway = errors.New("not what sway sends")

// swayNode is a part of the tree of windows.
type swayNode struct {
	Focused    bool   `json:"focused"`
	PID        uint32 `json:"pid"`
	App        string `json:"app_id"`
	Properties struct {
		Class string `json:"class"` // of windows of X11
	} `json:"window_properties"`
	Nodes    []swayNode `json:"nodes"`
	Floating []swayNode `json:"floating_nodes"`
}

func (n *swayNode) program() program {
	app := n.App
	if app == "" {
		app = n.Properties.Class
	}
	return program{tidyApp(app), n.PID}
}

// find returns the program that has the focus in a tree.
func (n *swayNode) find(depth int) (program, bool) {
	if n.Focused {
		return n.program(), true
	}
	if depth > 0 {
		for _, m := range slices.Concat(n.Nodes, n.Floating) {
			if p, ok := m.find(depth - 1); ok {
				return p, true
			}
		}
	}
	return program{}, false
}

// swayDesktop follows the focus until ctx is done or sway ends.
func swayDesktop(ctx context.Context, d *desk) error {
	var dialer net.Dialer
	c, err := dialer.DialContext(ctx, "unix", d.getenv("SWAYSOCK"))
	if err != nil {
		return errors.New("sway does not answer")
	}
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	defer c.Close()
	if _, err := c.Write(append(swayMessage(swaySubscribe, `["window"]`), swayMessage(swayTree, "")...)); err != nil {
		return err
	}
	d.why(true, WhyNone)
	var front program
	for {
		kind, body, err := readSway(c)
		if err != nil {
			return err
		}
		p, says, err := parseSway(kind, body)
		if err != nil {
			return err
		}
		switch {
		case says == swayFocus && p != front:
			front = p
			d.send(event{kind: focus, front: p})
		case says == swayAsk:
			if _, err := c.Write(swayMessage(swayTree, "")); err != nil {
				return err
			}
		}
	}
}

// What a message says about the focus.
const (
	swayNothing = iota
	swayFocus   // it is here
	swayAsk     // a window is gone: where is it now?
)

func swayMessage(kind uint32, body string) []byte {
	b := ne.AppendUint32([]byte(swayMagic), uint32(len(body)))
	return append(ne.AppendUint32(b, kind), body...)
}

func readSway(r io.Reader) (kind uint32, body []byte, err error) {
	var head [len(swayMagic) + 8]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	size := ne.Uint32(head[len(swayMagic):])
	if string(head[:len(swayMagic)]) != swayMagic || size > swayMax {
		return 0, nil, errSway
	}
	body = make([]byte, size)
	_, err = io.ReadFull(r, body)
	return ne.Uint32(head[len(swayMagic)+4:]), body, err
}

// parseSway returns which program has the focus, where a message tells it.
func parseSway(kind uint32, body []byte) (p program, says int, err error) {
	switch kind {
	case swayTree:
		var root swayNode
		if err := json.Unmarshal(body, &root); err != nil {
			return program{}, 0, errSway
		}
		p, _ = root.find(swayDepth)
		return p, swayFocus, nil
	case swayWindow:
		var change struct {
			Change    string   `json:"change"`
			Container swayNode `json:"container"`
		}
		if err := json.Unmarshal(body, &change); err != nil {
			return program{}, 0, errSway
		}
		switch change.Change {
		case "focus":
			return change.Container.program(), swayFocus, nil
		case "close":
			return program{}, swayAsk, nil
		}
	}
	return program{}, swayNothing, nil
}
