package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/discreet-agent/discreet/privacy"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

type simStats struct{ crashes, kills, cleans, records, acked, lost int }

// life is one chain of lives of a spool, with what the test knows of it.
type life struct {
	r      *rand.Rand
	v      variant
	fs     *memFS
	s      *Spool
	stats  *simStats
	epochs map[Epoch]*modelEpoch
	cur    *modelEpoch
	stamp  *privacy.Stamp
	ids    uint64
	buf    [2048]byte
	seen   []Gap // in this life
	told   []Gap // acknowledged by the gateway, for ever
	faulty bool  // operations fail; that is no fault of the spool
	failed bool  // some did: damage without numbers may stand for unreadable files
}

// modelEpoch is what the test knows of an epoch.
type modelEpoch struct {
	id      Epoch
	records map[uint64]modelRecord
	synced  uint64
	acked   uint64
	saved   uint64 // acked, as far as a cursor on disk says so
	gaps    map[uint64]Gap
}

type modelRecord struct {
	id   uint64
	size int
}

func runLives(v variant, seed uint64, lives int, stats *simStats) error {
	l := &life{r: rand.New(rand.NewPCG(seed, 7)), v: v, fs: newTestFS(), stats: stats,
		epochs: map[Epoch]*modelEpoch{}, stamp: stampA}
	if v.fs != nil {
		v.fs(l.fs, l.r)
	}
	for n := range lives {
		if err := l.live(); err != nil {
			return fmt.Errorf("life %d: %w", n, err)
		}
	}
	return nil
}

// live lives one life. The power may go at any operation.
func (l *life) live() error {
	l.fs.fuse = -1
	if l.r.IntN(2) == 0 {
		l.fs.fuse = l.r.IntN(100) // in the middle of something
	}
	if err := l.use(); err != nil && l.fs.fuse != 0 {
		return err
	}
	return l.die()
}

// use opens the spool, checks it and uses it for a while.
func (l *life) use() (err error) {
	o := Options{Dir: testDir, FS: l.fs, MaxBytes: 24 << 10, SegmentBytes: 2 << 10}
	o.newEpoch = func() (e Epoch) {
		binary.LittleEndian.PutUint64(e[:], l.r.Uint64())
		return e
	}
	if l.v.newEpoch != nil {
		o.newEpoch = func() Epoch { return l.v.newEpoch(l.r) }
	}
	l.s = nil
	if l.s, err = Open(o); err != nil {
		return fmt.Errorf("Open = %w; want nil", err)
	}
	l.seen = l.seen[:0]
	l.cur = l.epochs[l.s.cur.id]
	if l.cur == nil {
		l.cur = &modelEpoch{id: l.s.cur.id, records: map[uint64]modelRecord{}, gaps: map[uint64]Gap{}}
		l.epochs[l.cur.id] = l.cur
	}
	if err := l.check(); err != nil && !(l.faulty && errors.Is(err, errInjected)) {
		return err
	}
	for range l.r.IntN(20) {
		if err := l.act(); err != nil && !(l.faulty && errors.Is(err, errInjected)) {
			return err
		}
		if st := l.s.Stats(); st.Events < 0 || st.Bytes < 0 {
			return fmt.Errorf("Stats = %+v; want no negative size", st)
		}
	}
	return nil
}

// die ends the life: by a clean stop, a kill or a power loss.
func (l *life) die() error {
	l.note()
	how := l.r.IntN(10)
	if l.s == nil {
		how = 2
	}
	switch how {
	case 0:
		if err := l.s.Close(); err != nil && l.fs.fuse != 0 {
			return fmt.Errorf("Close = %w; want nil", err)
		} else if err == nil {
			l.stats.cleans++
			l.cur.synced = l.s.next - 1
		}
		l.note()
		if l.fs.fuse == 0 || l.r.IntN(2) == 0 {
			l.stats.crashes++
			l.fs.crash(l.r, 0)
		}
	case 1: // the process is killed, the machine goes on
		l.stats.kills++
		l.s.dir.Close()
	default:
		l.stats.crashes++
		l.fs.crash(l.r, [4]float64{0, 0.5, 0.9, 1}[l.r.IntN(4)])
	}
	return nil
}

// note takes over from the spool what it has on disk.
func (l *life) note() {
	if l.s == nil {
		return
	}
	for _, e := range l.s.epochs {
		if m := l.epochs[e.id]; m != nil {
			m.saved = max(m.saved, e.saved)
		}
	}
}

// check reads all that is there and looks for what is missing.
func (l *life) check() error {
	got := map[Epoch]map[uint64]bool{}
	for {
		item, ok, err := l.s.tryNext(50, 1<<20)
		if err != nil {
			return fmt.Errorf("Next = %w; want nil", err)
		}
		if !ok {
			break
		}
		if err := l.receive(item); err != nil {
			return err
		}
		if got[item.Epoch] == nil {
			got[item.Epoch] = map[uint64]bool{}
		}
		for i := range max(1, len(item.Records)) {
			got[item.Epoch][item.First+uint64(i)] = true
		}
	}
	l.s.Rewind()
	if l.faulty {
		return nil
	}
	for _, m := range l.epochs {
		for n := m.acked + 1; n <= m.synced; n++ {
			if !got[m.id][n] && !l.accounted(m, n) {
				return fmt.Errorf("record %d of epoch %x is neither there nor in a gap; synced through %d, acked through %d",
					n, m.id[:3], m.synced, m.acked)
			}
		}
	}
	return nil
}

// accounted reports whether a gap stands for the number. Where that is the
// number of a gap, that one must have been told again under another number.
func (l *life) accounted(m *modelEpoch, n uint64) bool {
	if g, ok := m.gaps[n]; ok && !l.toldAgain(g) {
		return false
	}
	for _, gaps := range [2][]Gap{l.seen, l.told} {
		for _, g := range gaps {
			if g.Lost == m.id && g.First <= n && n <= g.Last {
				return true
			}
			if l.failed && g.First == 0 && g.Reason == eventv1.LossReason_LOSS_REASON_DAMAGE {
				return true
			}
		}
	}
	return false
}

// toldAgain reports whether a gap that includes g was handed out or acknowledged.
func (l *life) toldAgain(g Gap) bool {
	for _, gaps := range [2][]Gap{l.seen, l.told} {
		for _, have := range gaps {
			if have.Reason == g.Reason && have.Lost == g.Lost && have.First <= g.First && g.Last <= have.Last {
				return true
			}
		}
	}
	return false
}

// receive checks an item as the gateway would meet it.
func (l *life) receive(item Item) error {
	m := l.epochs[item.Epoch]
	if m == nil {
		return fmt.Errorf("item of the unknown epoch %x", item.Epoch[:3])
	}
	last := item.First + uint64(max(1, len(item.Records))) - 1
	if m == l.cur && last > m.synced {
		return fmt.Errorf("record %d handed out; synced through %d", last, m.synced)
	}
	if item.First <= m.saved && !l.failed { // an unreadable cursor costs a resend, no more
		return fmt.Errorf("record %d comes again; the cursor says acked through %d", item.First, m.saved)
	}
	if g := item.Gap; g != nil {
		return l.receiveGap(m, item.First, *g)
	}
	for i, rec := range item.Records {
		n := item.First + uint64(i)
		want, ok := m.records[n]
		if !ok || len(rec) != want.size || binary.LittleEndian.Uint64(rec) != want.id {
			return fmt.Errorf("record %d of epoch %x has another content", n, m.id[:3])
		}
		for i, b := range rec[8:] {
			if b != byte(want.id)+byte(i) {
				return fmt.Errorf("record %d of epoch %x has a bad byte", n, m.id[:3])
			}
		}
	}
	return nil
}

func (l *life) receiveGap(m *modelEpoch, seq uint64, g Gap) error {
	if _, ok := m.records[seq]; ok && g.First != seq {
		return fmt.Errorf("gap has the number of record %d", seq)
	}
	if g.Reason == eventv1.LossReason_LOSS_REASON_DAMAGE && g.First != 0 && !l.failed {
		if e := l.epochs[g.Lost]; e == nil || g.First <= e.synced {
			return fmt.Errorf("damage %d to %d reported; nothing was damaged", g.First, g.Last)
		}
	} else if old, ok := m.gaps[seq]; ok && old != g {
		return fmt.Errorf("gap %d has another content", seq)
	}
	m.gaps[seq] = g
	l.seen = append(l.seen, g)
	return nil
}

// act does one thing to the spool.
func (l *life) act() error {
	switch n := l.r.IntN(100); {
	case n < 60:
		return l.appendSome()
	case n < 75:
		return l.sync()
	case n < 95:
		return l.deliver()
	case n < 96:
		l.s.Rewind()
	case n < 97:
		l.stamp = [2]*privacy.Stamp{stampA, stampB}[l.r.IntN(2)]
	case n < 98:
		l.s.ReportLoss(eventv1.LossReason_LOSS_REASON_SOURCE_OVERRUN, 1)
	default:
		l.s.flushMu.Lock()
		defer l.s.flushMu.Unlock()
		return l.s.reclaim(true)
	}
	return nil
}

func (l *life) appendSome() error {
	for range 1 + l.r.IntN(4) {
		l.ids++
		rec := l.buf[:8+l.r.IntN(200)]
		if l.r.IntN(20) == 0 {
			rec = l.buf[:8+l.r.IntN(len(l.buf)-8)]
		}
		binary.LittleEndian.PutUint64(rec, l.ids)
		for i := range rec[8:] {
			rec[8+i] = byte(l.ids) + byte(i)
		}
		if err := l.s.append(l.stamp, rec); err != nil {
			l.cur.synced = max(l.cur.synced, l.s.durable) // of others
			return fmt.Errorf("append = %w; want nil", err)
		}
		l.cur.records[l.s.next-1] = modelRecord{l.ids, len(rec)}
		l.cur.synced = max(l.cur.synced, l.s.durable) // append may have synced
		l.stats.records++
	}
	return nil
}

func (l *life) sync() error {
	before := l.s.next - 1
	if err := l.s.Sync(); err != nil {
		l.cur.synced = max(l.cur.synced, l.s.durable) // a part of it came through
		return fmt.Errorf("Sync = %w; want nil", err)
	}
	if l.s.durable < before {
		return fmt.Errorf("durable after Sync = %d; want %d", l.s.durable, before)
	}
	l.cur.synced = l.s.durable
	return nil
}

// deliver takes an item, and mostly the gateway acknowledges it.
func (l *life) deliver() error {
	item, ok, err := l.s.tryNext(1+l.r.IntN(20), 1+l.r.IntN(2000))
	if err != nil || !ok {
		return err
	}
	if err := l.receive(item); err != nil {
		return err
	}
	m := l.epochs[item.Epoch]
	last := item.First + uint64(max(1, len(item.Records))) - 1
	switch n := l.r.IntN(20); {
	case n < 3: // lost on its way
		return nil
	case n == 3 && item.Gap == nil:
		if err := l.s.Refuse(item.Epoch, item.First, item.First, eventv1.LossReason_LOSS_REASON_REFUSED); err != nil {
			return fmt.Errorf("Refuse(%d) = %w; want nil", item.First, err)
		}
		return nil
	case n == 4:
		last = item.First
	}
	if err := l.s.Ack(item.Epoch, last); err != nil {
		return fmt.Errorf("Ack(%d) = %w; want nil", last, err)
	}
	m.acked = max(m.acked, last)
	l.stats.acked++
	for n, g := range m.gaps {
		if n <= last {
			l.told = append(l.told, g)
			l.stats.lost += int(g.Count)
			delete(m.gaps, n)
		}
	}
	return nil
}
