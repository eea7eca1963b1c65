package uplink

import "io/fs"

// openToOthers cannot tell: Windows keeps rights in access lists, of which the
// mode bits say nothing. The folder of the settings is closed by the installer.
func openToOthers(fs.FileInfo) bool { return false }
