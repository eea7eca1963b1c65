package device

import (
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
)

// rungs: sysctl, and for the serial number the I/O registry.
var rungs = []eventv1.Rung{eventv1.Rung_RUNG_NATIVE}

// describe asks sysctl(3), and for the serial number, where it may leave, the I/O
// registry. Whether a management service rules the machine only another program
// tells: it stays empty.
func describe(env collectors.Env, d *eventv1.Device) error {
	d.System = eventv1.System_SYSTEM_MACOS
	d.Version, d.Build, d.Kernel = ask("kern.osproductversion"), ask("kern.osversion"), ask("kern.osrelease")
	d.Maker, d.Model, d.Cpu = "Apple", ask("hw.model"), ask("machdep.cpu.brand_string")
	if n, err := unix.SysctlUint64("hw.memsize"); err == nil {
		d.MemoryBytes = n
	}
	if n, err := unix.SysctlUint32("kern.hv_vmm_present"); err == nil {
		d.Virtual = n != 0
	}
	switch {
	case d.Virtual:
		d.Chassis = virtual
	case strings.Contains(d.Model, "Book"):
		d.Chassis = laptop
	case strings.HasPrefix(d.Model, "iMac"), strings.HasPrefix(d.Model, "Macmini"), strings.HasPrefix(d.Model, "MacPro"):
		d.Chassis = desktop
	default:
		d.Chassis = other // since 2022 models are called MacN,N, whatever they are
	}
	if env.Keeps(privacyv1.Class_DEVICE_SERIAL) {
		d.Serial = serialNumber()
	}
	if boot, err := unix.SysctlTimeval("kern.boottime"); err == nil {
		d.BootDay = dayOf(time.Unix(boot.Sec, 0))
	}
	var fs unix.Statfs_t
	if unix.Statfs("/", &fs) == nil {
		d.DiskBytes = fs.Blocks * uint64(fs.Bsize)
	}
	return nil
}

func ask(name string) string {
	s, err := unix.Sysctl(name)
	if err != nil {
		return ""
	}
	return tidy(s)
}
