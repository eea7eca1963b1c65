//go:build linux

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/discreet-agent/discreet/cmd/lab"
	"github.com/discreet-agent/discreet/privacy"
)

// canaryRuns is how often each person runs her program.
const canaryRuns = 4

// TestCanaryRun has two people of random names run programs of theirs that resolve
// and reach sites of random names, and looks for every such word, in every form, in
// all that comes out of both programs. Under the laxest levels the same search must
// find the names where they are then due, and still nowhere else.
func TestCanaryRun(t *testing.T) {
	withOwnMounts(t, func(t *testing.T) {
		spies := []spy{newSpy(t, "zz", 48401), newSpy(t, "zzë", 48402)}
		w := newTown(t, spies...)
		var words []string
		for _, s := range spies {
			words = append(words, s.words()...)
		}
		search := lab.NewSearcher(words...)
		for _, c := range []struct {
			name, privacy string
			floor         int // of stored events about the two programs
		}{
			{"balanced", "preset: balanced", 4},
			{"balanced-each", "preset: balanced, processes: each, connections: each", 12},
			{"strict", "preset: strict", 2},
		} {
			t.Run(c.name, func(t *testing.T) {
				r := runCanary(t, spies, w, c.privacy, c.floor)
				r.check(search, c.floor, nil)
			})
		}
		t.Run("laxest", func(t *testing.T) {
			r := runCanary(t, spies, w, laxest(), 12)
			r.check(search, 12, []string{spies[0].Account, spies[1].Account, spies[0].Folder, spies[1].Folder, spies[0].Site, spies[1].Site})
		})
	})
}

// laxest names the laxest level of every key.
func laxest() string {
	var parts []string
	for k := range privacy.NumKeys {
		levels := k.Info().Levels
		parts = append(parts, k.String()+": "+levels[len(levels)-1].String())
	}
	return strings.Join(parts, ", ")
}

// canaryResult is what a run leaves behind, in folders by what it is.
type canaryResult struct {
	t      *testing.T
	places []canaryPlace
	wire   wireCounts
	key    string // the bytes of the pseudonym key
	token  string // what the device enrolled with
	tools  int    // stored events about the two programs
	acked  int64
	agent  struct{ read, hits int } // of its memory
}

// canaryPlace is one kind of output.
type canaryPlace struct {
	name  string
	dirs  []string
	names due // whether the laxest levels let names stand there
}

// due says whether names may, or must, stand in a place under the laxest levels.
type due uint8

const (
	never due = iota
	may
	must
)

// runCanary runs both programs and the two people's. While they run the gateway is
// away, so that everything is in the spool once; then it comes back.
func runCanary(t *testing.T, spies []spy, w *town, levels string, floor int) *canaryResult {
	t.Helper()
	l := newLab(t, "")
	p := startTap(t, l)
	text := strings.Replace(l.AgentYAML(), "address: "+l.Address, "address: "+p.address(), 1) +
		"log: {level: debug}\nsummary: {flush: 1s}\nprivacy: {" + levels + ", pseudonym: {mode: tenant_key, tenant_key_file: " + l.Path("tenant.key") + ", key_id: e2e}}\n"
	if err := l.Write("agent.yaml", text); err != nil {
		t.Fatal(err)
	}
	r := &canaryResult{t: t, key: readText(t, l.Path("tenant.key")), token: strings.TrimSpace(readText(t, l.Path("token")))}
	gw := startGateway(t, l)
	ag := startAgent(t, l)
	connected(t, l)
	if err := gw.Stop(testGrace); err != nil {
		t.Fatal(err)
	}
	names, backward := w.names.Load(), w.backward.Load()
	var running sync.WaitGroup
	for _, s := range spies {
		running.Go(func() {
			for range canaryRuns {
				s.run(t, w.port)
			}
		})
	}
	running.Wait()
	until(t, l, 30*time.Second, "both programs in the spool", func() bool { return inSpool(t, l) >= floor })
	before, err := agentStatus(t, l)
	if err != nil {
		t.Fatal(err)
	}
	r.keep("spool", must, copyOf(t, l.Path("agent")))
	var words []string
	for _, s := range spies {
		words = append(words, s.words()...)
	}
	var hits map[string]int
	r.agent.read, hits = memory(t, ag.Cmd.Process.Pid, words)
	for _, n := range hits {
		r.agent.hits += n
	}
	for _, s := range spies {
		// What no collector reads is not even in memory. Names of accounts and
		// folders are: the filter must know what it hides.
		if n := hits[s.Secret] + hits[s.Env]; n != 0 {
			t.Errorf("command line and environment of a program stand %d times in the agent's memory; want never", n)
		}
	}
	startGateway(t, l)
	until(t, l, 60*time.Second, "the spool's events at the gateway", func() bool {
		st, err := agentStatus(t, l)
		r.acked = st.Gateway.EventsAcked
		return err == nil && st.Gateway.Connected && r.acked >= before.Gateway.EventsAcked+before.Spool.Events
	})
	r.outputs(l, w, names, backward)
	if err := ag.Stop(testGrace); err != nil {
		t.Error(err)
	}
	r.finish(l, p)
	return r
}

// inSpool counts the records on disk about the two programs: whatever the policy
// makes of the account in its name, the rest of it stays.
func inSpool(t *testing.T, l *lab.Lab) (n int) {
	t.Helper()
	files, err := filepath.Glob(l.Path("agent/spool/*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if b, err := os.ReadFile(file); err == nil { // it may be gone by now
			n += bytes.Count(b, []byte("-tool"))
		}
	}
	return n
}

// keep notes folders of one kind of output.
func (r *canaryResult) keep(name string, names due, dirs ...string) {
	r.places = append(r.places, canaryPlace{name, dirs, names})
}

// outputs asks both programs all that they answer with numbers, makes a bundle, and
// counts the questions to the name server, of which none may be the agent's.
func (r *canaryResult) outputs(l *lab.Lab, w *town, names, backward int64) {
	t := r.t
	dir := t.TempDir()
	save := func(name, text string, err error) {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, args := range map[string][]string{
		"status": {"status", "--json"}, "status.txt": {"status"}, "collectors": {"collectors", "--json"}, "show": {"privacy", "show", "--json"},
	} {
		out, err := l.Agent(t.Context(), args...)
		save(name, out, err)
		if name == "status" {
			closedWords(t, out)
		}
	}
	for name, args := range map[string][]string{
		"totals": {"events", "totals", "--json"}, "devices": {"device", "list", "--json"}, "audit": {"audit", "show", "--json"},
	} {
		out, err := l.Gateway(t.Context(), args...)
		save(name, out, err)
	}
	r.keep("metrics: status, totals", never, dir)

	bundle := t.TempDir()
	file := filepath.Join(bundle, "bundle.tar.gz")
	if _, err := l.Agent(t.Context(), "support-bundle", "--out", file); err != nil {
		t.Errorf("support-bundle: %v", err)
	}
	files := unpackBundle(t, file, bundle)
	if !strings.Contains(files["status.json"], `"running": true`) || strings.Count(files["log.json"], `"text"`) < 3 {
		t.Errorf("the bundle is not of a running agent: %s %s", files["status.json"], files["log.json"])
	}
	for _, word := range append(ownWords(t, l), l.Dir, l.Address) {
		for name, text := range files {
			if strings.Contains(text, word) {
				t.Errorf("%s in the bundle names the device, the gateway or a folder: %q", name, word)
			}
		}
	}
	r.keep("bundle", never, bundle)
	const each = 2 * canaryRuns // people and runs; each asks once for the name and once back
	if n, b := w.names.Load()-names, w.backward.Load()-backward; n < each || b != each {
		t.Errorf("the name server was asked %d times for names and %d times backwards; want at least %d, and %d by the people alone", n, b, each, each)
	}
}

// ownWords are what names this device.
func ownWords(t *testing.T, l *lab.Lab) []string {
	t.Helper()
	var st struct{ Device string }
	if err := l.AgentJSON(t.Context(), &st, "status"); err != nil || st.Device == "" {
		t.Fatalf("the device's id: %q, %v", st.Device, err)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	return []string{st.Device, host}
}

// finish collects what is there when the agent has stopped.
func (r *canaryResult) finish(l *lab.Lab, p *tap) {
	t := r.t
	all, err := l.Gateway(t.Context(), "events", "tail", "--n", "0")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(all) {
		if strings.Contains(line, "-tool") {
			r.tools++
		}
	}
	closedHealth(t, events(t, l))
	decoded, logs, wire := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "wire")
	if err := os.WriteFile(filepath.Join(decoded, "events"), []byte(all), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"agent.log", "gateway.log"} {
		b, err := os.ReadFile(l.Path(name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(logs, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r.wire = p.save(wire)
	r.keep("wire, decrypted and decompressed", must, wire)
	r.keep("store", must, l.Path("gateway"), decoded)
	r.keep("logs at debug", never, logs)
	r.keep("state and run folders", may, l.Path("agent"), l.Path("run")) // with the spool's end
}

// check searches every place. lax are the words that the laxest levels let
// through: they must be found in each place where events then stand.
func (r *canaryResult) check(s *lab.Searcher, floor int, lax []string) {
	r.t.Helper()
	for _, p := range r.places {
		hits, files, err := s.Files(p.dirs...)
		if err != nil || files == 0 {
			r.t.Errorf("%s: %d files searched, %v", p.name, files, err)
		}
		found := map[string]bool{}
		for _, h := range hits {
			found[h.Name] = true
			if p.names == never || !slices.Contains(lax, h.Name) {
				r.t.Errorf("%s: %s holds a canary as %s", p.name, h.File, h.Form)
			}
		}
		for _, name := range lax {
			if p.names == must && !found[name] {
				r.t.Errorf("%s: the search does not find what the laxest levels let through: the test proves nothing", p.name)
			}
		}
		r.t.Logf("%-34s %4d files, %d words found", p.name, files, len(found))
		r.secrets(p)
	}
	w := r.wire
	r.t.Logf("wire: %+v; stored events about the two programs: %d; acknowledged: %d; agent's memory: %.1f MiB, %d words in it while the gateway is away",
		w, r.tools, r.acked, float64(r.agent.read)/(1<<20), r.agent.hits)
	if r.tools < floor || w.Records < floor || w.Enrolments == 0 || w.Batches == 0 {
		r.t.Errorf("%d stored events about the two programs, %+v on the wire; want at least %d, an enrolment and a batch", r.tools, w, floor)
	}
}

// secrets looks for the pseudonym key, which must be nowhere, and for the token,
// which goes over the wire once and must be nowhere else.
func (r *canaryResult) secrets(p canaryPlace) {
	r.t.Helper()
	hits, _, err := lab.NewSearcher(r.key, r.token).Files(p.dirs...)
	if err != nil {
		r.t.Error(err)
	}
	enrolled := false
	for _, h := range hits {
		if h.Name == r.token && strings.HasPrefix(p.name, "wire") {
			enrolled = true
			continue
		}
		r.t.Errorf("%s: %s holds the key or the token as %s", p.name, h.File, h.Form)
	}
	if strings.HasPrefix(p.name, "wire") && !enrolled {
		r.t.Error("the token is not on the wire: it was not decrypted, or the device did not enrol")
	}
}

func readText(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil || len(b) < 16 {
		t.Fatalf("%s holds %d bytes, %v", file, len(b), err)
	}
	return string(b)
}

// copyOf copies a folder as it is now, which may change while it is read.
func copyOf(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(fmt.Errorf("copy %s: %w", dir, err))
	}
	return to
}
