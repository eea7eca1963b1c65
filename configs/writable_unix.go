//go:build unix

package configs

import "io/fs"

// writableFault refuses a file that others than its owner can write: whoever can
// write it decides what leaves the device.
func writableFault(file string, mode fs.FileMode) *Fault {
	if mode.Perm()&0o022 == 0 {
		return nil
	}
	return &Fault{File: file, Text: "writable by its group or by others, want its owner only", Hint: "chmod go-w " + file}
}
