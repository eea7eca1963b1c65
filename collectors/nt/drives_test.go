package nt

import "testing"

func TestDrivesPath(t *testing.T) {
	d := Drives{`\Device\HarddiskVolume3`: "C:", `\Device\Mup\;H:1\server`: "H:"}
	for in, want := range map[string]string{
		`\Device\HarddiskVolume3\a\b.exe`:     `C:\a\b.exe`,
		`\Device\HarddiskVolume30\a\b.exe`:    "",
		`\Device\Mup\;H:1\server\share\x.exe`: `H:\share\x.exe`,
		`\Device\HarddiskVolume3`:             "",
		`C:\a\b.exe`:                          "",
		`\SystemRoot\System32\smss.exe`:       "",
		"":                                    "",
	} {
		if got := d.Path(in); got != want {
			t.Errorf("Path(%q) = %q; want %q", in, got, want)
		}
	}
}
