// Package agent joins the parts into a running agent.
//
//	source -> collector -> filter -> summary -> spool -> uplink  ~~>  gateway
//
// Left of the spool everything is a function call: a collector's emit filters
// the event and stores it, or folds it into a summary of filtered events, before
// it returns. What the system is asked lies in the collectors, what may leave in
// package privacy, how settings are read in package configs.
package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/discreet-agent/discreet/agent/identity"
	"github.com/discreet-agent/discreet/agent/spool"
	"github.com/discreet-agent/discreet/agent/uplink"
	"github.com/discreet-agent/discreet/agent/view"
	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/configs"
	"github.com/discreet-agent/discreet/privacy"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// healthEvery is the constant interval of the agent's account of itself: it must
// not depend on what people do.
const healthEvery = 5 * time.Minute

// settledAfter is when the rush of the start is over: enrolment, the first
// connection, the lists of all that runs and is installed.
const settledAfter = 15 * time.Second

// Options is what an agent is made of.
type Options struct {
	Version string
	Paths   configs.AgentPaths
	// LastGoodDir is where the last good form of each file of the settings is
	// kept over a restart; "" keeps it in memory only.
	LastGoodDir string
	Log         *slog.Logger
	// Recent keeps the last lines of Log for a support bundle; nil: none.
	Recent *Recent
	Specs  []collectors.Spec // nil: Builtin
	// Level receives log.level of the settings whenever it changes; nil: nobody
	// listens.
	Level func(string)
	// Overrides are operational settings from the command line.
	Overrides map[string]string
	// Linger and FirstReconnect make the uplink quicker than its defaults; 0
	// leaves them.
	Linger, FirstReconnect time.Duration
	// Ready is called once, when collectors run.
	Ready func()
	// Rest is called when the rush of the start is over, and after each account of
	// itself: what was needed then is not needed now. nil: nobody does.
	Rest func()
	// Alive is called after each account of itself that went through filter and
	// spool, so it stays away when one of them hangs; nil: nobody listens.
	Alive func()
}

// Agent is a configured pipeline. Use New.
type Agent struct {
	o      Options
	log    *slog.Logger
	loader *configs.Loader
	start  time.Time
	local  func() time.Time // in the device's zone
	zone   func() (*time.Location, string)

	// boot are the settings of the start: where the gateway is and where files lie
	// is followed only by a restart. A gateway that was not named yet is taken over
	// once, by nameGateway, which then closes named.
	boot    configs.Agent
	named   chan struct{}
	unnamed bool // there was none at the start

	spool  *spool.Spool
	pipe   *pipeline
	sups   []*supervisor
	uplink *uplink.Client
	pauses *pauses
	sealed *sealedNames

	changed  chan struct{}       // settings are to be read again
	sessions collectors.Sessions // nil in a build without behaviour collectors
	settled  chan struct{}       // closed once Ready has returned
	called   *collectors.Names   // what one collector saw of whom programs call, for the others

	mu       sync.Mutex // guards what follows
	loaded   *configs.Loaded
	ident    *identity.Identity
	keeper   *identity.Keeper
	keyErr   string
	enrolErr string    // why the last attempt to enrol did not work
	since    time.Time // when the policy in force took effect
	people   []string  // identities that the filter in force knows
	zoneText string    // tells the zone of the filter in force from others
	epoch    privacy.Epoch
	pushed   chan []byte         // a policy that the gateway pushed, not looked at yet
	taken    int64               // the version of one that is kept and not in force yet; of work alone
	keys     *privacy.Pseudonyms // of the filter in force

	saidLoose atomic.Bool // that keys are not locked was told
}

// New reads the settings and opens the spool. It starts nothing.
func New(o Options) (*Agent, error) {
	a := &Agent{o: o, log: o.Log, start: time.Now(), local: localNow, zone: localZone}
	if o.LastGoodDir != "" {
		o.Paths.TakenFile = configs.TakenFile(o.LastGoodDir)
	}
	a.loader, a.pushed = configs.NewLoader(o.Paths, o.LastGoodDir), make(chan []byte, 1)
	if err := a.loader.ApplyOverrides(o.Overrides); err != nil {
		return nil, err
	}
	if o.Specs == nil {
		a.o.Specs = Builtin()
	}
	l := a.load()
	a.loaded, a.boot, a.named, a.unnamed = l, l.Settings, make(chan struct{}), l.Settings.Gateway.Address == ""
	set := l.Settings
	sp, err := spool.Open(spool.Options{
		Dir: filepath.Join(set.StateDir, "spool"), MaxBytes: set.Spool.MaxBytes, MaxAge: set.Spool.MaxAge,
		MinFree: set.Spool.MinFree, Flush: set.Spool.Flush, Log: o.Log,
	})
	if err != nil {
		return nil, err
	}
	a.spool = sp
	a.pauses = newPauses(set.StateDir)
	a.sessions = newSessions(set.RunDir, o.Log)
	a.changed = make(chan struct{}, 1)
	a.called, a.settled = &collectors.Names{}, make(chan struct{})
	a.pipe = newPipeline(o.Log, sp, time.Now)
	a.pipe.identified = a.keepIdentities
	if a.sealed, err = openSealedNames(set.StateDir); err != nil {
		o.Log.Error("sealed names begin anew", "err", err)
	}
	for _, spec := range a.o.Specs {
		a.sups = append(a.sups, newSupervisor(o.Log, spec, a.pipe.emit))
	}
	a.uplink = uplink.New(sp, uplink.Options{
		Address: set.Gateway.Address, ServerName: set.Gateway.Name,
		Proxy: set.Gateway.Proxy, ProxyCredentialsFile: set.Gateway.ProxyCredentialsFile,
		TLS: a.clientTLS, AgentVersion: o.Version, Log: o.Log,
		Linger: lingerOf(o.Linger), FirstJitter: o.FirstReconnect, Health: a.spoolSize,
		OnDirective: a.directive, Identities: a.identities, OnPolicyBundle: a.push,
	})
	return a, nil
}

// lingerOf returns how long the uplink lets a batch fill: not at all. What the spool
// hands out came with one flush, and more comes with the next one only.
func lingerOf(asked time.Duration) time.Duration {
	if asked == 0 {
		return -1
	}
	return asked
}

// load reads all layers of the settings and says what is wrong with them.
func (a *Agent) load() *configs.Loaded {
	l := a.loader.Load()
	for _, f := range l.Faults {
		a.log.Error("settings refused", "place", f.Place(), "key", f.Key, "wrong", f.Text)
	}
	if a.o.Level != nil {
		a.o.Level(l.Settings.Log.Level)
	}
	return l
}

// Run collects and sends until ctx is done. Then it stops in the order of the
// data: collectors, summaries, spool, uplink.
func (a *Agent) Run(ctx context.Context) error {
	views, err := view.Listen(a.boot.RunDir)
	if err != nil {
		a.log.Warn("no local commands", "err", err)
	}
	a.tighten(a.loaded.Policy) // what was left from before, and before any of it is sent
	// Each part outlives the one before it on the data's way.
	spooling := begin(ctx, a.spool.Run)
	delivering := begin(ctx, func(ctx context.Context) error { a.deliver(ctx); return nil })
	piping := begin(ctx, func(ctx context.Context) error { a.pipe.run(ctx); return nil })
	a.apply(ctx, a.loaded)
	// Who asks meanwhile waits: an answer before the policy is in force would be wrong.
	serving := begin(ctx, func(ctx context.Context) error {
		if views != nil {
			views.Serve(ctx, a.answer)
		}
		return nil
	})
	watching := begin(ctx, func(ctx context.Context) error { a.watch(ctx); return nil })
	if a.o.Ready != nil {
		a.o.Ready()
	}
	close(a.settled)
	a.work(ctx)

	for _, s := range a.sups {
		s.halt()
	}
	a.health(false)
	err = errors.Join(watching.end(), serving.end(), piping.end(), a.spool.Sync(), delivering.end(), spooling.end(), a.spool.Close())
	sp := a.spool.Stats()
	a.log.Info("agent stopped", "events_acked", a.uplink.Status().EventsAcked, "lost", sp.Lost, "unsent", sp.Events)
	return err
}

// part is something that runs until it is ended, whatever becomes of the context
// that the agent was started with.
type part struct {
	stop context.CancelFunc
	done chan error
}

func begin(ctx context.Context, run func(context.Context) error) part {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	p := part{stop, make(chan error, 1)}
	go func() { p.done <- run(ctx) }()
	return p
}

// end stops the part and waits for it.
func (p part) end() error {
	p.stop()
	return <-p.done
}

// Reload has the settings read again, soon. Changes are seen without it.
func (a *Agent) Reload() {
	select {
	case a.changed <- struct{}{}:
	default:
	}
}

// watch has the settings read again whenever a file of them has changed.
func (a *Agent) watch(ctx context.Context) {
	err := a.loader.Watch(ctx, a.Reload)
	if err != nil {
		a.log.Error("settings are not watched", "err", err)
	}
}

// work applies new settings as they come and sends the agent's account of
// itself, until ctx is done.
func (a *Agent) work(ctx context.Context) {
	tick := time.NewTicker(healthEvery)
	defer tick.Stop()
	settled := time.NewTimer(settledAfter)
	defer settled.Stop()
	var quiet quietTimer
	quiet.follow(a.loaded.Settings.Privacy.Quiet)
	defer quiet.stop()
	turn := time.NewTimer(a.epochTimer(time.Now()))
	defer turn.Stop()
	a.health(a.spool.Stats().Unclean)
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.changed:
			a.apply(ctx, a.load())
			quiet.follow(a.loaded.Settings.Privacy.Quiet)
			turn.Reset(a.epochTimer(time.Now()))
		case envelope := <-a.pushed:
			a.takePush(envelope)
		case <-turn.C:
			a.keepEpoch(time.Now())
			turn.Reset(a.epochTimer(time.Now()))
		case <-quiet.due():
			a.replan(ctx)
			quiet.follow(a.loaded.Settings.Privacy.Quiet)
		case done := <-a.pauses.replan:
			a.replan(ctx)
			close(done)
		case <-a.pauses.timer.C:
			a.replan(ctx)
		case <-tick.C:
			a.keepEpoch(time.Now())
			a.refreshDevice()
			a.health(false)
			if a.o.Alive != nil {
				a.o.Alive()
			}
			a.rest()
		case <-settled.C:
			a.rest()
		}
	}
}

func (a *Agent) rest() {
	if a.o.Rest != nil {
		a.o.Rest()
	}
}

// apply puts settings in force: the filter first, so that nothing is collected
// under a policy that does not filter yet, then the collectors.
func (a *Agent) apply(ctx context.Context, l *configs.Loaded) {
	a.mu.Lock()
	old, was := a.loaded, a.epoch
	a.loaded, a.keyErr, a.since = l, "", time.Now()
	a.mu.Unlock()
	a.refilter(l, nextEpoch(l, was, time.Now()))
	a.tighten(l.Policy)
	a.replan(ctx)
	a.nameGateway(l.Settings.Gateway)
	if a.needsRestart(l.Settings) {
		a.log.Warn("a changed setting is followed only by a restart", "keys", "gateway, spool, state_dir, run_dir")
	}
	a.record(l)
	digest := l.Policy.Digest()
	a.log.Info("policy in force", "digest", fmt.Sprintf("%x", digest[:8]), "preset", l.Settings.Privacy.Preset,
		"changed", old.Policy.Digest() != digest, "degraded", l.Degraded, "only_health", l.OnlyHealth)
	a.pipe.emit(&eventv1.Event{TimeUnixMs: collectors.At(time.Now()), Kind: &eventv1.Event_PolicyApplied{
		PolicyApplied: &eventv1.PolicyApplied{Digest: digest[:], Layer: topLayer(l), Accepted: !l.Degraded, Reason: refusal(l),
			Version: pushVersion(l), Signer: pushSigners(l)},
	}})
	a.pushApplied(l)
}

// needsRestart reports whether settings differ from those of the start in what
// the running parts have taken over for good.
func (a *Agent) needsRestart(now configs.Agent) bool {
	return now.Gateway != a.boot.Gateway || now.Spool != a.boot.Spool || now.StateDir != a.boot.StateDir || now.RunDir != a.boot.RunDir
}

// Close frees the spool of an agent that was never run.
func (a *Agent) Close() error { return a.spool.Close() }
