package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/discreet-agent/discreet/agent/uplink"
	"github.com/discreet-agent/discreet/collectors"
)

const secretWord = "zz-canary-7f3a"

// TestS23LogLinesAreBuilt logs what must not get into a bundle in every type that
// an attribute can have, and finds what may.
func TestS23LogLinesAreBuilt(t *testing.T) {
	out := &bytes.Buffer{}
	r := NewRecent(slog.NewTextHandler(out, nil))
	log := slog.New(r)
	path := &fs.PathError{Op: "open", Path: "/home/" + secretWord, Err: syscall.EACCES}
	log.With("collector", "process", "of", secretWord).WithGroup("g").Warn("first", "err", fmt.Errorf("read: %w", path))
	log.Info("second", "text", secretWord, "list", []string{secretWord}, "error", errors.New(secretWord),
		"dns", &net.DNSError{Name: secretWord}, "reason", uplink.Reason(secretWord), "collector", secretWord, slog.Group("g", "x", secretWord))
	log.Info("third", "n", 7, "took", 3*time.Second, "ok", true, "share", 0.5, "reason", uplink.ReasonDNS,
		"at", time.Unix(0, 0), "denied", fmt.Errorf("%w: %s", collectors.ErrDenied, secretWord))
	log.Debug("not at this level")

	lines := r.Lines()
	b, err := json.Marshal(lines)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), secretWord) {
		t.Errorf("the kept lines hold what came from outside: %s", b)
	}
	if !strings.Contains(out.String(), secretWord) {
		t.Error("the next handler did not get the records")
	}
	want := [][]LogField{
		{{"collector", "process"}, {"of", ""}, {"err", fmt.Sprintf("errno %d", syscall.EACCES)}},
		{{"text", ""}, {"list", ""}, {"error", "other"}, {"dns", "other"}, {"reason", ""}, {"collector", ""}, {"g", ""}},
		{{"n", "7"}, {"took", "3s"}, {"ok", "true"}, {"share", "0.5"}, {"reason", "dns"}, {"at", "1970-01-01T00:00:00Z"}, {"denied", "denied"}},
	}
	if len(lines) != len(want) {
		t.Fatalf("%d lines are kept; want %d", len(lines), len(want))
	}
	for i, l := range lines {
		if !slices.Equal(l.Fields, want[i]) {
			t.Errorf("line %d = %v; want %v", i, l.Fields, want[i])
		}
	}
}

func TestRecentIsBounded(t *testing.T) {
	r := NewRecent(slog.DiscardHandler)
	r = &Recent{next: slog.NewTextHandler(&bytes.Buffer{}, nil), kept: r.kept}
	log := slog.New(r)
	many := []any{}
	for range 40 {
		many = append(many, strings.Repeat("k", 500), 1)
	}
	for i := range recentLines + 50 {
		log.Info(strings.Repeat("long ", 200), append([]any{"i", i}, many...)...)
	}
	lines := r.Lines()
	if len(lines) != recentLines || lines[0].Fields[0].Value != "50" {
		t.Errorf("%d lines are kept, from number %s; want %d, from 50", len(lines), lines[0].Fields[0].Value, recentLines)
	}
	if l := lines[0]; len(l.Text) > recentText || len(l.Fields) > recentFields || len(l.Fields[1].Name) > recentText {
		t.Errorf("a line has a text of %d and %d fields; want at most %d and %d", len(l.Text), len(l.Fields), recentText, recentFields)
	}
	if (*Recent)(nil).Lines() != nil {
		t.Error("a nil Recent has lines")
	}
}

func TestErrorClass(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"errno", &fs.PathError{Err: syscall.ENOENT}, "errno 2"},
		{"unsupported", fmt.Errorf("x: %w", collectors.ErrUnsupported), "unsupported"},
		{"missing", fs.ErrNotExist, "does not exist"},
		{"permission", fs.ErrPermission, "permission"},
	} {
		if got := errorClass(c.err); got != c.want {
			t.Errorf("errorClass(%s) = %q; want %q", c.name, got, c.want)
		}
	}
}

// TestS20LabelsAreAClosedSet: what status, health and bundle count by comes from
// lists of the code; all of them together are fewer than 200.
func TestS20LabelsAreAClosedSet(t *testing.T) {
	n := 0
	for name, list := range map[string][]string{
		"collectors": CollectorNames(), "states": States(), "rungs": Rungs(), "kinds": Kinds(), "losses": LossNames(),
	} {
		n += len(list)
		if len(list) == 0 {
			t.Errorf("%s: the list is empty", name)
		}
		for _, word := range list {
			if word == "" || strings.Trim(word, "abcdefghijklmnopqrstuvwxyz_0123456789") != "" {
				t.Errorf("%s: %q is not a word of the code", name, word)
			}
		}
	}
	if n >= 200 {
		t.Errorf("there are %d labels; want fewer than 200", n)
	}
	if got := LossName(9999); got != "unspecified" {
		t.Errorf("LossName(9999) = %q; want unspecified", got)
	}
}
