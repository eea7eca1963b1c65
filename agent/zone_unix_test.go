//go:build unix

package agent

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestS39ZoneFollowsTheDevice: the zone is that of the file as it is now.
func TestS39ZoneFollowsTheDevice(t *testing.T) {
	link := filepath.Join(t.TempDir(), "localtime")
	last := ""
	for _, c := range []struct {
		zone   string
		offset int
	}{{"Asia/Tokyo", 9 * 3600}, {"Asia/Kathmandu", 5*3600 + 45*60}, {"Etc/UTC", 0}} {
		table := filepath.Join("/usr/share/zoneinfo", c.zone)
		if _, err := os.Stat(table); err != nil {
			t.Skipf("the machine has no table of zones: %v", err)
		}
		_ = os.Remove(link)
		if err := os.Symlink(table, link); err != nil {
			t.Fatal(err)
		}
		place, rules := zoneIn(link)
		if _, got := time.Now().In(place).Zone(); got != c.offset {
			t.Errorf("zoneIn(%s) is %d s from UTC; want %d", c.zone, got, c.offset)
		}
		if rules == "" || rules == last {
			t.Errorf("zoneIn(%s) has the rules of the zone before, or none", c.zone)
		}
		last = rules
	}
	broken := filepath.Join(t.TempDir(), "broken")
	if err := os.WriteFile(broken, []byte("TZif2 and no more"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{broken, filepath.Join(t.TempDir(), "missing")} {
		if got, _ := zoneIn(file); got != time.Local {
			t.Errorf("zoneIn(%s) is in %v; want time.Local", filepath.Base(file), got)
		}
	}
}
