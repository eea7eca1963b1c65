package privacy

import "strings"

// What may leave of a Windows path, and what not; lower case.
var (
	windowsSystem = []string{
		`c:\windows`, `c:\program files`, `c:\program files (x86)`,
		`c:\programdata\microsoft\windows defender`,
	}
	windowsNot = []string{
		`c:\windows\serviceprofiles`, `c:\windows\temp`, `c:\windows\csc`, // offline files
		`c:\program files\windowsapps\deleted`, `c:\program files (x86)\windowsapps\deleted`,
	}
	windowsUsers = []string{`:\users`, `:\documents and settings`} // on any drive
)

// windowsForm returns the plain form of the many in which Windows writes a
// path.
func windowsForm(v string) string {
	v = strings.ReplaceAll(v, "/", `\`)
	low := lowerASCII(v)
	switch {
	case strings.HasPrefix(low, `\\?\unc\`):
		return `\\` + v[len(`\\?\unc\`):]
	case strings.HasPrefix(low, `\\?\`), strings.HasPrefix(low, `\??\`), strings.HasPrefix(low, `\\.\`):
		v = v[len(`\\?\`):]
	}
	if rest, ok := strings.CutPrefix(lowerASCII(v), `\device\harddiskvolume`); ok {
		number, _, found := strings.Cut(rest, `\`)
		if found && digits(number) {
			return `C:\` + v[len(v)-len(rest)+len(number)+1:]
		}
	}
	return v
}

// windowsPlace says where a path of plain form lies. It reads what Windows
// itself would read: a doubled separator is one, and blanks and dots that end a
// component are none. A directory that only reads like a system's own is none
// of them, and one that names a stream is another's.
func windowsPlace(v string) string {
	if strings.HasPrefix(v, `\\`) {
		return placeShare
	}
	drive, rest, _ := strings.Cut(lowerASCII(v), `:\`)
	dir, _ := splitPath(rest, `\`)
	if len(drive) != 1 || drive[0] < 'a' || drive[0] > 'z' || strings.Contains(dir, ":") {
		return placeOther
	}
	var read, written []string
	for component := range strings.SplitSeq(rest, `\`) {
		if component == "" {
			continue
		}
		trimmed := strings.TrimRight(component, " .")
		if trimmed == "" || strings.Contains(component, "~") {
			return placeOther
		}
		read, written = append(read, trimmed), append(written, component)
	}
	path := `:\` + strings.Join(read, `\`)
	switch {
	case belowAny(drive+`:\`+strings.Join(written, `\`), windowsSystem) && !belowAny(drive+path, windowsNot):
		return placeSystem
	case belowAny(path, windowsUsers):
		return placeUser
	}
	return placeOther
}

// What may leave of a Unix path, and what not.
var (
	unixSystem = []string{
		"/usr", "/bin", "/sbin", "/lib", "/lib64", "/opt", "/snap", "/nix/store",
		"/System", "/Library", "/Applications", "/var/lib/flatpak",
	}
	unixNot = []string{ // lower case: a file system may not tell case apart
		"/usr/home", "/usr/local/home", "/opt/homes", "/library/caches", "/system/volumes/data",
		"/usr/users", "/usr/people", "/opt/home", "/opt/users",
	}
	unixUsers = []string{
		"/home", "/Users", "/root", "/var/home", "/run/user", "/export/home",
		"/System/Volumes/Data/Users", "/mnt/c/Users",
	}
	darwinUsers = []string{ // the same, where case does not count
		"/home", "/users", "/root", "/var/home", "/run/user", "/export/home",
		"/system/volumes/data/users", "/mnt/c/users",
	}
)

// unixPlace says where a path lies.
func unixPlace(v string, darwin bool) string {
	if !strings.HasPrefix(v, "/") || strings.Contains(v, "//") {
		return placeOther
	}
	for component := range strings.SplitSeq(v, "/") {
		if component == "." || component == ".." {
			return placeOther
		}
	}
	low := lowerASCII(v)
	switch {
	case belowAny(v, unixSystem) && !belowAny(low, unixNot):
		return placeSystem
	case belowAny(v, unixUsers), darwin && belowAny(low, darwinUsers):
		return placeUser
	}
	return placeOther
}
