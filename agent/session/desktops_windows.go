package session

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

// desktops returns the one source of this system.
func desktops(*desk) []desktop { return []desktop{display(windowsDesktop)} }

const (
	// lookWhileUsed is how exact a change of the program in front is told. The
	// system's own news of it do not come to every program, and never under Wine.
	lookWhileUsed = time.Second
	// lookWhileIdle: where nobody is, nothing changes.
	lookWhileIdle = 3 * time.Second
)

// user32 is what it has. No title is asked for.
type user32 struct {
	threadProcess, lastInput, openInput, close, child *windows.LazyProc
	tick                                              *windows.LazyProc
}

func newUser32() (*user32, error) {
	dll := windows.NewLazySystemDLL("user32.dll")
	u := &user32{
		dll.NewProc("GetWindowThreadProcessId"), dll.NewProc("GetLastInputInfo"),
		dll.NewProc("OpenInputDesktop"), dll.NewProc("CloseDesktop"), dll.NewProc("FindWindowExW"),
		windows.NewLazySystemDLL("kernel32.dll").NewProc("GetTickCount"),
	}
	for _, p := range []*windows.LazyProc{u.threadProcess, u.lastInput, u.openInput, u.close, u.child, u.tick} {
		if err := p.Find(); err != nil {
			return nil, fmt.Errorf("no desktop: %w", err)
		}
	}
	return u, nil
}

// windowsDesktop looks each second at the window in front and at the time of the
// last input.
func windowsDesktop(ctx context.Context, d *desk) error {
	u, err := newUser32()
	if err != nil {
		return err
	}
	w := &watcher{desk: d, user32: u}
	d.why(true, WhyNone)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		if err := w.look(); err != nil {
			return err
		}
		if w.idle || w.locked {
			timer.Reset(lookWhileIdle)
		} else {
			timer.Reset(lookWhileUsed)
		}
	}
}

// watcher is what was told so far.
type watcher struct {
	*desk
	*user32
	locked, idle, tells bool
	front               program
	window              windows.HWND
	input               uint32 // when the last one was, in ms of the system's clock
}

func (w *watcher) look() error {
	if locked := w.away(); locked != w.locked {
		kind := resume
		if locked {
			kind = suspend
		}
		w.locked = locked
		w.send(event{kind: kind})
	}
	if w.want.Focus {
		w.lookFocus()
	}
	if w.want.Activity {
		return w.lookInput()
	}
	return nil
}

// away reports whether another desktop has the input than that of programs: the
// session is locked, or the system asks for a consent. Nobody works then.
func (w *watcher) away() bool {
	const readObjects = 1
	h, _, err := w.openInput.Call(0, 0, readObjects)
	if h == 0 {
		return errors.Is(err, windows.ERROR_ACCESS_DENIED)
	}
	_, _, _ = w.close.Call(h)
	return false
}

func (w *watcher) lookFocus() {
	window := windows.GetForegroundWindow()
	pid := w.processOf(window)
	if window == w.window && pid == w.front.pid {
		return
	}
	p := program{pid: pid}
	if pid != 0 {
		p.app = nameOf(pid)
		if strings.EqualFold(p.app, frameHost) {
			if inner := w.inner(window); inner != 0 && inner != pid {
				p = program{pid: inner, app: nameOf(inner)}
			}
		}
	}
	w.window = window
	if p != w.front {
		w.front = p
		w.send(event{kind: focus, front: p})
	}
}

// frameHost draws the frames of applications from the store, which run inside as
// processes of their own.
const frameHost = "ApplicationFrameHost.exe"

// inner returns the process of the application in a frame; 0 where there is none yet.
func (w *watcher) inner(frame windows.HWND) uint32 {
	class, err := windows.UTF16PtrFromString("Windows.UI.Core.CoreWindow")
	if err != nil {
		return 0
	}
	window, _, _ := w.child.Call(uintptr(frame), 0, uintptr(unsafe.Pointer(class)), 0)
	return w.processOf(windows.HWND(window))
}

func (w *watcher) processOf(window windows.HWND) (pid uint32) {
	if window != 0 {
		_, _, _ = w.threadProcess.Call(uintptr(window), uintptr(unsafe.Pointer(&pid)))
	}
	return pid
}

// nameOf returns the name of a process's file, as a report may carry it.
func nameOf(pid uint32) string {
	h, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, pid)
	if err != nil {
		return ""
	}
	defer windows.CloseHandle(h)
	var buf [1024]uint16
	n := uint32(len(buf))
	if windows.QueryFullProcessImageName(h, 0, &buf[0], &n) != nil {
		return ""
	}
	path := windows.UTF16ToString(buf[:n])
	return tidyApp(path[strings.LastIndexByte(path, '\\')+1:])
}

// lookInput tells from the time of the last input, which is all that is asked of it,
// whether the person is there.
func (w *watcher) lookInput() error {
	info := struct{ size, at uint32 }{size: 8} // LASTINPUTINFO
	if ok, _, err := w.lastInput.Call(uintptr(unsafe.Pointer(&info))); ok == 0 {
		return fmt.Errorf("ask for the last input: %w", err)
	}
	now, _, _ := w.tick.Call()
	quiet := time.Duration(uint32(now)-info.at) * time.Millisecond // both go round every 49 days
	if !w.tells {
		w.tells, w.input = true, info.at
		w.why(false, WhyNone)
		w.send(event{kind: answers})
	}
	fresh := info.at != w.input
	w.input = info.at
	switch {
	case !w.idle && quiet >= w.lag:
		w.idle = true
		w.send(event{kind: idle, quiet: quiet})
	case w.idle && fresh && quiet < w.lag:
		w.idle = false
		w.send(event{kind: resumed})
	}
	return nil
}
