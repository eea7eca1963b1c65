package focus

import (
	"errors"
	"testing"

	"github.com/discreet-agent/discreet/collectors"
)

func TestSaysThatItHasNoSource(t *testing.T) {
	c, err := Spec.New(collectors.Env{})
	if c != nil || !errors.Is(err, collectors.ErrUnsupported) {
		t.Errorf("New() = %v, %v; want nil, %v", c, err, collectors.ErrUnsupported)
	}
	if len(Spec.Rungs) != 0 {
		t.Errorf("Rungs = %v; want none", Spec.Rungs)
	}
}
