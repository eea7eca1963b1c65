package nt

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/windows"
)

// Account is whose something is: the name with its domain, and the SID. Both are
// empty where unknown.
type Account struct{ Name, SID string }

// maxAccounts bounds the cache of account names. A device has a handful; each
// session adds a few of the system's.
const maxAccounts = 1024

// Accounts names accounts. Looking up a name may ask a domain controller, so each
// logon is looked up once: who logs on again, perhaps under a new name, is a new
// one. It is not safe for concurrent use.
type Accounts struct{ byLogon map[windows.LUID]Account }

// NewAccounts returns an empty cache.
func NewAccounts() *Accounts { return &Accounts{make(map[windows.LUID]Account)} }

// tokenStatistics is the beginning of TOKEN_STATISTICS.
type tokenStatistics struct {
	token, logon windows.LUID
	_            [40]byte
}

// OfProcess returns the account in a process's token.
func (a *Accounts) OfProcess(p Held) (Account, error) {
	var token windows.Token
	if err := windows.OpenProcessToken(p.h, windows.TOKEN_QUERY, &token); err != nil {
		return Account{}, fmt.Errorf("open a process's token: %w", err)
	}
	defer token.Close()
	return a.OfToken(token)
}

// OfToken returns the account in a token.
func (a *Accounts) OfToken(token windows.Token) (Account, error) {
	var stats tokenStatistics
	var n uint32
	err := windows.GetTokenInformation(token, windows.TokenStatistics, (*byte)(unsafe.Pointer(&stats)), uint32(unsafe.Sizeof(stats)), &n)
	if err != nil {
		return Account{}, fmt.Errorf("ask for a token's logon: %w", err)
	}
	if known, ok := a.byLogon[stats.logon]; ok {
		return known, nil
	}
	user, err := token.GetTokenUser()
	if err != nil {
		return Account{}, fmt.Errorf("ask for a token's account: %w", err)
	}
	found := Account{SID: user.User.Sid.String()}
	if name, domain, _, err := user.User.Sid.LookupAccount(""); err == nil {
		found.Name = domain + `\` + name
	}
	if len(a.byLogon) >= maxAccounts {
		clear(a.byLogon)
	}
	a.byLogon[stats.logon] = found
	return found, nil
}

// OfSession returns the account that is logged on in a session. Only the system's
// own account may ask.
func (a *Accounts) OfSession(session uint32) (Account, error) {
	var token windows.Token
	if err := windows.WTSQueryUserToken(session, &token); err != nil {
		return Account{}, fmt.Errorf("ask for a session's token: %w", err)
	}
	defer token.Close()
	return a.OfToken(token)
}
