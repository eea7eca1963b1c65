package device

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
)

// rungs: /proc, /sys and os-release.
var rungs = []eventv1.Rung{eventv1.Rung_RUNG_NATIVE}

// maxFile bounds a file that is read; /proc/cpuinfo of a large server is the
// longest.
const maxFile = 1 << 20

// describe reads /proc, /sys and os-release. A file that is not there leaves its
// fields empty: a small board has no firmware table, a container no disk.
func describe(env collectors.Env, d *eventv1.Device) error {
	proc, sys := env.ProcRoot, env.SysRoot
	if proc == "" {
		proc = "/proc"
	}
	if sys == "" {
		sys = "/sys"
	}
	d.System = eventv1.System_SYSTEM_LINUX
	release := parseOSRelease(text("/etc/os-release"))
	if len(release) == 0 {
		release = parseOSRelease(text("/usr/lib/os-release"))
	}
	d.Version = tidy(release["NAME"] + " " + release["VERSION_ID"])
	d.Build = tidy(release["BUILD_ID"])
	d.Kernel = tidy(text(filepath.Join(proc, "sys/kernel/osrelease")))

	firmware := func(name string) string { return tidy(text(filepath.Join(sys, "class/dmi/id", name))) }
	d.Maker, d.Model = firmware("sys_vendor"), firmware("product_name")
	if env.Keeps(privacyv1.Class_DEVICE_SERIAL) {
		d.Serial = firmware("product_serial") // root's alone
	}
	var hypervisor bool
	d.Cpu, hypervisor = parseCPUInfo(text(filepath.Join(proc, "cpuinfo")))
	d.Virtual = hypervisor || virtualMachine(d.Maker, d.Model)
	code, _ := strconv.ParseUint(firmware("chassis_type"), 10, 8)
	if d.Chassis = chassisOf(code); d.Virtual {
		d.Chassis = virtual
	}
	d.MemoryBytes = parseMemTotal(text(filepath.Join(proc, "meminfo")))
	if boot := parseBootTime(text(filepath.Join(proc, "stat"))); boot > 0 {
		d.BootDay = dayOf(time.Unix(boot, 0))
	}
	var fs unix.Statfs_t
	if unix.Statfs("/", &fs) == nil {
		d.DiskBytes = fs.Blocks * uint64(fs.Frsize)
	}
	return nil
}

// text returns the start of a file, or nothing where it cannot be read.
func text(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	var b strings.Builder
	buf := make([]byte, 32<<10)
	for b.Len() < maxFile {
		n, err := f.Read(buf)
		b.Write(buf[:n])
		if err != nil || n == 0 {
			break
		}
	}
	return b.String()
}
