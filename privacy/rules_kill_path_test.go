package privacy

import "testing"

// TestPlaces asks about each directory that the value rules name.
func TestPlaces(t *testing.T) {
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
