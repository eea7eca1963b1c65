package configs

import "golang.org/x/sys/windows"

// SystemPlaces returns the places of this system. The known folder is asked for,
// not the environment, which the caller could change. Where the system does not
// say, it is C:\ProgramData.
func SystemPlaces() Places {
	dir, err := windows.KnownFolderPath(windows.FOLDERID_ProgramData, windows.KF_FLAG_DEFAULT)
	if err != nil {
		dir = `C:\ProgramData`
	}
	return WindowsPlaces(dir)
}
