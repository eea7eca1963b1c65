//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/discreet-agent/discreet/cmd/lab"
	"github.com/discreet-agent/discreet/privacy"
)

// warmUp is how long everything runs before it is measured: the starts are over.
const warmUp = 20 * time.Second

// footprintPart lets agents of several settings, the helper of a session and the
// peers be, all at once, and prints what each takes. The machine is as busy as it is:
// the bare Go program beside them, which only wakes up once a second, tells how much
// of a figure is the machine's.
func footprintPart(ctx context.Context, b *bench) error {
	dir, err := os.MkdirTemp("", "capture")
	if err != nil {
		return err
	}
	f := &footprint{ctx: ctx, dir: dir, bin: b.bin}
	defer f.close()
	if err := f.start(); err != nil {
		return err
	}
	if err := f.pause(warmUp); err != nil {
		return err
	}
	fmt.Printf("  %d processes, %d connections held, load %s\n", processes(), held, load())
	// Asking an agent costs it something: that is not in its figures.
	f.each(func(r *resident) { r.sent[0] = r.status(ctx).Gateway.BytesSent })
	if err := f.pause(3 * time.Second); err != nil {
		return err
	}
	f.each(func(r *resident) { r.before = r.look() })
	if err := f.pause(b.span); err != nil {
		return err
	}
	f.each(func(r *resident) { r.after = r.look() })
	f.each(func(r *resident) { r.sent[1] = r.status(ctx).Gateway.BytesSent })
	fmt.Printf("  after %s: load %s\n", b.span, load())
	f.print()
	return ctx.Err()
}

// footprint is everything that runs side by side.
type footprint struct {
	ctx   context.Context
	dir   string
	bin   string
	all   []*resident
	ends  []func()
	first *lab.Lab
	token []byte
}

func (f *footprint) close() {
	for i := len(f.ends) - 1; i >= 0; i-- {
		f.ends[i]()
	}
	_ = os.RemoveAll(f.dir)
}

func (f *footprint) each(do func(*resident)) {
	for _, r := range f.all {
		do(r)
	}
}

func (f *footprint) pause(d time.Duration) error {
	select {
	case <-f.ctx.Done():
		return f.ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// scene is an agent and its settings.
type scene struct{ name, settings string }

var collectorNames = []string{"process", "connection", "device", "software", "wifi", "domain", "logon", "activity", "focus"}

// scenes are the default policy, the laxest one, no collector at all, and each
// collector alone under the laxest policy.
func scenes() []scene {
	lax := "privacy: {" + laxest() + "}\n"
	all := []scene{{"agent, default policy", ""}, {"agent, laxest policy", lax}, {"agent, no collector", only("")}}
	for _, name := range collectorNames {
		all = append(all, scene{"agent, only " + name, lax + only(name)})
	}
	return all
}

// only switches every other collector off.
func only(name string) string {
	var off []string
	for _, n := range collectorNames {
		if n != name {
			off = append(off, n+": {enabled: false}")
		}
	}
	return "collectors: {" + strings.Join(off, ", ") + "}\n"
}

// laxest names the laxest level of every key.
func laxest() string {
	var levels []string
	for k := range privacy.NumKeys {
		all := k.Info().Levels
		levels = append(levels, k.String()+": "+all[len(all)-1].String())
	}
	return strings.Join(levels, ", ")
}

// start starts all of it. Programs that are not installed are named and left out.
func (f *footprint) start() error {
	if err := f.crowd(); err != nil {
		return err
	}
	if err := f.gateway(); err != nil {
		return err
	}
	for i, s := range scenes() {
		if err := f.agent(i, s); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	for _, start := range []func() error{f.helper, f.ticker, f.poller, f.nodeExporter, f.collectd} {
		if err := start(); err != nil {
			return err
		}
	}
	return nil
}

func (f *footprint) gateway() error {
	l, err := lab.New(f.dir+"/gateway", f.bin)
	if err != nil {
		return err
	}
	f.first = l
	if err := l.Setup(f.ctx, len(scenes())); err != nil {
		return err
	}
	if f.token, err = os.ReadFile(l.Path("token")); err != nil { // an agent removes its own
		return err
	}
	p, err := l.StartGateway(f.ctx)
	if p != nil {
		f.ends = append(f.ends, func() { _ = p.Stop(10 * time.Second) })
	}
	return err
}

// agent starts one with the pace of its defaults.
func (f *footprint) agent(i int, s scene) error {
	l := &lab.Lab{Dir: fmt.Sprintf("%s/agent%d", f.dir, i), Bin: f.first.Bin, Address: f.first.Address}
	if err := os.MkdirAll(l.Dir, 0o700); err != nil {
		return err
	}
	if err := l.Write("token", string(f.token)); err != nil {
		return err
	}
	settings := fmt.Sprintf("schema: 1\ngateway: {address: %q, token_file: %s}\nstate_dir: %s\nrun_dir: %s\n",
		l.Address, l.Path("token"), l.Path("agent"), l.Path("run"))
	if err := l.Write("agent.yaml", settings+s.settings); err != nil {
		return err
	}
	p, err := l.StartAgent("--linger", "0s", "--first-reconnect", "0s")
	if err != nil {
		return err
	}
	f.ends = append(f.ends, func() { _ = p.Stop(10 * time.Second) })
	r := &resident{name: s.name, pid: p.Cmd.Process.Pid, lab: l}
	f.all = append(f.all, r)
	return l.Until(f.ctx, 2*time.Minute, "the agent to connect", func() bool { return r.status(f.ctx).Gateway.Connected })
}

// run starts another program to be measured.
func (f *footprint) run(name string, env []string, argv ...string) (*exec.Cmd, error) {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), env...)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", argv[0], err)
	}
	f.ends = append(f.ends, func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	if name != "" {
		f.all = append(f.all, &resident{name: name, pid: cmd.Process.Pid})
	}
	return cmd, nil
}
