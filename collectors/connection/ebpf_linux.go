package connection

import (
	"bufio"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/collectors/kernel"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

//go:embed bpf/connection.o
var object []byte

// onPackets are the programs that see packets: they count UDP.
var onPackets = map[string]ebpf.AttachType{
	"on_create":   ebpf.AttachCGroupInetSockCreate,
	"on_connect4": ebpf.AttachCGroupInet4Connect,
	"on_connect6": ebpf.AttachCGroupInet6Connect,
	"on_sendmsg4": ebpf.AttachCGroupUDP4Sendmsg,
	"on_sendmsg6": ebpf.AttachCGroupUDP6Sendmsg,
	"on_egress":   ebpf.AttachCGroupInetEgress,
	"on_ingress":  ebpf.AttachCGroupInetIngress,
	"on_release":  ebpf.AttachCgroupInetSockRelease,
}

// traced is the rung EBPF: the kernel writes a record of every connection that
// ends, with all that is reported of it, and they are read once a second. Of
// those that stay open it is asked each minute.
type traced struct {
	env    collectors.Env
	loaded *kernel.Programs
	ring   *kernel.Ring
	survey *link.Iter
	track  *tracker
	tasks  *tasks
	open   map[uint64]*soFar // by cookie: of which something was told before their end
	ports  map[listening]struct{}
	round  uint32 // of surveys
	last   time.Time
	now    time.Time
	offset int64 // wall clock less time since boot, in nanoseconds
}

// soFar is what was told of a connection that is open, or was before the agent.
type soFar struct {
	round   uint32
	inbound bool // what the kernel could not say of one that it found
	tcpInfo
}

type listening struct {
	netns uint32
	port  uint16
}

func openTraced(env collectors.Env) (source, error) {
	t, err := openTracedWith(env, nil)
	if err == nil || errors.Is(err, collectors.ErrUnsupported) && !errors.Is(err, errNoPackets) {
		return t, err
	}
	// TCP needs less than UDP.
	t, second := openTracedWith(env, withoutPackets)
	if second != nil {
		return nil, err
	}
	env.Stats.SetNote("UDP is not seen: " + err.Error())
	return t, nil
}

// errNoPackets says that the programs that count packets cannot be attached.
var errNoPackets = errors.New("packets are not to be counted here")

func withoutPackets(spec *ebpf.CollectionSpec) error {
	for name := range onPackets {
		delete(spec.Programs, name)
	}
	return nil
}

func openTracedWith(env collectors.Env, set func(*ebpf.CollectionSpec) error) (source, error) {
	programs, err := kernel.Load(object, env.ProcRoot, env.SysRoot, set)
	if err != nil {
		return nil, err
	}
	t := &traced{env: env, loaded: programs, open: make(map[uint64]*soFar), ports: make(map[listening]struct{})}
	if err := t.attach(); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

func (t *traced) attach() (err error) {
	if t.ring, err = t.loaded.Ring(); err != nil {
		return err
	}
	if t.survey, err = link.AttachIter(link.IterOptions{Program: t.loaded.Programs["survey"], Map: t.loaded.Maps["sockets"]}); err != nil {
		return fmt.Errorf("attach survey of sockets: %w: %w", collectors.ErrUnsupported, err)
	}
	if err := t.loaded.Keep(t.survey, nil); err != nil {
		return err
	}
	if err := t.onPackets(); err != nil {
		return fmt.Errorf("%w: %w", errNoPackets, err)
	}
	// The survey and the seed are iterators: they run when they are read.
	for _, name := range []string{"on_state"} {
		l, err := link.AttachTracing(link.TracingOptions{Program: t.loaded.Programs[name]})
		if err := t.loaded.Keep(l, err); err != nil {
			return err
		}
	}
	return t.seed()
}

func (t *traced) onPackets() error {
	root := ""
	for name, at := range onPackets {
		program := t.loaded.Programs[name]
		if program == nil {
			continue
		}
		if root == "" {
			var err error
			if root, err = kernel.CgroupRoot(t.env.ProcRoot); err != nil {
				return err
			}
		}
		l, err := link.AttachCgroup(link.CgroupOptions{Path: root, Attach: at, Program: program})
		if err := t.loaded.Keep(l, err); err != nil {
			return err
		}
	}
	return nil
}

// seed gives the sockets that are there their owners.
func (t *traced) seed() error {
	for _, name := range []string{"seed", "seed_parts"} {
		if err := runIterator(t.loaded.Programs[name]); err != nil {
			return fmt.Errorf("find sockets: %w", err)
		}
	}
	return nil
}

// runIterator runs a program that says nothing.
func runIterator(p *ebpf.Program) error {
	it, err := link.AttachIter(link.IterOptions{Program: p})
	if err != nil {
		return fmt.Errorf("%w: %w", collectors.ErrUnsupported, err)
	}
	defer it.Close()
	from, err := it.Open()
	if err != nil {
		return err
	}
	defer from.Close()
	_, err = io.Copy(io.Discard, from)
	return err
}

func (t *traced) close() {
	if t.ring != nil {
		t.ring.Close()
	}
	t.loaded.Close()
}

func (t *traced) run(ctx context.Context, emit collectors.Emit) error {
	defer t.close()
	t.prepare(emit)
	if err := t.look(); err != nil {
		return err
	}
	t.last = t.now
	t.ring.Hold(t.named)
	return t.ring.Read(ctx, t.handle, t.afterRead)
}

func (t *traced) prepare(emit collectors.Emit) {
	t.track = newTracker(emit, t.env, eventv1.Rung_RUNG_EBPF)
	t.tasks = newTasks(t.env)
	t.syncClock()
	t.track.ownAddresses()
}

// syncClock relates the clock of the records to the wall clock.
func (t *traced) syncClock() {
	t.now = time.Now()
	t.offset = t.now.UnixNano() - int64(kernel.SinceBoot())
}

// waitForName is how long the end of a connection waits for names that were said
// before it.
const waitForName = 3 * time.Second

// named reports whether all names are entered that the end of a connection could
// have. Another ring tells them, which is read at the same second as this one.
func (t *traced) named(b []byte) bool {
	until := t.env.Names.Until()
	if until == math.MaxInt64 {
		return true
	}
	at, ended := endOf(b)
	at += t.offset
	return !ended || at < until || t.now.UnixNano()-at > int64(waitForName)
}

// handle takes one record.
func (t *traced) handle(b []byte) {
	r, ok := parseRecord(b)
	if !ok {
		return
	}
	if r.kind == kindProgram {
		t.tasks.learn(&r)
		return
	}
	before := t.open[r.cookie]
	delete(t.open, r.cookie)
	if r.kind == kindTCP && (r.direction == listens || r.direction == 0 && r.state == stateSynRecv) {
		return // somebody knocked, and did not come in
	}
	t.report(&r, before, false)
}

// report emits what is new of a connection.
func (t *traced) report(r *record, before *soFar, interim bool) {
	t.track.own(r.local.Addr())
	if before == nil {
		before = &soFar{}
	}
	f := flow{protocol: protocolTCP, local: r.local, remote: r.remote, inbound: r.direction == cameIn || before.inbound}
	if r.kind == kindUDP {
		f.protocol = protocolUDP
	}
	whose := t.tasks.of(r)
	c := t.track.kind.Connection
	c.Program.Name, c.Program.Path = whose.name, whose.path
	c.User.Name, c.User.Sid = whose.user, whose.sid
	t.track.where(c, &f)
	if r.several {
		c.Address, c.Scope = "", eventv1.Scope_SCOPE_UNSPECIFIED
		if !f.inbound {
			c.Port = 0
		}
	}
	t.name(c, &f, r)
	c.Outcome = eventv1.Outcome_OUTCOME_UNSPECIFIED
	if !interim && r.kind == kindTCP {
		c.Outcome = r.outcome()
	}
	c.DurationMs, c.ConnectUs = 0, 0
	if r.began != 0 {
		c.DurationMs = uint64(max(0, r.at-r.began)) / 1e6
		if r.direction == wentOut && r.established > r.began && !interim {
			c.ConnectUs = uint64(r.established-r.began) / 1e3
		}
	}
	c.RttMinUs, c.RttAvgUs, c.RttMaxUs = r.rttMin, r.rttAvg, r.rttUS
	c.BytesIn, c.BytesOut = grown(r.bytesIn, before.bytesIn), grown(r.bytesOut, before.bytesOut)
	c.SegmentsIn, c.SegmentsOut = grown(r.segsIn, before.segsIn), grown(r.segsOut, before.segsOut)
	c.Retransmits = grown(r.retransmits, before.retransmits)
	c.Interim = interim
	t.track.event.TimeUnixMs = (r.at + t.offset) / 1e6
	t.track.emit(&t.track.event)
}

// name says what the other end is called.
func (t *traced) name(c *eventv1.Connection, f *flow, r *record) {
	began := int64(0) // before the agent came: it can only have said its name since
	if r.began != 0 {
		began = r.began + t.offset
	}
	if r.several {
		f = &flow{inbound: true} // the names of many are none
	}
	t.track.name(c, f, r.task.key(), began, began)
}

// afterRead closes a read of the ring.
func (t *traced) afterRead() error {
	t.syncClock()
	lost, err := t.loaded.Lost()
	if err != nil {
		return err
	}
	if lost > 0 {
		t.env.Stats.AddLost(lost)
	}
	if t.now.Sub(t.last) < interimEvery {
		return nil
	}
	t.last = t.now
	t.track.ownAddresses()
	return t.look()
}

// look surveys the open connections and reports the growth of each that has
// grown. The first one takes what there was before the agent: that is not its
// news.
func (t *traced) look() error {
	from, err := t.survey.Open()
	if err != nil {
		return fmt.Errorf("survey sockets: %w", err)
	}
	defer from.Close()
	t.round++
	var records []record
	in := bufio.NewReaderSize(from, 64<<10)
	var b [connectionSize]byte
	for {
		if _, err := io.ReadFull(in, b[:]); err != nil {
			if err == io.EOF {
				break
			}
			return fmt.Errorf("survey sockets: %w", err)
		}
		r, ok := parseRecord(b[:])
		switch {
		case !ok:
		case r.kind != kindListener:
			if len(records) < maxFlows {
				records = append(records, r)
			}
		case t.round == 1:
			t.ports[listening{r.netns, r.local.Port()}] = struct{}{}
		}
	}
	for i := range records {
		t.opened(&records[i])
	}
	clear(t.ports)
	for cookie, s := range t.open {
		if t.round-s.round > 1 { // its end was told to nobody
			delete(t.open, cookie)
		}
	}
	return nil
}

// opened takes what a survey tells of one socket.
func (t *traced) opened(r *record) {
	s := t.open[r.cookie]
	if s == nil {
		if len(t.open) >= maxFlows {
			return
		}
		s = &soFar{}
		t.open[r.cookie] = s
	}
	s.round = t.round
	switch grew := r.bytesIn != s.bytesIn || r.bytesOut != s.bytesOut; {
	case t.round == 1 && r.kind == kindTCP && r.direction == found:
		_, s.inbound = t.ports[listening{r.netns, r.local.Port()}]
	case t.round > 1 && grew:
		t.report(r, s, true)
	default:
		return
	}
	s.bytesIn, s.bytesOut = r.bytesIn, r.bytesOut
	s.segsIn, s.segsOut, s.retransmits = r.segsIn, r.segsOut, r.retransmits
}
