package connection

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// roleKey tells a copy of the test binary what to do instead of testing.
const roleKey = "DISCREET_TEST_ROLE"

func TestMain(m *testing.M) {
	switch role, arg, _ := strings.Cut(os.Getenv(roleKey), " "); role {
	case "call": // and is gone before anybody can look at it
		c, err := net.Dial("tcp", arg)
		if err == nil {
			_, err = c.Write([]byte("x"))
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	case "become": // another program, in the same process
		if c, err := net.Dial("tcp", arg); err == nil {
			c.Close()
		}
		fmt.Fprintln(os.Stderr, syscall.Exec(os.Getenv("THEN"), []string{"then"}, []string{roleKey + "=call " + arg}))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// copyOfTest makes a program of that name.
func copyOfTest(t *testing.T, name string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "connection-test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	os.Chmod(dir, 0o755)
	program, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	dir, _ = filepath.EvalSymlinks(dir)
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, program, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func ends(e []*eventv1.Event, port uint16, direction eventv1.Direction) (found []*eventv1.Connection) {
	for _, c := range to(e, port) {
		if c.GetDirection() == direction {
			found = append(found, c)
		}
	}
	return found
}

// acceptAll reads and closes what comes.
func acceptAll(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		io.Copy(io.Discard, c)
		c.Close()
	}
}

// TestEBPFOwnerThatIsGone: a program that lives for a moment has its path and its
// user, and each of the programs of one process its own.
func TestEBPFOwnerThatIsGone(t *testing.T) {
	r := startTraced(t)
	l, port := listenTCP(t, "tcp4", "127.0.0.1:0")
	go acceptAll(l)
	first, second := copyOfTest(t, "first"), copyOfTest(t, "second")
	const n = 20
	for i := range n {
		c := exec.Command(first)
		c.Dir, c.Env = "/", []string{roleKey + "=call " + l.Addr().String()}
		if i%2 == 1 {
			c.Env = []string{roleKey + "=become " + l.Addr().String(), "THEN=" + second}
			c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 4242, Gid: 4242}}
		}
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	out := eventv1.Direction_DIRECTION_OUTBOUND
	events := r.await("all calls", func(e []*eventv1.Event) bool { return len(ends(e, port, out)) >= n+n/2 })
	r.stopNow()
	got := map[string]int{}
	for _, c := range ends(events, port, out) {
		got[c.GetProgram().GetPath()+" "+c.GetUser().GetSid()]++
	}
	want := map[string]int{first + " 0": n / 2, first + " 4242": n / 2, second + " 4242": n / 2}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("owners = %v; want %v", got, want)
	}
}

// TestEBPFFindsWhatWasThere: sockets that were open before the agent have their
// owners, and only what is new is told of them.
func TestEBPFFindsWhatWasThere(t *testing.T) {
	for _, mptcp := range []bool{false, true} {
		t.Run(fmt.Sprintf("MPTCP %v", mptcp), func(t *testing.T) {
			var lc net.ListenConfig
			lc.SetMultipathTCP(mptcp)
			l, err := lc.Listen(t.Context(), "tcp4", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			port := uint16(l.Addr().(*net.TCPAddr).Port)
			accepted := make(chan net.Conn)
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					accepted <- c
				}
			}()
			say := func(c, s net.Conn, n int) {
				if _, err := c.Write(make([]byte, n)); err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(s, make([]byte, n)); err != nil {
					t.Fatal(err)
				}
			}
			dial := func() (net.Conn, net.Conn) {
				c, err := net.Dial("tcp4", l.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				return c, <-accepted
			}
			c, s := dial()
			say(c, s, 1000)

			r := &running{more: make(chan struct{}, 1)}
			src := openedTraced(t, r, nil)
			looked := make(chan struct{})
			start(t, r, func(ctx context.Context, emit collectors.Emit) error {
				close(looked)
				return src.run(ctx, emit)
			})
			<-looked
			c2, s2 := dial() // to a listener from before
			say(c2, s2, 10)
			c2.Close()
			s2.Close()
			r.await("the new one", func(e []*eventv1.Event) bool { return len(to(e, port)) >= 2 })
			say(c, s, 50)
			c.Close()
			s.Close()
			events := r.await("the old one", func(e []*eventv1.Event) bool { return len(to(e, port)) >= 4 })
			r.stopNow()
			exe, _ := os.Readlink("/proc/self/exe")
			bytes := map[eventv1.Direction][]uint64{}
			for _, c := range to(events, port) {
				if c.GetProgram().GetPath() != exe || c.GetUser().GetSid() != fmt.Sprint(os.Getuid()) {
					t.Errorf("%v: program %v, user %v; want this test's", c.GetDirection(), c.GetProgram(), c.GetUser())
				}
				bytes[c.GetDirection()] = append(bytes[c.GetDirection()], c.GetBytesOut()+c.GetBytesIn())
			}
			for _, d := range []eventv1.Direction{eventv1.Direction_DIRECTION_OUTBOUND, eventv1.Direction_DIRECTION_INBOUND} {
				if fmt.Sprint(bytes[d]) != "[10 50]" {
					t.Errorf("%v: bytes = %v; want [10 50]", d, bytes[d])
				}
			}
		})
	}
}

// TestEBPFInterimFiguresAdd: what is told of an open connection and at its end
// adds up to what it was.
func TestEBPFInterimFiguresAdd(t *testing.T) {
	r := &running{more: make(chan struct{}, 1)}
	src := openedTraced(t, r, nil)
	defer src.close()
	src.prepare(r.emit)
	l, port := listenTCP(t, "tcp4", "127.0.0.1:0")
	c, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	look := func() {
		t.Helper()
		if err := src.look(); err != nil {
			t.Fatal(err)
		}
	}
	look()
	for range 3 {
		c.Write(make([]byte, 1000))
		io.ReadFull(s, make([]byte, 1000))
		look()
		look() // nothing new
	}
	c.Write(make([]byte, 7))
	c.Close()
	io.Copy(io.Discard, s)
	s.Close()
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	err = src.ring.Read(ctx, src.handle, func() error {
		if len(to(r.events, port)) >= 2 {
			stop()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for direction, figure := range map[eventv1.Direction]func(*eventv1.Connection) uint64{
		eventv1.Direction_DIRECTION_OUTBOUND: (*eventv1.Connection).GetBytesOut,
		eventv1.Direction_DIRECTION_INBOUND:  (*eventv1.Connection).GetBytesIn,
	} {
		var interim, final, sum uint64
		for _, e := range r.events {
			x := e.GetConnection()
			if x.GetPort() != uint32(port) || x.GetDirection() != direction {
				continue
			}
			sum += figure(x)
			if x.GetInterim() {
				interim++
			} else {
				final++
			}
		}
		if interim != 3 || final != 1 || sum != 3007 {
			t.Errorf("%v: %d interim reports, %d at the end, %d bytes; want 3, 1, 3007", direction, interim, final, sum)
		}
	}
	if len(src.open) > 0 {
		look()
		look()
	}
	for cookie, f := range src.open {
		if src.round-f.round > 1 {
			t.Errorf("socket %d is remembered and gone", cookie)
		}
	}
}

// TestEBPFOverrunIsCounted lets more happen than the ring takes.
func TestEBPFOverrunIsCounted(t *testing.T) {
	r := &running{}
	src := openedTraced(t, r, func(spec *ebpf.CollectionSpec) error {
		spec.Maps["ring"].MaxEntries = uint32(os.Getpagesize())
		return nil
	})
	l, _ := listenTCP(t, "tcp4", "127.0.0.1:0")
	const n = 100
	for range n {
		if err := exchange(l, 1, 1, true); err != nil {
			t.Fatal(err)
		}
	}
	start(t, r, src.run)
	r.await("an event", func(e []*eventv1.Event) bool { return len(e) > 0 })
	for late := time.Now().Add(patience); r.stats.Lost() == 0 && time.Now().Before(late); {
		time.Sleep(10 * time.Millisecond)
	}
	r.stopNow()
	if lost := r.stats.Lost(); lost < n || lost > 3*n {
		t.Errorf("Lost() = %d after some 200 records into a page; want most of them", lost)
	}
}

// TestEBPFWithoutCgroups: TCP is seen where UDP cannot be, and that is said.
func TestEBPFWithoutCgroups(t *testing.T) {
	root := t.TempDir()
	os.MkdirAll(filepath.Join(root, "self/ns"), 0o755)
	os.WriteFile(filepath.Join(root, "self/mountinfo"), []byte("1 0 0:1 / / rw - ext4 /dev/x rw\n"), 0o644)
	r := &running{}
	openedTraced(t, r, nil).close() // or skip
	env := testEnv(&r.stats)
	env.ProcRoot = root
	src, err := openTraced(env)
	if err != nil {
		t.Fatal(err)
	}
	if note := r.stats.Note(); !strings.Contains(note, "UDP") {
		t.Errorf("Note() = %q; want one about UDP", note)
	}
	start(t, r, src.run)
	l, port := listenTCP(t, "tcp4", "127.0.0.1:0")
	if err := exchange(l, 1, 1, true); err != nil {
		t.Fatal(err)
	}
	r.await("both ends", func(e []*eventv1.Event) bool { return len(to(e, port)) == 2 })
	r.stopNow()
}

// TestEBPFDenied runs as another account: the next rung takes over, and the note
// says why.
func TestEBPFDenied(t *testing.T) {
	if os.Getuid() == 0 {
		c := exec.Command(copyOfTest(t, "connection.test"), "-test.run=^TestEBPFDenied$", "-test.v")
		c.Dir, c.Env = "/", []string{}
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 4242, Gid: 4242}}
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("as uid 4242: %v\n%s", err, out)
		}
		return
	}
	r := &running{}
	env := testEnv(&r.stats)
	if _, err := openTraced(env); !errors.Is(err, collectors.ErrDenied) {
		t.Errorf("openTraced() = %v; want ErrDenied", err)
	}
	c, err := New(env)
	if err != nil {
		t.Fatal(err)
	}
	start(t, r, c.Run)
	awaitOwner(t, r)
	r.stopNow()
	if rung, note := r.stats.Rung(), r.stats.Note(); rung != eventv1.Rung_RUNG_NETLINK || !strings.Contains(note, "CAP_BPF") {
		t.Errorf("rung %v, note %q; want NETLINK, and the capabilities that are missing", rung, note)
	}
}
