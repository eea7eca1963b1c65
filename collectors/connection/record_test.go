package connection

import (
	"encoding/binary"
	"net/netip"
	"testing"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// encodeConnection writes a record as bpf/connection.bpf.c does.
func encodeConnection(r record) []byte {
	order := binary.LittleEndian
	b := make([]byte, connectionSize)
	order.PutUint32(b, r.kind)
	b[4], b[5], b[6] = familyIPv6, r.direction, r.state
	local, remote := r.local.Addr().As16(), r.remote.Addr().As16()
	if r.local.Addr().Is4() {
		b[4] = familyIPv4
		copy(local[:], r.local.Addr().AsSlice())
		copy(remote[:], r.remote.Addr().AsSlice())
	}
	if r.several {
		b[7] = several
	}
	order.PutUint32(b[8:], r.err)
	order.PutUint32(b[12:], r.softErr)
	encodeOwner(b[16:], r)
	for at, v := range map[int]uint64{40: r.cookie, 48: uint64(r.began), 56: uint64(r.established), 64: uint64(r.at), 72: r.bytesOut, 80: r.bytesIn} {
		order.PutUint64(b[at:], v)
	}
	for at, v := range map[int]uint64{88: r.segsOut, 92: r.segsIn, 96: r.retransmits, 100: r.rttMin, 104: r.rttAvg, 108: r.rttUS, 112: uint64(r.netns)} {
		order.PutUint32(b[at:], uint32(v))
	}
	order.PutUint16(b[116:], r.local.Port())
	order.PutUint16(b[118:], r.remote.Port())
	copy(b[120:], local[:])
	copy(b[136:], remote[:])
	return b
}

func encodeOwner(b []byte, r record) {
	order := binary.LittleEndian
	order.PutUint64(b, uint64(r.task.start))
	order.PutUint32(b[8:], r.task.pid)
	order.PutUint32(b[12:], r.uid)
	order.PutUint32(b[16:], r.task.execs)
}

func encodeProgram(r record) []byte {
	b := make([]byte, programSize+1280)
	binary.LittleEndian.PutUint32(b, kindProgram)
	encodeOwner(b[8:], r)
	if r.cut {
		b[32] = cutShort
	}
	binary.LittleEndian.PutUint32(b[36:], uint32(len(r.parts)))
	copy(b[programSize:], r.parts)
	return b
}

func example(kind uint32, local, remote string) record {
	return record{
		kind: kind, task: task{start: 7e9, pid: 4711, execs: 3}, uid: 1000,
		direction: wentOut, state: stateLastAck, err: 1, softErr: 2, cookie: 1 << 40,
		began: 8e9, established: 8e9 + 5e5, at: 9e9, bytesOut: 1 << 33, bytesIn: 1 << 34,
		segsOut: 11, segsIn: 12, retransmits: 1, rttMin: 400, rttAvg: 500, rttUS: 600, netns: 99,
		local: netip.MustParseAddrPort(local), remote: netip.MustParseAddrPort(remote),
	}
}

// same compares what of records can be compared.
func same(a, b record) bool {
	if string(a.parts) != string(b.parts) {
		return false
	}
	a.parts, b.parts = nil, nil
	return a.kind == b.kind && a.task == b.task && a.uid == b.uid && a.cut == b.cut && a.direction == b.direction &&
		a.state == b.state && a.several == b.several && a.err == b.err && a.softErr == b.softErr && a.cookie == b.cookie &&
		a.began == b.began && a.established == b.established && a.at == b.at && a.bytesOut == b.bytesOut &&
		a.bytesIn == b.bytesIn && a.segsOut == b.segsOut && a.segsIn == b.segsIn && a.retransmits == b.retransmits &&
		a.rttMin == b.rttMin && a.rttAvg == b.rttAvg && a.rttUS == b.rttUS && a.netns == b.netns && a.local == b.local && a.remote == b.remote
}

func TestParseRecord(t *testing.T) {
	udp := example(kindUDP, "192.0.2.1:53", "198.51.100.7:40000")
	udp.several = true
	for _, want := range []record{
		example(kindTCP, "192.0.2.1:40000", "198.51.100.7:443"),
		example(kindListener, "[2001:db8::1]:443", "[::]:0"),
		udp,
	} {
		b := encodeConnection(want)
		if got, ok := parseRecord(b); !ok || !same(got, want) {
			t.Errorf("parseRecord() = %+v, %v; want %+v", got, ok, want)
		}
		for n := range b {
			if _, ok := parseRecord(b[:n]); ok {
				t.Errorf("parseRecord(first %d bytes) = true; want false", n)
			}
		}
		b[4] = 1
		if _, ok := parseRecord(b); ok {
			t.Error("parseRecord(family 1) = true; want false")
		}
	}
	mapped := example(kindTCP, "[::ffff:192.0.2.1]:1", "[::ffff:198.51.100.7]:443")
	if got, ok := parseRecord(encodeConnection(mapped)); !ok || got.remote.String() != "198.51.100.7:443" {
		t.Errorf("parseRecord() = %v, %v; want the IPv4 address", got.remote, ok)
	}
	program := record{kind: kindProgram, task: task{7e9, 4711, 3}, parts: []byte("curl\x00bin\x00usr\x00"), cut: true}
	got, ok := parseRecord(encodeProgram(program))
	if !ok || !same(got, program) || pathOf(got.parts) != "/usr/bin/curl" || lastPart(got.parts) != "curl" {
		t.Errorf("parseRecord() = %+v, %v; want /usr/bin/curl", got, ok)
	}
}

func TestRecordOutcome(t *testing.T) {
	tests := []struct {
		name         string
		state        uint8
		err, softErr uint32
		want         eventv1.Outcome
	}{
		{"refused", stateSynSent, errRefused, 0, eventv1.Outcome_OUTCOME_REFUSED},
		{"no answer", stateSynSent, errTimedOut, 0, eventv1.Outcome_OUTCOME_TIMED_OUT},
		{"said to be unreachable", stateSynSent, errHostUnreach, 0, eventv1.Outcome_OUTCOME_UNREACHABLE},
		{"network unreachable", stateSynSent, errNetUnreach, 0, eventv1.Outcome_OUTCOME_UNREACHABLE},
		{"unreachable, then no answer", stateSynSent, errTimedOut, errHostUnreach, eventv1.Outcome_OUTCOME_UNREACHABLE},
		{"given up", stateSynSent, 0, 0, eventv1.Outcome_OUTCOME_ABANDONED},
		{"closed by them first", stateLastAck, 0, 0, eventv1.Outcome_OUTCOME_ESTABLISHED},
		{"closed by us first", 5, 0, 0, eventv1.Outcome_OUTCOME_ESTABLISHED},
		{"reset by us", stateEstablished, 0, 0, eventv1.Outcome_OUTCOME_ESTABLISHED},
		{"reset by them", stateEstablished, errReset, 0, eventv1.Outcome_OUTCOME_RESET},
		{"reset after their end", stateCloseWait, errPipe, 0, eventv1.Outcome_OUTCOME_RESET},
		{"silence after it was established", stateEstablished, errTimedOut, 0, eventv1.Outcome_OUTCOME_ESTABLISHED},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := record{state: tt.state, err: tt.err, softErr: tt.softErr}
			if got := r.outcome(); got != tt.want {
				t.Errorf("outcome() = %v; want %v", got, tt.want)
			}
		})
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add(encodeConnection(example(kindTCP, "192.0.2.1:40000", "198.51.100.7:443")))
	f.Add(encodeConnection(example(kindUDP, "[2001:db8::1]:443", "[2001:db8::2]:53")))
	f.Add(encodeProgram(record{parts: []byte("curl\x00bin\x00")}))
	f.Add(encodeProgram(record{parts: []byte("no zero")}))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, ok := parseRecord(b)
		if !ok {
			return
		}
		r.outcome()
		if path := pathOf(r.parts); len(path) > len(b)+1 || len(lastPart(r.parts)) > len(b) {
			t.Errorf("path of a record of %d bytes = %d bytes", len(b), len(path))
		}
	})
}
