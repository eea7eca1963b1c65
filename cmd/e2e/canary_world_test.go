//go:build linux

package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"
)

// inMounts marks the child that runs with mounts of its own.
const inMounts = "DISCREET_E2E_MOUNTS"

// withOwnMounts runs do in a child whose /home is empty and whose /etc/passwd,
// /etc/hosts and /etc/resolv.conf can be written to without anybody else seeing
// it: accounts made there are real for all programs that the child starts, and gone
// with it, whatever happens. It stays in the network of the machine, where alone
// the kernel tells of processes.
func withOwnMounts(t *testing.T, do func(*testing.T)) {
	t.Helper()
	if os.Getenv(inMounts) != "" {
		ownMounts(t)
		do(t)
		return
	}
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root: makes accounts")
		}
		t.Skip("needs root: makes accounts")
	}
	cmd := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), inMounts+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Fatalf("in its own mounts: %v\n%s", err, out)
	}
	t.Log("\n" + strings.TrimSpace(string(out)))
}

func ownMounts(t *testing.T) {
	t.Helper()
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Fatalf("make the mounts private: %v", err)
	}
	if err := unix.Mount("tmpfs", "/home", "tmpfs", 0, "mode=0755"); err != nil {
		t.Fatalf("an empty /home: %v", err)
	}
	dir := t.TempDir()
	for _, file := range []string{"/etc/passwd", "/etc/hosts", "/etc/resolv.conf"} {
		real, err := filepath.EvalSymlinks(file)
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(real)
		if err != nil {
			t.Fatal(err)
		}
		own := filepath.Join(dir, filepath.Base(file))
		if err := os.WriteFile(own, b, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mount(own, real, "", unix.MS_BIND, ""); err != nil {
			t.Fatalf("an own %s: %v", file, err)
		}
	}
	// The folder of the copies goes before the mounts do.
	t.Cleanup(func() {
		for _, file := range []string{"/etc/passwd", "/etc/hosts", "/etc/resolv.conf", "/home"} {
			_ = unix.Unmount(file, unix.MNT_DETACH)
		}
	})
}

// spy is a made-up person: every word of hers is random, so that a hit can be
// nothing else.
type spy struct {
	Account, Surname, Folder, Site, Secret, Env string
	uid                                         uint32
	tool                                        string
}

// words returns all that no file may hold.
func (s spy) words() []string {
	return []string{s.Account, s.Surname, s.Folder, s.Site, s.Secret, s.Env}
}

func randomWord(prefix string) string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return prefix + hex.EncodeToString(b[:])
}

// newSpy makes an account with a home, and in a folder of her own a copy of this
// test, which is a program that resolves names and connects.
func newSpy(t *testing.T, prefix string, uid uint32) spy {
	t.Helper()
	s := spy{
		Account: randomWord(prefix), Surname: randomWord("Quandt"), Folder: randomWord("zmappeü"),
		Site: randomWord("zsite"), Secret: randomWord("zsecret"), Env: randomWord("zenviron"), uid: uid,
	}
	line := fmt.Sprintf("%s:x:%d:%d:Zoë %s,,,:/home/%s:/bin/sh\n", s.Account, uid, uid, s.Surname, s.Account)
	f, err := os.OpenFile("/etc/passwd", os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(line); err != nil {
		t.Fatal(err)
	}
	f.Close()
	dir := filepath.Join("/home", s.Account, s.Folder)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	s.tool = filepath.Join(dir, s.Account+"-tool")
	if err := os.WriteFile(s.tool, self, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{filepath.Dir(dir), dir, s.tool} {
		if err := os.Chown(p, int(uid), int(uid)); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// toolSite tells the copy of this test that it is a person's program, and which
// site that person visits.
const toolSite = "DISCREET_E2E_SITE"

// run starts her program, with a secret on its command line and one in its
// environment.
func (s spy) run(t *testing.T, port int) {
	t.Helper()
	cmd := exec.Command(s.tool, "-test.run=^TestCanaryTool$", "--", "--password="+s.Secret)
	cmd.Dir = filepath.Dir(s.tool)
	cmd.Env = []string{toolSite + "=" + fmt.Sprintf("%s.example.:%d", s.Site, port), "TOKEN=" + s.Env, "HOME=/home/" + s.Account, "USER=" + s.Account}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: s.uid, Gid: s.uid}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("a canary's program: %v: %s", err, out)
	}
}

// TestCanaryTool is the person's program: it looks a name up, connects there,
// names the site in a TLS greeting and in plain text, and looks the address up
// backwards.
func TestCanaryTool(t *testing.T) {
	site := os.Getenv(toolSite)
	if site == "" {
		return // this is the test, not the copy
	}
	host, port, err := net.SplitHostPort(site)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	addrs, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		t.Fatal(err)
	}
	var d net.Dialer
	for range 3 {
		c, err := d.DialContext(ctx, "tcp", net.JoinHostPort(addrs[0], port))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", host)
		_, _ = io.ReadFull(c, make([]byte, 10))
		secure := tls.Client(c, &tls.Config{ServerName: strings.TrimSuffix(host, "."), InsecureSkipVerify: true})
		_ = secure.SetDeadline(time.Now().Add(700 * time.Millisecond)) // long enough for a source that polls
		_ = secure.HandshakeContext(ctx)                               // the other side only echoes
		c.Close()
	}
	if _, err := net.DefaultResolver.LookupAddr(ctx, addrs[0]); err != nil {
		t.Fatal(err)
	}
}

// town is what the persons visit: a name server and a server that echoes, on an
// address of the loopback that nobody else uses.
type town struct {
	port     int
	addr     netip.Addr
	names    atomic.Int64 // questions for a name
	backward atomic.Int64 // questions for an address
}

func newTown(t *testing.T, spies ...spy) *town {
	t.Helper()
	var b [2]byte
	_, _ = rand.Read(b[:])
	w := &town{addr: netip.AddrFrom4([4]byte{127, 77, b[0], b[1] | 1})}
	l, err := net.Listen("tcp", net.JoinHostPort(w.addr.String(), "0"))
	if err != nil {
		t.Fatal(err)
	}
	w.port = l.Addr().(*net.TCPAddr).Port
	u, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(w.addr, 53)))
	if err != nil {
		t.Fatal(err)
	}
	var open sync.WaitGroup
	open.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			open.Go(func() { defer c.Close(); _, _ = io.Copy(c, c) })
		}
	})
	open.Go(func() { w.resolve(u, spies) })
	t.Cleanup(func() { l.Close(); u.Close(); open.Wait() })
	if err := os.WriteFile("/etc/resolv.conf", []byte("nameserver "+w.addr.String()+"\noptions timeout:5 attempts:1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return w
}

// resolve answers every question for a name with the town's address, and every
// one for an address with the first person's site.
func (w *town) resolve(u *net.UDPConn, spies []spy) {
	buf := make([]byte, 1500)
	for {
		n, from, err := u.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
			continue
		}
		q := m.Questions[0]
		m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
		head := dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 1}
		switch q.Type {
		case dnsmessage.TypeA:
			w.names.Add(1)
			m.Answers = []dnsmessage.Resource{{Header: head, Body: &dnsmessage.AResource{A: w.addr.As4()}}}
		case dnsmessage.TypePTR:
			w.backward.Add(1)
			m.Answers = []dnsmessage.Resource{{Header: head, Body: &dnsmessage.PTRResource{PTR: dnsmessage.MustNewName(spies[0].Site + ".example.")}}}
		}
		if b, err := m.Pack(); err == nil {
			_, _ = u.WriteToUDPAddrPort(b, from)
		}
	}
}

// memory reads what a process has in memory, as gcore would, and says how often
// each word stands in it in UTF-8 or UTF-16.
func memory(t *testing.T, pid int, words []string) (bytesRead int, hits map[string]int) {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Close()
	hits = map[string]int{}
	for line := range strings.Lines(string(maps)) {
		var from, to int64
		var perm string
		if n, _ := fmt.Sscanf(line, "%x-%x %s", &from, &to, &perm); n != 3 || perm[0] != 'r' || strings.Contains(line, "[v") {
			continue
		}
		b := make([]byte, to-from)
		n, _ := mem.ReadAt(b, from) // a page that is gone ends the mapping
		bytesRead += n
		for _, w := range words {
			hits[w] += bytes.Count(b[:n], []byte(w))
		}
	}
	return bytesRead, hits
}
