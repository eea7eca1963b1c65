package session

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/windows"
)

// NewLauncher returns a launcher of helpers: this program with the argument
// "session". It starts nothing. Only the system's own account may start programs in
// people's sessions.
func NewLauncher(log *slog.Logger) *Launcher { return newLauncher(desks{}, log) }

// desks is Windows' sessions.
type desks struct{ args []string } // of the helper; none: "session"

// sessions lists those in which somebody is logged on, whether or not he sits there:
// the helper of a session that is disconnected finds nothing and says nothing.
func (desks) sessions() ([]uint32, error) {
	var list *windows.WTS_SESSION_INFO
	var n uint32
	if err := windows.WTSEnumerateSessions(0, 0, 1, &list, &n); err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	defer windows.WTSFreeMemory(uintptr(unsafe.Pointer(list)))
	var found []uint32
	for _, s := range unsafe.Slice(list, n) {
		if s.State == windows.WTSActive || s.State == windows.WTSDisconnected {
			found = append(found, s.SessionID)
		}
	}
	if n == 0 { // Wine lists none
		if id := windows.WTSGetActiveConsoleSessionId(); id != ^uint32(0) {
			found = append(found, id)
		}
	}
	return found, nil
}

// start starts a helper with the rights of whoever is logged on in a session: the
// plain ones, also of an administrator. It inherits two pipes and nothing else, and
// is ended with the job that it runs in.
func (d desks) start(session uint32) (net.Conn, error) {
	var token windows.Token
	if err := windows.WTSQueryUserToken(session, &token); err != nil {
		return nil, fmt.Errorf("ask for the session's token: %w", err)
	}
	defer token.Close()
	p, err := newPipes()
	if err != nil {
		return nil, err
	}
	defer p.closeTheirs()
	job, err := newJob()
	if err != nil {
		p.closeOurs()
		return nil, err
	}
	process, err := d.create(token, p)
	if err == nil {
		err = confine(job, process)
	}
	if err != nil {
		p.closeOurs()
		windows.CloseHandle(job)
		return nil, err
	}
	end := sync.OnceFunc(func() {
		_ = windows.TerminateJobObject(job, 1)
		windows.CloseHandle(job)
	})
	return &pipes{in: os.NewFile(uintptr(p.read), "helper"), out: os.NewFile(uintptr(p.write), "helper"), session: session, end: end}, nil
}

// create starts the helper, which does not run yet.
func (d desks) create(token windows.Token, p *ends) (process windows.ProcessInformation, err error) {
	var env *uint16
	if err := windows.CreateEnvironmentBlock(&env, token, false); err != nil {
		return process, fmt.Errorf("make the person's environment: %w", err)
	}
	defer windows.DestroyEnvironmentBlock(env)
	exe, err := os.Executable()
	if err != nil {
		return process, err
	}
	args := d.args
	if args == nil {
		args = []string{"session"}
	}
	name, err := windows.UTF16PtrFromString(exe)
	if err != nil {
		return process, err
	}
	line, err := windows.UTF16PtrFromString(windows.ComposeCommandLine(append([]string{exe}, args...)))
	if err != nil {
		return process, err
	}
	desktop, err := windows.UTF16PtrFromString(`winsta0\default`)
	if err != nil {
		return process, err
	}
	inherit := []windows.Handle{p.theirRead, p.theirWrite}
	list, err := windows.NewProcThreadAttributeList(1)
	if err != nil {
		return process, err
	}
	defer list.Delete()
	if err := list.Update(windows.PROC_THREAD_ATTRIBUTE_HANDLE_LIST, unsafe.Pointer(&inherit[0]), uintptr(len(inherit))*unsafe.Sizeof(inherit[0])); err != nil {
		return process, fmt.Errorf("name the helper's pipes: %w", err)
	}
	info := &windows.StartupInfoEx{ProcThreadAttributeList: list.List()}
	info.Cb, info.Desktop, info.Flags = uint32(unsafe.Sizeof(*info)), desktop, windows.STARTF_USESTDHANDLES
	info.StdInput, info.StdOutput = p.theirRead, p.theirWrite
	const flags = windows.CREATE_UNICODE_ENVIRONMENT | windows.EXTENDED_STARTUPINFO_PRESENT | windows.CREATE_NO_WINDOW | windows.CREATE_SUSPENDED
	if err := windows.CreateProcessAsUser(token, name, line, nil, nil, true, flags, env, nil, &info.StartupInfo, &process); err != nil {
		return process, fmt.Errorf("start the helper: %w", err)
	}
	return process, nil
}

// confine puts a process that does not run yet into a job, and lets it run.
func confine(job windows.Handle, p windows.ProcessInformation) error {
	defer windows.CloseHandle(p.Process)
	defer windows.CloseHandle(p.Thread)
	err := windows.AssignProcessToJobObject(job, p.Process)
	if err == nil {
		_, err = windows.ResumeThread(p.Thread)
	}
	if err != nil {
		_ = windows.TerminateProcess(p.Process, 1)
		return fmt.Errorf("put the helper into its job: %w", err)
	}
	return nil
}

// newJob makes a job that ends its processes with its last handle, also when the
// agent is killed.
func newJob() (windows.Handle, error) {
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return 0, fmt.Errorf("make a job: %w", err)
	}
	var limits windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION
	limits.BasicLimitInformation.LimitFlags = windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
	_, err = windows.SetInformationJobObject(job, windows.JobObjectExtendedLimitInformation,
		uintptr(unsafe.Pointer(&limits)), uint32(unsafe.Sizeof(limits)))
	if err != nil {
		windows.CloseHandle(job)
		return 0, fmt.Errorf("limit a job: %w", err)
	}
	return job, nil
}

// ends are two pipes: ours, and theirs, which a helper inherits.
type ends struct{ read, write, theirRead, theirWrite windows.Handle }

func newPipes() (*ends, error) {
	var p ends
	if err := windows.CreatePipe(&p.read, &p.theirWrite, nil, 2*pipeRoom); err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	if err := windows.CreatePipe(&p.theirRead, &p.write, nil, 2*pipeRoom); err != nil {
		windows.CloseHandle(p.read)
		windows.CloseHandle(p.theirWrite)
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	const inherit = windows.HANDLE_FLAG_INHERIT
	if err := errors.Join(windows.SetHandleInformation(p.theirRead, inherit, inherit), windows.SetHandleInformation(p.theirWrite, inherit, inherit)); err != nil {
		p.closeOurs()
		p.closeTheirs()
		return nil, fmt.Errorf("let a pipe be inherited: %w", err)
	}
	return &p, nil
}

func (p *ends) closeOurs() {
	windows.CloseHandle(p.read)
	windows.CloseHandle(p.write)
}

func (p *ends) closeTheirs() {
	windows.CloseHandle(p.theirRead)
	windows.CloseHandle(p.theirWrite)
}
