//go:build unix

package main

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/discreet-agent/discreet/cmd/lab"
)

// settle stops the agent, which sends what it still has, and counts both ends.
func (d *demo) settle(ctx context.Context) error {
	say("4. The agent stops: collectors first, then summaries, spool, uplink")
	if err := d.agent.Stop(20 * time.Second); err != nil {
		return fmt.Errorf("stop the agent: %w; see %s", err, d.lab.Path("agent.log"))
	}
	last, err := lastLog(d.lab.Path("agent.log"), "agent stopped")
	if err != nil {
		return err
	}
	var totals struct {
		Events     int64            `json:"events"`
		Kinds      map[string]int64 `json:"kinds"`
		Duplicates int64            `json:"duplicates"`
		Lost       int64            `json:"lost"`
	}
	if err := d.lab.GatewayJSON(ctx, &totals, "events", "totals"); err != nil {
		return err
	}
	d.events, d.lost = last.Acked, last.Lost+last.Unsent+totals.Lost
	d.stored, d.kinds, d.duplicates = totals.Events, int64(len(totals.Kinds)), totals.Duplicates
	for kind, n := range totals.Kinds {
		note("%-20s %d", kind, n)
	}
	note("acknowledged %d, stored %d", d.events, d.stored)
	return nil
}

// stopped is the agent's last log line.
type stopped struct {
	Msg    string `json:"msg"`
	Acked  int64  `json:"events_acked"`
	Lost   int64  `json:"lost"`
	Unsent int64  `json:"unsent"`
}

func lastLog(file, msg string) (stopped, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return stopped{}, err
	}
	var found stopped
	for line := range strings.Lines(string(b)) {
		var s stopped
		if json.Unmarshal([]byte(line), &s) == nil && s.Msg == msg {
			found = s
		}
	}
	if found.Msg == "" {
		return found, fmt.Errorf("no line %q in %s", msg, file)
	}
	return found, nil
}

// keyed are the flags with which an operator who holds the key names somebody.
func (d *demo) keyed(args ...string) []string {
	return append(args, "--key-file", d.lab.Path("tenant.key"), "--key-id", "demo", "--host", d.host)
}

// duties finds, retrieves and deletes the person by clear name, and anonymises
// the device.
func (d *demo) duties(ctx context.Context) error {
	say("5. The duties: by clear name, with a key that the gateway does not have")
	var found []struct {
		Name   string `json:"name"`
		Events int64  `json:"events"`
	}
	if err := d.lab.GatewayJSON(ctx, &found, d.keyed("subject", "find", "--user", d.someone.name)...); err != nil {
		return err
	}
	if len(found) == 0 {
		return fmt.Errorf("the store knows nothing of %q: was there no event of theirs?", d.someone.name)
	}
	note("%q is held as %s, with %d events", d.someone.name, found[0].Name, found[0].Events)
	hidden := []string{found[0].Name}
	if err := d.control(hidden); err != nil {
		return err
	}
	if _, err := d.lab.Gateway(ctx, d.keyed("subject", "retrieve", "--user", d.someone.name, "--yes", "--out", d.lab.Path("gdpr-data.tar.gz"))...); err != nil {
		return err
	}
	if err := d.unpack(); err != nil {
		return err
	}
	if err := d.erase(ctx); err != nil {
		return err
	}
	return d.search(hidden)
}

// erase anonymises the device and deletes the person.
func (d *demo) erase(ctx context.Context) error {
	for _, step := range []struct {
		what string
		args []string
	}{
		{"the device, anonymised", d.keyed("subject", "anonymise", "--device-name", d.host, "--yes")},
		{"the person, deleted", d.keyed("subject", "delete", "--user", d.someone.name, "--yes")},
	} {
		out, err := d.lab.Gateway(ctx, step.args...)
		if err != nil {
			return err
		}
		note("%-26s %s", step.what+":", strings.TrimSpace(out))
	}
	var left []any
	if err := d.lab.GatewayJSON(ctx, &left, d.keyed("subject", "find", "--user", d.someone.name)...); err != nil {
		return err
	}
	if len(left) > 0 {
		return errors.New("the person is still found after deletion")
	}
	out, err := d.lab.Gateway(ctx, "audit", "show")
	fmt.Print("\n" + out)
	return err
}

// unpack lists what the person would be handed.
func (d *demo) unpack() error {
	f, err := os.Open(d.lab.Path("gdpr-data.tar.gz"))
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	note("gdpr-data.tar.gz:")
	for t := tar.NewReader(z); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		note("  %-28s %d bytes", h.Name, h.Size)
	}
}

// control proves that the search can find: a file with each name, and the store
// itself with the pseudonym before it is erased.
func (d *demo) control(hidden []string) error {
	dir := d.lab.Path("control")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(dir+"/names", []byte(strings.Join(d.names, "\n")), 0o600); err != nil {
		return err
	}
	for _, name := range d.names {
		if hits, err := lab.Scan([]string{name}, dir); err != nil || len(hits) != 1 {
			return fmt.Errorf("the search does not find a name in its control file: %d hits, %w", len(hits), err)
		}
	}
	hits, err := lab.Scan(hidden, d.lab.StoreDir())
	if err != nil || len(hits) == 0 {
		return errors.Join(errors.New("the search does not find the pseudonym before it is erased"), err)
	}
	return nil
}

// search looks for every clear name, and for the erased pseudonym, in every file
// of the store.
func (d *demo) search(hidden []string) error {
	say("6. The search: every file of the store, every form of every name")
	hits, err := lab.Scan(append(append([]string{}, d.names...), hidden...), d.lab.StoreDir())
	if err != nil {
		return err
	}
	d.hits = len(hits)
	for _, h := range hits {
		note("found in %s", h.File)
	}
	note("%d clear names and %d erased pseudonym: %d hits", len(d.names), len(hidden), d.hits)
	return nil
}

// Wanted of a show: what the README promises.
const (
	wantEvents = 100
	wantKinds  = 4
	wantSwitch = 3 * time.Second
)

// verdict prints the last line and fails where the show did not keep a promise.
func (d *demo) verdict() error {
	fmt.Printf("\ndemo: events=%d kinds=%d stored=%d lost=%d duplicates=%d clear_user_names=%d\n",
		d.events, d.kinds, d.stored, d.lost, d.duplicates, d.hits)
	var wrong []string
	for _, c := range []struct {
		bad  bool
		text string
	}{
		{d.events < wantEvents, fmt.Sprintf("under %d events", wantEvents)},
		{d.kinds < wantKinds, fmt.Sprintf("under %d kinds", wantKinds)},
		{d.stored != d.events, "stored and acknowledged differ"},
		{d.lost != 0, "events were lost"},
		{d.duplicates != 0, "there are duplicate rows"},
		{d.hits != 0, "a name was found"},
		{d.switched > wantSwitch, "the policy took too long to take effect"},
	} {
		if c.bad {
			wrong = append(wrong, c.text)
		}
	}
	if len(wrong) > 0 {
		return errors.New(strings.Join(wrong, "; "))
	}
	return nil
}
