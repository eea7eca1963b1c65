package view

import (
	"errors"
	"net"
	"runtime"
	"time"

	"golang.org/x/sys/windows"
)

// Self returns the account that runs this process.
func Self() Caller {
	t := windows.GetCurrentProcessToken()
	u, err := t.GetTokenUser()
	if err != nil {
		return Caller{}
	}
	return Caller{SID: u.User.Sid.String(), Admin: t.IsElevated(), Known: true}
}

// silence is how long a caller may say nothing: Windows names some callers only
// after they have sent something, and such a one holds a slot in no name.
const silence = time.Second

// callerOf asks the system who opened the other side of a pipe. The token is that
// of the moment of the call, at the level that the caller allowed; an anonymous one
// tells nothing.
// https://learn.microsoft.com/windows/win32/api/namedpipeapi/nf-namedpipeapi-impersonatenamedpipeclient
func callerOf(c net.Conn) Caller {
	p, ok := c.(*pipeConn)
	if !ok {
		return Caller{}
	}
	who, err := p.client()
	if errors.Is(err, windows.ERROR_CANNOT_IMPERSONATE) {
		_ = p.SetReadDeadline(time.Now().Add(silence))
		if _, err := p.in.Peek(1); err == nil {
			who, _ = p.client()
		}
		_ = p.SetReadDeadline(time.Time{})
	}
	return who
}

// client returns who the client of a pipe is. It is asked on a thread of its own,
// which takes the client's place for a moment: one that cannot go back to its own
// ends with its goroutine.
func (p *pipeConn) client() (who Caller, err error) {
	raw, err := p.SyscallConn()
	if err != nil {
		return who, err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		back := false
		cerr := raw.Control(func(h uintptr) {
			if err = impersonate(windows.Handle(h)); err == nil {
				who = threadCaller()
				back = windows.RevertToSelf() == nil
			} else {
				back = true
			}
		})
		if cerr != nil {
			err, back = cerr, true
		}
		if back {
			runtime.UnlockOSThread()
		}
	}()
	<-done
	return who, err
}

func impersonate(h windows.Handle) error {
	// x/sys has no wrapper of this one.
	p := windows.NewLazySystemDLL("advapi32.dll").NewProc("ImpersonateNamedPipeClient")
	if r, _, err := p.Call(uintptr(h)); r == 0 {
		return err
	}
	return nil
}

// threadCaller reads the token that the thread has taken over.
func threadCaller() Caller {
	var t windows.Token
	// As the process, not as the client, who cannot open her own token here.
	if err := windows.OpenThreadToken(windows.CurrentThread(), windows.TOKEN_QUERY, true, &t); err != nil {
		return Caller{}
	}
	defer t.Close()
	u, err := t.GetTokenUser()
	if err != nil || u.User.Sid.IsWellKnown(windows.WinAnonymousSid) {
		return Caller{}
	}
	return Caller{SID: u.User.Sid.String(), Admin: rules(t, u.User.Sid), Known: true}
}

// rules reports whether a token is of the system, or of an administrator whose
// rights are on: before the question of UAC the group only takes rights away.
func rules(t windows.Token, user *windows.SID) bool {
	if user.IsWellKnown(windows.WinLocalSystemSid) {
		return true
	}
	admins, err := windows.CreateWellKnownSid(windows.WinBuiltinAdministratorsSid)
	if err != nil {
		return false
	}
	in, err := t.IsMember(admins)
	return err == nil && in
}
