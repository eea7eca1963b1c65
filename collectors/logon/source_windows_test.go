package logon

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// TestWindowHears sends the messages of the system to the window: locks and sleep are
// told, and what changes the list has it looked at.
func TestWindowHears(t *testing.T) {
	src, err := open(collectors.Env{})
	if err != nil {
		t.Fatal(err)
	}
	term := src.(*terminals)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var got []signal
	var note string
	var all sync.WaitGroup
	all.Go(func() {
		term.locks(ctx, func(s string) { note = s }, func(s signal) { got = append(got, s) })
	})
	for !term.heard.Load() {
		if ctx.Err() != nil {
			t.Fatal("there is no window after a minute")
		}
		time.Sleep(10 * time.Millisecond)
	}
	user := windows.NewLazySystemDLL("user32.dll")
	name, err := windows.UTF16PtrFromString(className)
	if err != nil {
		t.Fatal(err)
	}
	w, _, _ := user.NewProc("FindWindowW").Call(uintptr(unsafe.Pointer(name)), 0)
	for _, m := range [][3]uintptr{{messageSession, 7, 3}, {messageSession, 8, 3}, {messagePower, 4, 0}, {messagePower, 0x12, 0}, {messageSession, 5, 4}} {
		_, _, _ = user.NewProc("SendMessageW").Call(w, m[0], m[1], m[2])
	}
	if err := term.wait(ctx); err != nil || ctx.Err() != nil {
		t.Errorf("wait = %v; want nil, at once", err)
	}
	cancel()
	all.Wait()
	want := []signal{
		{eventv1.LogonKind_LOGON_KIND_LOCK, "3"}, {eventv1.LogonKind_LOGON_KIND_UNLOCK, "3"},
		{kind: eventv1.LogonKind_LOGON_KIND_SLEEP}, {kind: eventv1.LogonKind_LOGON_KIND_WAKE},
	}
	if !slices.Equal(got, want) || note != "" || term.heard.Load() {
		t.Errorf("told %v, note %q, heard %v; want %v, none, false", got, note, term.heard.Load(), want)
	}
	if w, _, _ := user.NewProc("FindWindowW").Call(uintptr(unsafe.Pointer(name)), 0); w != 0 {
		t.Error("the window is still there")
	}
}

// TestWindowLayouts compares the structures with the platform's headers.
func TestWindowLayouts(t *testing.T) {
	for _, c := range []struct {
		name      string
		got, want uintptr
	}{
		{"WNDCLASSEXW", unsafe.Sizeof(class{}), 80}, {"WNDCLASSEXW.lpszClassName", unsafe.Offsetof(class{}.name), 64},
		{"MSG", unsafe.Sizeof(message{}), 48}, {"MSG.lParam", unsafe.Offsetof(message{}.id), 24},
	} {
		if c.got != c.want {
			t.Errorf("%s is %d; want %d", c.name, c.got, c.want)
		}
	}
}

// TestRealSessions lists this machine's sessions: nobody in them is without a name.
func TestRealSessions(t *testing.T) {
	src, err := open(collectors.Env{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.close()
	list, err := src.sessions()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		if s.user == "" {
			t.Error("a session without a person")
		}
	}
	if b := src.booted(); b.After(time.Now()) || b.IsZero() {
		t.Errorf("booted at %v; want a time before now", b)
	}
}
