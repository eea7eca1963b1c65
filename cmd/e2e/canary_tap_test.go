//go:build linux

package e2e

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/protobuf/proto"

	"github.com/discreet-agent/discreet/cmd/lab"
	uplinkv1 "github.com/discreet-agent/discreet/proto/uplink/v1"
)

// tap stands between the two real programs and writes down what they say to each
// other in the clear. It has the gateway's own certificate and, since the test is
// root, the device's: neither program can tell, and neither has an option for it.
type tap struct {
	t   *testing.T
	lab *lab.Lab
	l   net.Listener
	to  string // the gateway

	mu    sync.Mutex // guards what follows
	conns []*tapped
}

// tapped is what one connection carried.
type tapped struct {
	withCert bool
	up, down bytes.Buffer // guarded by tap.mu
}

// startTap listens and lets the agent's settings of the lab point to it. The
// gateway keeps its own address.
func startTap(t *testing.T, l *lab.Lab) *tap {
	t.Helper()
	cert, err := tls.LoadX509KeyPair(l.Path("gateway/ca/server.pem"), l.Path("gateway/ca/server-key.pem"))
	if err != nil {
		t.Fatalf("the gateway's certificate: %v", err)
	}
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &tap{t: t, lab: l, to: l.Address, l: tls.NewListener(inner, &tls.Config{
		Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequestClientCert, NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS13,
	})}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := p.l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { p.relay(c.(*tls.Conn)) })
		}
	})
	t.Cleanup(func() { p.l.Close(); serving.Wait() })
	return p
}

func (p *tap) address() string { return p.l.Addr().String() }

// relay carries one connection. It ends when either side does.
func (p *tap) relay(agent *tls.Conn) {
	defer agent.Close()
	_ = agent.SetDeadline(time.Now().Add(10 * time.Second))
	if agent.Handshake() != nil {
		return
	}
	_ = agent.SetDeadline(time.Time{})
	conf := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS13}
	c := &tapped{withCert: len(agent.ConnectionState().PeerCertificates) > 0}
	if c.withCert {
		cert, err := tls.LoadX509KeyPair(p.lab.Path("agent/identity/cert.pem"), p.lab.Path("agent/identity/key.pem"))
		if err != nil {
			p.t.Errorf("the device's certificate: %v", err)
			return
		}
		conf.Certificates = []tls.Certificate{cert}
	}
	gateway, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", p.to, conf)
	if err != nil {
		return // the gateway is not there: the agent sees a connection that ends
	}
	defer gateway.Close()
	p.mu.Lock()
	p.conns = append(p.conns, c)
	p.mu.Unlock()
	var both sync.WaitGroup
	carry := func(to, from net.Conn, into *bytes.Buffer) {
		defer to.Close()
		buf := make([]byte, 32<<10)
		for {
			n, err := from.Read(buf)
			p.mu.Lock()
			into.Write(buf[:n])
			p.mu.Unlock()
			if _, werr := to.Write(buf[:n]); err != nil || werr != nil {
				return
			}
		}
	}
	both.Go(func() { carry(gateway, agent, &c.up) })
	both.Go(func() { carry(agent, gateway, &c.down) })
	both.Wait()
}

// wireCounts says what the tap saw.
type wireCounts struct {
	Conns, Enrolments, Messages, Batches, Records, Bytes int
}

// save writes what was said below dir: the bytes as they were inside of TLS, the
// headers and messages in them, and what the payloads hold after decompression.
func (p *tap) save(dir string) wireCounts {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		p.t.Fatal(err)
	}
	n := wireCounts{Conns: len(p.conns)}
	for i, c := range p.conns {
		for side, b := range map[string][]byte{"up": c.up.Bytes(), "down": c.down.Bytes()} {
			n.Bytes += len(b)
			name := filepath.Join(dir, fmt.Sprintf("%03d-%s", i, side))
			p.write(name+".raw", b)
			headers, messages := p.messages(b, side == "up")
			p.write(name+".headers", headers)
			for k, m := range messages {
				n.Messages++
				p.write(fmt.Sprintf("%s-%04d.message", name, k), m)
				switch {
				case side == "up" && c.withCert:
					p.payload(fmt.Sprintf("%s-%04d", name, k), m, &n)
				case side == "up":
					n.Enrolments++
				}
			}
		}
	}
	return n
}

func (p *tap) write(name string, b []byte) {
	if err := os.WriteFile(name, b, 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// messages takes HTTP/2 apart: header lines, whose text is otherwise in a code of
// its own (RFC 7541), and the messages of gRPC.
func (p *tap) messages(b []byte, up bool) (headers []byte, messages [][]byte) {
	if up {
		b = bytes.TrimPrefix(b, []byte(http2.ClientPreface))
	}
	f := http2.NewFramer(io.Discard, bytes.NewReader(b))
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	f.SetMaxReadFrameSize(1<<24 - 1)
	streams := map[uint32][]byte{}
	var order []uint32
	for {
		frame, err := f.ReadFrame()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break // cut off by a kill
		}
		if err != nil {
			p.t.Errorf("the wire cannot be read: %v", err)
			break
		}
		switch frame := frame.(type) {
		case *http2.MetaHeadersFrame:
			for _, h := range frame.Fields {
				headers = append(headers, h.Name+": "+h.Value+"\n"...)
			}
		case *http2.DataFrame:
			id := frame.StreamID
			if _, ok := streams[id]; !ok {
				order = append(order, id)
			}
			streams[id] = append(streams[id], frame.Data()...)
		case *http2.GoAwayFrame:
			headers = append(headers, frame.DebugData()...)
		}
	}
	for _, id := range order {
		for s := streams[id]; len(s) >= 5; {
			size := int(binary.BigEndian.Uint32(s[1:]))
			if s[0] != 0 {
				p.t.Error("a message is compressed by gRPC, which the test cannot read")
			}
			if len(s) < 5+size {
				break
			}
			messages = append(messages, s[5:5+size])
			s = s[5+size:]
		}
	}
	return headers, messages
}

// payload writes down the records of a batch.
func (p *tap) payload(name string, message []byte, n *wireCounts) {
	var up uplinkv1.Up
	if proto.Unmarshal(message, &up) != nil || up.GetBatch() == nil {
		return // a renewal, a greeting
	}
	d, err := zstd.NewReader(nil)
	if err != nil {
		p.t.Fatal(err)
	}
	defer d.Close()
	plain, err := d.DecodeAll(up.GetBatch().GetPayload(), nil)
	if err != nil {
		p.t.Errorf("a payload cannot be decompressed: %v", err)
		return
	}
	var records uplinkv1.Records
	if err := proto.Unmarshal(plain, &records); err != nil || len(records.GetEvents()) != int(up.GetBatch().GetCount()) {
		p.t.Errorf("a payload holds %d records, %v; want %d", len(records.GetEvents()), err, up.GetBatch().GetCount())
	}
	n.Batches++
	n.Records += len(records.GetEvents())
	p.write(name+".records", plain)
}
