package session

import (
	"errors"
	"fmt"
	"time"

	"github.com/ebitengine/purego"
	"github.com/ebitengine/purego/objc"
)

// The frameworks that are asked. Their functions are found at run time, so that
// the program needs no C compiler.
const (
	coreFoundation = "/System/Library/Frameworks/CoreFoundation.framework/CoreFoundation"
	coreGraphics   = "/System/Library/Frameworks/CoreGraphics.framework/CoreGraphics"
	ioKit          = "/System/Library/Frameworks/IOKit.framework/IOKit"
	appKit         = "/System/Library/Frameworks/AppKit.framework/AppKit"
)

// Numbers of CoreFoundation's headers.
const (
	utf8Encoding  = 0x08000100 // kCFStringEncodingUTF8
	sint64Type    = 4          // kCFNumberSInt64Type
	handledSource = 4          // kCFRunLoopRunHandledSource
	maxTurns      = 64         // of the run loop in one ask
)

// macSession asks one session. Only the first thread uses it.
type macSession struct {
	want Wants

	runLoop     func(mode uintptr, seconds float64, untilSource bool) int32
	makeString  func(allocator uintptr, s string, encoding uint32) uintptr
	release     func(uintptr)
	typeOf      func(uintptr) uint
	boolType    func() uint
	numberType  func() uint
	truth       func(uintptr) bool
	number      func(n uintptr, kind int, to *int64) bool
	value       func(dict, key uintptr) uintptr
	sessionInfo func() uintptr
	matching    func(name string) uintptr
	service     func(port uint32, match uintptr) uint32
	property    func(entry uint32, key, allocator uintptr, options uint32) uintptr
	releaseIO   func(uint32) int32

	mode, idleKey, lockedKey, consoleKey uintptr // strings of CoreFoundation
	input                                uint32  // the registry's entry of input devices

	workspace objc.ID
}

// openSession finds what the wants need, and nothing else.
func openSession(want Wants) (*macSession, error) {
	m := &macSession{want: want}
	b := binder{}
	b.bind(coreFoundation, "CFRunLoopRunInMode", &m.runLoop)
	b.bind(coreFoundation, "CFStringCreateWithCString", &m.makeString)
	b.bind(coreFoundation, "CFRelease", &m.release)
	b.bind(coreFoundation, "CFGetTypeID", &m.typeOf)
	b.bind(coreFoundation, "CFBooleanGetTypeID", &m.boolType)
	b.bind(coreFoundation, "CFNumberGetTypeID", &m.numberType)
	b.bind(coreFoundation, "CFBooleanGetValue", &m.truth)
	b.bind(coreFoundation, "CFNumberGetValue", &m.number)
	b.bind(coreFoundation, "CFDictionaryGetValue", &m.value)
	b.bind(coreGraphics, "CGSessionCopyCurrentDictionary", &m.sessionInfo)
	b.bind(ioKit, "IOServiceMatching", &m.matching)
	b.bind(ioKit, "IOServiceGetMatchingService", &m.service)
	b.bind(ioKit, "IORegistryEntryCreateCFProperty", &m.property)
	b.bind(ioKit, "IOObjectRelease", &m.releaseIO)
	if want.Focus {
		b.load(appKit)
	}
	if b.err != nil {
		return nil, b.err
	}
	for name, to := range map[string]*uintptr{
		"kCFRunLoopDefaultMode": &m.mode, "HIDIdleTime": &m.idleKey,
		"CGSSessionScreenIsLocked": &m.lockedKey, "kCGSSessionOnConsoleKey": &m.consoleKey,
	} {
		*to = m.makeString(0, name, utf8Encoding)
	}
	// The dictionary of matching is consumed by the call.
	if m.input = m.service(0, m.matching("IOHIDSystem")); m.input == 0 {
		m.close()
		return nil, errors.New("find the input system: none")
	}
	if want.Focus {
		class := objc.GetClass("NSWorkspace")
		if class == 0 {
			m.close()
			return nil, errors.New("find NSWorkspace: none")
		}
		m.pooled(func() { m.workspace = objc.ID(class).Send(objc.RegisterName("sharedWorkspace")) })
	}
	return m, nil
}

// binder finds functions until one is not there.
type binder struct{ err error }

func (b *binder) load(library string) uintptr {
	if b.err != nil {
		return 0
	}
	lib, err := purego.Dlopen(library, purego.RTLD_LAZY|purego.RTLD_GLOBAL)
	if err != nil {
		b.err = fmt.Errorf("open framework: %w", err)
	}
	return lib
}

func (b *binder) bind(library, name string, function any) {
	lib := b.load(library)
	if b.err != nil {
		return
	}
	at, err := purego.Dlsym(lib, name)
	if err != nil {
		b.err = fmt.Errorf("find %s: %w", name, err)
		return
	}
	purego.RegisterFunc(function, at)
}

func (m *macSession) close() {
	for _, s := range []uintptr{m.mode, m.idleKey, m.lockedKey, m.consoleKey} {
		if s != 0 {
			m.release(s)
		}
	}
	if m.input != 0 {
		m.releaseIO(m.input)
	}
}

// pooled runs f and gives back what it was lent.
func (m *macSession) pooled(f func()) {
	pool := objc.ID(objc.GetClass("NSAutoreleasePool")).Send(objc.RegisterName("new"))
	defer pool.Send(objc.RegisterName("drain"))
	f()
}

// ask takes one sample.
func (m *macSession) ask() (sample, error) {
	quiet, err := m.quiet()
	if err != nil {
		return sample{}, err
	}
	now := sample{quiet: quiet, away: m.away()}
	if m.want.Focus {
		m.pooled(func() { now.front = m.front() })
	}
	return now, nil
}

// quiet returns for how long there was no input.
func (m *macSession) quiet() (time.Duration, error) {
	v := m.property(m.input, m.idleKey, 0, 0)
	if v == 0 {
		return 0, errors.New("read HIDIdleTime: none")
	}
	defer m.release(v)
	var ns int64
	if m.typeOf(v) != m.numberType() || !m.number(v, sint64Type, &ns) || ns < 0 {
		return 0, errors.New("read HIDIdleTime: not a number")
	}
	return time.Duration(ns), nil
}

// away reports whether the session is locked or not on the screen. A session
// without a description is not on it.
func (m *macSession) away() bool {
	info := m.sessionInfo()
	if info == 0 {
		return true
	}
	defer m.release(info)
	is := func(key uintptr) bool {
		v := m.value(info, key)
		return v != 0 && m.typeOf(v) == m.boolType() && m.truth(v)
	}
	return is(m.lockedKey) || !is(m.consoleKey)
}

// front returns the application in front. What the workspace says changes only
// while the first thread's run loop turns: NSWorkspace's documentation.
func (m *macSession) front() program {
	for range maxTurns {
		if m.runLoop(m.mode, 0, true) != handledSource {
			break
		}
	}
	app := m.workspace.Send(objc.RegisterName("frontmostApplication"))
	if app == 0 {
		return program{}
	}
	p := program{}
	if pid := objc.Send[int32](app, objc.RegisterName("processIdentifier")); pid > 0 {
		p.pid = uint32(pid)
	}
	if name := app.Send(objc.RegisterName("localizedName")); name != 0 {
		p.app = tidyApp(objc.Send[string](name, objc.RegisterName("UTF8String")))
	}
	return p
}
