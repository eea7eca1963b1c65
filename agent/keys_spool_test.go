package agent

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/discreet-agent/discreet/agent/spool"
	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/privacy"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
)

// TestS29TightenOverATurn: events of two epochs wait on the disk; a stricter
// policy is applied to both, and each run still has one key and its own
// pseudonyms.
func TestS29TightenOverATurn(t *testing.T) {
	dir := t.TempDir()
	sp, err := spool.Open(spool.Options{Dir: dir + "/spool", MaxBytes: 64 << 20, MaxAge: time.Hour, Flush: time.Second, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer sp.Close()
	a, _ := keyed(t, dir, "mode: device_key, epoch: month", "  processes: each\n  program_path: cleartext\n")
	a.pipe = newPipeline(a.log, sp, time.Now)
	now := time.Now()
	months := []time.Time{now, now.AddDate(0, 2, 0)}
	for _, at := range months {
		a.keepEpoch(at)
		for range 3 {
			a.pipe.emit(start(now, "/usr/bin/true"))
		}
	}
	stricter, _ := a.loaded.Policy.With(privacy.ProgramPath, privacy.Drop)
	if err := sp.Sync(); err != nil {
		t.Fatal(err)
	}
	if _, changed, err := sp.Tighten(stricter); err != nil || changed != 6 {
		t.Fatalf("Tighten() changed %d, %v; want 6", changed, err)
	}
	var epochs []string
	for n := 0; n < 6; {
		item, err := sp.Next(t.Context(), 100, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		epochs = append(epochs, item.Stamp.KeyID[8:])
		n += len(item.Records)
		for _, rec := range item.Records {
			ev := &eventv1.Event{}
			if err := proto.Unmarshal(rec, ev); err != nil {
				t.Fatal(err)
			}
			if ids := namesIn(ev); len(ids) != 1 || ids[0] != item.Stamp.KeyID || ev.GetProcessStart().GetProgram().GetPath() != "" {
				t.Errorf("a record under key %s holds pseudonyms of %v; want one of that key, and no path", item.Stamp.KeyID, ids)
			}
		}
	}
	var want []string
	for _, at := range months {
		want = append(want, string(privacy.EpochOf("month", at)))
	}
	if got := slices.Compact(epochs); !slices.Equal(got, want) {
		t.Errorf("epochs of the runs = %v; want %v, one after the other", got, want)
	}
}

// asking is a collector that does nothing: what matters is when it is made.
type asking struct{}

func (c asking) Run(ctx context.Context, _ collectors.Emit) error {
	<-ctx.Done()
	return nil
}

// TestAccountsAreReadBeforeTheFirstEvent: when the first collector is made, the
// filter in force knows every account of a person that the system lists.
func TestAccountsAreReadBeforeTheFirstEvent(t *testing.T) {
	dir := t.TempDir()
	a, _ := keyed(t, dir, "mode: device_key", "  processes: each\n")
	looked := make(chan bool, 1)
	spec := collectors.Spec{Name: "process", Classes: []privacyv1.Class{privacyv1.Class_PROCESSES}, New: func(collectors.Env) (collectors.Collector, error) {
		a.pipe.mu.Lock()
		defer a.pipe.mu.Unlock()
		a.mu.Lock()
		defer a.mu.Unlock()
		looked <- a.pipe.filter != nil && slices.Equal(a.people, people())
		return asking{}, nil
	}}
	emitted := a.pipe.emit(start(time.Now(), "/usr/bin/true"))
	if emitted {
		t.Errorf("an event passed before there was a filter")
	}
	a.pauses, a.local = newPauses(dir), time.Now
	a.sups = []*supervisor{newSupervisor(a.log, spec, a.pipe.emit)}
	a.refilter(a.loaded, "")
	a.replan(t.Context())
	defer a.sups[0].halt()
	if !<-looked {
		t.Errorf("the first collector was made before the accounts were known")
	}
	for _, name := range append(slices.Clone(a.people), "zzunlisted") {
		ev := start(time.Now(), "/usr/bin/true")
		ev.GetProcessStart().Program.Name = name + "-tool"
		c, ok := a.pipe.filter.Apply(ev)
		if leaves := ok && strings.Contains(string(c.AppendTo(nil)), name+"-tool"); leaves != (name == "zzunlisted") {
			t.Errorf("the name of a program with an account in it leaves: %t; want only that of an account that was not listed", leaves)
		}
	}
}
