//go:build linux

package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/quic-go/quic-go"
	"golang.org/x/net/dns/dnsmessage"
)

const (
	zone    = ".capture.example"
	nameIP  = "127.83.7.2" // where the servers of names are; the ports are the well-known ones
	callers = 20           // programs that share the calls
)

func nameOf(what string, i int) string { return fmt.Sprintf("%s%d%s", what, i, zone) }

// servers are a server of each kind.
type servers struct{ all []io.Closer }

func (s *servers) close() {
	for _, c := range s.all {
		_ = c.Close()
	}
}

func serveNames() (*servers, error) {
	s := &servers{}
	if err := s.open(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *servers) open() error {
	cert, err := certificate()
	if err != nil {
		return err
	}
	config := &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"capture"}}
	dns, err := net.ListenPacket("udp", nameIP+":53")
	if err != nil {
		return err
	}
	s.all = append(s.all, dns)
	go answerAll(dns)
	l, err := tls.Listen("tcp", nameIP+":443", config)
	if err != nil {
		return err
	}
	s.all = append(s.all, l)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(io.Discard, c)
				_ = c.Close()
			}()
		}
	}()
	q, err := quic.ListenAddr(nameIP+":443", config, nil)
	if err != nil {
		return err
	}
	s.all = append(s.all, q)
	go func() {
		for {
			if _, err := q.Accept(context.Background()); err != nil {
				return
			}
		}
	}()
	return nil
}

func answerAll(conn net.PacketConn) {
	b := make([]byte, 4096)
	for {
		n, from, err := conn.ReadFrom(b)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(b[:n]) != nil || len(m.Questions) != 1 {
			continue
		}
		m.Response = true
		edge := dnsmessage.MustNewName("edge" + zone + ".")
		head := dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Class: dnsmessage.ClassINET, TTL: 60}
		m.Answers = []dnsmessage.Resource{{Header: head, Body: &dnsmessage.CNAMEResource{CNAME: edge}}}
		head.Name = edge
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AResource{A: [4]byte{192, 0, 2, 1}}})
		if out, err := m.Pack(); err == nil {
			_, _ = conn.WriteTo(out, from)
		}
	}
}

func certificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"*" + zone}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// caller is a copy of this program at a path of its own.
type caller struct {
	path string
	uid  int
}

func newCaller(dir string, i int) (caller, error) {
	c := caller{path: filepath.Join(dir, fmt.Sprintf("caller%d", i))}
	if i%2 == 1 {
		c.uid = stranger
	}
	if i > 0 { // the same file by another name
		return c, os.Link(filepath.Join(dir, "caller0"), c.path)
	}
	program, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		return c, err
	}
	return c, os.WriteFile(c.path, program, 0o755)
}

func (c caller) run(ctx context.Context, what string, from, to int) error {
	cmd := exec.CommandContext(ctx, c.path, "-role", fmt.Sprintf("contact:%s:%d:%d", what, from, to))
	cmd.Dir, cmd.Env, cmd.Stderr = "/", []string{}, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(c.uid), Gid: uint32(c.uid)}}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("run a caller: %w", err)
	}
	return nil
}

// callNames is what a caller does.
func callNames(ctx context.Context, arg string) error {
	var from, to int
	what, numbers, _ := strings.Cut(arg, ":")
	if _, err := fmt.Sscanf(numbers, "%d:%d", &from, &to); err != nil {
		return err
	}
	for i := from; i < to; i++ {
		if err := callName(ctx, what, nameOf(what, i)); err != nil {
			return err
		}
	}
	return nil
}

func callName(ctx context.Context, what, name string) error {
	ctx, stop := context.WithTimeout(ctx, 20*time.Second)
	defer stop()
	config := &tls.Config{ServerName: name, InsecureSkipVerify: true, NextProtos: []string{"capture"}}
	switch what {
	case "dns":
		return askName(ctx, name)
	case "tls":
		c, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", nameIP+":443")
		if err == nil {
			err = c.Close()
		}
		return err
	}
	c, err := quic.DialAddr(ctx, nameIP+":443", config, nil)
	if err == nil {
		err = c.CloseWithError(0, "")
	}
	return err
}

// askName asks a question as a resolver does.
func askName(ctx context.Context, name string) error {
	q := dnsmessage.Question{Name: dnsmessage.MustNewName(name + "."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: uint16(time.Now().UnixNano()), RecursionDesired: true}, Questions: []dnsmessage.Question{q}}
	b, err := m.Pack()
	if err != nil {
		return err
	}
	c, err := (&net.Dialer{}).DialContext(ctx, "udp", nameIP+":53")
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Write(b); err != nil {
		return err
	}
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	_, err = c.Read(b[:cap(b)])
	return err
}
