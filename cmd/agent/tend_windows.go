package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"
	"unicode/utf16"
	"unsafe"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc/mgr"

	"github.com/discreet-agent/discreet/agent/durable"
	"github.com/discreet-agent/discreet/configs"
)

// privileges are what the service keeps of those that the system account has; all
// others are gone from its next start on. What each is for:
var privileges = []string{
	"SeChangeNotifyPrivilege",       // to walk through folders, as everybody
	"SeImpersonatePrivilege",        // to see who calls at the pipe
	"SeAssignPrimaryTokenPrivilege", // to start the helper as the person in the session
	"SeIncreaseQuotaPrivilege",      // as above
	"SeTcbPrivilege",                // to get that person's token from the session
	"SeSystemProfilePrivilege",      // to hear the kernel's events
}

// restarts are what the manager does when the agent ends by a fault: sooner at
// first, and the count begins anew after a day without one.
var restarts = []mgr.RecoveryAction{
	{Type: mgr.ServiceRestart, Delay: 5 * time.Second},
	{Type: mgr.ServiceRestart, Delay: 30 * time.Second},
	{Type: mgr.ServiceRestart, Delay: time.Minute},
}

const restartsReset = 24 * 60 * 60

// tend sets what installers cannot be trusted to set alike: it is the same after
// "service install", after an MSI and after a repair. A part that fails costs that
// part: it is said, and the agent goes on.
func tend(log *slog.Logger) {
	s, done, err := ownService()
	if err != nil {
		log.Warn("the service cannot look after its own settings", "err", err)
		return
	}
	defer done()
	for _, part := range []struct {
		name string
		set  func() error
	}{
		{"recovery actions", func() error { return s.SetRecoveryActions(restarts, restartsReset) }},
		{"recovery after faults that are no crash", func() error { return s.SetRecoveryActionsOnNonCrashFailures(true) }},
		{"required privileges", func() error { return keepPrivileges(s.Handle) }},
		{"service sid", func() error { return giveSID(s.Handle) }},
		{"image path", func() error { return quoteImagePath(s) }},
	} {
		if err := part.set(); err != nil {
			log.Warn("a setting of the service was not made", "setting", part.name, "err", err)
		}
	}
}

// ownService opens the agent's entry at the service manager.
func ownService() (*mgr.Service, func(), error) {
	m, err := windows.OpenSCManager(nil, nil, windows.SC_MANAGER_CONNECT)
	if err != nil {
		return nil, nil, fmt.Errorf("open the service manager: %w", err)
	}
	name, err := windows.UTF16PtrFromString(serviceName)
	if err != nil {
		return nil, nil, err
	}
	// To say that it is to be restarted one must be allowed to start it.
	h, err := windows.OpenService(m, name, windows.SERVICE_QUERY_CONFIG|windows.SERVICE_CHANGE_CONFIG|windows.SERVICE_START)
	if err != nil {
		windows.CloseServiceHandle(m)
		return nil, nil, fmt.Errorf("open the service: %w", err)
	}
	return &mgr.Service{Name: serviceName, Handle: h}, func() {
		windows.CloseServiceHandle(h)
		windows.CloseServiceHandle(m)
	}, nil
}

// keepPrivileges drops all other privileges, from the next start on.
func keepPrivileges(service windows.Handle) error {
	list := utf16.Encode([]rune(strings.Join(privileges, "\x00") + "\x00\x00"))
	info := struct{ privileges *uint16 }{&list[0]} // SERVICE_REQUIRED_PRIVILEGES_INFO
	return windows.ChangeServiceConfig2(service, windows.SERVICE_CONFIG_REQUIRED_PRIVILEGES_INFO, (*byte)(unsafe.Pointer(&info)))
}

// giveSID gives the service an account name of its own, NT SERVICE\discreet-agent,
// to be named in access lists, from the next start on. The restricted form would
// take away every right to write that does not name it, in the registry and at the
// kernel's event sessions too: not without a Windows to try it on.
func giveSID(service windows.Handle) error {
	kind := uint32(windows.SERVICE_SID_TYPE_UNRESTRICTED)
	return windows.ChangeServiceConfig2(service, windows.SERVICE_CONFIG_SERVICE_SID_INFO, (*byte)(unsafe.Pointer(&kind)))
}

// quoteImagePath repairs the command line that the manager starts: without quotes
// around a path with spaces Windows tries C:\Program.exe first, which is anybody's
// who can write there.
func quoteImagePath(s *mgr.Service) error {
	c, err := s.Config()
	if err != nil {
		return err
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	line, wrong := quoted(c.BinaryPathName, exe)
	if !wrong {
		return nil
	}
	to, err := windows.UTF16PtrFromString(line)
	if err != nil {
		return err
	}
	const same = windows.SERVICE_NO_CHANGE
	return windows.ChangeServiceConfig(s.Handle, same, same, same, to, nil, nil, nil, nil, nil, nil)
}

// quoted returns a command line with quotes around the program at its beginning,
// and whether they were missing. A line that begins with another program is left
// alone.
func quoted(line, exe string) (string, bool) {
	if len(line) < len(exe) || !strings.EqualFold(line[:len(exe)], exe) || !strings.Contains(exe, " ") {
		return line, false
	}
	rest := line[len(exe):]
	if rest != "" && rest[0] != ' ' {
		return line, false
	}
	return `"` + line[:len(exe)] + `"` + rest, true
}

// The access lists of the agent's folders, as its package sets them: people may
// read the settings, as on other systems, and nothing of what the agent keeps.
const (
	settingsAccess = "O:BAG:SYD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1200a9;;;BU)"
	stateAccess    = "O:BAG:SYD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"
)

// closeFolders gives the service's own folders their access lists. Below
// ProgramData everybody may make a folder, and who made it keeps it: so the owner
// is set too. Keys that others can read are refused where they are read, whatever
// became of this.
func closeFolders(p configs.Places) error {
	var errs []error
	for _, f := range []struct{ dir, access string }{{p.Config, settingsAccess}, {p.State, stateAccess}} {
		if err := closeFolder(f.dir, f.access); err != nil {
			errs = append(errs, fmt.Errorf("close %s: %w", f.dir, err))
		}
	}
	return errors.Join(errs...)
}

func closeFolder(dir, access string) error {
	if err := durable.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	sd, err := windows.SecurityDescriptorFromString(access)
	if err != nil {
		return err
	}
	owner, _, err := sd.Owner()
	if err != nil {
		return err
	}
	list, _, err := sd.DACL()
	if err != nil {
		return err
	}
	return windows.SetNamedSecurityInfo(dir, windows.SE_FILE_OBJECT,
		windows.OWNER_SECURITY_INFORMATION|windows.DACL_SECURITY_INFORMATION|windows.PROTECTED_DACL_SECURITY_INFORMATION,
		owner, nil, list, nil)
}
