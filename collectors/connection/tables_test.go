package connection

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"
)

// put4 writes a row of IPv4 as the system does, with what follows it there.
func put4(r row) []byte {
	order := binary.LittleEndian
	b := make([]byte, row4Size)
	order.PutUint32(b, r.state)
	copy(b[4:], r.local.Addr().AsSlice())
	binary.BigEndian.PutUint16(b[8:], r.local.Port())
	copy(b[12:], r.remote.Addr().AsSlice())
	binary.BigEndian.PutUint16(b[16:], r.remote.Port())
	order.PutUint32(b[20:], r.pid)
	order.PutUint64(b[24:], uint64(r.created))
	return b
}

// put6 is put4 for IPv6, with scopes.
func put6(r row) []byte {
	order := binary.LittleEndian
	b := make([]byte, row6Size)
	local, remote := r.local.Addr().As16(), r.remote.Addr().As16()
	copy(b, local[:])
	order.PutUint32(b[16:], 7)
	binary.BigEndian.PutUint16(b[20:], r.local.Port())
	copy(b[24:], remote[:])
	order.PutUint32(b[40:], 9)
	binary.BigEndian.PutUint16(b[44:], r.remote.Port())
	order.PutUint32(b[48:], r.state)
	order.PutUint32(b[52:], r.pid)
	order.PutUint64(b[56:], uint64(r.created))
	return b
}

func tableOf(count int, rows ...[]byte) []byte {
	b := make([]byte, tableHead)
	binary.LittleEndian.PutUint32(b, uint32(count))
	for _, r := range rows {
		b = append(b, r...)
	}
	return b
}

func rowOf(local, remote string) row {
	return row{state: ntEstablished, local: netip.MustParseAddrPort(local), remote: netip.MustParseAddrPort(remote), pid: 4242, created: 99}
}

func TestRows(t *testing.T) {
	for _, c := range []struct {
		name string
		each func([]byte, func(*row)) bool
		put  func(row) []byte
		row  row
		want row
	}{
		{"IPv4", eachRow4, put4, rowOf("10.0.0.1:49152", "192.0.2.1:443"), rowOf("10.0.0.1:49152", "192.0.2.1:443")},
		{"IPv6 with a scope", eachRow6, put6, rowOf("[fe80::1]:1", "[fe80::2]:65535"), rowOf("[fe80::1]:1", "[fe80::2]:65535")},
		{"IPv4 in IPv6", eachRow6, put6, rowOf("[::ffff:10.0.0.1]:5", "[::ffff:192.0.2.1]:6"), rowOf("10.0.0.1:5", "192.0.2.1:6")},
	} {
		whole := tableOf(2, c.put(c.row), c.put(c.row))
		n := 0
		ok := c.each(whole, func(r *row) {
			n++
			if got := *r; got.state != c.want.state || got.key() != c.want.key() {
				t.Errorf("%s: row %+v; want %+v", c.name, got, c.want)
			}
		})
		if !ok || n != 2 {
			t.Errorf("%s: %v with %d rows; want true with 2", c.name, ok, n)
		}
		for size := range whole {
			if c.each(whole[:size:size], func(*row) {}) {
				t.Fatalf("%s: cut to %d of %d bytes it is taken as whole", c.name, size, len(whole))
			}
		}
		if c.each(tableOf(1<<30, c.put(c.row)), func(*row) {}) {
			t.Errorf("%s: a table of a thousand million rows is taken as whole", c.name)
		}
		if !c.each([]byte{0, 0, 0, 0}, func(*row) { t.Errorf("%s: a row in an empty table", c.name) }) {
			t.Errorf("%s: an empty table is refused", c.name)
		}
	}
}

// TestRowAsked: the system wants a connection named by its ends as it wrote them.
func TestRowAsked(t *testing.T) {
	r := rowOf("10.0.0.1:49152", "192.0.2.1:443")
	var buf [52]byte
	eachRow4(tableOf(1, put4(r)), func(r *row) {
		if got := r.asked(&buf); len(got) != 20 || string(got) != string(put4(*r)[:20]) {
			t.Errorf("IPv4: asked for % x", got)
		}
	})
	r = rowOf("[fe80::1]:1", "[fe80::2]:65535")
	eachRow6(tableOf(1, put6(r)), func(r *row) {
		got := r.asked(&buf)
		if len(got) != 52 || got[0] != ntEstablished || string(got[4:]) != string(r.raw[:48]) || got[20] != 7 {
			t.Errorf("IPv6: asked for % x", got)
		}
	})
}

func TestRowSocket(t *testing.T) {
	for _, c := range []struct {
		name   string
		state  uint32
		remote string
		ok     bool
		want   uint8
		known  bool
	}{
		{"closed", 1, "192.0.2.1:443", false, 0, false},
		{"listener", ntListen, "0.0.0.0:0", true, stateListen, false},
		{"calling", ntSynSent, "192.0.2.1:443", true, stateSynSent, false},
		{"called, not accepted yet", 4, "192.0.2.1:443", false, 0, false},
		{"established", ntEstablished, "192.0.2.1:443", true, stateEstablished, true},
		{"the other end closed", 8, "192.0.2.1:443", true, stateEstablished, true},
		{"last answer", ntLastAck, "192.0.2.1:443", true, stateEstablished, true},
		{"waits for stray segments", 11, "192.0.2.1:443", false, 0, false},
		{"no other end", ntEstablished, "0.0.0.0:0", false, 0, false},
	} {
		r := rowOf("10.0.0.1:5", c.remote)
		r.state = c.state
		s, ok := r.socket()
		if ok != c.ok || ok && (s.state != c.want || s.info.known != c.known) {
			t.Errorf("%s: socket() = state %d, known %v, %v; want %d, %v, %v", c.name, s.state, s.info.known, ok, c.want, c.known, c.ok)
		}
	}
}

func TestEStats(t *testing.T) {
	order := binary.LittleEndian
	data, path := make([]byte, dataStatsSize), make([]byte, pathStatsSize)
	for i, v := range []uint64{100, 2, 300, 4, 50, 60} {
		order.PutUint64(data[8*i:], v)
	}
	order.PutUint32(path[20:], 7)
	order.PutUint32(path[108:], 15)
	order.PutUint32(path[120:], ^uint32(0))
	var got tcpInfo
	if !addDataStats(&got, data) || !addPathStats(&got, path) {
		t.Fatal("refused")
	}
	if want := (tcpInfo{bytesOut: 100, bytesIn: 300, dataSegsIn: 4, segsOut: 50, segsIn: 60, retransmits: 7, rttUS: 15_000}); got != want {
		t.Errorf("figures %+v; want %+v", got, want)
	}
	if addDataStats(&got, data[:dataStatsSize-1]) || addPathStats(&got, path[:pathStatsSize-1]) || addDataStats(&got, nil) {
		t.Error("figures that are cut short are taken")
	}
}

func TestRowSince(t *testing.T) {
	agent := time.UnixMilli(1_700_000_000_000)
	const at = 116444736000000000 + 1_700_000_000_000*10_000
	for name, c := range map[string]struct {
		created int64
		want    time.Time
	}{
		"unknown": {0, time.Time{}}, "before the agent": {at - 1, time.Time{}}, "after": {at + 5_000_000, agent.Add(500 * time.Millisecond)},
	} {
		if got := (&row{created: c.created}).since(agent); !got.Equal(c.want) {
			t.Errorf("%s: since = %v; want %v", name, got, c.want)
		}
	}
}

func FuzzRows(f *testing.F) {
	f.Add(tableOf(1, put4(rowOf("10.0.0.1:5", "192.0.2.1:443"))), false)
	f.Add(tableOf(1, put6(rowOf("[fe80::1]:1", "[fe80::2]:65535"))), true)
	f.Fuzz(func(t *testing.T, b []byte, six bool) {
		each := eachRow4
		if six {
			each = eachRow6
		}
		n := 0
		each(b, func(r *row) {
			n++
			var buf [52]byte
			_, _ = r.socket()
			_ = r.asked(&buf)
		})
		if n*row4Size > len(b) {
			t.Fatalf("%d rows in %d bytes", n, len(b))
		}
	})
}
