package device

import (
	"context"
	"log/slog"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
)

func testEnv(keeps func(privacyv1.Class) bool) collectors.Env {
	return collectors.Env{
		Log: slog.New(slog.DiscardHandler), Stats: new(collectors.Stats), Keeps: keeps,
		Asset: collectors.Asset{ID: "A-17", Tags: []string{"pilot"}}, Version: "1.2.3",
	}
}

func all(privacyv1.Class) bool  { return true }
func none(privacyv1.Class) bool { return false }

// TestThisMachine asks the real system.
func TestThisMachine(t *testing.T) {
	c, err := New(testEnv(all))
	if err != nil {
		t.Fatal(err)
	}
	d, err := c.(*Collector).look()
	if err != nil {
		t.Fatal(err)
	}
	host, _ := os.Hostname()
	if d.GetName() != host || d.GetAssetId() != "A-17" || len(d.GetTags()) != 1 || d.GetAgentVersion() != "1.2.3" {
		t.Errorf("look() = %v; want the names that the machine has", d)
	}
	if d.GetKernel() == "" || d.GetVersion() == "" || d.GetCores() == 0 || d.GetMemoryBytes() == 0 || d.GetDiskBytes() == 0 {
		t.Errorf("look() = %v; want kernel, version, cores, memory and disk", d)
	}
	if today := dayOf(time.Now()); d.GetBootDay() == 0 || d.GetBootDay() > today {
		t.Errorf("boot day = %d; want one up to today, %d", d.GetBootDay(), today)
	}
}

func TestWhatThePolicyDropsIsNotRead(t *testing.T) {
	c, err := New(testEnv(none))
	if err != nil {
		t.Fatal(err)
	}
	d, err := c.(*Collector).look()
	if err != nil {
		t.Fatal(err)
	}
	if d.GetName() != "" || d.GetSerial() != "" || len(d.GetAddresses()) != 0 {
		t.Error("look() read name, serial or addresses; want none of them")
	}
}

func TestSaysWhenSomethingChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var disk atomic.Uint64
		disk.Store(1)
		c := &Collector{testEnv(none), func(_ collectors.Env, d *eventv1.Device) error {
			d.DiskBytes = disk.Load()
			return nil
		}}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		var got []uint64
		go func() {
			done <- c.Run(ctx, func(e *eventv1.Event) { got = append(got, e.GetDevice().GetDiskBytes()) })
		}()
		time.Sleep(3*lookEvery + time.Minute)
		synctest.Wait()
		disk.Store(2)
		time.Sleep(2 * lookEvery)
		synctest.Wait()
		stop()
		if err := <-done; err != nil {
			t.Errorf("Run() = %v; want nil", err)
		}
		if len(got) != 2 || got[0] != 1 || got[1] != 2 {
			t.Errorf("reported %v; want [1 2]", got)
		}
	})
}

func TestParseOSRelease(t *testing.T) {
	got := parseOSRelease("# comment\nNAME=\"Debian GNU/Linux\"\nVERSION_ID='12'\nBUILD_ID=rolling\nbroken\n")
	for key, want := range map[string]string{"NAME": "Debian GNU/Linux", "VERSION_ID": "12", "BUILD_ID": "rolling"} {
		if got[key] != want {
			t.Errorf("parseOSRelease()[%s] = %q; want %q", key, got[key], want)
		}
	}
}

func TestParseCPUInfo(t *testing.T) {
	tests := []struct {
		name, in, model string
		virtual         bool
	}{
		{"laptop", "model name\t: Some CPU  @ 2.5\nflags\t: fpu vme\n", "Some CPU @ 2.5", false},
		{"guest", "model name\t: Some CPU\nflags\t: fpu hypervisor sse\n", "Some CPU", true},
		{"arm", "processor\t: 0\nFeatures\t: fp asimd\n", "", false},
		{"empty", "", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if model, virtual := parseCPUInfo(tt.in); model != tt.model || virtual != tt.virtual {
				t.Errorf("parseCPUInfo(%q) = %q, %v; want %q, %v", tt.in, model, virtual, tt.model, tt.virtual)
			}
		})
	}
}

func TestTidy(t *testing.T) {
	for in, want := range map[string]string{
		" LENOVO \n": "LENOVO", "To Be Filled By O.E.M.": "", "Default string": "", "a\x00\x01b": "a b",
		"20XW\t00": "20XW 00", "": "",
	} {
		if got := tidy(in); got != want {
			t.Errorf("tidy(%q) = %q; want %q", in, got, want)
		}
	}
}

func TestChassis(t *testing.T) {
	for code, want := range map[uint64]string{0: other, 3: desktop, 9: laptop, 10: laptop, 10 | 0x80: laptop, 23: server, 30: tablet, 200: other} {
		if got := chassisOf(code); got != want {
			t.Errorf("chassisOf(%d) = %q; want %q", code, got, want)
		}
	}
}

// table is an SMBIOS table: a BIOS, a system with a serial, a chassis, the end.
var table = []byte("\x00\x05\x00\x00\x01Maker\x00\x00" +
	"\x01\x08\x01\x00\x01\x02\x00\x03Maker\x00Model\x00SER-1\x00\x00" +
	"\x03\x06\x02\x00\x01\x0aMaker\x00\x00" +
	"\x7f\x04\x03\x00\x00\x00")

func TestParseSMBIOS(t *testing.T) {
	if got := parseSMBIOS(table, true); got.serial != "SER-1" || got.chassis != 10 {
		t.Errorf("parseSMBIOS() = %q, %d; want SER-1, 10", got.serial, got.chassis)
	}
	if got := parseSMBIOS(table, false); got.serial != "" {
		t.Error("parseSMBIOS() read the serial unasked")
	}
}

func FuzzFacts(f *testing.F) {
	f.Add(table)
	f.Add([]byte("NAME=x\nmodel name: y\nflags: hypervisor\nMemTotal: 12 kB\nbtime 1\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if got := parseSMBIOS(b, true); len(got.serial) > 2*maxText {
			t.Errorf("serial of %d bytes; want it bounded", len(got.serial))
		}
		rawSMBIOS(b)
		parseOSRelease(string(b))
		if model, _ := parseCPUInfo(string(b)); len(model) > 3*maxText {
			t.Errorf("model of %d bytes; want it bounded", len(model))
		}
		parseMemTotal(string(b))
		parseBootTime(string(b))
	})
}
