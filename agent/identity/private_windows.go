package identity

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/windows"

	"github.com/discreet-agent/discreet/agent/durable"
)

// privateDACL lets SYSTEM, administrators and the owner in, and nobody else; it
// takes nothing from the folder above and hands itself down to new files. Mode
// bits do nothing of the kind on Windows.
// https://learn.microsoft.com/windows/win32/secauthz/ace-strings
const privateDACL = "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;OW)"

// makePrivate makes dir, for SYSTEM, administrators and its owner.
func makePrivate(dir string) error {
	if err := durable.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	sd, err := windows.SecurityDescriptorFromString(privateDACL)
	if err != nil {
		return fmt.Errorf("access list of %s: %w", dir, err)
	}
	dacl, _, err := sd.DACL()
	if err != nil {
		return fmt.Errorf("access list of %s: %w", dir, err)
	}
	err = windows.SetNamedSecurityInfo(dir, windows.SE_FILE_OBJECT,
		windows.DACL_SECURITY_INFORMATION|windows.PROTECTED_DACL_SECURITY_INFORMATION, nil, nil, dacl, nil)
	if err != nil {
		return fmt.Errorf("access list of %s: %w", dir, err)
	}
	return nil
}

// exposed says whether the access list of an open file allows anybody but
// SYSTEM, administrators and the owner.
func exposed(f *os.File) (bool, error) {
	sd, err := windows.GetSecurityInfo(windows.Handle(f.Fd()), windows.SE_FILE_OBJECT,
		windows.OWNER_SECURITY_INFORMATION|windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return false, fmt.Errorf("access list of %s: %w", f.Name(), err)
	}
	dacl, _, err := sd.DACL()
	if err != nil || dacl == nil {
		return true, nil // no list: everybody may do everything
	}
	owner, _, err := sd.Owner()
	if err != nil {
		return false, fmt.Errorf("owner of %s: %w", f.Name(), err)
	}
	for i := range uint32(dacl.AceCount) {
		var ace *windows.ACCESS_ALLOWED_ACE
		if err := windows.GetAce(dacl, i, &ace); err != nil {
			return false, fmt.Errorf("access list of %s: %w", f.Name(), err)
		}
		if ace.Header.AceType == windows.ACCESS_DENIED_ACE_TYPE {
			continue
		}
		// An entry of any other type is not read further: it counts as one
		// that lets somebody in.
		if ace.Header.AceType != windows.ACCESS_ALLOWED_ACE_TYPE {
			return true, nil
		}
		sid := (*windows.SID)(unsafe.Pointer(&ace.SidStart))
		if !sid.Equals(owner) && !sid.IsWellKnown(windows.WinLocalSystemSid) &&
			!sid.IsWellKnown(windows.WinBuiltinAdministratorsSid) && !sid.IsWellKnown(windows.WinCreatorOwnerRightsSid) {
			return true, nil
		}
	}
	return false, nil
}

func exposedHint(path string) string {
	return fmt.Sprintf("icacls %q /inheritance:r /grant:r *S-1-5-18:F *S-1-5-32-544:F", path)
}
