package connection

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"

	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/collectors/nt"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

const (
	// tablesEvery is Linux's: two calls of the system and two for each connection.
	// What lives for less than five seconds is not seen.
	tablesEvery = 5 * time.Second
	// interimLooks is how many looks pass between two reports of open connections.
	interimLooks = 12

	tcpTableOwnerModule = 8 // TCP_TABLE_OWNER_MODULE_ALL
	estatsData          = 1 // TcpConnectionEstatsData
	estatsPath          = 3 // TcpConnectionEstatsPath
	maxTable            = 32 << 20
)

// tables is the rung POLL: it compares the system's tables of TCP sockets with the
// last. UDP's name no other end, so there is nothing of UDP to report.
type tables struct {
	env   collectors.Env
	every time.Duration
	look  looker
}

func openTables(env collectors.Env) (source, error) {
	s := &tables{env: env, every: tablesEvery, look: newLooker()}
	if err := s.look.api.list.Find(); err != nil {
		return nil, fmt.Errorf("list connections: %w", err)
	}
	if err := s.look.each(func(*row) {}); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *tables) run(ctx context.Context, emit collectors.Emit) error {
	track := newTracker(emit, s.env, eventv1.Rung_RUNG_POLL)
	track.untold = true
	ticker := time.NewTicker(s.every)
	defer ticker.Stop()
	for looks := 1; ; looks++ {
		now := time.Now()
		if err := s.look.take(track, now); err != nil {
			return err
		}
		if note := s.look.figures.note(); note != "" && s.env.Stats.Note() == "" {
			s.env.Stats.SetNote(note)
		}
		if looks%interimLooks == 0 {
			track.interim(now)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// looker takes looks at the tables.
type looker struct {
	api     api
	figures figures
	buf     []uint64
	owners  *owners
	names   cookies[rowKey]
	agent   time.Time
}

func newLooker() looker {
	api := newAPI()
	return looker{api: api, figures: figures{api: api}, owners: newOwners(), agent: time.Now()}
}

// api is what iphlpapi.dll has.
type api struct {
	list       *windows.LazyProc
	set4, get4 *windows.LazyProc
	set6, get6 *windows.LazyProc
}

func newAPI() api {
	dll := windows.NewLazySystemDLL("iphlpapi.dll")
	return api{
		dll.NewProc("GetExtendedTcpTable"),
		dll.NewProc("SetPerTcpConnectionEStats"), dll.NewProc("GetPerTcpConnectionEStats"),
		dll.NewProc("SetPerTcp6ConnectionEStats"), dll.NewProc("GetPerTcp6ConnectionEStats"),
	}
}

// take puts one look into the tracker.
func (l *looker) take(track *tracker, now time.Time) error {
	l.owners.forget()
	l.names.begin()
	track.begin()
	err := l.each(func(r *row) {
		s, ok := r.socket()
		if !ok {
			return
		}
		var fresh bool
		s.cookie, fresh = l.names.of(r.key())
		if s.state == stateEstablished {
			l.figures.add(&s.info, r, fresh)
		}
		track.see(&s, protocolTCP, now)
		f := track.flows[s.cookie]
		if f == nil {
			return
		}
		if began := r.since(l.agent); fresh && !began.IsZero() {
			f.since = began
		}
		if f.owner == nil && r.pid != 0 {
			f.owner = l.owners.of(r.pid)
		}
	})
	if err != nil {
		return err
	}
	l.names.end()
	track.end(now)
	return nil
}

// each calls do with every TCP socket of both families.
func (l *looker) each(do func(*row)) error {
	for _, family := range []uintptr{windows.AF_INET, windows.AF_INET6} {
		b, err := l.table(family)
		if err != nil {
			return err
		}
		rows := eachRow4
		if family == windows.AF_INET6 {
			rows = eachRow6
		}
		if !rows(b, do) {
			return errors.New("list connections: the table is cut short")
		}
	}
	return nil
}

// table reads one table.
func (l *looker) table(family uintptr) ([]byte, error) {
	if l.buf == nil {
		l.buf = make([]uint64, 32<<10/8)
	}
	for {
		size := uint32(8 * len(l.buf))
		r, _, _ := l.api.list.Call(uintptr(unsafe.Pointer(&l.buf[0])), uintptr(unsafe.Pointer(&size)), 0, family, tcpTableOwnerModule, 0)
		switch err := windows.Errno(r); {
		case err == 0:
			return unsafe.Slice((*byte)(unsafe.Pointer(&l.buf[0])), 8*len(l.buf)), nil
		case errors.Is(err, windows.ERROR_INSUFFICIENT_BUFFER) && 8*len(l.buf) < maxTable:
			l.buf = make([]uint64, min(max(2*8*len(l.buf), int(size)+int(size)/4), maxTable)/8)
		case errors.Is(err, windows.ERROR_NOT_SUPPORTED) && family == windows.AF_INET6:
			return []byte{0, 0, 0, 0}, nil
		default:
			return nil, fmt.Errorf("list connections: %w", err)
		}
	}
}

// figures asks for the counters of connections.
type figures struct {
	api    api
	denied error // once they cannot be switched on they are not asked for again
}

func (f *figures) note() string {
	if f.denied == nil {
		return ""
	}
	return "no bytes and times of connections: the system does not count them for this agent"
}

// add puts a connection's counters into info. Of a new one they are switched on
// first, and count from then.
func (f *figures) add(info *tcpInfo, r *row, fresh bool) {
	if f.denied != nil {
		return
	}
	set, get := f.api.set4, f.api.get4
	if len(r.raw) == row6Size {
		set, get = f.api.set6, f.api.get6
	}
	if f.denied = errors.Join(set.Find(), get.Find()); f.denied != nil {
		return
	}
	var buf [52]byte
	name := r.asked(&buf)
	if fresh {
		for _, kind := range []uintptr{estatsData, estatsPath} {
			on := byte(1)
			r, _, _ := set.Call(uintptr(unsafe.Pointer(&name[0])), kind, uintptr(unsafe.Pointer(&on)), 0, 1, 0)
			switch err := windows.Errno(r); {
			case err == 0:
			case errors.Is(err, windows.ERROR_NOT_FOUND), errors.Is(err, windows.ERROR_FILE_NOT_FOUND):
				return // it ended meanwhile
			default:
				f.denied = err
				return
			}
		}
	}
	var rod [pathStatsSize / 8]uint64
	ask := func(kind, size uintptr) []byte {
		r, _, _ := get.Call(uintptr(unsafe.Pointer(&name[0])), kind, 0, 0, 0, 0, 0, 0, uintptr(unsafe.Pointer(&rod[0])), 0, size)
		if r != 0 {
			return nil
		}
		return unsafe.Slice((*byte)(unsafe.Pointer(&rod[0])), size)
	}
	addDataStats(info, ask(estatsData, dataStatsSize))
	addPathStats(info, ask(estatsPath, pathStatsSize))
}

// owners knows whose processes are, for one look.
type owners struct {
	accounts *nt.Accounts
	known    map[uint32]*owner
}

func newOwners() *owners { return &owners{nt.NewAccounts(), make(map[uint32]*owner)} }

// forget forgets all: pids are used again.
func (o *owners) forget() { clear(o.known) }

// of returns whose a process is; nil where it may not be asked.
func (o *owners) of(pid uint32) *owner {
	if found, ok := o.known[pid]; ok {
		return found
	}
	var found *owner
	if h, err := nt.Hold(pid); err == nil {
		defer h.Close()
		found = &owner{}
		if f, err := h.Figures(); err == nil {
			found.key = nt.Key(f.Created, pid)
		}
		if path, err := h.Path(); err == nil {
			found.name, found.path = nt.BaseName(path), path
		}
		whose, _ := o.accounts.OfProcess(h)
		found.user, found.sid = whose.Name, whose.SID
	}
	o.known[pid] = found
	return found
}
