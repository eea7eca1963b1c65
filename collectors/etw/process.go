package etw

const (
	idProcessStart = 1
	idProcessStop  = 2
)

// Started says that a process started.
type Started struct {
	PID, Parent, Session uint32
	Created              int64  // FILETIME
	Image                string // as the kernel names it: \Device\HarddiskVolume3\...
}

// Stopped says that a process ended.
type Stopped struct {
	PID            uint32
	Created, Ended int64 // FILETIME
	Code           uint32
	ReadBytes      uint64 // in whole KiB
	WrittenBytes   uint64
}

// ParseStarted reads ProcessStart of Kernel-Process, versions 0 to 3 and what is
// longer. It reports false for another event and for one that is cut short.
func ParseStarted(e *Event) (s Started, ok bool) {
	if e.ID != idProcessStart {
		return s, false
	}
	r := reader{b: e.Data}
	s.PID = r.word32()
	if e.Version >= 3 {
		r.word64() // sequence number
	}
	s.Created = int64(r.word64())
	s.Parent = r.word32()
	if e.Version >= 3 {
		r.word64() // the parent's
	}
	s.Session = r.word32()
	if e.Version >= 1 {
		r.word32() // flags
	}
	if e.Version >= 3 {
		r.word32() // type of elevation
		r.word32() // elevated
		r.sid()    // mandatory label
	}
	s.Image = r.text()
	if r.short {
		return Started{}, false
	}
	return s, true
}

// ParseStopped reads ProcessStop of Kernel-Process, versions 0 to 2 and what is
// longer. It reports false for another event and for one that is cut short.
func ParseStopped(e *Event) (s Stopped, ok bool) {
	if e.ID != idProcessStop {
		return s, false
	}
	r := reader{b: e.Data}
	s.PID = r.word32()
	if e.Version >= 2 {
		r.word64() // sequence number
	}
	s.Created, s.Ended = int64(r.word64()), int64(r.word64())
	s.Code = r.word32()
	if e.Version >= 1 {
		// Type of elevation, handles, memory now and at most, cycles, reads, writes.
		r.take(4 + 4 + 8 + 8 + 8 + 4 + 4)
		s.ReadBytes, s.WrittenBytes = uint64(r.word32())<<10, uint64(r.word32())<<10
	}
	if r.short {
		return Stopped{}, false
	}
	return s, true
}
