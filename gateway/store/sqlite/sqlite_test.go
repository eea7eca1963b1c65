package sqlite

import (
	"context"
	"testing"
	"time"

	"github.com/discreet-agent/discreet/gateway"
	"github.com/discreet-agent/discreet/gateway/store/storetest"
)

// open opens the store in dir at the suite's present time.
func open(t testing.TB, dir string, o Options) *Store {
	t.Helper()
	if o.Now == nil {
		o.Now = func() time.Time { return storetest.Now }
	}
	s, err := Open(context.Background(), dir, o)
	if err != nil {
		t.Fatalf("Open() = %v; want nil", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close() = %v; want nil", err)
		}
	})
	return s
}

func TestSuite(t *testing.T) {
	storetest.Run(t, func(t *testing.T, dir string) gateway.Store { return open(t, dir, Options{}) })
}

// TestSuiteFewFiles runs the suite with fewer open files than days.
func TestSuiteFewFiles(t *testing.T) {
	storetest.Run(t, func(t *testing.T, dir string) gateway.Store { return open(t, dir, Options{OpenDays: 2}) })
}
