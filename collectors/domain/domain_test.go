package domain

import (
	"context"
	"errors"
	"testing"

	"github.com/discreet-agent/discreet/collectors"
)

func TestSaysWhereItHasNoSource(t *testing.T) {
	c, err := Spec.New(collectors.Env{})
	if len(Spec.Rungs) > 0 {
		if c == nil || err != nil {
			t.Errorf("New() = %v, %v; want a collector", c, err)
		}
		return
	}
	if c != nil || !errors.Is(err, collectors.ErrUnsupported) {
		t.Errorf("New() = %v, %v; want nil, %v", c, err, collectors.ErrUnsupported)
	}
}

// fake is a source that hands out what it is given, each list before a flush.
type fake struct {
	packets [][]packet
	gone    uint64
	closed  bool
}

func (f *fake) read(ctx context.Context, take func(*packet), _ func(program), flush func(int64) error) error {
	now := int64(0)
	for _, list := range f.packets {
		for i := range list {
			take(&list[i])
			now = list[i].at
		}
		if err := flush(now); err != nil {
			return err
		}
	}
	return nil
}

func (f *fake) lost() (uint64, error) {
	n := f.gone
	f.gone = 0
	return n, nil
}

func (f *fake) unixNano(at int64) int64 { return at }

func (f *fake) Close() error {
	f.closed = true
	return nil
}
