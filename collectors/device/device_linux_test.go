package device

import (
	"os"
	"path/filepath"
	"testing"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
)

// TestFirmwareFiles brings its own /sys, as of a laptop.
func TestFirmwareFiles(t *testing.T) {
	sys := t.TempDir()
	dir := filepath.Join(sys, "class/dmi/id")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"sys_vendor": "LENOVO\n", "product_name": "20XW\n", "product_serial": "SER-1\n", "chassis_type": "10\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	proc := t.TempDir() // of a machine that is not virtual
	for _, tt := range []struct {
		name   string
		keeps  func(privacyv1.Class) bool
		serial string
	}{{"serial kept", all, "SER-1"}, {"serial dropped", none, ""}} {
		t.Run(tt.name, func(t *testing.T) {
			env := testEnv(tt.keeps)
			env.SysRoot, env.ProcRoot = sys, proc
			var d eventv1.Device
			if err := describe(env, &d); err != nil {
				t.Fatal(err)
			}
			if d.GetMaker() != "LENOVO" || d.GetModel() != "20XW" || d.GetChassis() != laptop || d.GetVirtual() || d.GetSerial() != tt.serial {
				t.Errorf("describe() = %v; want LENOVO 20XW, a laptop, serial %q", &d, tt.serial)
			}
		})
	}
}
