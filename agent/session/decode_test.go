package session

import (
	"bytes"
	"context"
	"testing"
)

func TestFindCookie(t *testing.T) {
	entry := func(number, kind, cookie string) string {
		s := "\x01\x00"
		for _, part := range []string{"host", number, kind, cookie} {
			s += string([]byte{0, byte(len(part))}) + part
		}
		return s
	}
	file := []byte(entry("1", "MIT-MAGIC-COOKIE-1", "one") + entry("0", "XDM-AUTHORIZATION-1", "no") + entry("0", "MIT-MAGIC-COOKIE-1", "zero"))
	if got := findCookie(file, "0"); string(got) != "zero" {
		t.Errorf("findCookie(0) = %q; want zero", got)
	}
	if got := findCookie(file, "7"); got != nil {
		t.Errorf("findCookie(7) = %q; want none", got)
	}
	for n := range file {
		findCookie(file[:n], "0")
	}
}

func TestDisplayNumber(t *testing.T) {
	for display, want := range map[string]string{":0": "0", ":12.1": "12", "unix:3": "3", "localhost:10.0": "", "": "", "wayland-0": "", ":x": ""} {
		got, ok := displayNumber(display)
		if ok != (want != "") || ok && got != want {
			t.Errorf("displayNumber(%q) = %q, %v; want %q", display, got, ok, want)
		}
	}
}

func TestClassOf(t *testing.T) {
	for in, want := range map[string]string{"navigator\x00Firefox\x00": "Firefox", "xterm\x00": "xterm", "a\x00b\x1b\x00": "b", "": ""} {
		if got := classOf([]byte(in)); got != want {
			t.Errorf("classOf(%q) = %q; want %q", in, got, want)
		}
	}
}

func TestParseSway(t *testing.T) {
	for name, row := range map[string]struct {
		kind uint32
		body string
		want program
		says int
	}{
		"tree":     {swayTree, `{"name":"root","nodes":[{"name":"Secret title","focused":false},{"nodes":[{"focused":true,"app_id":"foot","pid":9,"name":"vim salary.txt"}]}]}`, program{"foot", 9}, swayFocus},
		"floating": {swayTree, `{"floating_nodes":[{"focused":true,"app_id":null,"pid":8,"window_properties":{"class":"XTerm","title":"t"}}]}`, program{"XTerm", 8}, swayFocus},
		"empty":    {swayTree, `{}`, program{}, swayFocus},
		"focus":    {swayWindow, `{"change":"focus","container":{"app_id":"a","pid":3}}`, program{"a", 3}, swayFocus},
		"title":    {swayWindow, `{"change":"title","container":{"app_id":"a","pid":3}}`, program{}, swayNothing},
		"close":    {swayWindow, `{"change":"close","container":{"app_id":"a","pid":3}}`, program{}, swayAsk},
		"answer":   {swaySubscribe, `{"success":true}`, program{}, swayNothing},
	} {
		if p, says, err := parseSway(row.kind, []byte(row.body)); p != row.want || says != row.says || err != nil {
			t.Errorf("%s: parseSway = %v, %d, %v; want %v, %d", name, p, says, err, row.want, row.says)
		}
	}
}

// FuzzDisplays feeds every decoder of a display with what a broken one could send.
func FuzzDisplays(f *testing.F) {
	f.Add([]byte("navigator\x00Firefox\x00"))
	f.Add([]byte(`{"focused":true,"app_id":"a"}`))
	f.Add(append(wlNumber(1), wlText("zwlr_foreign_toplevel_manager_v1")...))
	f.Fuzz(func(t *testing.T, b []byte) {
		findCookie(b, "0")
		if app := classOf(b); app != tidyApp(app) {
			t.Errorf("classOf(%q) = %q, which is not tidy", b, app)
		}
		_, _, _ = parseSetup(b)
		if len(b) >= 32 {
			findCounter(b, "IDLETIME")
		}
		_, _, _ = parseSway(swayTree, b)
		_, _, _ = parseSway(swayWindow, b)
		_, _, _ = readText(b)
		fuzzWayland(b)
	})
}

// fuzzWayland lets a display send b, with our names for its objects.
func fuzzWayland(b []byte) {
	out := make(chan event, 1<<16)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	d := &desk{ctx: ctx, getenv: func(string) string { return "" }, want: Wants{true, true}, out: out}
	w := &wayland{c: nowhere{bytes.NewReader(b)}, d: d, globals: map[string]uint32{}, tops: map[uint32]*toplevel{}, registry: 2, synced: 3, manager: 4, idle: 5}
	for {
		object, op, body, err := readWayland(w.c)
		if err != nil || w.event(object, op, body, true) != nil || len(out) > 1<<15 {
			return
		}
	}
}

// nowhere is a display that takes everything.
type nowhere struct{ *bytes.Reader }

func (nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (nowhere) Close() error                { return nil }
