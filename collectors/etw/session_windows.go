package etw

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

// Bounds of a session.
const (
	bufferKiB  = 64
	minBuffers = 8
	maxBuffers = 64
	flushEvery = time.Second // the kernel hands over at least as often
	lostEvery  = time.Minute // and is asked what it could not hand over
	level      = 4           // informational: all of these events are
)

// Session is one trace in real time. It is open when it is made; Run closes it.
type Session struct {
	name  *uint16
	api   *api
	trace uint64 // of who controls it
	read  uint64 // of who reads it

	take func(*Event)
	now  Event // the one that is handed out; the reading thread alone uses it
	told uint64
}

// api is what advapi32.dll has.
type api struct{ start, control, enable, open, process, close *windows.LazyProc }

func newAPI() (*api, error) {
	dll := windows.NewLazySystemDLL("advapi32.dll")
	a := &api{
		dll.NewProc("StartTraceW"), dll.NewProc("ControlTraceW"), dll.NewProc("EnableTraceEx2"),
		dll.NewProc("OpenTraceW"), dll.NewProc("ProcessTrace"), dll.NewProc("CloseTrace"),
	}
	for _, p := range []*windows.LazyProc{a.start, a.control, a.enable, a.open, a.process, a.close} {
		if err := p.Find(); err != nil {
			return nil, fmt.Errorf("no event tracing: %w", err)
		}
	}
	return a, nil
}

// properties is EVENT_TRACE_PROPERTIES with room for the session's name behind it.
type properties struct {
	size, _                                                      uint32
	history                                                      uint64
	_                                                            int64
	guid                                                         windows.GUID
	clock, flags                                                 uint32
	bufferSize, minBuffers, maxBuffers, maxFile, mode, flushTime uint32
	enable                                                       uint32
	age                                                          int32
	buffers, free, lost, written, lostBuffers, lostRealTime      uint32
	thread                                                       uintptr
	fileName, sessionName                                        uint32
	name                                                         [256]uint16
}

// header is EVENT_HEADER.
type header struct {
	size, kind, flags, property     uint16
	thread, process                 uint32
	at                              int64
	provider                        windows.GUID
	id                              uint16
	version, channel, level, opcode uint8
	task                            uint16
	keyword                         uint64
	_                               uint64
	activity                        windows.GUID
}

// record is EVENT_RECORD.
type record struct {
	header   header
	_        uint32
	_        uint16
	dataSize uint16
	_        unsafe.Pointer
	data     *byte
	session  *Session
}

// logfile is EVENT_TRACE_LOGFILEW.
type logfile struct {
	fileName, session *uint16
	_                 int64
	_, mode           uint32
	_                 [368]byte
	bufferDone        uintptr
	_, _, _, _        uint32
	event             uintptr
	_, _              uint32
	context           *Session
}

// filter is EVENT_FILTER_EVENT_ID, and filterOf EVENT_FILTER_DESCRIPTOR.
type filter struct {
	in, _ uint8
	count uint16
	ids   [32]uint16
}

type filterOf struct {
	filter     uint64
	size, kind uint32
}

// parameters is ENABLE_TRACE_PARAMETERS.
type parameters struct {
	version, property, control uint32
	source                     windows.GUID
	filters                    *filterOf
	count                      uint32
}

const (
	tracedGUID     = 0x20000    // WNODE_FLAG_TRACED_GUID
	systemTime     = 2          // of the clock: FILETIME
	realTime       = 0x100      // EVENT_TRACE_REAL_TIME_MODE, PROCESS_TRACE_MODE_REAL_TIME
	records        = 0x10000000 // PROCESS_TRACE_MODE_EVENT_RECORD
	controlQuery   = 0
	controlStop    = 1
	enableProvider = 1
	filterByID     = 0x80000200 // EVENT_FILTER_TYPE_EVENT_ID
	noTrace        = ^uintptr(0)
)

func newProperties() *properties {
	p := &properties{
		flags: tracedGUID, clock: systemTime, bufferSize: bufferKiB, minBuffers: minBuffers, maxBuffers: maxBuffers,
		mode: realTime, flushTime: uint32(flushEvery / time.Second),
	}
	p.size = uint32(unsafe.Sizeof(*p))
	p.sessionName = uint32(unsafe.Offsetof(p.name))
	return p
}

// onEvent is the one function that the system calls. Windows has room for some two
// thousand in a program and forgets none, so there is one for all sessions.
var onEvent = sync.OnceValue(func() uintptr {
	return windows.NewCallback(func(r *record) uintptr {
		s := r.session
		s.now = Event{ID: r.header.id, Version: r.header.version, PID: r.header.process, At: r.header.at}
		if r.data != nil {
			s.now.Data = unsafe.Slice(r.data, r.dataSize)
		}
		s.take(&s.now)
		return 0
	})
})

// Open starts a session of a name and asks a provider for its events. A session of
// the name that an agent left behind when it was killed is stopped first.
func Open(name string, p Provider) (*Session, error) {
	a, err := newAPI()
	if err != nil {
		return nil, err
	}
	n, err := windows.UTF16PtrFromString(name)
	if err != nil {
		return nil, fmt.Errorf("name of a trace session: %w", err)
	}
	s := &Session{name: n, api: a}
	start := func() error {
		r, _, _ := a.start.Call(uintptr(unsafe.Pointer(&s.trace)), uintptr(unsafe.Pointer(n)), uintptr(unsafe.Pointer(newProperties())))
		return failed("start a trace session", r)
	}
	if err = start(); errors.Is(err, windows.ERROR_ALREADY_EXISTS) {
		_, _, _ = a.control.Call(0, uintptr(unsafe.Pointer(n)), uintptr(unsafe.Pointer(newProperties())), controlStop)
		err = start()
	}
	if err != nil {
		return nil, err
	}
	if err := s.enable(p); err != nil {
		s.stop()
		return nil, err
	}
	if err := s.open(); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

func failed(doing string, r uintptr) error {
	if r == 0 {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, windows.Errno(r))
}

// enable asks the provider for the events that are wanted, or for all where the
// system cannot tell them apart.
func (s *Session) enable(p Provider) error {
	guid, err := windows.GUIDFromString(p.GUID)
	if err != nil {
		return fmt.Errorf("provider: %w", err)
	}
	f := &filter{in: 1, count: uint16(len(p.IDs))}
	copy(f.ids[:], p.IDs)
	var pinned runtime.Pinner // the descriptor holds its address as a number
	pinned.Pin(f)
	defer pinned.Unpin()
	of := &filterOf{uint64(uintptr(unsafe.Pointer(f))), uint32(unsafe.Offsetof(f.ids)) + 2*uint32(f.count), filterByID}
	ask := func(with *parameters) error {
		r, _, _ := s.api.enable.Call(uintptr(s.trace), uintptr(unsafe.Pointer(&guid)), enableProvider, level,
			uintptr(p.Keywords), 0, 0, uintptr(unsafe.Pointer(with)))
		return failed("enable a trace provider", r)
	}
	err = ask(&parameters{version: 2, filters: of, count: 1})
	if errors.Is(err, windows.ERROR_INVALID_PARAMETER) || errors.Is(err, windows.ERROR_NOT_SUPPORTED) {
		err = ask(&parameters{version: 2})
	}
	runtime.KeepAlive(of)
	return err
}

// open attaches the reader.
func (s *Session) open() error {
	f := &logfile{session: s.name, mode: realTime | records, event: onEvent(), context: s}
	r, _, err := s.api.open.Call(uintptr(unsafe.Pointer(f)))
	if r == noTrace {
		return fmt.Errorf("read a trace session: %w", err)
	}
	s.read = uint64(r)
	return nil
}

// stop ends the session: whoever reads it gets what is left of it and then its end.
func (s *Session) stop() {
	_, _, _ = s.api.control.Call(uintptr(s.trace), 0, uintptr(unsafe.Pointer(newProperties())), controlStop)
}

// Run calls take with every event, one at a time, on a thread of the system, until
// ctx is done. lost is told, from another thread, how many the kernel could not
// hand over.
func (s *Session) Run(ctx context.Context, take func(*Event), lost func(uint64)) error {
	s.take = take
	var pinned runtime.Pinner // the system has its address
	pinned.Pin(s)
	defer pinned.Unpin()
	ended := make(chan error, 1)
	go func() {
		r, _, _ := s.api.process.Call(uintptr(unsafe.Pointer(&s.read)), 1, 0, 0)
		ended <- failed("read a trace session", r)
	}()
	tick := time.NewTicker(lostEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if n := s.lost(); n > 0 {
				lost(n)
			}
		case err := <-ended: // somebody else stopped it
			s.close()
			if err == nil {
				err = errors.New("read a trace session: it was stopped")
			}
			return err
		case <-ctx.Done():
			s.stop()
			_, _, _ = s.api.close.Call(uintptr(s.read))
			<-ended
			return nil
		}
	}
}

// RunBeside is Run with a look beside, which it waits for: what no event tells. Where
// the look ends with an error the session ends with it.
func (s *Session) RunBeside(ctx context.Context, take func(*Event), lost func(uint64), look func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	looked := make(chan error, 1)
	go func() {
		err := look(ctx)
		if err != nil {
			cancel()
		}
		looked <- err
	}()
	err := s.Run(ctx, take, lost)
	cancel()
	if failed := <-looked; err == nil {
		err = failed
	}
	return err
}

// Close ends a session that Run is not called for.
func (s *Session) Close() {
	s.stop()
	s.close()
}

func (s *Session) close() { _, _, _ = s.api.close.Call(uintptr(s.read)) }

// lost returns how many events could not be handed over since the last call.
func (s *Session) lost() uint64 {
	p := newProperties()
	r, _, _ := s.api.control.Call(uintptr(s.trace), 0, uintptr(unsafe.Pointer(p)), controlQuery)
	if r != 0 {
		return 0
	}
	all := uint64(p.lost) + uint64(p.lostRealTime)
	n := all - min(all, s.told)
	s.told = all
	return n
}
