package agent

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/discreet-agent/discreet/agent/uplink"
	"github.com/discreet-agent/discreet/collectors"
)

// recentLines bounds what Recent keeps: some 40 KiB at most.
const (
	recentLines  = 200
	recentFields = 12
	recentText   = 120
)

// LogLine is a line of the log as a support bundle tells it.
type LogLine struct {
	Time   time.Time  `json:"time"`
	Level  string     `json:"level"`
	Text   string     `json:"text"` // a constant of the program
	Fields []LogField `json:"fields,omitempty"`
}

// LogField is what stands beside a line: a number, a time, a word of a closed
// list, or the class of an error. Of anything else only its name is told.
type LogField struct {
	Name  string `json:"name"`
	Value string `json:"value,omitempty"`
}

// Recent is a log handler that hands every record on and keeps the last ones for
// the support bundle. It builds them anew from what is safe by its type: a text
// that came from outside, such as a path or an address, is never kept.
type Recent struct {
	next   slog.Handler
	kept   *recentRing
	fields []LogField // of With
}

// recentRing is shared by all handlers that come from one.
type recentRing struct {
	mu    sync.Mutex // guards lines
	lines []LogLine
}

// NewRecent returns a handler in front of next.
func NewRecent(next slog.Handler) *Recent { return &Recent{next: next, kept: &recentRing{}} }

// Lines returns the kept lines, oldest first. A nil Recent has none.
func (r *Recent) Lines() []LogLine {
	if r == nil {
		return nil
	}
	r.kept.mu.Lock()
	defer r.kept.mu.Unlock()
	return slices.Clone(r.kept.lines)
}

// Enabled asks the next handler.
func (r *Recent) Enabled(ctx context.Context, l slog.Level) bool { return r.next.Enabled(ctx, l) }

// Handle keeps the record and hands it on.
func (r *Recent) Handle(ctx context.Context, rec slog.Record) error {
	line := LogLine{Time: rec.Time.UTC().Truncate(time.Millisecond), Level: rec.Level.String(), Text: cut(rec.Message), Fields: slices.Clone(r.fields)}
	rec.Attrs(func(a slog.Attr) bool {
		line.Fields = append(line.Fields, told(a))
		return len(line.Fields) < recentFields
	})
	r.kept.mu.Lock()
	if len(r.kept.lines) >= recentLines {
		r.kept.lines = append(r.kept.lines[:0], r.kept.lines[1:]...)
	}
	r.kept.lines = append(r.kept.lines, line)
	r.kept.mu.Unlock()
	return r.next.Handle(ctx, rec)
}

// WithAttrs returns a handler that adds the attributes to every line.
func (r *Recent) WithAttrs(attrs []slog.Attr) slog.Handler {
	fields := slices.Clone(r.fields)
	for _, a := range attrs {
		if len(fields) < recentFields {
			fields = append(fields, told(a))
		}
	}
	return &Recent{r.next.WithAttrs(attrs), r.kept, fields}
}

// WithGroup returns a handler whose next one groups; the kept lines stay flat.
func (r *Recent) WithGroup(name string) slog.Handler {
	return &Recent{r.next.WithGroup(name), r.kept, r.fields}
}

// told builds what may be told of an attribute from its type.
func told(a slog.Attr) LogField {
	f := LogField{Name: cut(a.Key)}
	v := a.Value
	switch v.Kind() {
	case slog.KindBool, slog.KindInt64, slog.KindUint64, slog.KindDuration:
		f.Value = v.String()
	case slog.KindFloat64:
		f.Value = strconv.FormatFloat(v.Float64(), 'g', 6, 64)
	case slog.KindTime:
		f.Value = v.Time().UTC().Format(time.RFC3339)
	case slog.KindString:
		if a.Key == "collector" && slices.Contains(CollectorNames(), v.String()) {
			f.Value = v.String()
		}
	case slog.KindAny:
		switch x := v.Any().(type) {
		case uplink.Reason:
			if x.Text() != "" {
				f.Value = string(x)
			}
		case error:
			f.Value = errorClass(x)
		}
	}
	return f
}

// errorClass names an error by what it is, never by its text, which may hold a
// path or a name.
func errorClass(err error) string {
	var no syscall.Errno
	switch {
	case errors.As(err, &no):
		return "errno " + strconv.Itoa(int(no))
	case errors.Is(err, collectors.ErrUnsupported):
		return "unsupported"
	case errors.Is(err, collectors.ErrDenied):
		return "denied"
	case errors.Is(err, fs.ErrNotExist):
		return "does not exist"
	case errors.Is(err, fs.ErrPermission):
		return "permission"
	case errors.Is(err, context.DeadlineExceeded):
		return "deadline"
	case errors.Is(err, context.Canceled):
		return "canceled"
	}
	return "other"
}

// cut bounds a constant of the program, in case one is long.
func cut(s string) string {
	if len(s) > recentText {
		return s[:recentText]
	}
	return s
}
