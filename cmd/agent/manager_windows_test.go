package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
)

func TestQuotedImagePath(t *testing.T) {
	const exe = `C:\Program Files\Discreet\discreet-agent.exe`
	for _, tt := range []struct {
		name, line, want string
		wrong            bool
	}{
		{"as it should be", `"` + exe + `" run --service`, `"` + exe + `" run --service`, false},
		{"no quotes", exe + " run --service", `"` + exe + `" run --service`, true},
		{"another case", strings.ToUpper(exe) + " run", `"` + strings.ToUpper(exe) + `" run`, true},
		{"the program alone", exe, `"` + exe + `"`, true},
		{"another program", `C:\Other Files\x.exe run`, `C:\Other Files\x.exe run`, false},
		{"a longer name", exe + "x run", exe + "x run", false},
		{"nothing", "", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, wrong := quoted(tt.line, exe); got != tt.want || wrong != tt.wrong {
				t.Errorf("quoted(%s) = %s, %v; want %s, %v", tt.line, got, wrong, tt.want, tt.wrong)
			}
		})
	}
	if got, wrong := quoted(`C:\agent.exe run`, `C:\agent.exe`); wrong {
		t.Errorf("quoted() of a path without spaces = %s; want it left alone", got)
	}
}

// managed runs a handler as the service manager does.
type managed struct {
	h        *handler
	requests chan svc.ChangeRequest
	told     chan svc.Status
	code     chan uint32
}

func manage(ctx context.Context, run func(context.Context, *handler) error) *managed {
	m := &managed{requests: make(chan svc.ChangeRequest), told: make(chan svc.Status, 16), code: make(chan uint32, 1)}
	m.h = newHandler(ctx, func(ctx context.Context) error { return run(ctx, m.h) })
	return m
}

func (m *managed) start() {
	go func() {
		_, code := m.h.Execute(nil, m.requests, m.told)
		m.code <- code
	}()
}

func TestHandlerLife(t *testing.T) {
	for _, end := range []svc.Cmd{svc.Stop, svc.Shutdown, svc.PreShutdown} {
		synctest.Test(t, func(t *testing.T) {
			m := manage(t.Context(), func(ctx context.Context, h *handler) error {
				time.Sleep(3 * time.Second)
				h.state(stateReady)
				h.state(stateReady) // once is enough
				<-ctx.Done()
				return nil
			})
			sessions := 0
			m.h.sessions = func() { sessions++ }
			m.start()
			if st := <-m.told; st.State != svc.StartPending || st.WaitHint == 0 {
				t.Errorf("first told %+v; want start pending, and for how long", st)
			}
			if st := <-m.told; st.State != svc.Running || st.Accepts&svc.AcceptSessionChange == 0 || st.Accepts&svc.AcceptPreShutdown == 0 {
				t.Errorf("once ready told %+v; want running, with session changes and pre-shutdown", st)
			}
			m.requests <- svc.ChangeRequest{Cmd: svc.Interrogate, CurrentStatus: svc.Status{State: svc.Running}}
			if st := <-m.told; st.State != svc.Running {
				t.Errorf("asked, told %+v; want running", st)
			}
			for _, c := range []svc.ChangeRequest{{Cmd: svc.SessionChange, EventType: 5}, {Cmd: svc.PowerEvent, EventType: resumed}, {Cmd: svc.ParamChange}} {
				m.requests <- c
			}
			m.requests <- svc.ChangeRequest{Cmd: end}
			if st := <-m.told; st.State != svc.StopPending {
				t.Errorf("told to end, told %+v; want stop pending", st)
			}
			if code := <-m.code; code != 0 || sessions != 1 {
				t.Errorf("ended with %d after %d session changes; want 0 after 1", code, sessions)
			}
		})
	}
}

// TestHandlerFault ends the agent by a fault, and by itself without one: the
// manager must see both, or it starts nothing again.
func TestHandlerFault(t *testing.T) {
	for _, fault := range []error{errors.New("no spool"), nil} {
		m := manage(t.Context(), func(context.Context, *handler) error { return fault })
		m.start()
		if code := <-m.code; code != exitFailure || !errors.Is(m.h.err, fault) {
			t.Errorf("after %v ended with %d, %v; want %d", fault, code, m.h.err, exitFailure)
		}
	}
}

func TestHandlerDoesNotWaitForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, free := context.WithCancel(context.Background())
		m := manage(t.Context(), func(context.Context, *handler) error { <-ctx.Done(); return nil })
		m.start()
		<-m.told
		began := time.Now()
		m.requests <- svc.ChangeRequest{Cmd: svc.Stop}
		if code := <-m.code; code != 0 || time.Since(began) != stopGrace {
			t.Errorf("a hanging agent ended with %d after %v; want 0 after %v", code, time.Since(began), stopGrace)
		}
		free()
	})
}

type eventList []string

func (l *eventList) Info(_ uint32, text string) error {
	*l = append(*l, "info "+text)
	return nil
}

func (l *eventList) Warning(_ uint32, text string) error {
	*l = append(*l, "warning "+text)
	return nil
}

// TestS23EventLogHasNoValues logs with values and finds fixed texts.
func TestS23EventLogHasNoValues(t *testing.T) {
	var out bytes.Buffer
	list := &eventList{}
	log := slog.New(&events{slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelError}), list, &lastTold{at: map[uint32]time.Time{}}})
	log.Info("agent started", "version", "zz-canary", "pid", 7)
	for range 100 {
		log.With("a", "zz-canary").WithGroup("g").Error("settings refused", "place", "zz-canary:1:2")
	}
	log.Error("collector stopped", "err", "zz-canary")
	log.Info("agent stopped", "lost", 0)
	if len(*list) != 3 || strings.Contains(strings.Join(*list, " "), "canary") {
		t.Errorf("event log = %q; want three fixed texts, the repeated one once", *list)
	}
	if n := strings.Count(out.String(), "\n"); n != 101 {
		t.Errorf("the log has %d lines; want the errors only, as its level says", n)
	}
}

// TestCloseFolder gives a folder the list of the state and reads it back. Wine keeps
// of a list what mode bits can say, so there only owner against everybody is shown.
func TestCloseFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	if err := closeFolder(dir, stateAccess); err != nil {
		t.Fatalf("closeFolder() = %v; want nil", err)
	}
	sd, err := windows.GetNamedSecurityInfo(dir, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		t.Fatal(err)
	}
	if text := sd.String(); strings.Contains(text, ";;;WD)") || strings.Contains(text, ";;;BU)") {
		t.Errorf("access list = %s; want nobody but the system and administrators", text)
	}
	if err := os.WriteFile(filepath.Join(dir, "x"), nil, 0o600); err != nil {
		t.Errorf("write to the closed folder: %v; want it open to this account", err)
	}
}

func TestPrivilegesAreKnown(t *testing.T) {
	for _, name := range privileges {
		p, err := windows.UTF16PtrFromString(name)
		if err != nil {
			t.Fatal(err)
		}
		var luid windows.LUID
		if err := windows.LookupPrivilegeValue(nil, p, &luid); err != nil {
			t.Errorf("LookupPrivilegeValue(%s) = %v; want a privilege of Windows", name, err)
		}
	}
	if slices.Contains(privileges, "SeDebugPrivilege") {
		t.Error("the service keeps SeDebugPrivilege, with which it could read any process")
	}
}
