package device

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"strings"
)

// maxText bounds a string that firmware or a file gives us.
const maxText = 128

// tidy returns what a firmware field says, without the fillers that makers
// leave in it.
func tidy(s string) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '\ufffd' }), " ")
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "")
	}
	switch strings.ToLower(s) {
	case "to be filled by o.e.m.", "default string", "system manufacturer", "system product name",
		"system serial number", "not specified", "none", "unknown", "o.e.m.", "0", "n/a":
		return ""
	}
	return strings.ToValidUTF8(s, "?")
}

// parseOSRelease returns the settings in the text of os-release(5).
func parseOSRelease(text string) map[string]string {
	set := make(map[string]string)
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok || strings.HasPrefix(key, "#") || len(set) >= 64 {
			continue
		}
		if len(value) >= 2 && (value[0] == '"' || value[0] == '\'') && value[len(value)-1] == value[0] {
			value = value[1 : len(value)-1]
		}
		set[key] = value
	}
	return set
}

// parseCPUInfo returns the processor's model and whether it runs under a
// hypervisor, from the text of /proc/cpuinfo.
func parseCPUInfo(text string) (model string, virtual bool) {
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(line, ":")
		switch strings.TrimSpace(key) {
		case "model name":
			if model == "" {
				model = tidy(value)
			}
		case "flags":
			return model, virtual || strings.Contains(" "+strings.TrimSpace(value)+" ", " hypervisor ")
		}
	}
	return model, virtual
}

// parseMemTotal returns the machine's memory from the text of /proc/meminfo.
func parseMemTotal(text string) uint64 {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, "MemTotal:"); ok {
			kib, err := strconv.ParseUint(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 53)
			if err != nil {
				return 0
			}
			return kib << 10
		}
	}
	return 0
}

// parseBootTime returns when the machine started, in seconds since 1970, from
// the text of /proc/stat.
func parseBootTime(text string) int64 {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, "btime "); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(rest), 10, 64)
			if err != nil {
				return 0
			}
			return n
		}
	}
	return 0
}

// The closed list of what a chassis is.
const (
	laptop  = "laptop"
	desktop = "desktop"
	tablet  = "tablet"
	server  = "server"
	virtual = "virtual"
	other   = "other"
)

// chassisOf names a chassis type of SMBIOS (DSP0134, 7.4.1).
func chassisOf(code uint64) string {
	switch code &^ 0x80 { // the top bit says that it can be locked
	case 8, 9, 10, 14, 31:
		return laptop
	case 3, 4, 5, 6, 7, 13, 15, 16, 24, 35, 36:
		return desktop
	case 11, 30, 32:
		return tablet
	case 17, 23, 25, 28, 29:
		return server
	}
	return other
}

// virtualMachine reports whether a machine's make is that of a hypervisor.
func virtualMachine(maker, model string) bool {
	s := strings.ToLower(maker + " " + model)
	for _, word := range []string{
		"qemu", "kvm", "vmware", "virtualbox", "virtual machine", "xen", "bochs", "bhyve",
		"parallels", "amazon ec2", "google compute engine", "openstack", "firecracker", "applevirtualplatform",
	} {
		if strings.Contains(s, word) {
			return true
		}
	}
	return false
}

// smbios is what the firmware's table says that nothing else does.
type smbios struct {
	serial  string
	chassis uint64
}

// parseSMBIOS reads the structures of an SMBIOS table (DSP0134, 6.1): system
// information (1) and chassis (3). The serial is read only where wantSerial is
// set.
func parseSMBIOS(b []byte, wantSerial bool) smbios {
	var found smbios
	for len(b) >= 4 {
		kind, size := b[0], int(b[1])
		if size < 4 || size > len(b) {
			return found
		}
		body := b[:size]
		end := bytes.Index(b[size:], []byte{0, 0})
		if end < 0 {
			return found
		}
		texts := b[size : size+end]
		switch {
		case kind == 1 && size > 7 && wantSerial && found.serial == "":
			found.serial = tidy(smbiosText(texts, body[7]))
		case kind == 3 && size > 5 && found.chassis == 0:
			found.chassis = uint64(body[5])
		case kind == 127:
			return found
		}
		b = b[size+end+2:]
	}
	return found
}

// smbiosText returns the string of that number; they count from 1.
func smbiosText(texts []byte, number byte) string {
	for ; number > 1; number-- {
		i := bytes.IndexByte(texts, 0)
		if i < 0 {
			return ""
		}
		texts = texts[i+1:]
	}
	if number == 0 {
		return ""
	}
	if i := bytes.IndexByte(texts, 0); i >= 0 {
		texts = texts[:i]
	}
	return string(texts)
}

// rawSMBIOS cuts the header off what GetSystemFirmwareTable returns.
func rawSMBIOS(b []byte) []byte {
	if len(b) < 8 {
		return nil
	}
	size := binary.LittleEndian.Uint32(b[4:])
	return b[8 : 8+min(uint64(size), uint64(len(b)-8))]
}
