//go:build linux

package e2e

import (
	"bufio"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/discreet-agent/discreet/cmd/lab"
	"github.com/discreet-agent/discreet/gateway"
	"github.com/discreet-agent/discreet/gateway/access"
	"github.com/discreet-agent/discreet/gateway/ingest"
	"github.com/discreet-agent/discreet/gateway/store/sqlite"
	uplinkv1 "github.com/discreet-agent/discreet/proto/uplink/v1"
)

// secretName is a name that no fault may show.
const secretName = "zz-canary"

// instead serves at the lab's address in the gateway's place: with the authority in
// caDir, and a clock that is off.
func instead(t *testing.T, l *lab.Lab, caDir string, off time.Duration) {
	t.Helper()
	now := func() time.Time { return time.Now().Add(off) }
	ca, err := access.OpenCA(caDir)
	if err != nil {
		t.Fatal(err)
	}
	conf, err := ca.ServerTLS()
	if err != nil {
		t.Fatal(err)
	}
	ca.Now = now
	st, err := sqlite.Open(t.Context(), l.StoreDir(), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	o := ingest.Options{Now: now}
	srv, up := ingest.NewGRPC(conf, o), ingest.New(st, st, &access.Authorizer{CA: ca, Registry: st, Now: now}, o)
	uplinkv1.RegisterUplinkServer(srv, up)
	lis, err := net.Listen("tcp", l.Address)
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() { _ = srv.Serve(lis) })
	t.Cleanup(func() { srv.Stop(); serving.Wait(); up.Wait(); st.Close() })
}

// enrolledAlone is a device that is enrolled and whose gateway has stopped.
func enrolledAlone(t *testing.T) *sick {
	t.Helper()
	s := &sick{Lab: newLab(t, ""), t: t}
	gw, err := s.StartGateway(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer gw.Kill()
	if _, err := s.Agent(t.Context(), "enroll"); err != nil {
		t.Fatal(err)
	}
	return s
}

func wrongCA(t *testing.T) *sick {
	s := enrolledAlone(t)
	if err := access.InitCA(s.Path("other"), access.CAOptions{TrustDomain: "discreet", Hosts: []string{"127.0.0.1"}}); err != nil {
		t.Fatal(err)
	}
	instead(t, s.Lab, s.Path("other"), 0)
	return s
}

// lateClock moves the gateway's clock, for that of this machine is not the test's to
// move: a day ahead of ours is ours a day late.
func lateClock(t *testing.T) *sick {
	s := enrolledAlone(t)
	instead(t, s.Lab, s.Path("gateway/ca"), 24*time.Hour)
	return s
}

// thirstyProxy is a proxy that wants credentials.
func thirstyProxy(t *testing.T) *sick {
	s := newSick(t, "")
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := lis.Accept()
			if err != nil {
				return
			}
			for r := bufio.NewReader(c); ; {
				if line, err := r.ReadString('\n'); err != nil || line == "\r\n" {
					break
				}
			}
			_, _ = c.Write([]byte("HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"" + secretName + "\"\r\nContent-Length: 0\r\n\r\n"))
			c.Close()
		}
	})
	t.Cleanup(func() { lis.Close(); serving.Wait() })
	s.settings("gateway:\n", "gateway:\n  proxy: http://"+lis.Addr().String()+"\n")
	return s
}

// tokenUsedUp starts an agent that is given a token which another device has used.
func tokenUsedUp(t *testing.T) *sick {
	s := &sick{Lab: newLab(t, ""), t: t}
	startGateway(t, s.Lab)
	if err := os.Remove(s.Path("token")); err != nil {
		t.Fatal(err)
	}
	newToken(t, s.Lab)
	spent, err := os.ReadFile(s.Path("token"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Agent(t.Context(), "enroll"); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(s.Path("agent")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.Path("token"), spent, 0o600); err != nil {
		t.Fatal(err)
	}
	startAgent(t, s.Lab)
	until(t, s.Lab, 30*time.Second, "the refusal", func() bool {
		var st struct {
			Gateway struct{ Enrolment string }
		}
		return s.AgentJSON(t.Context(), &st, "status") == nil && st.Gateway.Enrolment != ""
	})
	return s
}

func policyConflict(t *testing.T) *sick {
	s := newSick(t, "")
	for name, text := range map[string]string{
		"conf.d/20-helpdesk.yaml": "privacy:\n  username: cleartext\n",
		"policy.d/10-floor.yaml":  "privacy_floor:\n  username: hashed\n",
	} {
		if err := os.MkdirAll(filepath.Dir(s.Path(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(s.Path(name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// fullDisk puts the device's state on a disk of 24 MiB and fills it.
func fullDisk(t *testing.T) *sick {
	s := &sick{Lab: newLab(t, ""), t: t}
	dir := s.Path("agent")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=24m,mode=0700"); err != nil {
		t.Fatalf("mount a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	startGateway(t, s.Lab)
	startAgent(t, s.Lab)
	connected(t, s.Lab)
	if err := os.WriteFile(filepath.Join(dir, secretName), make([]byte, 12<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// missingCapability starts an agent that is root without what the domains' sources
// need.
func missingCapability(t *testing.T) *sick {
	s := newSick(t, "")
	s.settings("spool:", "privacy: {domains: cleartext}\nspool:")
	started := make(chan *os.Process)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with what it lost
		defer close(started)
		for _, c := range []uintptr{unix.CAP_BPF, unix.CAP_PERFMON, unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN, unix.CAP_NET_RAW} {
			if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil {
				return
			}
		}
		log, err := os.Create(s.Path("agent.log"))
		if err != nil {
			return
		}
		defer log.Close()
		program := filepath.Join(s.Bin, "discreet-agent")
		p, err := os.StartProcess(program, []string{program, "run", "--config", s.Path("agent.yaml")}, &os.ProcAttr{Files: []*os.File{nil, log, log}})
		if err == nil {
			started <- p
		}
	}()
	p := <-started
	if p == nil {
		t.Fatal("the agent could not be started without capabilities")
	}
	stopAfter(t, p)
	until(t, s.Lab, 30*time.Second, "the denial", func() bool {
		st, _ := agentStatus(t, s.Lab)
		for _, c := range st.Collectors {
			if c.Name == "domain" && c.State == "denied" {
				return true
			}
		}
		return false
	})
	return s
}

// noDNS lets the doctor look from a network without a way out.
func noDNS(t *testing.T) *sick {
	s := newSick(t, "")
	s.settings(s.Address, secretName+".example:8443")
	s.attr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	return s
}

func revokedDevice(t *testing.T) *sick {
	s := newSick(t, "")
	for dev := range deviceList(t, s.Lab) {
		if _, err := s.Gateway(t.Context(), "device", "revoke", dev, "--yes"); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// staleCertificate gives the device's key a certificate that ended nine days ago, of
// an authority that was there then.
func staleCertificate(t *testing.T) *sick {
	s := &sick{Lab: newLab(t, ""), t: t}
	for _, old := range []string{"gateway/ca", "token"} {
		if err := os.RemoveAll(s.Path(old)); err != nil {
			t.Fatal(err)
		}
	}
	err := access.InitCA(s.Path("gateway/ca"), access.CAOptions{TrustDomain: "discreet", Hosts: []string{"127.0.0.1"},
		Now: func() time.Time { return time.Now().AddDate(0, 0, -50) }})
	if err != nil {
		t.Fatal(err)
	}
	newToken(t, s.Lab)
	startGateway(t, s.Lab)
	if _, err := s.Agent(t.Context(), "enroll"); err != nil {
		t.Fatal(err)
	}
	s.age()
	return s
}

// age puts a certificate that ended nine days ago in the place of the device's.
func (s *sick) age() {
	t := s.t
	t.Helper()
	file := s.Path("agent/identity/key.pem")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := access.OpenCA(s.Path("gateway/ca"))
	if err != nil {
		t.Fatal(err)
	}
	ca.Now = func() time.Time { return time.Now().AddDate(0, 0, -39) }
	for dev := range deviceList(t, s.Lab) {
		chain, _, err := ca.IssueDevice(csr, gateway.Device(dev), 30)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for _, der := range chain {
			if err := pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: der}); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(s.Path("agent/identity/cert.pem"), []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
