package focus

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// told plays sessions that tell these spans.
type told []collectors.Focused

func (s told) Focus(_ context.Context, _ collectors.Env, take func(collectors.Focused)) error {
	for _, f := range s {
		take(f)
	}
	return nil
}

func (told) Activity(context.Context, collectors.Env, func(collectors.Active)) error { return nil }

func TestOnlyTheServiceHearsFromSessions(t *testing.T) {
	if c, err := New(collectors.Env{}); c != nil || !errors.Is(err, collectors.ErrUnsupported) {
		t.Errorf("New() without sessions = %v, %v; want nil, %v", c, err, collectors.ErrUnsupported)
	}
}

// TestPartsOfSecondsAddUp: spans shorter than a second are kept for the next, for
// each program of each person.
func TestPartsOfSecondsAddUp(t *testing.T) {
	me := uint32(os.Getuid())
	sessions := told{
		{UID: me, App: "editor", Span: 700 * time.Millisecond},
		{UID: me + 1, App: "editor", Span: 900 * time.Millisecond},
		{UID: me, App: "editor", Span: 700 * time.Millisecond},
		{UID: me, App: "editor", Span: 2600 * time.Millisecond},
		{UID: me, App: "mail", Span: 30 * time.Second},
	}
	c, err := New(collectors.Env{Sessions: sessions, Stats: &collectors.Stats{}})
	if len(rungs) == 0 {
		t.Skip("no source on this system")
	}
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	if err := c.Run(t.Context(), func(ev *eventv1.Event) {
		f := ev.GetFocus()
		got = append(got, fmt.Sprintf("%s %d", f.GetProgram().GetName(), f.GetSeconds()))
	}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"editor 1", "editor 3", "mail 30"}; !slices.Equal(got, want) {
		t.Errorf("told %q; want %q", got, want)
	}
}
