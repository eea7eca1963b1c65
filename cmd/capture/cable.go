//go:build linux

package main

import (
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// cable is two network namespaces with a pair of interfaces between them. In the
// far one a network ends in nothing.
type cable struct {
	near, far string
	dir       string // with the two programs, so that each has a path of its own
}

const silentAddress = "203.0.113.9"

func layCable() (*cable, error) {
	dir, err := os.MkdirTemp("", "capture-net")
	if err != nil {
		return nil, err
	}
	c := &cable{fmt.Sprintf("capture-near-%d", os.Getpid()), fmt.Sprintf("capture-far-%d", os.Getpid()), dir}
	if err := c.lay(); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *cable) lay() error {
	if err := os.Chmod(c.dir, 0o755); err != nil {
		return err
	}
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		return err
	}
	for _, name := range []string{"caller", "server"} {
		if err := os.WriteFile(c.program(name), self, 0o755); err != nil {
			return err
		}
	}
	for _, line := range []string{
		"netns add " + c.near,
		"netns add " + c.far,
		"link add near netns " + c.near + " type veth peer name far netns " + c.far,
		"-n " + c.near + " addr add 192.0.2.1/24 dev near",
		"-n " + c.far + " addr add 192.0.2.2/24 dev far",
		"-n " + c.near + " addr add 2001:db8::1/64 dev near nodad",
		"-n " + c.far + " addr add 2001:db8::2/64 dev far nodad",
		"-n " + c.near + " link set near up",
		"-n " + c.far + " link set far up",
		"-n " + c.near + " link set lo up",
		"-n " + c.far + " link set lo up",
		"-n " + c.near + " route add default via 192.0.2.2",
		"-n " + c.far + " route add blackhole 203.0.113.0/24",
		"netns exec " + c.far + " sysctl -qw net.ipv4.ip_forward=1",
		"netns exec " + c.near + " sysctl -qw net.ipv4.tcp_syn_retries=1",
	} {
		if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", line, err, out)
		}
	}
	return nil
}

func (c *cable) program(name string) string { return filepath.Join(c.dir, name) }

func (c *cable) close() {
	for _, ns := range []string{c.near, c.far} {
		_ = exec.Command("ip", "netns", "del", ns).Run()
	}
	_ = os.RemoveAll(c.dir)
}

// enter makes this thread's new sockets those of a namespace.
func enter(ns string) error {
	fd, err := unix.Open("/run/netns/"+ns, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Setns(fd, unix.CLONE_NEWNET)
}

// launched is a program at one end of the cable.
type launched struct {
	cmd *exec.Cmd
	in  io.Closer // until it is closed the program runs
	out *gob.Decoder
}

// start runs one of the programs in a namespace.
func (c *cable) start(ctx context.Context, name, ns string, uid int, role string) (*launched, error) {
	enter := fmt.Sprintf("become:%s %d %s %s", ns, uid, c.program(name), role)
	l := &launched{cmd: exec.CommandContext(ctx, "/proc/self/exe", "-role", enter)}
	l.cmd.Stderr = os.Stderr
	in, err := l.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := l.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	l.in, l.out = in, gob.NewDecoder(out)
	return l, l.cmd.Start()
}

// end ends the program.
func (l *launched) end() error {
	l.in.Close()
	return l.cmd.Wait()
}

// become enters a namespace and an account and runs a program there.
func become(arg string) error {
	words := strings.SplitN(arg, " ", 4)
	if len(words) != 4 {
		return errors.New("become: four words")
	}
	runtime.LockOSThread() // a namespace is a thread's, and the one that calls exec stays
	if err := enter(words[0]); err != nil {
		return err
	}
	uid, err := strconv.Atoi(words[1])
	if err != nil {
		return err
	}
	if uid != 0 {
		if err := errors.Join(syscall.Setgid(uid), syscall.Setuid(uid)); err != nil {
			return err
		}
	}
	return syscall.Exec(words[2], []string{words[2], "-role", words[3]}, []string{})
}

// head precedes each exchange: how many bytes follow it, and how many come back.
const head = 8

// serveNet accepts on both families and echoes what is asked for. It tells its
// ports.
func serveNet(ctx context.Context, out *gob.Encoder) error {
	var ports []int
	for _, network := range []string{"tcp4", "tcp6", "udp4", "udp6"} {
		port, err := serveOn(ctx, network)
		if err != nil {
			return err
		}
		ports = append(ports, port)
	}
	if err := out.Encode(ports); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

func serveOn(ctx context.Context, network string) (int, error) {
	if strings.HasPrefix(network, "udp") {
		s, err := net.ListenPacket(network, ":0")
		if err != nil {
			return 0, err
		}
		go func() {
			b := make([]byte, 1<<16)
			for {
				n, from, err := s.ReadFrom(b)
				if err != nil {
					return
				}
				_, _ = s.WriteTo(b[:n/2], from)
			}
		}()
		context.AfterFunc(ctx, func() { s.Close() })
		return s.LocalAddr().(*net.UDPAddr).Port, nil
	}
	l, err := net.Listen(network, ":0") // as Go does it: MPTCP
	if err != nil {
		return 0, err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go answer(c)
		}
	}()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func answer(c net.Conn) {
	defer c.Close()
	var h [head]byte
	if _, err := io.ReadFull(c, h[:]); err != nil {
		return
	}
	in, out := int(h[0])|int(h[1])<<8, int(h[2])|int(h[3])<<8
	if _, err := io.CopyN(io.Discard, c, int64(in)); err != nil {
		return
	}
	if h[4] == 1 {
		_ = c.(*net.TCPConn).SetLinger(0) // and Close resets
		return
	}
	_, _ = c.Write(make([]byte, out))
	_, _ = io.Copy(io.Discard, c)
}

// trueEnd is one end as it was.
type trueEnd struct {
	near      bool // in the near namespace
	inbound   bool
	port      uint32
	out, in   uint64
	path, uid string
	outcome   eventv1.Outcome
}

// callNet makes n calls of a kind to an address, two at a time, or many where
// each waits for nothing.
func callNet(arg string, out *gob.Encoder) error {
	words := strings.Fields(arg)
	if len(words) != 3 {
		return errors.New("call: kind, address, count")
	}
	n, err := strconv.Atoi(words[2])
	if err != nil {
		return err
	}
	callers := 2
	if words[0] == "silent" || words[0] == "leave" {
		callers = 50
	}
	errs := make([]error, callers)
	var wait sync.WaitGroup
	for k := range callers {
		wait.Go(func() {
			for i := k; i < n && errs[k] == nil; i += callers {
				errs[k] = callOne(words[0], words[1], i)
			}
		})
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return out.Encode(true)
}

// sizes are how many bytes the i-th call sends and gets.
func sizes(i int) (out, in int) { return 200 + i%1000, 300 + i/1000 }

func callOne(kind, address string, i int) error {
	d := net.Dialer{}
	if kind == "leave" {
		d.Timeout = 50 * time.Millisecond
	}
	network := "tcp"
	if kind == "udp" {
		network = "udp"
	}
	c, err := d.Dial(network, address)
	switch kind {
	case "refused", "silent", "leave":
		if err == nil {
			c.Close()
			return fmt.Errorf("call %s: it was answered", kind)
		}
		return nil
	}
	if err != nil {
		return err
	}
	defer c.Close()
	if kind == "udp" {
		return packets(c)
	}
	size, back := sizes(i)
	b := make([]byte, head+size)
	b[0], b[1], b[2], b[3] = byte(size), byte(size>>8), byte(back), byte(back>>8)
	if kind == "reset" {
		b[4] = 1
	}
	if _, err := c.Write(b); err != nil {
		return err
	}
	if kind == "reset" {
		_, _ = io.Copy(io.Discard, c)
		return nil
	}
	_, err = io.ReadFull(c, make([]byte, back))
	return err
}

const (
	packetsEach = 100
	packetBytes = 512
)

func packets(c net.Conn) error {
	b := make([]byte, packetBytes)
	for range packetsEach {
		if _, err := c.Write(b); err != nil {
			return err
		}
		if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			return err
		}
		if _, err := c.Read(make([]byte, packetBytes)); err != nil {
			return err
		}
	}
	return nil
}
