package logon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/collectors/bus"
	"github.com/discreet-agent/discreet/collectors/procfs"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// rungs: logind by its folder and its bus, else utmp.
var rungs = []eventv1.Rung{eventv1.Rung_RUNG_NATIVE}

// maxFile bounds a file that is read.
const maxFile = 4 << 20

// files is where sessions stand: a folder of systemd-logind, or a file that
// login programs write. Changes come through inotify.
type files struct {
	logind   string // the folder; empty: utmp is used
	bus      string // the address of the bus on which logind tells of locks
	utmp     string
	notify   *os.File
	proc     *procfs.Reader
	accounts *procfs.Accounts
}

// open takes systemd-logind's folder where systemd runs the device
// (sd_booted(3)), for newer systems keep no utmp; else utmp.
func open(env collectors.Env) (source, error) {
	if _, err := os.Stat("/run/systemd/system"); err == nil {
		return openFiles(env, "/run/systemd/sessions", "")
	}
	utmp := "/run/utmp"
	if _, err := os.Stat(utmp); err != nil {
		utmp = "/var/run/utmp"
	}
	return openFiles(env, "", utmp)
}

func openFiles(env collectors.Env, logind, utmp string) (*files, error) {
	f := &files{logind: logind, utmp: utmp, bus: bus.System, proc: procfs.NewReader(env.ProcRoot), accounts: procfs.NewAccounts("")}
	watched, mask := utmp, uint32(unix.IN_MODIFY|unix.IN_CLOSE_WRITE)
	if logind != "" {
		watched, mask = logind, unix.IN_MOVED_TO|unix.IN_CREATE|unix.IN_CLOSE_WRITE|unix.IN_DELETE
	}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("watch sessions: %w", err)
	}
	f.notify = os.NewFile(uintptr(fd), "inotify")
	if _, err := unix.InotifyAddWatch(fd, watched, mask); err != nil {
		f.close()
		if errors.Is(err, unix.ENOENT) {
			return nil, fmt.Errorf("neither systemd-logind nor utmp is here: %w", collectors.ErrUnsupported)
		}
		if errors.Is(err, unix.EACCES) {
			return nil, fmt.Errorf("watch sessions: %w: %w", collectors.ErrDenied, err)
		}
		return nil, fmt.Errorf("watch sessions: %w", err)
	}
	return f, nil
}

func (f *files) close() { f.notify.Close() }

func (f *files) sessions() (map[string]session, error) {
	if f.logind == "" {
		b, err := head(f.utmp)
		if err != nil {
			return nil, fmt.Errorf("read utmp: %w", err)
		}
		open := sessionsOf(parseRecords(b, utmpLayout), f.ssh)
		for name, s := range open {
			s.sid = f.accounts.ID(s.user)
			open[name] = s
		}
		return open, nil
	}
	entries, err := os.ReadDir(f.logind)
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	open := make(map[string]session)
	for _, e := range entries {
		if !e.Type().IsRegular() || e.Name()[0] == '.' { // pipes, and files half written
			continue
		}
		b, err := head(filepath.Join(f.logind, e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read a session: %w", err)
		}
		if s, ok := parseLogind(string(b)); ok {
			open[e.Name()] = s
		}
	}
	return open, nil
}

// ssh reports whether a process is an ssh server's.
func (f *files) ssh(pid uint32) bool {
	stat, err := f.proc.Stat(pid)
	return err == nil && len(stat.Name) >= 4 && string(stat.Name[:4]) == "sshd"
}

// gather is how long changes are let come before they are looked at: a logon
// writes its file several times.
const gather = 200 * time.Millisecond

func (f *files) wait(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = f.notify.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	var buf [4096]byte
	_, err := f.notify.Read(buf[:])
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return fmt.Errorf("watch sessions: %w", err)
	}
	// What comes meanwhile is read by the next wait, which costs one look more.
	select {
	case <-ctx.Done():
	case <-time.After(gather):
	}
	return nil
}

func (f *files) booted() time.Time {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) != nil {
		return time.Time{}
	}
	return time.Now().Add(-time.Duration(ts.Nano()))
}

// head reads a file up to its bound.
func head(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, maxFile))
}
