package identity

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/windows"
)

// setList gives a file the access list of an SDDL text.
func setList(t *testing.T, name, text string) {
	t.Helper()
	sd, err := windows.SecurityDescriptorFromString(text)
	if err != nil {
		t.Fatal(err)
	}
	list, _, err := sd.DACL()
	if err != nil {
		t.Fatal(err)
	}
	err = windows.SetNamedSecurityInfo(name, windows.SE_FILE_OBJECT,
		windows.DACL_SECURITY_INFORMATION|windows.PROTECTED_DACL_SECURITY_INFORMATION, nil, nil, list, nil)
	if err != nil {
		t.Fatal(err)
	}
}

// TestExposedByItsAccessList opens a file to more and more. Wine keeps a list only
// as the mode bits of a file, so what it can show is owner against everybody.
func TestExposedByItsAccessList(t *testing.T) {
	for _, tt := range []struct {
		name, list string
		want       bool
	}{
		{"as the agent makes it", privateDACL, false},
		{"everybody reads", "D:P(A;;FA;;;SY)(A;;FA;;;BA)(A;;FA;;;OW)(A;;FR;;;WD)", true},
		{"closed again", privateDACL, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "key.pem")
			if err := os.WriteFile(name, []byte("k"), 0o600); err != nil {
				t.Fatal(err)
			}
			setList(t, name, tt.list)
			f, err := os.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if got, err := exposed(f); got != tt.want || err != nil {
				t.Errorf("exposed() = %v, %v; want %v", got, err, tt.want)
			}
		})
	}
}
