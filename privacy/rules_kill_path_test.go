package privacy

import (
	"strings"
	"testing"
)

// TestPlaces asks about each directory that the value rules name.
func TestKillPlaces(t *testing.T) {
	for _, row := range []struct {
		system OS
		in     string
		want   string // empty: as it came
	}{
		{Linux, "/bin/x", ""},
		{Linux, "/sbin/x", ""},
		{Linux, "/lib/x", ""},
		{Linux, "/lib64/x", ""},
		{Linux, "/snap/a/x", ""},
		{Linux, "/nix/store/a/x", ""},
		{Linux, "/var/lib/flatpak/x", ""},
		{Darwin, "/System/a/x", ""},
		{Darwin, "/Library/a/x", ""},
		{Darwin, "/Applications/a/x", ""},
		{Linux, "/Users/mary/x", "<user>/…/x"},
		{Linux, "/mnt/c/Users/mary/x", "<user>/…/x"},
		{Darwin, "/Home/mary/x", "<user>/…/x"},
		{Darwin, "/Root/x", "<user>/…/x"},
		{Darwin, "/Var/Home/mary/x", "<user>/…/x"},
		{Darwin, "/Run/User/501/x", "<user>/…/x"},
		{Darwin, "/Export/Home/mary/x", "<user>/…/x"},
		{Darwin, "/MNT/c/users/mary/x", "<user>/…/x"},
		{Linux, "/usr//home/mary/x", "<other>/…/x"},
		{Linux, "/usr/../home/mary/x", "<other>/…/x"},
		{Windows, `C:\ProgramData\Microsoft\Windows Defender\x.exe`, ""},
		{Windows, `C:\Program Files (x86)\WindowsApps\Deleted\mary\x.exe`, `<other>\…\x.exe`},
		{Windows, `D:\Documents and Settings\mary\x.exe`, `<user>\…\x.exe`},
		{Windows, `\??\C:\Windows\x.exe`, `C:\Windows\x.exe`},
		{Windows, `A:\Users\mary\x.exe`, `<user>\…\x.exe`},
		{Windows, `Z:\Users\mary\x.exe`, `<user>\…\x.exe`},
		{Windows, `1:\Users\mary\x.exe`, `<other>\…\x.exe`},
		{Windows, `{:\Users\mary\x.exe`, `<other>\…\x.exe`},
		{Windows, "`:\\Users\\mary\\x.exe", `<other>\…\x.exe`},
		{Windows, `CC:\Users\mary\x.exe`, `<other>\…\x.exe`},
		{Windows, `:\Users\mary\x.exe`, `<other>\…\x.exe`},
		{Windows, `\\?\UNC\x`, `<unc>\…\x`},
		{Windows, `\\?\UNC\fs01\mary$\x`, `<unc>\…\x`},
		{Windows, `C:\x.exe`, `<other>\…\x.exe`},
		{Windows, `C:\Windows\li\x.exe`, `c:\windows\<id>\x.exe`},
		{Linux, "/usr/people/mary/x", "<other>/…/x"},
		{Linux, "/opt/home/mary/x", "<other>/…/x"},
		{Linux, "/System/Volumes/Data/Users/mary/x", "<user>/…/x"},
		{Darwin, "/system/volumes/data/users/mary/x", "<user>/…/x"},
	} {
		t.Run(string(row.system)+row.in, func(t *testing.T) {
			want := row.want
			if want == "" {
				want = row.in
			}
			if got := testRules(t, row.system).programPath(Generalised, row.in); got != want {
				t.Errorf("programPath(%q) = %q; want %q", row.in, got, want)
			}
		})
	}
}

// TestKillPathEdges: the longest path, the directory itself, and levels that
// are none of paths.
func TestKillPathEdges(t *testing.T) {
	longest := "/usr/" + strings.Repeat("x", 1024-len("/usr/"))
	for _, row := range []ruleRow{
		{"longest path", Linux, ProgramPath, Generalised, longest, longest},
		{"a longer one", Linux, ProgramPath, Generalised, longest + "x", "<other>/…/" + strings.Repeat("x", 256)},
		{"the directory itself is not below it", Linux, ProgramPath, Generalised, "/usr/", "<other>/…/"},
		{"the same on Windows", Windows, ProgramPath, Generalised, `C:\Windows\`, `<other>\…\`},
		{"a level of other keys", Linux, ProgramPath, Hashed, "/usr/bin/x", ""},
		{"longest path, clear", Linux, ProgramPath, Cleartext, longest, longest},
		{"a longer one, clear", Linux, ProgramPath, Cleartext, longest + "x", longest},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := tryTable[row.key](testRules(t, row.system), row.level, row.in); got != row.want {
				t.Errorf("%s(%q) at %s = %q; want %q", row.key, row.in, row.level, got, row.want)
			}
		})
	}
}

// TestKillLowerASCII: A to Z alone are lowered, and not their neighbours.
func TestKillLowerASCII(t *testing.T) {
	if got, want := lowerASCII("@AMZ[`amz{\u212a"), "@amz[`amz{\u212a"; got != want {
		t.Errorf("lowerASCII = %q; want %q", got, want)
	}
}
