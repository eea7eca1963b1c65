// Package lab runs both programs on loopback for the demonstration and for the
// tests of both together: a throw-away authority, a gateway with its embedded
// store, an agent. It starts processes, stops only those, and keeps all files
// below one folder.
package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Lab is a gateway and an agent in one folder.
type Lab struct {
	Dir     string // absolute
	Bin     string // the folder with both programs
	Address string // of the gateway
}

// New makes the folder and picks a free port of the loopback.
func New(dir, bin string) (*Lab, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if bin, err = filepath.Abs(bin); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer l.Close()
	return &Lab{Dir: dir, Bin: bin, Address: l.Addr().String()}, nil
}

// Path returns the absolute name of a file of the lab.
func (l *Lab) Path(name string) string { return filepath.Join(l.Dir, name) }

// StoreDir is where the gateway keeps its databases.
func (l *Lab) StoreDir() string { return l.Path("gateway/store") }

// Write writes a file of the lab by rename, so that a reader sees the old or the
// new one whole.
func (l *Lab) Write(name, text string) error {
	tmp := l.Path(name) + ".new"
	if err := os.WriteFile(tmp, []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, l.Path(name))
}

// Setup writes gateway.yaml, makes the authority and a token for uses devices.
func (l *Lab) Setup(ctx context.Context, uses int) error {
	if err := l.Write("gateway.yaml", fmt.Sprintf("schema: 1\nlisten: %s\ndata_dir: %s\n", l.Address, l.Path("gateway"))); err != nil {
		return err
	}
	if _, err := l.Gateway(ctx, "ca", "init", "--host", "127.0.0.1", "--host", "localhost"); err != nil {
		return err
	}
	_, err := l.Gateway(ctx, "token", "create", "--uses", fmt.Sprint(uses), "--group", "lab", "--out", l.Path("token"))
	return err
}

// AgentYAML returns the start of an agent.yaml for this lab; the caller appends
// its privacy section and more.
func (l *Lab) AgentYAML() string {
	return fmt.Sprintf(`schema: 1
gateway:
  address: %s
  token_file: %s
state_dir: %s
run_dir: %s
spool: {flush: 1s, min_free: 16MiB}
`, l.Address, l.Path("token"), l.Path("agent"), l.Path("run"))
}

// output runs a program to its end and returns what it printed.
func (l *Lab) output(ctx context.Context, program, config string, args []string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(l.Bin, program), append(args, "--config", l.Path(config))...)
	var errText strings.Builder
	cmd.Stderr = &errText
	out, err := cmd.Output()
	if err != nil {
		return string(out), fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, strings.TrimSpace(errText.String()))
	}
	return string(out), nil
}

// Gateway runs a gateway command and returns what it printed.
func (l *Lab) Gateway(ctx context.Context, args ...string) (string, error) {
	return l.output(ctx, "discreet-gateway", "gateway.yaml", args)
}

// GatewayJSON runs a gateway command and decodes what it printed.
func (l *Lab) GatewayJSON(ctx context.Context, v any, args ...string) error {
	out, err := l.Gateway(ctx, append(args, "--json")...)
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(out), v)
}

// Agent runs an agent command and returns what it printed.
func (l *Lab) Agent(ctx context.Context, args ...string) (string, error) {
	// Named, because the settings of a test may be broken.
	return l.output(ctx, "discreet-agent", "agent.yaml", append(args, "--run-dir", l.Path("run")))
}

// AgentJSON runs an agent command and decodes what it printed.
func (l *Lab) AgentJSON(ctx context.Context, v any, args ...string) error {
	out, err := l.Agent(ctx, append(args, "--json")...)
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(out), v)
}

// Proc is a process that the lab started.
type Proc struct {
	Cmd  *exec.Cmd
	once sync.Once
	done chan struct{}
	err  error
}

// start starts a program with its log appended to logFile.
func (l *Lab) start(program, config, logFile string, args []string) (*Proc, error) {
	log, err := os.OpenFile(l.Path(logFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(filepath.Join(l.Bin, program), append(args, "--config", l.Path(config))...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &Proc{Cmd: cmd, done: make(chan struct{})}
	go func() { p.err = cmd.Wait(); close(p.done) }()
	return p, nil
}

// StartGateway starts the gateway and waits until it listens.
func (l *Lab) StartGateway(ctx context.Context) (*Proc, error) {
	p, err := l.start("discreet-gateway", "gateway.yaml", "gateway.log", []string{"serve"})
	if err != nil {
		return nil, err
	}
	return p, l.Until(ctx, 20*time.Second, "the gateway to listen", func() bool {
		c, err := net.DialTimeout("tcp", l.Address, time.Second)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// StartAgent starts the agent, quick to deliver.
func (l *Lab) StartAgent(args ...string) (*Proc, error) {
	return l.start("discreet-agent", "agent.yaml", "agent.log", append([]string{"run", "--linger", "200ms", "--first-reconnect", "200ms"}, args...))
}

// Until waits for a condition, looking ten times a second.
func (l *Lab) Until(ctx context.Context, limit time.Duration, what string, done func() bool) error {
	ctx, stop := context.WithTimeout(ctx, limit)
	defer stop()
	for !done() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited %s for %s", limit, what)
		case <-time.After(100 * time.Millisecond):
		}
	}
	return nil
}

// Stop asks the process to stop and waits for it; after grace it is killed.
func (p *Proc) Stop(grace time.Duration) error {
	if p == nil {
		return nil
	}
	_ = p.Cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
		return p.err
	case <-time.After(grace):
		p.Kill()
		return errors.New("did not stop in time and was killed")
	}
}

// Kill ends the process at once, as a crash would.
func (p *Proc) Kill() {
	p.once.Do(func() { _ = p.Cmd.Process.Kill() })
	<-p.done
}

// Running reports whether the process has not ended.
func (p *Proc) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}
