//go:build linux

package e2e

import (
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// inNamespace marks the child that runs in a network namespace of its own.
const inNamespace = "DISCREET_E2E_NETNS"

// TestOnlyConnectionIsTheGateway runs both programs in a network namespace whose
// loopback takes every address, so that anything sent anywhere is seen there.
// All traffic must be to the gateway: no name server, no time server, no home.
func TestOnlyConnectionIsTheGateway(t *testing.T) {
	if os.Getenv(inNamespace) != "" {
		watchTraffic(t)
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes a network namespace")
	}
	cmd := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), inNamespace+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "packets seen") {
		t.Fatalf("in the namespace: %v\n%s", err, out)
	}
	t.Log(strings.TrimSpace(string(out)))
}

// watchTraffic is the test within the namespace.
func watchTraffic(t *testing.T) {
	linkUp(t, "lo")
	if out, err := exec.Command("ip", "route", "add", "local", "default", "dev", "lo").CombinedOutput(); err != nil {
		t.Fatalf("route everything to the loopback: %v: %s", err, out)
	}
	l := newLab(t, "")
	if err := l.Write("agent.yaml", l.AgentYAML()+"summary: {flush: 1s}\n"); err != nil {
		t.Fatal(err)
	}
	sniff, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, int(htons(unix.ETH_P_ALL)))
	if err != nil {
		t.Fatalf("packet socket: %v", err)
	}
	defer unix.Close(sniff)
	_ = unix.SetsockoptInt(sniff, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20)
	proveWatch(t, sniff, netip.MustParseAddrPort(l.Address))
	startGateway(t, l)
	ag := startAgent(t, l)
	connected(t, l)
	until(t, l, 30*time.Second, "events at the gateway", func() bool {
		st, err := agentStatus(t, l)
		return err == nil && st.Gateway.EventsAcked > 3
	})
	if err := ag.Stop(20 * time.Second); err != nil {
		t.Errorf("stop the agent: %v", err)
	}
	seen, other := drain(t, sniff, netip.MustParseAddrPort(l.Address))
	t.Logf("%d packets seen, all between the agent and the gateway", seen-len(other))
	for where := range other {
		t.Errorf("traffic that is not to the gateway: %s", where)
	}
	if seen < 20 {
		t.Errorf("only %d packets seen: the watch does not work", seen)
	}
}

// proveWatch sends a datagram that is not to the gateway, which must be seen.
func proveWatch(t *testing.T, fd int, gateway netip.AddrPort) {
	t.Helper()
	c, err := net.Dial("udp", "192.0.2.53:53")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("seen?")); err != nil {
		t.Fatal(err)
	}
	if _, other := drain(t, fd, gateway); len(other) == 0 {
		t.Fatal("a datagram to another address is not seen: the watch does not work")
	}
}

// drain reads what the packet socket holds and returns how many packets there
// were, and between which places those went that are not the gateway's.
func drain(t *testing.T, fd int, gateway netip.AddrPort) (int, map[string]bool) {
	t.Helper()
	other := map[string]bool{}
	seen := 0
	buf := make([]byte, 128)
	for {
		n, from, err := unix.Recvfrom(fd, buf, unix.MSG_DONTWAIT)
		if err != nil {
			return seen, other
		}
		ll, ok := from.(*unix.SockaddrLinklayer)
		if !ok || ll.Pkttype == unix.PACKET_OUTGOING && ll.Hatype == unix.ARPHRD_LOOPBACK {
			continue // the loopback shows each packet twice
		}
		seen++
		if src, dst, ok := ends(buf[:n]); !ok {
			other["a packet that is no TCP over IPv4"] = true
		} else if src != gateway && dst != gateway {
			other[src.String()+" -> "+dst.String()] = true
		}
	}
}

// ends returns the two ends of a TCP packet over IPv4.
func ends(p []byte) (src, dst netip.AddrPort, ok bool) {
	if len(p) < 20 || p[0]>>4 != 4 || p[9] != unix.IPPROTO_TCP {
		return src, dst, false
	}
	head := int(p[0]&15) * 4
	if len(p) < head+4 {
		return src, dst, false
	}
	src = netip.AddrPortFrom(netip.AddrFrom4([4]byte(p[12:16])), binary.BigEndian.Uint16(p[head:]))
	dst = netip.AddrPortFrom(netip.AddrFrom4([4]byte(p[16:20])), binary.BigEndian.Uint16(p[head+2:]))
	return src, dst, true
}

func htons(v uint16) uint16 { return v<<8 | v>>8 }

// linkUp switches a link on; see netdevice(7), SIOCSIFFLAGS.
func linkUp(t *testing.T, link string) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq(link)
	if err != nil {
		t.Fatal(err)
	}
	req.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, req); err != nil {
		t.Fatalf("switch on %s: %v", link, err)
	}
}
