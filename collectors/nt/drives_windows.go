package nt

import "golang.org/x/sys/windows"

// ReadDrives asks the system which device each drive is.
func ReadDrives() Drives {
	d := make(Drives)
	var buf [1024]uint16
	for letter := 'A'; letter <= 'Z'; letter++ {
		drive := string(letter) + ":"
		name, err := windows.UTF16PtrFromString(drive)
		if err != nil {
			continue
		}
		if _, err := windows.QueryDosDevice(name, &buf[0], uint32(len(buf))); err == nil {
			d[windows.UTF16ToString(buf[:])] = drive
		}
	}
	return d
}
