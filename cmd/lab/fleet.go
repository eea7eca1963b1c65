package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Fleet is a gateway with many agents beside it, each a process of its own with its
// own folder and identity.
type Fleet struct {
	*Lab
	Agents []*Lab
	procs  []*Proc
}

// NewFleet makes a lab for n agents. extra is the end of each agent.yaml; all that it
// does not name is the product's default, so that times are those of the product.
func NewFleet(ctx context.Context, dir, bin string, n int, extra string) (*Fleet, error) {
	l, err := New(dir, bin)
	if err != nil {
		return nil, err
	}
	if err := l.Setup(ctx, n); err != nil {
		return nil, err
	}
	token, err := os.ReadFile(l.Path("token"))
	if err != nil {
		return nil, err
	}
	f := &Fleet{Lab: l}
	for i := range n {
		a := &Lab{Dir: l.Path(fmt.Sprintf("laptop-%03d", i)), Bin: l.Bin, Address: l.Address}
		if err := os.MkdirAll(a.Path("conf.d"), 0o700); err != nil {
			return nil, err
		}
		if err := os.MkdirAll(a.Path("policy.d"), 0o700); err != nil {
			return nil, err
		}
		// Each has its own: an agent deletes the token that it used.
		if err := a.Write("token", string(token)); err != nil {
			return nil, err
		}
		text := fmt.Sprintf("schema: 1\ngateway: {address: %q, token_file: %q}\nstate_dir: %q\nrun_dir: %q\n%s",
			l.Address, a.Path("token"), a.Path("agent"), a.Path("run"), extra)
		if err := a.Write("agent.yaml", text); err != nil {
			return nil, err
		}
		f.Agents = append(f.Agents, a)
	}
	return f, nil
}

// StartAgents starts every agent with no flag but the name of its settings.
func (f *Fleet) StartAgents() error {
	for _, a := range f.Agents {
		p, err := a.start("discreet-agent", "agent.yaml", "agent.log", []string{"run"})
		if err != nil {
			return err
		}
		f.procs = append(f.procs, p)
	}
	return nil
}

// Stop asks all agents to stop, and kills those that do not within grace.
func (f *Fleet) Stop(grace time.Duration) {
	var all sync.WaitGroup
	for _, p := range f.procs {
		all.Go(func() { _ = p.Stop(grace) })
	}
	all.Wait()
	f.procs = nil
}

// Running counts the agents that have not ended.
func (f *Fleet) Running() int {
	n := 0
	for _, p := range f.procs {
		if p.Running() {
			n++
		}
	}
	return n
}

// Drop lays the same file into a folder of every agent, in one step each, as a fleet
// tool does, and returns when the first was laid.
func (f *Fleet) Drop(name, text string) (time.Time, error) {
	began := time.Now()
	for _, a := range f.Agents {
		// Dot files are not read, so that no agent sees half of it.
		hidden := a.Path(filepath.Join(filepath.Dir(name), ".new"))
		if err := os.WriteFile(hidden, []byte(text), 0o600); err != nil {
			return began, err
		}
		if err := os.Rename(hidden, a.Path(name)); err != nil {
			return began, err
		}
	}
	return began, nil
}

// Digests asks the gateway's records which policy each device reported last: how many
// devices there are of each digest. "" stands for none yet.
func (f *Fleet) Digests(ctx context.Context) (map[string]int, error) {
	var devices []struct {
		Digest string `json:"policy_digest"`
	}
	if err := f.GatewayJSON(ctx, &devices, "device", "list"); err != nil {
		return nil, err
	}
	n := map[string]int{}
	for _, d := range devices {
		n[d.Digest]++
	}
	return n, nil
}
