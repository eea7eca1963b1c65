//go:build linux

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/discreet-agent/discreet/cmd/lab"
)

// desk is a Windows under Wine with the agent that is shipped for Windows, in the
// places of a real installation. The gateway runs on Linux, on the loopback.
type desk struct {
	t     *testing.T
	l     *lab.Lab
	wine  string
	drive string // C: as Linux sees it
	agent string // the program
	user  string // the account that is logged on
}

// newDesk installs the program. What an earlier test of the same prefix left is
// taken away.
func newDesk(t *testing.T, settings string) *desk {
	t.Helper()
	wine, prefix := os.Getenv("WINE"), os.Getenv("WINEPREFIX")
	if wine == "" || prefix == "" || os.Getenv("DISCREET_WINE") == "" {
		t.Skip("runs in make test-windows, which makes a Windows for it")
	}
	d := &desk{t: t, l: newLab(t, ""), wine: wine, drive: filepath.Join(prefix, "drive_c"), user: os.Getenv("WINE_USER")}
	d.agent = filepath.Join(d.drive, "Program Files", "Discreet", "discreet-agent.exe")
	if err := os.RemoveAll(d.data("")); err != nil {
		t.Fatal(err)
	}
	for to, from := range map[string]string{d.agent: filepath.Join(d.l.Bin, "discreet-agent.exe"), d.data("token.txt"): d.l.Path("token")} {
		d.copy(to, from)
	}
	text := fmt.Sprintf("schema: 1\ngateway: {address: %s, token_file: 'C:\\ProgramData\\Discreet\\token.txt'}\nspool: {flush: 1s, min_free: 16MiB}\n%s", d.l.Address, settings)
	if err := os.WriteFile(d.data("agent.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return d
}

// data returns a file of C:\ProgramData\Discreet.
func (d *desk) data(name string) string {
	return filepath.Join(d.drive, "ProgramData", "Discreet", filepath.FromSlash(name))
}

func (d *desk) copy(to, from string) {
	d.t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(to), 0o700)
	}
	if err == nil {
		err = os.WriteFile(to, data, 0o700)
	}
	if err != nil {
		d.t.Fatal(err)
	}
}

// run runs a command of the agent and returns what it printed and its exit code.
func (d *desk) run(args ...string) (string, int) {
	d.t.Helper()
	return d.program(d.agent, args...)
}

// program runs any program of this Windows. What it prints goes to a file: services
// that Wine starts meanwhile would keep a pipe open.
func (d *desk) program(name string, args ...string) (string, int) {
	d.t.Helper()
	out, err := os.CreateTemp(d.t.TempDir(), "out")
	if err != nil {
		d.t.Fatal(err)
	}
	defer out.Close()
	ctx, stop := context.WithTimeout(d.t.Context(), 2*time.Minute)
	defer stop()
	c := exec.CommandContext(ctx, d.wine, append([]string{name}, args...)...)
	c.Stdout, c.Stderr = out, out
	err = c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		d.t.Fatalf("%s %v: %v, %v", filepath.Base(name), args, err, ctx.Err())
	}
	said, err := os.ReadFile(out.Name())
	if err != nil {
		d.t.Fatal(err)
	}
	return strings.ReplaceAll(string(said), "\r\n", "\n"), c.ProcessState.ExitCode()
}

// want runs a command and fails where it does not end with code and say text.
func (d *desk) want(code int, text string, args ...string) {
	d.t.Helper()
	out, got := d.run(args...)
	if got != code || !strings.Contains(out, text) {
		d.t.Fatalf("discreet-agent %s = exit %d, %s; want exit %d and %q", strings.Join(args, " "), got, out, code, text)
	}
}

func (d *desk) status() (st status, ok bool) {
	d.t.Helper()
	out, code := d.run("status", "--json")
	return st, code == 0 && json.Unmarshal([]byte(out), &st) == nil
}

// install makes the service and takes it away when the test ends, whatever it left.
func (d *desk) install() {
	d.t.Helper()
	d.want(0, "", "service", "install")
	d.t.Cleanup(func() {
		for _, verb := range []string{"stop", "uninstall"} {
			ctx, stop := context.WithTimeout(context.Background(), time.Minute)
			_ = exec.CommandContext(ctx, d.wine, d.agent, "service", verb).Run()
			stop()
		}
	})
	d.want(4, "stopped", "service", "status")
}

// start starts the service and waits until it has sent something.
func (d *desk) start() {
	d.t.Helper()
	d.want(0, "", "service", "start")
	d.want(0, "running", "service", "status")
	until(d.t, d.l, 90*time.Second, "events of the agent under Wine", func() bool {
		st, ok := d.status()
		return ok && st.Gateway.Connected && st.Gateway.EventsAcked > 0
	})
}

// TestWineServiceLife installs, starts, asks, reloads, boots, stops and uninstalls
// the service, with a gateway on Linux at the other end of mutual TLS.
func TestWineServiceLife(t *testing.T) {
	d := newDesk(t, "")
	startGateway(t, d.l)
	d.want(4, "not installed", "service", "status")
	d.install()
	d.start()
	if _, err := os.Stat(d.data("token.txt")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the token after enrolment: %v; want it gone", err)
	}
	d.want(0, `"bound_by"`, "privacy", "show", "--json")
	d.want(0, `\\`+d.user, "privacy", "whoami", "--json") // the pipe tells who asks
	d.imagePath()
	d.reload()
	d.boot()
	d.want(0, "", "service", "stop")
	d.want(4, "stopped", "service", "status")
	d.want(4, "not running", "status")
	if n := gatewayTotals(t, d.l); n.Lost != 0 || n.Duplicates != 0 || n.Kinds["device"] == 0 {
		t.Errorf("gateway: %d lost, %d duplicates, kinds %v; want 0, 0 and the device", n.Lost, n.Duplicates, n.Kinds)
	}
	d.want(0, "", "service", "uninstall")
	d.want(4, "not installed", "service", "status")
	if _, err := os.Stat(d.data("state/spool")); err != nil {
		t.Errorf("the state after uninstall: %v; want it kept", err)
	}
}

// imagePath looks at what the manager starts.
func (d *desk) imagePath() {
	d.t.Helper()
	out, _ := d.program("reg", "query", `HKLM\SYSTEM\CurrentControlSet\Services\discreet-agent`, "/v", "ImagePath")
	if want := `"C:\Program Files\Discreet\discreet-agent.exe" run --service`; !strings.Contains(out, want) {
		d.t.Errorf("image path = %s; want %s", out, want)
	}
}

// reload writes settings while the agent runs.
func (d *desk) reload() {
	d.t.Helper()
	if err := os.MkdirAll(d.data("conf.d"), 0o700); err != nil {
		d.t.Fatal(err)
	}
	if err := os.WriteFile(d.data("conf.d/10.yaml"), []byte("privacy: {logons: drop}\n"), 0o600); err != nil {
		d.t.Fatal(err)
	}
	until(d.t, d.l, 30*time.Second, "the new policy", func() bool {
		out, code := d.run("privacy", "show", "--json")
		return code == 0 && strings.Contains(out, `10.yaml:1`)
	})
}

// boot ends every program of this Windows, as a loss of power, and starts it again:
// the service comes by itself.
func (d *desk) boot() {
	d.t.Helper()
	server := "/usr/lib/wine/wineserver64"
	for _, arg := range []string{"-k", "-w"} {
		if err := exec.Command(server, arg).Run(); err != nil {
			d.t.Fatalf("wineserver %s: %v", arg, err)
		}
	}
	awake := exec.Command(d.wine, "cmd") // a program of a user, which keeps the services up
	in, err := awake.StdinPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	if err := awake.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { in.Close(); _ = awake.Wait() })
	until(d.t, d.l, 60*time.Second, "the service after a boot", func() bool {
		st, ok := d.status()
		return ok && st.Gateway.Connected
	})
}

// TestWineCanary lets a program run whose name and folder name the account, and
// finds none of it, nor the account's number, in what the agent and the gateway
// wrote.
func TestWineCanary(t *testing.T) {
	d := newDesk(t, "privacy: {processes: each}\n")
	startGateway(t, d.l)
	d.install()
	d.start()
	tool := filepath.Join(d.drive, "users", d.user, "Documents", d.user+" private", d.user+"-tool.exe")
	d.copy(tool, d.agent)
	// It watches what leaves, as its user may, long enough for a look of any rung.
	if out, code := d.program(tool, "privacy", "preview", "--for", "15s", "--json"); code != 0 {
		t.Fatalf("run the program: exit %d: %s", code, out)
	}
	until(t, d.l, 30*time.Second, "the start of the program, without its names", func() bool {
		return slices.ContainsFunc(events(t, d.l), func(e stored) bool {
			return strings.Contains(string(e.Event), `"<user>\\…\\<id>-tool.exe"`)
		})
	})
	st, _ := d.status()
	t.Logf("kinds at the gateway: %v, collectors: %v", gatewayTotals(t, d.l).Kinds, st.Collectors)
	d.want(0, "", "service", "stop")
	names := []string{d.user, "S-1-5-21-0-0-0-1000"}
	control := t.TempDir()
	if err := os.WriteFile(filepath.Join(control, "control"), []byte(`C:\Users\`+d.user+` S-1-5-21-0-0-0-1000`), 0o600); err != nil {
		t.Fatal(err)
	}
	if hits, err := lab.Scan(names, control); err != nil || len(hits) != len(names) {
		t.Fatalf("the search does not find the control: %d hits, %v", len(hits), err)
	}
	for _, dir := range []string{d.data("state"), d.l.StoreDir(), d.l.Path("gateway.log")} {
		hits, err := lab.Scan(names, dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range hits {
			t.Errorf("%s holds a name, in the form %s", h.File, h.Form)
		}
	}
}

// TestWineBatches sends a spool of real events in batches of one, each acknowledged
// and stored on Linux before it is freed under Wine. The spool is filled on Linux:
// its files are the same on every system, and programs start slowly under Wine.
// DISCREET_WINE_BATCHES says how many.
func TestWineBatches(t *testing.T) {
	const settings = "privacy: {processes: each}\n"
	d := newDesk(t, settings)
	count := int64(200)
	if text := os.Getenv("DISCREET_WINE_BATCHES"); text != "" {
		var err error
		if count, err = strconv.ParseInt(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	d.fill(count, settings)
	yaml, err := os.ReadFile(d.l.Path("gateway.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.l.Write("gateway.yaml", string(yaml)+"limits: {max_batch_events: 1}\n"); err != nil {
		t.Fatal(err)
	}
	startGateway(t, d.l)
	d.install()
	began := time.Now()
	d.start()
	until(t, d.l, 5*time.Minute, "all batches", func() bool { return gatewayTotals(t, d.l).Events >= count })
	took := time.Since(began)
	st, _ := d.status()
	d.want(0, "", "service", "stop")
	n := gatewayTotals(t, d.l)
	t.Logf("%d batches of one event in %.1f s from the start of the service on: %d lost, %d duplicates, %d sent again", n.Events, took.Seconds(), n.Lost, n.Duplicates, n.Skipped)
	if n.Events < count || n.Lost != 0 || n.Duplicates != 0 || st.Spool.Lost != 0 {
		t.Errorf("stored %d, lost %d at the gateway and %d at the agent, duplicates %d; want %d or more and 0, 0, 0", n.Events, n.Lost, st.Spool.Lost, n.Duplicates, count)
	}
}

// fill collects at least count events on Linux, without a gateway, and moves the
// spool to the Windows.
func (d *desk) fill(count int64, settings string) {
	d.t.Helper()
	if err := d.l.Write("agent.yaml", d.l.AgentYAML()+settings); err != nil {
		d.t.Fatal(err)
	}
	a := startAgent(d.t, d.l)
	until(d.t, d.l, 30*time.Second, "the agent on Linux", func() bool { _, err := agentStatus(d.t, d.l); return err == nil })
	until(d.t, d.l, 5*time.Minute, "enough events", func() bool {
		for range 50 {
			_ = exec.Command("/bin/true").Run()
		}
		st, err := agentStatus(d.t, d.l)
		return err == nil && st.Spool.Events >= count
	})
	if err := a.Stop(30 * time.Second); err != nil {
		d.t.Fatal(err)
	}
	files, err := filepath.Glob(d.l.Path("agent/spool/*"))
	if err != nil || len(files) == 0 {
		d.t.Fatalf("no spool to move: %v", err)
	}
	for _, f := range files {
		d.copy(d.data("state/spool/"+filepath.Base(f)), f)
	}
}
