package example

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// TestRealSource asks this machine.
func TestRealSource(t *testing.T) {
	v, err := version()
	if errors.Is(err, collectors.ErrUnsupported) {
		t.Skipf("version() = %v", err)
	}
	if err != nil || v == "" {
		t.Errorf("version() = %q, %v; want the version that is installed", v, err)
	}
}

func TestReportsChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var installed atomic.Value
		installed.Store("2025a")
		c := &Collector{collectors.Env{Stats: new(collectors.Stats)}, func() (string, error) { return installed.Load().(string), nil }}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		var got []string
		go func() {
			done <- c.Run(ctx, func(e *eventv1.Event) {
				s := e.GetSoftware()
				got = append(got, s.GetVersion()+" "+s.GetChange().String())
			})
		}()
		time.Sleep(3*lookEvery + time.Minute) // nothing changes
		synctest.Wait()
		installed.Store("2025b")
		time.Sleep(lookEvery)
		synctest.Wait()
		stop()
		if err := <-done; err != nil {
			t.Errorf("Run() = %v after ctx was done; want nil", err)
		}
		want := []string{"2025a SOFTWARE_CHANGE_PRESENT", "2025b SOFTWARE_CHANGE_UPDATED"}
		if !slices.Equal(got, want) {
			t.Errorf("reported %q; want %q", got, want)
		}
	})
}

func TestMissingSourceEndsIt(t *testing.T) {
	c := &Collector{collectors.Env{Stats: new(collectors.Stats)}, func() (string, error) { return "", collectors.ErrUnsupported }}
	err := c.Run(t.Context(), func(*eventv1.Event) { t.Error("emitted without a source") })
	if !errors.Is(err, collectors.ErrUnsupported) {
		t.Errorf("Run() = %v; want %v", err, collectors.ErrUnsupported)
	}
}

func TestParseVersion(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"Linux", "# version 2025b\n# This zic input file is in the public domain.\n", "2025b"},
		{"macOS", "2025b\n", "2025b"},
		{"another comment", "# tzdata\n", ""},
		{"empty", "", ""},
		{"binary", "TZif2\x00\x00", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := parseVersion(tt.in); got != tt.want {
				t.Errorf("parseVersion(%q) = %q; want %q", tt.in, got, tt.want)
			}
		})
	}
}

func FuzzParseVersion(f *testing.F) {
	f.Add("# version 2025b\n")
	f.Fuzz(func(t *testing.T, in string) {
		if got := parseVersion(in); len(got) > 16 {
			t.Errorf("parseVersion(%q) = %q; want at most 16 bytes", in, got)
		}
	})
}
