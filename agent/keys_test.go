package agent

import (
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/discreet-agent/discreet/configs"
	"github.com/discreet-agent/discreet/privacy"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// stamped keeps the key ids of what reaches the spool, and of what is in it.
type stamped struct {
	kept
	keys []string
}

func (s *stamped) Append(c privacy.Cleared) error {
	s.keys = append(s.keys, c.Stamp().KeyID)
	return s.kept.Append(c)
}

// keyed returns an agent with settings, whose pipeline ends in the result.
func keyed(t *testing.T, dir, pseudonym, rest string) (*Agent, *stamped) {
	t.Helper()
	file := filepath.Join(dir, "agent.yaml")
	text := fmt.Sprintf("schema: 1\nstate_dir: %s\nrun_dir: %s\nprivacy:\n  pseudonym: {%s}\n%s", dir, dir, pseudonym, rest)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	l := configs.NewLoader(configs.AgentPathsFor(file), "").Load()
	if l.OnlyHealth || l.Degraded {
		t.Fatalf("the settings of the test are refused: %v", l.Faults)
	}
	out := &stamped{kept: kept{t: t}}
	a := &Agent{log: slog.New(slog.DiscardHandler), loaded: l}
	a.pipe = newPipeline(a.log, out, time.Now)
	return a, out
}

func tenantKey(t *testing.T, dir string) string {
	t.Helper()
	secret, err := privacy.NewSecret()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "tenant.key")
	if err := os.WriteFile(file, []byte(hex.EncodeToString(secret)), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// namesIn returns every pseudonym in an event.
func namesIn(ev *eventv1.Event) (all []string) {
	text, _ := proto.Marshal(ev)
	for part := range strings.SplitSeq(string(text), "p1.") {
		if id, _, ok := strings.Cut(part, "."); ok && len(id) <= 16 && part != string(text) {
			all = append(all, id)
		}
	}
	return all
}

// TestS29KeysTurnWithoutMixing crosses the end of an epoch with summaries
// waiting: none is merged across it, and no event has another key id than its
// stamp, from which batches are cut.
func TestS29KeysTurnWithoutMixing(t *testing.T) {
	for _, mode := range []string{"device_key", "tenant_key"} {
		t.Run(mode, func(t *testing.T) {
			dir := t.TempDir()
			file := tenantKey(t, dir)
			synctest.Test(t, func(t *testing.T) { // the clock begins at 2000-01-01 UTC
				set := "mode: device_key, epoch: month"
				if mode == "tenant_key" {
					set = "mode: tenant_key, tenant_key_file: " + file + ", key_id: it1, epoch: month"
				}
				a, out := keyed(t, dir, set, "")
				a.keepEpoch(time.Now())
				turn := time.NewTimer(a.epochTimer(time.Now()))
				time.Sleep(30*24*time.Hour + 23*time.Hour + 59*time.Minute)
				emit := func() {
					a.pipe.emit(start(time.Now(), "/usr/bin/true"))
					system := start(time.Now(), "/usr/bin/true") // equal but for the key's id, and still not merged or lost
					system.GetProcessStart().User = &eventv1.User{Name: "root", Sid: "0"}
					a.pipe.emit(system)
				}
				emit()
				<-turn.C
				if got, want := time.Now().UTC(), time.Date(2000, 2, 1, 0, 0, 0, 0, time.UTC); !got.Equal(want) {
					t.Errorf("the timer of the epoch went off at %v; want %v", got, want)
				}
				a.keepEpoch(time.Now())
				emit()
				a.pipe.flushNow()
				checkKeys(t, out, "2000m01", "2000m01", "2000m02", "2000m02")
			})
		})
	}
}

// checkKeys compares the epochs of what went out, and each event's pseudonyms
// with its stamp.
func checkKeys(t *testing.T, out *stamped, want ...string) {
	t.Helper()
	var epochs []string
	named := 0
	for i, ev := range out.all() {
		epochs = append(epochs, out.keys[i][len(out.keys[i])-len("2000m01"):])
		for _, id := range namesIn(ev) {
			if named++; id != out.keys[i] {
				t.Errorf("event %d under key %s holds a pseudonym of key %s", i, out.keys[i], id)
			}
		}
	}
	if named == 0 {
		t.Errorf("no event has a pseudonym: the test proves nothing")
	}
	if !slices.Equal(epochs, want) {
		t.Errorf("epochs of what was sent = %v; want %v", epochs, want)
	}
}

// TestS29DeviceForgetsPastKeys: at the turn the device's key is replaced, and the
// old one is on no disk.
func TestS29DeviceForgetsPastKeys(t *testing.T) {
	dir := t.TempDir()
	a, _ := keyed(t, dir, "mode: device_key, epoch: year", "")
	for year := 2026; year < 2029; year++ {
		a.keepEpoch(time.Date(year, 6, 1, 0, 0, 0, 0, time.UTC))
		want := []privacy.Epoch{privacy.Epoch(fmt.Sprintf("%dy", year))}
		if got := deviceEpochs(dir); !slices.Equal(got, want) {
			t.Errorf("keys on the disk in %d = %v; want %v", year, got, want)
		}
	}
}

// TestBrokenSettingsForgetNoKey: settings that could not be read whole fall back
// to others, and those must not cost a key.
func TestBrokenSettingsForgetNoKey(t *testing.T) {
	dir := t.TempDir()
	a, _ := keyed(t, dir, "mode: device_key, epoch: year", "")
	a.keepEpoch(time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC))
	l := *a.loaded
	l.Degraded, l.Settings.Privacy.Pseudonym.Epoch = true, "none"
	a.refilter(&l, "")
	if got, want := deviceEpochs(dir), []privacy.Epoch{"2026y", ""}; !slices.Equal(got, want) {
		t.Errorf("keys on the disk = %v; want %v", got, want)
	}
}

// TestClockSetBack: a clock that goes back a little reopens nothing, not even
// over a restart; one that was far ahead is believed again, with a new key.
func TestClockSetBack(t *testing.T) {
	day := func(year, month, day int) time.Time {
		return time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
	}
	for _, row := range []struct {
		name      string
		was, now  time.Time
		restart   bool
		want      privacy.Epoch
		sameAgain bool // the key that was there before the jump
	}{
		{name: "forward", was: day(2026, 9, 30), now: day(2026, 10, 1), want: "2026q4"},
		{name: "back by an hour over the edge", was: day(2026, 10, 1), now: day(2026, 10, 1).Add(-time.Hour), want: "2026q4", sameAgain: true},
		{name: "the same, over a restart", was: day(2026, 10, 1), now: day(2026, 10, 1).Add(-time.Hour), restart: true, want: "2026q4", sameAgain: true},
		{name: "back within the epoch", was: day(2026, 12, 1), now: day(2026, 10, 2), want: "2026q4", sameAgain: true},
		{name: "back by years", was: day(2038, 1, 1), now: day(2026, 10, 2), want: "2026q4"},
		{name: "the same, over a restart, by years", was: day(2038, 1, 1), now: day(2026, 10, 2), restart: true, want: "2026q4"},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := t.TempDir()
			a, _ := keyed(t, dir, "mode: device_key, epoch: quarter", "")
			a.keepEpoch(row.was)
			before := a.keys.KeyID()
			if row.restart {
				a, _ = keyed(t, dir, "mode: device_key, epoch: quarter", "")
			}
			a.keepEpoch(row.now)
			if a.epoch != row.want || a.keys.Epoch() != row.want {
				t.Errorf("epoch = %s, of the key %s; want %s", a.epoch, a.keys.Epoch(), row.want)
			}
			if same := a.keys.KeyID() == before; same != row.sameAgain {
				t.Errorf("key id %s after %s; want the same: %t", a.keys.KeyID(), before, row.sameAgain)
			}
		})
	}
}

// TestKeyThatIsAwayComesBack: without the key names are dropped, and once it is
// there the next look finds it.
func TestKeyThatIsAwayComesBack(t *testing.T) {
	dir := t.TempDir()
	file := tenantKey(t, dir)
	a, _ := keyed(t, dir, "mode: tenant_key, tenant_key_file: "+file+", epoch: month", "")
	if err := os.Rename(file, file+".away"); err != nil {
		t.Fatal(err)
	}
	a.keepEpoch(time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC))
	if a.keys != nil || a.keyErr == "" {
		t.Errorf("without a key file: keys %v, error %q; want none and a reason", a.keys, a.keyErr)
	}
	if err := os.Rename(file+".away", file); err != nil {
		t.Fatal(err)
	}
	a.keepEpoch(time.Date(2026, 6, 1, 0, 5, 0, 0, time.UTC))
	if a.keys.Epoch() != "2026m06" || a.keyErr != "" {
		t.Errorf("with the key file back: epoch %q, error %q; want 2026m06 and none", a.keys.Epoch(), a.keyErr)
	}
}

// TestPastNames: a key from IT names the past as far back as the gateway keeps it.
func TestPastNames(t *testing.T) {
	dir := t.TempDir()
	file := tenantKey(t, dir)
	now := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	for _, row := range []struct {
		name, set string
		want      []string
	}{
		{"key from IT", "mode: tenant_key, tenant_key_file: " + file + ", key_id: it1, epoch: month", []string{"p1.it12026m10.", "p1.it12026m09."}},
		{"key that never changes", "mode: tenant_key, tenant_key_file: " + file + ", key_id: it1", nil},
		{"key of the device", "mode: device_key, epoch: month", nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			a, _ := keyed(t, dir, row.set, "  statement: {retention_days: 60}\n")
			a.keepEpoch(now)
			got := a.pastNames(a.loaded, person{uid: 1000, name: "jdoe"}, now)
			if len(got) != len(row.want) {
				t.Fatalf("pastNames = %q; want %q", got, row.want)
			}
			for i, prefix := range row.want {
				if !strings.HasPrefix(got[i], prefix) {
					t.Errorf("pastNames[%d] = %q; want %s…", i, got[i], prefix)
				}
			}
		})
	}
}
