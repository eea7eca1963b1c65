package logon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// rungs: the file of sessions, utmpx.
var rungs = []eventv1.Rung{eventv1.Rung_RUNG_NATIVE}

const (
	utmpxPath = "/var/run/utmpx"
	// lookEvery: the file is small, and half a minute is finer than any level
	// but one lets out.
	lookEvery = 30 * time.Second
	maxFile   = 4 << 20
)

// utmpx reads the file of sessions.
type utmpx struct{}

func open(collectors.Env) (source, error) {
	if _, err := os.Stat(utmpxPath); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the file of sessions is not here: %w", collectors.ErrUnsupported)
	}
	return utmpx{}, nil
}

func (utmpx) close() {}

func (utmpx) sessions() (map[string]session, error) {
	file, err := os.Open(utmpxPath)
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("read sessions: %w: %w", collectors.ErrDenied, err)
	}
	if err != nil {
		return nil, fmt.Errorf("read sessions: %w", err)
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, maxFile))
	if err != nil {
		return nil, fmt.Errorf("read sessions: %w", err)
	}
	// A session with a host on a terminal is ssh's: screen sharing writes none.
	return sessionsOf(parseRecords(b, utmpxDarwin), func(uint32) bool { return true }), nil
}

func (utmpx) wait(ctx context.Context) error {
	timer := time.NewTimer(lookEvery)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
	return nil
}

func (utmpx) booted() time.Time {
	boot, err := unix.SysctlTimeval("kern.boottime")
	if err != nil {
		return time.Time{}
	}
	return time.Unix(boot.Sec, 0)
}
