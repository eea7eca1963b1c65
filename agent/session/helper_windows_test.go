package session

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"

	"github.com/discreet-agent/discreet/collectors"
)

const (
	testIdle  = 4 * time.Second
	testEvery = 250 * time.Millisecond
)

// TestMain lets this program play the helper that the launcher starts.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "session" {
		h := NewHelper(Options{
			Service: Stdio(os.Stdin, os.Stdout), Log: slog.New(slog.DiscardHandler), Getenv: os.Getenv, Idle: testIdle, Every: testEvery,
		})
		_ = h.Run(context.Background())
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// program of the test, whose window is put somewhere.
type shown struct {
	pid    uint32
	class  string
	x, y   int
	window uintptr
}

// show starts a program of Windows and puts its window to a place.
func show(t *testing.T, exe, class string, x, y int) *shown {
	t.Helper()
	system, err := windows.GetSystemDirectory()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(system, exe)
	p, err := os.StartProcess(path, []string{path}, &os.ProcAttr{Files: []*os.File{nil, nil, nil}})
	if err != nil {
		t.Fatalf("start %s: %v", exe, err)
	}
	t.Cleanup(func() { _ = p.Kill(); _, _ = p.Wait() })
	user := windows.NewLazySystemDLL("user32.dll")
	s := &shown{pid: uint32(p.Pid), class: class, x: x, y: y}
	name, err := windows.UTF16PtrFromString(class)
	if err != nil {
		t.Fatal(err)
	}
	for range 200 {
		if s.window, _, _ = user.NewProc("FindWindowW").Call(uintptr(unsafe.Pointer(name)), 0); s.window != 0 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if s.window == 0 {
		t.Fatalf("%s shows no window", exe)
	}
	const noSize, show = 1, 0x40
	_, _, _ = user.NewProc("SetWindowPos").Call(s.window, 0, uintptr(x), uintptr(y), 300, 200, show)
	return s
}

// click has the X server under Wine click into a window: input as a person's.
func click(t *testing.T, s *shown) {
	t.Helper()
	const tool = `\\?\unix\usr\bin\xdotool`
	p, err := os.StartProcess(tool, []string{tool, "mousemove", fmt.Sprint(s.x + 150), fmt.Sprint(s.y + 190), "click", "1"}, &os.ProcAttr{Files: []*os.File{nil, nil, nil}})
	if err != nil {
		t.Fatalf("click: %v", err)
	}
	_, _ = p.Wait()
}

// TestScriptedSession has the launcher start a real helper in the session, and two
// programs that take turns in front: what is told adds up to the time that passed.
func TestScriptedSession(t *testing.T) {
	if os.Getenv("DISPLAY") == "" && underWine() {
		t.Skip("Wine without a display shows no windows")
	}
	if !underWine() {
		t.Skip("Windows itself was never at hand for this test: its clicks come from the X server")
	}
	edit, mine := show(t, "notepad.exe", "Notepad", 20, 20), show(t, "winemine.exe", "WineMine", 500, 300)
	click(t, edit)
	log := slog.New(slog.DiscardHandler)
	server := NewServerOn(NewLauncher(log).Listen, log, SessionOf)
	var mu sync.Mutex
	var first, last time.Time
	var sum, active time.Duration
	shares := map[uint32]time.Duration{}
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	var stats [2]collectors.Stats
	all.Go(func() {
		if err := server.Focus(ctx, collectors.Env{Stats: &stats[0]}, func(f collectors.Focused) {
			mu.Lock()
			defer mu.Unlock()
			if last = time.Now(); first.IsZero() {
				first = last
				return
			}
			sum += f.Span
			shares[f.PID] += f.Span
		}); err != nil {
			t.Errorf("Focus = %v", err)
		}
	})
	all.Go(func() {
		if err := server.Activity(ctx, collectors.Env{Stats: &stats[1]}, func(a collectors.Active) {
			mu.Lock()
			defer mu.Unlock()
			active += a.Span
		}); err != nil {
			t.Errorf("Activity = %v", err)
		}
	})
	for range 200 {
		mu.Lock()
		begun := !first.IsZero()
		mu.Unlock()
		if begun {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	for _, turn := range []struct {
		who  *shown
		stay time.Duration
	}{{edit, 3 * time.Second}, {mine, 3 * time.Second}, {edit, 3 * time.Second}, {mine, 13 * time.Second}} {
		click(t, turn.who)
		time.Sleep(turn.stay)
	}
	cancel()
	all.Wait()
	wall := last.Sub(first)
	t.Logf("wall %v, focus %v (%v and %v), active %v", wall, sum, shares[edit.pid], shares[mine.pid], active)
	if off := (sum - wall).Abs(); wall < 20*time.Second || off > wall/100 {
		t.Errorf("focus adds up to %v in %v; want the same within 1 %%", sum, wall)
	}
	if a, b := shares[edit.pid], shares[mine.pid]; a < 4*time.Second || a > 9*time.Second || b < 14*time.Second || b > 19*time.Second {
		t.Errorf("in front: %v and %v; want about 6 s and 16 s", a, b)
	}
	// Input until the last turn's click, and nothing for testIdle and more.
	if active < 7*time.Second || active > 13*time.Second {
		t.Errorf("active for %v; want about 9 s: until the last click", active)
	}
	for i := range stats {
		if note := stats[i].Note(); note != "" && note != "no session helper is connected" {
			t.Errorf("follower %d was told %q", i, note)
		}
	}
}

// TestHelperEndsWithTheService: a helper that was started is gone when the service
// closes, and the job takes it along.
func TestHelperEndsWithTheService(t *testing.T) {
	id := windows.WTSGetActiveConsoleSessionId()
	c, err := desks{}.start(id)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 1)
	if _, err := c.Write(encode(Wants{Activity: true})); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(got); err != nil || got[0] != '{' {
		t.Errorf("the helper says %q, %v; want a report", got, err)
	}
	if err := c.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
	if s, ok := SessionOf(c); !ok || s != id {
		t.Errorf("SessionOf = %d, %v; want %d", s, ok, id)
	}
}

func underWine() bool {
	return windows.NewLazySystemDLL("ntdll.dll").NewProc("wine_get_version").Find() == nil
}
