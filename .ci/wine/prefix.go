package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// windows is one throw-away Windows and the X server that its windows are on.
type windows struct {
	dir    string   // holds all of it
	wine   string   // the loader, wine64
	server string   // the program that ends a prefix, wineserver
	env    []string // of every program run beside it
	xvfb   *exec.Cmd
	awake  *exec.Cmd      // the one program of a user that keeps the services up
	asleep io.WriteCloser // its standard input: closed, it ends
}

// account is who is logged on there. It is a word that stands nowhere else, so that
// tests can look for it.
const account = "quarxzoe"

// open makes the prefix and starts what it needs. The loader is called directly:
// the shell script that Debian puts before it complains about 32-bit programs on
// every call.
func open(ctx context.Context) (*windows, error) {
	w := &windows{}
	var err error
	if w.wine, err = first("/usr/lib/wine/wine64", "wine64"); err != nil {
		return nil, errAbsent
	}
	if w.server, err = first("/usr/lib/wine/wineserver64", "wineserver"); err != nil {
		return nil, errAbsent
	}
	if _, err := exec.LookPath("Xvfb"); err != nil {
		return nil, errAbsent
	}
	if w.dir, err = os.MkdirTemp("", "discreet-wine-"); err != nil {
		return nil, err
	}
	if err := w.start(ctx); err != nil {
		w.close(false)
		return nil, err
	}
	return w, nil
}

// first returns the first of some programs that is there.
func first(names ...string) (path string, err error) {
	for _, name := range names {
		if path, err = exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", err
}

func (w *windows) start(ctx context.Context) error {
	display, err := w.screen()
	if err != nil {
		return err
	}
	overlay, err := writeOverlay(w.dir)
	if err != nil {
		return err
	}
	// No display of errors, and no offer to fetch .NET and a browser at the start.
	w.env = append(os.Environ(), "WINEPREFIX="+w.prefix(), "WINEARCH=win64", "WINEDEBUG=-all",
		"WINEDLLOVERRIDES=mscoree,mshtml=", "DISPLAY="+display,
		"USER="+account, "LOGNAME="+account, "WINE_USER="+account,
		"WINE="+w.wine, "WINE_OVERLAY="+overlay, "DISCREET_WINE=1")
	if err := w.run(ctx, "wineboot", "-i"); err != nil {
		return err
	}
	dll := filepath.Join(w.prefix(), "drive_c", "windows", "system32", "bcryptprimitives.dll")
	if _, err := os.Stat(dll); os.IsNotExist(err) { // Wine 9 has its own
		if err := os.WriteFile(dll, standIn(), 0o644); err != nil {
			return err
		}
	}
	if err := w.run(ctx, "winecfg", "-v", "win10"); err != nil {
		return err
	}
	return w.stayAwake()
}

func (w *windows) prefix() string { return filepath.Join(w.dir, "prefix") }

// run runs one of Wine's own programs to its end.
func (w *windows) run(ctx context.Context, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, w.wine, args...)
	c.Env = w.env
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("wine %s: %w: %s", args[0], err, bytes.TrimSpace(out))
	}
	return nil
}

// screen starts an X server on a display that it picks itself, and returns the
// display's name.
func (w *windows) screen() (string, error) {
	r, pw, err := os.Pipe()
	if err != nil {
		return "", err
	}
	defer r.Close()
	w.xvfb = exec.Command("Xvfb", "-displayfd", "3", "-screen", "0", "1024x768x24", "-nolisten", "tcp", "-noreset")
	w.xvfb.ExtraFiles = []*os.File{pw}
	err = w.xvfb.Start()
	pw.Close()
	if err != nil {
		return "", err
	}
	// To the end of the line: it is written in parts, and a server that finds nobody
	// to read the rest gives up.
	number, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("start Xvfb: no display: %w", err)
	}
	return ":" + strings.TrimSpace(number), nil
}

// stayAwake keeps one program of a user alive: Wine stops its services when the
// last one ends. It is a shell that waits for a command.
func (w *windows) stayAwake() error {
	w.awake = exec.Command(w.wine, "cmd")
	w.awake.Env = w.env
	var err error
	if w.asleep, err = w.awake.StdinPipe(); err != nil {
		return err
	}
	return w.awake.Start()
}

// close ends what open started, and no more: the programs of this prefix by its
// own server, and this X server.
func (w *windows) close(keep bool) {
	if w.asleep != nil {
		w.asleep.Close()
		_ = w.awake.Wait()
	}
	if len(w.env) > 0 {
		for _, arg := range []string{"-k", "-w"} {
			c := exec.Command(w.server, arg)
			c.Env = w.env
			_ = c.Run()
		}
	}
	if w.xvfb != nil && w.xvfb.Process != nil {
		_ = w.xvfb.Process.Kill()
		_ = w.xvfb.Wait()
	}
	if keep {
		fmt.Println("the prefix is left in", w.prefix())
		return
	}
	if err := os.RemoveAll(w.dir); err != nil {
		fmt.Fprintln(os.Stderr, "wine:", err)
	}
}
