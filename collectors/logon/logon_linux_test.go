package logon

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

const patience = 30 * time.Second

func next(t *testing.T, events chan *eventv1.Logon, done chan error) *eventv1.Logon {
	t.Helper()
	select {
	case l := <-events:
		return l
	case err := <-done:
		t.Fatalf("Run() = %v before an event", err)
	case <-time.After(patience):
		t.Fatalf("no event within %v", patience)
	}
	return nil
}

// TestFiles writes sessions the way their owners do and waits for the events.
func TestFiles(t *testing.T) {
	for _, how := range []string{"logind", "utmp"} {
		t.Run(how, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "utmp")
			write := func(b []byte) {
				if err := os.WriteFile(file, b, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			logon := func() { write(encode(utmpLayout, recordUser, 1, "root", "tty1", "", time.Now().Unix()-60)) }
			logoff := func() { write(encode(utmpLayout, 8, 1, "", "tty1", "", time.Now().Unix())) }
			logind, utmp := "", file
			if how == "logind" {
				logind, utmp = dir, ""
				logon = func() { // as logind does it: a new file takes the name
					if err := os.WriteFile(filepath.Join(dir, ".tmp"), []byte("USER=root\nUID=0\nCLASS=user\n"), 0o644); err != nil {
						t.Fatal(err)
					}
					if err := os.Rename(filepath.Join(dir, ".tmp"), filepath.Join(dir, "c1")); err != nil {
						t.Fatal(err)
					}
				}
				logoff = func() { os.Remove(filepath.Join(dir, "c1")) }
			} else {
				write(nil)
			}
			var stats collectors.Stats
			ready := make(chan struct{}, 1)
			c := &Collector{
				collectors.Env{Log: slog.New(slog.DiscardHandler), Stats: &stats},
				func(env collectors.Env) (source, error) {
					f, err := openFiles(env, logind, utmp)
					return &announced{f, ready}, err
				},
			}
			events, done := make(chan *eventv1.Logon, 16), make(chan error, 1)
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			go func() { done <- c.Run(ctx, passOn(events)) }()
			<-ready
			logon()
			if l := next(t, events, done); l.GetKind() != eventv1.LogonKind_LOGON_KIND_LOGON || l.GetUser().GetSid() != "0" || l.GetType() != eventv1.LogonType_LOGON_TYPE_CONSOLE {
				t.Errorf("event = %v; want the logon of uid 0 at the console", l)
			}
			<-ready
			logoff()
			if l := next(t, events, done); l.GetKind() != eventv1.LogonKind_LOGON_KIND_LOGOFF || l.GetUser().GetName() != "root" {
				t.Errorf("event = %v; want the logoff of root", l)
			}
			stop()
			if err := <-done; err != nil {
				t.Errorf("Run() = %v after ctx was done; want nil", err)
			}
		})
	}
}

// passOn copies logons to a channel, but not that the device started, which
// depends on when.
func passOn(to chan *eventv1.Logon) collectors.Emit {
	return func(e *eventv1.Event) {
		if l := e.GetLogon(); l.GetKind() != eventv1.LogonKind_LOGON_KIND_BOOT {
			to <- proto.Clone(l).(*eventv1.Logon)
		}
	}
}

// announced says when it begins to wait: a look has been taken then.
type announced struct {
	*files
	ready chan struct{}
}

func (a *announced) wait(ctx context.Context) error {
	select {
	case a.ready <- struct{}{}:
	default:
	}
	return a.files.wait(ctx)
}

func TestRealSource(t *testing.T) {
	f, err := open(collectors.Env{})
	if err != nil {
		t.Skipf("open() = %v", err)
	}
	defer f.close()
	if _, err := f.sessions(); err != nil {
		t.Errorf("sessions() = %v; want what the system has", err)
	}
	if boot := f.booted(); boot.IsZero() || boot.After(time.Now()) {
		t.Errorf("booted() = %v; want a time in the past", boot)
	}
}
