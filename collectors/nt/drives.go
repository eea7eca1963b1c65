package nt

import "strings"

// Drives turns the kernel's names of files into those that people know. The key is
// a device, as \Device\HarddiskVolume3, the value its drive, as C:.
type Drives map[string]string

// Path returns a path with a drive's letter; "" where no drive is known for it.
func (d Drives) Path(kernel string) string {
	const prefix = `\Device\`
	if !strings.HasPrefix(kernel, prefix) {
		return ""
	}
	// A network drive's device has more parts than one.
	for at := len(prefix); at < len(kernel); at++ {
		if kernel[at] != '\\' {
			continue
		}
		if drive, ok := d[kernel[:at]]; ok {
			return drive + kernel[at:]
		}
	}
	return ""
}
