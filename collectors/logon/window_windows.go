package logon

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

// The waits before Remote Desktop Services that did not answer are asked again: they
// start after the agent does.
const (
	windowPause    = 5 * time.Second
	windowMaxPause = 5 * time.Minute
)

// locks hears of what the list of sessions does not tell, and has it looked at when
// it changes: of a session that is locked or unlocked, of sleep.
func (t *terminals) locks(ctx context.Context, note func(string), tell func(signal)) {
	for pause := windowPause; ctx.Err() == nil; pause = min(2*pause, windowMaxPause) {
		began := time.Now()
		_ = hear(ctx, func() { note(""); t.heard.Store(true) }, func(message uint32, what, id uintptr) {
			s, told, look := parseMessage(message, what, id)
			if told {
				tell(s)
			}
			if look {
				t.changed()
			}
		})
		t.heard.Store(false)
		if ctx.Err() != nil {
			return
		}
		note("Windows does not tell of sessions: locks and sleep are not seen")
		if time.Since(began) > windowMaxPause {
			pause = windowPause
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// window is one that nobody sees, for the messages that come to it.
type window struct {
	api    *user32
	handle uintptr
	take   func(message uint32, what, id uintptr)
}

// user32 is what it has, and what Remote Desktop Services have for windows.
type user32 struct {
	register, unregister, create, destroy, get, dispatch, post, quit, other, setPointer, pointer *windows.LazyProc
	sessions, noSessions                                                                         *windows.LazyProc
}

func newUser32() (*user32, error) {
	dll, wts := windows.NewLazySystemDLL("user32.dll"), windows.NewLazySystemDLL("wtsapi32.dll")
	u := &user32{
		dll.NewProc("RegisterClassExW"), dll.NewProc("UnregisterClassW"), dll.NewProc("CreateWindowExW"), dll.NewProc("DestroyWindow"),
		dll.NewProc("GetMessageW"), dll.NewProc("DispatchMessageW"), dll.NewProc("PostMessageW"), dll.NewProc("PostQuitMessage"),
		dll.NewProc("DefWindowProcW"), dll.NewProc("SetWindowLongPtrW"), dll.NewProc("GetWindowLongPtrW"),
		wts.NewProc("WTSRegisterSessionNotification"), wts.NewProc("WTSUnRegisterSessionNotification"),
	}
	for _, p := range []*windows.LazyProc{
		u.register, u.unregister, u.create, u.destroy, u.get, u.dispatch, u.post, u.quit, u.other,
		u.setPointer, u.pointer, u.sessions, u.noSessions,
	} {
		if err := p.Find(); err != nil {
			return nil, fmt.Errorf("no windows: %w", err)
		}
	}
	return u, nil
}

// class is WNDCLASSEXW.
type class struct {
	size, style                        uint32
	function                           uintptr
	more, moreWindow                   int32
	instance, icon, cursor, background uintptr
	menu, name                         *uint16
	small                              uintptr
}

// message is MSG.
type message struct {
	window     uintptr
	kind       uint32
	what, id   uintptr
	at         uint32
	x, y, used int32
}

const (
	className   = "DiscreetSessions"
	messageEnd  = 0x10 // WM_CLOSE
	messageGone = 2    // WM_DESTROY
	userData    = ^uintptr(20)
	allSessions = 1 // NOTIFY_FOR_ALL_SESSIONS
)

// windowProcedure is the one function that the system calls for such windows.
var windowProcedure = sync.OnceValue(func() uintptr {
	dll := windows.NewLazySystemDLL("user32.dll")
	pointer, other := dll.NewProc("GetWindowLongPtrW"), dll.NewProc("DefWindowProcW")
	return windows.NewCallback(func(handle, kind, what, id uintptr) uintptr {
		data, _, _ := pointer.Call(handle, userData)
		if w := fromData(&data); w != nil {
			switch kind {
			case messagePower, messageSession:
				w.take(uint32(kind), what, id)
				return 1
			case messageEnd:
				_, _, _ = w.api.destroy.Call(handle)
				return 0
			case messageGone:
				_, _, _ = w.api.quit.Call(0)
				return 0
			}
		}
		r, _, _ := other.Call(handle, kind, what, id)
		return r
	})
})

// fromData returns the window whose address a window holds. It is pinned.
func fromData(data *uintptr) *window { return *(**window)(unsafe.Pointer(data)) }

// hear opens a window, says that it is up, and calls take with each message until
// ctx is done.
func hear(ctx context.Context, up func(), take func(message uint32, what, id uintptr)) error {
	runtime.LockOSThread() // a window's messages come to its thread
	defer runtime.UnlockOSThread()
	api, err := newUser32()
	if err != nil {
		return err
	}
	w := &window{api: api, take: take}
	var pinned runtime.Pinner
	pinned.Pin(w)
	defer pinned.Unpin()
	done, err := w.open()
	if err != nil {
		return err
	}
	defer done()
	stop := context.AfterFunc(ctx, func() { _, _, _ = api.post.Call(w.handle, messageEnd, 0, 0) })
	defer stop()
	up()
	var m message
	for {
		r, _, err := api.get.Call(uintptr(unsafe.Pointer(&m)), 0, 0, 0)
		switch int32(r) {
		case 0:
			if ctx.Err() == nil {
				return errors.New("hear of sessions: the window was closed")
			}
			return nil
		case -1:
			return fmt.Errorf("hear of sessions: %w", err)
		}
		_, _, _ = api.dispatch.Call(uintptr(unsafe.Pointer(&m)))
	}
}

// open makes the window and has the messages of all sessions sent to it.
func (w *window) open() (done func(), err error) {
	name, err := windows.UTF16PtrFromString(className)
	if err != nil {
		return nil, err
	}
	var instance windows.Handle
	if err := windows.GetModuleHandleEx(0, nil, &instance); err != nil {
		return nil, fmt.Errorf("make a window: %w", err)
	}
	c := &class{function: windowProcedure(), instance: uintptr(instance), name: name}
	c.size = uint32(unsafe.Sizeof(*c))
	if r, _, err := w.api.register.Call(uintptr(unsafe.Pointer(c))); r == 0 && !errors.Is(err, windows.ERROR_CLASS_ALREADY_EXISTS) {
		return nil, fmt.Errorf("make a window: %w", err)
	}
	w.handle, _, err = w.api.create.Call(0, uintptr(unsafe.Pointer(name)), 0, 0, 0, 0, 0, 0, 0, 0, uintptr(instance), 0)
	if w.handle == 0 {
		return nil, fmt.Errorf("make a window: %w", err)
	}
	_, _, _ = w.api.setPointer.Call(w.handle, userData, uintptr(unsafe.Pointer(w)))
	if r, _, err := w.api.sessions.Call(w.handle, allSessions); r == 0 {
		_, _, _ = w.api.destroy.Call(w.handle)
		return nil, fmt.Errorf("ask for news of sessions: %w", err)
	}
	return func() {
		_, _, _ = w.api.noSessions.Call(w.handle)
		_, _, _ = w.api.destroy.Call(w.handle) // gone already where it was closed
	}, nil
}
