package domain

import (
	"bytes"
	"math/rand/v2"
	"net"
	"slices"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// frames returns packets as the reference writes them, by what they are.
func frames(t testing.TB) map[string][]byte {
	t.Helper()
	v4 := func(p layers.IPProtocol) *layers.IPv4 {
		return &layers.IPv4{Version: 4, TTL: 64, Protocol: p, SrcIP: net.IPv4(192, 0, 2, 1), DstIP: net.IPv4(192, 0, 2, 53)}
	}
	v6 := func(p layers.IPProtocol) *layers.IPv6 {
		return &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: p, SrcIP: net.ParseIP("2001:db8::1"), DstIP: net.ParseIP("2001:db8::53")}
	}
	options := v4(layers.IPProtocolUDP)
	options.Options = []layers.IPv4Option{{OptionType: 148, OptionLength: 4, OptionData: []byte{0, 0}}} // router alert
	fragment := v4(layers.IPProtocolUDP)
	fragment.FragOffset = 100
	begin := v4(layers.IPProtocolUDP)
	begin.Flags = layers.IPv4MoreFragments
	tcp := func(port layers.TCPPort) *layers.TCP {
		return &layers.TCP{SrcPort: 1234, DstPort: port, Seq: 77, ACK: true, Options: []layers.TCPOption{{OptionType: layers.TCPOptionKindNop}, {OptionType: layers.TCPOptionKindNop}, {OptionType: layers.TCPOptionKindNop}, {OptionType: layers.TCPOptionKindNop}}}
	}
	udp := func(port layers.UDPPort) *layers.UDP { return &layers.UDP{SrcPort: 1234, DstPort: port} }
	payload := gopacket.Payload("payload of some bytes")
	hello := gopacket.Payload(record(made(sni("a.example")), 1<<14))
	initial := gopacket.Payload(first{version: v1, keys: "k", dcid: "k", pad: 1100}.seal(t))
	out := make(map[string][]byte)
	for name, parts := range map[string][]gopacket.SerializableLayer{
		"dns, v4":              {v4(17), udp(53), payload},
		"dns, v6":              {v6(17), udp(53), payload},
		"dns, v4 with options": {options, udp(53), payload},
		"dns, fragment":        {fragment, udp(53), payload},
		"dns, first fragment":  {begin, udp(53), payload},
		"dns over tcp, v4":     {v4(6), tcp(53), payload},
		"dns over tcp, v6":     {v6(6), tcp(53), payload},
		"tcp without payload":  {v4(6), tcp(443)},
		"hello, v4":            {v4(6), tcp(443), hello},
		"hello, v6":            {v6(6), tcp(8443), hello},
		"http, v4":             {v4(6), tcp(80), payload},
		"initial, v4":          {v4(17), udp(443), initial},
		"initial, v6":          {v6(17), udp(853), initial},
		"quic, short header":   {v4(17), udp(443), gopacket.Payload("\x40short header")},
		"ntp":                  {v4(17), udp(123), payload},
	} {
		b := gopacket.NewSerializeBuffer()
		for _, l := range parts {
			switch l := l.(type) {
			case *layers.UDP:
				_ = l.SetNetworkLayerForChecksum(parts[0].(gopacket.NetworkLayer))
			case *layers.TCP:
				_ = l.SetNetworkLayerForChecksum(parts[0].(gopacket.NetworkLayer))
			}
		}
		if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, parts...); err != nil {
			t.Fatal(err)
		}
		out[name] = bytes.Clone(b.Bytes())
	}
	return out
}

func TestParseFrame(t *testing.T) {
	want := map[string]kind{
		"dns, v4": kindDNSOut, "dns, v6": kindDNSOut, "dns, v4 with options": kindDNSOut,
		"dns over tcp, v4": kindStreamOut, "dns over tcp, v6": kindStreamOut,
		"hello, v4": kindHello, "hello, v6": kindHello, "http, v4": kindHello,
		"initial, v4": kindInitial, "initial, v6": kindInitial, "quic, short header": kindInitial,
	}
	for name, b := range frames(t) {
		t.Run(name, func(t *testing.T) {
			var p packet
			ok := parseFrame(b, true, &p)
			if ok != (want[name] != 0) || ok && p.kind != want[name] {
				t.Errorf("parseFrame() = %v, %v; want %v", p.kind, ok, want[name])
			}
			// What comes in is an answer, or nothing.
			if ok := parseFrame(b, false, &p); ok {
				t.Errorf("parseFrame() of what comes in from port 1234 = %v; want nothing", p.kind)
			}
		})
	}
}

// TestAgreesWithTheReference mutates packets. Where gopacket reads addresses,
// ports and payload, ours reads the same or refuses.
func TestAgreesWithTheReference(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	all := frames(t)
	both := 0
	for range 20_000 {
		for _, base := range all {
			b := slices.Clone(base)
			for range random.IntN(3) {
				b[random.IntN(min(len(b), 60))] = byte(random.IntN(256))
			}
			if random.IntN(3) == 0 {
				b = b[:random.IntN(len(b)+1)]
			}
			var p packet
			if !parseFrame(b, true, &p) {
				continue
			}
			if agrees(t, b, &p) {
				both++
			}
		}
	}
	if both < 20_000 {
		t.Errorf("both read %d packets; want more, to compare", both)
	}
}

func agrees(t *testing.T, b []byte, p *packet) bool {
	t.Helper()
	start := layers.LayerTypeIPv4
	if b[0]>>4 == 6 {
		start = layers.LayerTypeIPv6
	}
	ref := gopacket.NewPacket(b, start, gopacket.DecodeOptions{NoCopy: true, Lazy: false})
	network, transport := ref.NetworkLayer(), ref.TransportLayer()
	if network == nil || transport == nil {
		return false // it refuses what is cut, as DNS over a cut UDP
	}
	src, dst := network.NetworkFlow().Endpoints()
	if got, want := p.flow.local.Addr().String()+" "+p.flow.remote.Addr().String(), src.String()+" "+dst.String(); got != want {
		t.Fatalf("%x: addresses %s; want %s", b, got, want)
	}
	var from, to uint16
	switch l := transport.(type) {
	case *layers.UDP:
		from, to = uint16(l.SrcPort), uint16(l.DstPort)
	case *layers.TCP:
		from, to = uint16(l.SrcPort), uint16(l.DstPort)
		if p.seq != l.Seq {
			t.Fatalf("%x: sequence number %d; want %d", b, p.seq, l.Seq)
		}
	default:
		return false
	}
	if p.flow.local.Port() != from || p.flow.remote.Port() != to {
		t.Fatalf("%x: ports %d and %d; want %d and %d", b, p.flow.local.Port(), p.flow.remote.Port(), from, to)
	}
	if payload := transport.LayerPayload(); !bytes.Equal(p.data, payload) {
		t.Fatalf("%x: payload %x; want %x", b, p.data, payload)
	}
	return true
}

func FuzzFrame(f *testing.F) {
	for _, b := range frames(f) {
		f.Add(b, true)
	}
	f.Fuzz(func(t *testing.T, b []byte, out bool) {
		var p packet
		if parseFrame(b, out, &p) {
			if len(p.data) > len(b) {
				t.Errorf("parseFrame() = a payload of %d bytes from %d", len(p.data), len(b))
			}
			newDecoder().take(&p)
		}
	})
}
