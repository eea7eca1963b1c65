package activity

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// told plays sessions that tell these spans.
type told []collectors.Active

func (s told) Activity(_ context.Context, _ collectors.Env, take func(collectors.Active)) error {
	for _, a := range s {
		take(a)
	}
	return nil
}

func (told) Focus(context.Context, collectors.Env, func(collectors.Focused)) error { return nil }

func TestOnlyTheServiceHearsFromSessions(t *testing.T) {
	if c, err := New(collectors.Env{}); c != nil || !errors.Is(err, collectors.ErrUnsupported) {
		t.Errorf("New() without sessions = %v, %v; want nil, %v", c, err, collectors.ErrUnsupported)
	}
}

// TestPartsOfSecondsAddUp: what is shorter than a second is kept for the person's
// next span.
func TestPartsOfSecondsAddUp(t *testing.T) {
	if len(rungs) == 0 {
		t.Skip("no source on this system")
	}
	c, err := New(collectors.Env{Stats: &collectors.Stats{}, Sessions: told{
		{UID: 1, Span: 700 * time.Millisecond}, {UID: 2, Span: 900 * time.Millisecond},
		{UID: 1, Span: 700 * time.Millisecond}, {UID: 2, Span: 30 * time.Second},
	}})
	if err != nil {
		t.Fatal(err)
	}
	var got []uint64
	if err := c.Run(t.Context(), func(ev *eventv1.Event) { got = append(got, ev.GetUserActivity().GetActiveSeconds()) }); err != nil {
		t.Fatal(err)
	}
	if want := []uint64{1, 30}; !slices.Equal(got, want) {
		t.Errorf("told %v; want %v", got, want)
	}
}
