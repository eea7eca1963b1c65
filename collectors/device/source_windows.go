package device

import (
	"fmt"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
)

var rungs = []eventv1.Rung{eventv1.Rung_RUNG_NATIVE}

// firstWindows11 is the build from which the registry still says Windows 10.
const firstWindows11 = 22000

// describe reads the registry, the firmware's table and a few calls of the
// system. What is not there stays empty.
func describe(env collectors.Env, d *eventv1.Device) error {
	d.System = eventv1.System_SYSTEM_WINDOWS
	v := windows.RtlGetVersion()
	d.Kernel = fmt.Sprintf("%d.%d.%d", v.MajorVersion, v.MinorVersion, v.BuildNumber)
	const current = `SOFTWARE\Microsoft\Windows NT\CurrentVersion`
	product := value(current, "ProductName")
	if v.BuildNumber >= firstWindows11 {
		product = strings.Replace(product, "Windows 10", "Windows 11", 1)
	}
	d.Version = tidy(product + " " + value(current, "DisplayVersion"))
	d.Build = fmt.Sprintf("%d.%d", v.BuildNumber, number(current, "UBR"))

	const bios = `HARDWARE\DESCRIPTION\System\BIOS`
	d.Maker, d.Model = tidy(value(bios, "SystemManufacturer")), tidy(value(bios, "SystemProductName"))
	d.Cpu = tidy(value(`HARDWARE\DESCRIPTION\System\CentralProcessor\0`, "ProcessorNameString"))
	table := parseSMBIOS(rawSMBIOS(firmware()), env.Keeps(privacyv1.Class_DEVICE_SERIAL))
	d.Serial = table.serial
	d.Virtual = virtualMachine(d.Maker, d.Model)
	if d.Chassis = chassisOf(table.chassis); d.Virtual {
		d.Chassis = virtual
	}
	d.MemoryBytes = memory()
	d.DiskBytes = disk()
	d.BootDay = dayOf(time.Now().Add(-windows.DurationSinceBoot()))
	d.Managed = enrolled()
	return nil
}

func value(key, name string) string {
	k, err := registry.OpenKey(registry.LOCAL_MACHINE, key, registry.QUERY_VALUE)
	if err != nil {
		return ""
	}
	defer k.Close()
	s, _, err := k.GetStringValue(name)
	if err != nil {
		return ""
	}
	return s
}

func number(key, name string) uint64 {
	k, err := registry.OpenKey(registry.LOCAL_MACHINE, key, registry.QUERY_VALUE)
	if err != nil {
		return 0
	}
	defer k.Close()
	n, _, err := k.GetIntegerValue(name)
	if err != nil {
		return 0
	}
	return n
}

// enrolled reports whether a device management service or a domain rules the
// machine.
func enrolled() bool {
	if value(`SYSTEM\CurrentControlSet\Services\Tcpip\Parameters`, "Domain") != "" &&
		value(`SYSTEM\CurrentControlSet\Services\Netlogon\Parameters`, "DynamicSiteName") != "" {
		return true
	}
	const enrollments = `SOFTWARE\Microsoft\Enrollments`
	k, err := registry.OpenKey(registry.LOCAL_MACHINE, enrollments, registry.ENUMERATE_SUB_KEYS)
	if err != nil {
		return false
	}
	defer k.Close()
	names, err := k.ReadSubKeyNames(256)
	if err != nil && len(names) == 0 {
		return false
	}
	for _, name := range names {
		if value(enrollments+`\`+name, "ProviderID") != "" && number(enrollments+`\`+name, "EnrollmentState") == 1 {
			return true
		}
	}
	return false
}

// memory asks GlobalMemoryStatusEx.
func memory() uint64 {
	var status struct {
		size, load                         uint32
		total, free, totalPage, freePage   uint64
		totalVirtual, freeVirtual, freeExt uint64
	}
	status.size = uint32(unsafe.Sizeof(status))
	call := windows.NewLazySystemDLL("kernel32.dll").NewProc("GlobalMemoryStatusEx")
	if call.Find() != nil {
		return 0
	}
	if ok, _, _ := call.Call(uintptr(unsafe.Pointer(&status))); ok == 0 {
		return 0
	}
	return status.total
}

// disk returns the size of the volume that the system is on.
func disk() uint64 {
	dir, err := windows.GetSystemWindowsDirectory()
	if err != nil {
		return 0
	}
	path, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0
	}
	var total uint64
	if windows.GetDiskFreeSpaceEx(path, nil, &total, nil) != nil {
		return 0
	}
	return total
}

// firmware returns the SMBIOS table.
func firmware() []byte {
	const provider = 'R'<<24 | 'S'<<16 | 'M'<<8 | 'B'
	const most = 1 << 20
	call := windows.NewLazySystemDLL("kernel32.dll").NewProc("GetSystemFirmwareTable")
	if call.Find() != nil {
		return nil
	}
	size, _, _ := call.Call(provider, 0, 0, 0)
	if size == 0 || size > most {
		return nil
	}
	b := make([]byte, size)
	n, _, _ := call.Call(provider, 0, uintptr(unsafe.Pointer(&b[0])), size)
	return b[:min(n, size)]
}
