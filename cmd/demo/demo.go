//go:build unix

package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/discreet-agent/discreet/cmd/lab"
)

const (
	folder = ".demo"
	// shownEvents bounds how many events are printed in full.
	shownEvents = 8
)

// demo is one run of the show.
type demo struct {
	lab     *lab.Lab
	span    time.Duration // 0: until Ctrl-C
	host    string
	someone person
	names   []string // clear user names that must not be found in the store
	gateway *lab.Proc
	agent   *lab.Proc

	events, kinds, stored, lost, duplicates int64
	switched                                time.Duration
	hits                                    int
}

func newDemo(span time.Duration) (*demo, error) {
	if err := os.RemoveAll(folder); err != nil {
		return nil, err
	}
	l, err := lab.New(folder, "bin")
	if err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	someone, names, err := cast()
	return &demo{lab: l, span: span, host: host, someone: someone, names: names}, err
}

func (d *demo) close() {
	for _, p := range []*lab.Proc{d.agent, d.gateway} {
		if p != nil && p.Running() {
			_ = p.Stop(10 * time.Second)
		}
	}
}

func say(format string, args ...any) { fmt.Printf("\n\033[1m"+format+"\033[0m\n", args...) }

func note(format string, args ...any) { fmt.Printf("  "+format+"\n", args...) }

// settings is the agent.yaml of the show, with the level of program_path that
// is switched while it runs.
func (d *demo) settings(pathLevel string) string {
	return d.lab.AgentYAML() + `summary: {flush: 2s}
privacy:
  preset: balanced
  processes: each
  program_path: ` + pathLevel + `
  pseudonym: {mode: tenant_key, tenant_key_file: ` + d.lab.Path("tenant.key") + `, key_id: demo}
  statement: {set_by: the demonstration}
`
}

// prepare makes the authority, a token, a key and the settings.
func (d *demo) prepare(ctx context.Context) error {
	say("1. A throw-away gateway and agent on loopback, below %s", folder)
	if err := d.lab.Setup(ctx, 1); err != nil {
		return err
	}
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return err
	}
	if err := os.WriteFile(d.lab.Path("tenant.key"), key, 0o600); err != nil {
		return err
	}
	note("set for the show: processes: each, summary flush: 2s, tenant_key (the defaults are: summary, 5m, device_key)")
	if os.Geteuid() != 0 {
		note("not root: no network capability, so some sources may be on a lower rung; see the table below")
	}
	note("the person of this show is %q", d.someone.name)
	return d.lab.Write("agent.yaml", d.settings("generalised"))
}

// status is the part of "discreet-agent status --json" that the show needs.
type status struct {
	Gateway struct {
		Connected   bool   `json:"connected"`
		Reason      string `json:"reason"`
		EventsAcked int64  `json:"events_acked"`
	} `json:"gateway"`
	Policy struct {
		Digest string `json:"digest"`
	} `json:"policy"`
	Spool struct {
		Events int64 `json:"events"`
		Lost   int64 `json:"lost"`
	} `json:"spool"`
	Waiting int `json:"summaries_waiting"`
}

func (d *demo) status(ctx context.Context) (status, error) {
	var st status
	err := d.lab.AgentJSON(ctx, &st, "status")
	return st, err
}

// start starts both programs and waits until the agent has enrolled and talks.
func (d *demo) start(ctx context.Context) (err error) {
	if d.gateway, err = d.lab.StartGateway(ctx); err != nil {
		return err
	}
	if d.agent, err = d.lab.StartAgent(); err != nil {
		return err
	}
	err = d.lab.Until(ctx, 20*time.Second, "the agent to enrol and connect", func() bool {
		st, err := d.status(ctx)
		return err == nil && st.Gateway.Connected
	})
	if err != nil {
		return fmt.Errorf("%w; see %s", err, d.lab.Path("agent.log"))
	}
	note("enrolled with the token, connected with mutual TLS 1.3")
	if _, err := os.Stat(d.lab.Path("token")); err == nil {
		return errors.New("the token file is still there after enrolment")
	}
	out, err := d.lab.Agent(ctx, "collectors")
	fmt.Print("\n" + out)
	return err
}

// play shows live events while some programs run, and switches a key half way.
func (d *demo) play(ctx, work context.Context) error {
	show, stop := context.WithCancel(ctx)
	defer stop()
	if d.span > 0 {
		show, stop = context.WithTimeout(ctx, d.span)
		defer stop()
	}
	var busy sync.WaitGroup
	busy.Go(func() { d.someone.work(show) })
	defer busy.Wait()
	defer stop()

	say("2. Events of this machine, before -> after the filter")
	if err := d.preview(show); err != nil && show.Err() == nil {
		return err
	}
	say("3. One privacy key changes while it runs: program_path: generalised -> drop")
	if err := d.toggle(work); err != nil {
		return err
	}
	if d.span == 0 {
		say("Running. Ctrl-C goes on to the duties.")
	}
	<-show.Done()
	return nil
}

// preview prints what the filter makes of events as they happen. It runs the
// collectors itself: the running agent shows nobody the raw values of another
// person, not even root.
func (d *demo) preview(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, filepath.Join(d.lab.Bin, "discreet-agent"),
		"privacy", "preview", "--before-after", "--for", "5s", "--json", "--config", d.lab.Path("agent.yaml"),
		"--run-dir", d.lab.Path("no-agent"))
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	shown := map[string]int{}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var ev struct {
			Kind   string            `json:"kind"`
			Before map[string]string `json:"before"`
			After  map[string]string `json:"after"`
		}
		if json.Unmarshal(lines.Bytes(), &ev) != nil || ev.After == nil || ev.Before["inventory"] == "true" || shown[ev.Kind] >= 2 || len(shown) > shownEvents {
			continue
		}
		shown[ev.Kind]++
		printPair(ev.Kind, ev.Before, ev.After)
	}
	return cmd.Wait()
}

// told are the fields that the show prints of an event, in this order.
var told = []string{
	"program.name", "program.path", "user.name", "user.sid", "address", "port", "scope", "outcome", "exit_code",
	"lifetime_ms", "bytes_in", "bytes_out", "rtt_min_us", "name", "system", "version", "kernel", "serial", "addresses.0", "kind", "type",
}

func printPair(kind string, before, after map[string]string) {
	fmt.Printf("  %s\n", kind)
	for _, f := range told {
		b, had := before[f]
		a, has := after[f]
		switch {
		case !had && !has:
		case !has:
			fmt.Printf("    %-14s %-44s -> (dropped)\n", f, b)
		default:
			fmt.Printf("    %-14s %-44s -> %s\n", f, b, a)
		}
	}
}

// toggle writes the settings with the stricter level and waits for the running
// agent to say that they are in force.
func (d *demo) toggle(ctx context.Context) error {
	before, err := d.status(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := d.lab.Write("agent.yaml", d.settings("drop")); err != nil {
		return err
	}
	err = d.lab.Until(ctx, 10*time.Second, "the new policy", func() bool {
		st, err := d.status(ctx)
		return err == nil && st.Policy.Digest != before.Policy.Digest
	})
	d.switched = time.Since(began)
	if err != nil {
		return err
	}
	note("in force after %s, without a restart; the gateway refuses a batch that breaks the policy that it names", d.switched.Round(10*time.Millisecond))
	out, err := d.lab.Agent(ctx, "config", "explain", "privacy.program_path")
	fmt.Print(strings.ReplaceAll("  "+strings.TrimSpace(out), "\n", "\n  ") + "\n")
	return err
}
