//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	gopsnet "github.com/shirou/gopsutil/v3/net"
	gops "github.com/shirou/gopsutil/v3/process"
)

// The crowd that DESIGN.md's budget is for.
const (
	alive = 380
	held  = 100
)

// crowd starts sleepers until as many processes live, and holds connections on the
// loopback.
func (f *footprint) crowd() error {
	for range alive - processes() {
		if _, err := f.run("", nil, "sleep", "infinity"); err != nil {
			return err
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	f.ends = append(f.ends, func() { l.Close() })
	for range held {
		near, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			return err
		}
		far, err := l.Accept()
		if err != nil {
			return err
		}
		f.ends = append(f.ends, func() { near.Close(); far.Close() })
	}
	return nil
}

// processes returns how many there are.
func processes() int {
	all, _ := filepath.Glob("/proc/[1-9]*/stat")
	return len(all)
}

// helper runs the helper of a session on an X server of its own, for the agent with
// the laxest policy.
func (f *footprint) helper() error {
	if _, err := exec.LookPath("Xvfb"); err != nil {
		fmt.Println("  no helper of a session: Xvfb is not installed")
		return nil
	}
	display := fmt.Sprintf(":%d", 100+os.Getpid()%900)
	if _, err := f.run("", nil, "Xvfb", display, "-screen", "0", "800x600x24", "-nolisten", "tcp"); err != nil {
		return err
	}
	if err := f.pause(3 * time.Second); err != nil {
		return err
	}
	lax := f.all[1].lab
	_, err := f.run("session helper, X11", []string{"DISPLAY=" + display}, filepath.Join(f.first.Bin, "discreet-agent"), "session", "--run-dir", lax.Path("run"))
	return err
}

func (f *footprint) ticker() error { return f.self(bare, "ticker:") }
func (f *footprint) poller() error { return f.self(poll, "glance:") }

func (f *footprint) self(name, role string) error {
	w, err := watch(f.ctx, role)
	if err != nil {
		return err
	}
	f.ends = append(f.ends, func() { w.stop.Close(); _ = w.cmd.Wait() })
	f.all = append(f.all, &resident{name: name, pid: w.cmd.Process.Pid})
	return nil
}

// tick is the bare Go program.
func tick(ctx context.Context, ready func()) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	ready()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// glance is a poller as one writes it in an afternoon: every ten seconds all
// processes with what they used, and all connections.
func glance(ctx context.Context, ready func()) error {
	ready()
	for {
		list, _ := gops.ProcessesWithContext(ctx)
		for _, p := range list {
			_, _ = p.Name()
			_, _ = p.Times()
			_, _ = p.MemoryInfo()
		}
		_, _ = gopsnet.ConnectionsWithContext(ctx, "inet")
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(10 * time.Second):
		}
	}
}

// nodeExporter is asked every ten seconds, as its server would.
func (f *footprint) nodeExporter() error {
	path := installed("prometheus-node-exporter", "node_exporter")
	if path == "" {
		return nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	address := l.Addr().String()
	l.Close()
	if _, err := f.run("node_exporter, asked each 10 s", nil, path, "--web.listen-address="+address, "--log.level=error"); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(f.ctx)
	done := make(chan struct{})
	f.ends = append(f.ends, func() { stop(); <-done })
	go func() {
		defer close(done)
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(10 * time.Second):
			}
			if c, err := net.Dial("tcp", address); err == nil {
				_, _ = io.WriteString(c, "GET /metrics HTTP/1.0\r\n\r\n")
				_, _ = io.Copy(io.Discard, c)
				c.Close()
			}
		}
	}()
	return nil
}

// collectd counts processes and connections every ten seconds, into files.
func (f *footprint) collectd() error {
	path := installed("collectd")
	if path == "" {
		return nil
	}
	dir := filepath.Join(f.dir, "collectd")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	text := fmt.Sprintf("Interval 10\nBaseDir %q\nPIDFile %q\n", dir, dir+"/pid")
	// Where it was unpacked without being installed, its parts are beside it.
	if parts := filepath.Join(filepath.Dir(path), "../lib/collectd"); parts != "" {
		text += fmt.Sprintf("PluginDir %q\n", parts)
	}
	if types := filepath.Join(filepath.Dir(path), "../share/collectd/types.db"); types != "" {
		text += fmt.Sprintf("TypesDB %q\n", types)
	}
	for _, part := range []string{"cpu", "load", "memory", "interface", "processes", "tcpconns", "csv"} {
		text += "LoadPlugin " + part + "\n"
	}
	text += fmt.Sprintf("<Plugin csv>\n DataDir %q\n</Plugin>\n<Plugin tcpconns>\n AllPortsSummary true\n</Plugin>\n", dir)
	if err := os.WriteFile(dir+"/conf", []byte(text), 0o600); err != nil {
		return err
	}
	_, err := f.run("collectd, 10 s", nil, path, "-f", "-C", dir+"/conf")
	return err
}

// installed returns where the first of the programs is, or says that none is.
func installed(names ...string) string {
	for _, name := range names {
		for _, place := range []string{name, "/usr/sbin/" + name} {
			if path, err := exec.LookPath(place); err == nil {
				return path
			}
		}
	}
	fmt.Printf("  %s is not installed\n", names[0])
	return ""
}
