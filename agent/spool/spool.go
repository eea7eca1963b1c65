// Package spool keeps cleared events on disk until the gateway has them. It is
// the only buffer in the agent: crash-safe, bounded, and open to nothing but a
// privacy.Cleared.
//
// A spool is a directory of segments, files of numbered records. Each opening
// has an epoch of its own and writes to new segments only. A record waits in
// memory until the next flush writes and syncs it; only then can Next return it.
// How records travel, and what becomes of a refused one, is up to agent/uplink.
package spool

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/discreet-agent/discreet/privacy"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// Epoch names one opening of a spool: 16 random bytes.
type Epoch [16]byte

// Item is a run of records to send, or one gap to report.
type Item struct {
	Epoch   Epoch
	First   uint64        // the number of the first record, or of the gap
	Records [][]byte      // encoded events, numbered First, First+1, …; nil for a gap
	Stamp   privacy.Stamp // the policy that cleared all of them
	Gap     *Gap
}

// Gap accounts for records that will never be sent. It has a record's number of
// its own and is freed by Ack like a record. Damage found within an epoch is
// reported in its own place: First of the Item is then the first missing number,
// and an Ack of it frees them all.
type Gap struct {
	Lost        Epoch
	First, Last uint64 // numbers of what is missing in Lost; 0 where unknown
	Count       uint64
	Reason      eventv1.LossReason
}

// The bounds that Options do not set.
const (
	maxSegmentBytes = 4 << 20
	minSegmentBytes = 64 << 10
	holdBytes       = 512 << 10 // new bytes that may wait in memory; Run flushes at half of it
	maxEpochs       = 1000      // with unacked records; the wire names 1024
	maxSegmentAge   = 24 * time.Hour
	cursorInterval  = 30 * time.Second // what is acked may be sent again after a crash within it
)

// Errors for callers to branch on.
var (
	ErrTooLarge   = errors.New("record over the size limit")
	ErrFull       = errors.New("the disk takes no more records")
	ErrAckUnknown = errors.New("acknowledges what was never handed out")
	ErrLocked     = errors.New("spool is in use by another process")
	ErrClosed     = errors.New("spool is closed")
	ErrUncleared  = errors.New("event was not cleared")
)

// Options say where a spool lies and what it may take.
type Options struct {
	Dir          string
	MaxBytes     int64         // of files on disk; 0: 256 MiB
	MaxAge       time.Duration // a segment begun longer ago is dropped; 0: none is
	MinFree      int64         // below it the spool keeps two segments at most
	Flush        time.Duration // at most one sync of records in it; 0: 5 s
	SegmentBytes int64         // 0: 4 MiB, or less in a small spool
	FS           FS            // nil: the real one
	Now          func() time.Time
	Log          *slog.Logger

	// Tests only.
	newEpoch func() Epoch
	patience time.Duration // readPatience

	hold int // holdBytes, less in a small spool
}

// Spool is safe for concurrent use. One goroutine at a time should call Next.
type Spool struct {
	o   Options
	dir Dir
	log *slog.Logger

	// flushMu lets one goroutine at a time change files, and guards these. It is
	// taken before mu.
	flushMu  sync.Mutex
	active   *openSegment // nil: the next record begins one
	retired  *segment     // was active when Tighten rewrote it
	inflight []run        // taken from pending, not yet durable
	ordinal  uint64       // of the next segment file
	cursor   cursor
	synced   uint64 // how often the directory was synced
	marked   bool   // the mark of a clean stop could not be removed yet

	// readMu guards where Next is. It is taken before mu.
	readMu sync.Mutex
	rd     reader

	mu       sync.Mutex // guards the rest
	segments []*segment // all on disk, in the order in which they are sent
	placed   int        // the highest place given
	epochs   []*epochState
	cur      *epochState // the last of epochs
	seed     uint32      // of the current epoch's records
	next     uint64      // the number of the next record
	durable  uint64      // the last number that is on disk
	pending  []run
	spare    []byte // a buffer for the next run
	held     int    // bytes in pending and inflight
	unsaid   []Gap  // not yet numbered
	scratch  []byte // of Append
	losses   map[eventv1.LossReason]uint64
	rewind   bool
	// refusedSaid is a number at or after those of the gaps of refused records.
	refusedSaid uint64
	closed      bool
	wake        chan struct{} // closed and replaced when Next may have more
	kick        chan struct{} // tells Run to look again

	firstPending time.Time // when pending became not empty
	failing      error     // the last flush's, nil after a good one
	failedAt     time.Time
	pause        time.Duration // until the next try
	cursorDirty  time.Time     // since when acks are not on disk; zero: they are
	untidy       bool          // the last reclaim failed
	stuck        time.Time     // when a file could not be removed; zero: none
	lastSync     time.Time
	unclean      bool
	quarantined  int
	badBytes     int64
}

// Stats is what a spool says of itself.
type Stats struct {
	Events      int64 // not yet acknowledged
	Bytes       int64 // on disk, quarantine included
	Segments    int
	Epoch       Epoch
	Unclean     bool   // the stop before this open was unclean
	Lost        uint64 // records lost since this open, as far as they could be counted
	Quarantined int    // unreadable files kept for a look
	LastSync    time.Time
}

func (o *Options) setDefaults() {
	if o.MaxBytes <= 0 {
		o.MaxBytes = 256 << 20
	}
	if o.Flush <= 0 {
		o.Flush = 5 * time.Second
	}
	if o.SegmentBytes <= 0 {
		o.SegmentBytes = min(max(o.MaxBytes/16, minSegmentBytes), maxSegmentBytes)
	}
	o.SegmentBytes = min(o.SegmentBytes, max(o.MaxBytes/4, 1), maxSegmentBytes)
	o.hold = int(min(max(o.MaxBytes/8, 4<<10), holdBytes))
	if o.FS == nil {
		o.FS = osFS{}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.patience == 0 {
		o.patience = readPatience
	}
	if o.newEpoch == nil {
		o.newEpoch = func() (e Epoch) {
			rand.Read(e[:]) // never fails
			return e
		}
	}
}

// Open opens the spool in o.Dir, and makes it where there is none. It reads the
// segments' headers, not their records. Whatever a crash or a bad disk did to
// the files, it opens; what is unreadable is set aside and reported as a gap. It
// fails where the directory cannot be used at all, with ErrLocked where another
// process has it.
func Open(o Options) (*Spool, error) {
	o.setDefaults()
	if err := makeDir(o.FS, o.Dir); err != nil {
		return nil, fmt.Errorf("open spool %s: %w", o.Dir, err)
	}
	dir, err := o.FS.OpenDir(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("open spool %s: %w", o.Dir, err)
	}
	s := &Spool{
		o: o, dir: dir, log: o.Log, next: 1,
		losses: map[eventv1.LossReason]uint64{},
		wake:   make(chan struct{}), kick: make(chan struct{}, 1),
	}
	s.flushMu.Lock()
	defer s.flushMu.Unlock()
	if err := s.load(); err != nil {
		return nil, fmt.Errorf("open spool %s: %w", o.Dir, errors.Join(err, dir.Close()))
	}
	return s, nil
}

// Close makes everything durable, marks the stop as a clean one and gives the
// directory back. When records or acks could not be written there is no mark,
// and the next open says so.
func (s *Spool) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.wakeNext()
	s.mu.Unlock()

	s.flushMu.Lock()
	defer s.flushMu.Unlock()
	err := s.flush()
	if err == nil {
		err = s.end()
	}
	if err == nil {
		err = s.reclaim(true)
	}
	if err == nil {
		err = s.mark()
	}
	if s.active != nil {
		err = errors.Join(err, s.active.f.Close())
	}
	s.cursor.close()
	s.readMu.Lock()
	s.rd.close()
	s.readMu.Unlock()
	if err = errors.Join(err, s.dir.Close()); err != nil {
		return fmt.Errorf("close spool %s: %w", s.o.Dir, err)
	}
	return nil
}

// Stats returns the state of the spool now.
func (s *Spool) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Stats{
		Bytes: s.badBytes, Segments: len(s.segments), Epoch: s.cur.id, Unclean: s.unclean,
		Quarantined: s.quarantined, LastSync: s.lastSync,
	}
	for _, seg := range s.segments {
		st.Bytes += seg.size
	}
	s.cur.last = s.next - 1
	for _, e := range s.epochs {
		st.Events += e.unacked()
	}
	for _, n := range s.losses {
		st.Lost += n
	}
	return st
}

// Epochs returns those that have unacked records, oldest first. The last one is
// the current one, whether it has any or not.
func (s *Spool) Epochs() []Epoch {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []Epoch
	for _, e := range s.epochs {
		if e == s.cur || e.wanted(s.segments) {
			ids = append(ids, e.id)
		}
	}
	return ids
}

// wakeNext lets a waiting Next look again. The caller holds mu.
func (s *Spool) wakeNext() {
	close(s.wake)
	s.wake = make(chan struct{})
}

// kickRun lets Run look again. It never waits.
func (s *Spool) kickRun() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}
