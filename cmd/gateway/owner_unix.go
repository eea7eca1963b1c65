//go:build unix

package main

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// ours refuses to work as root in a folder of another account: the files that root
// makes there are closed to the service, which runs as that account.
func ours(dir string) error {
	info, err := os.Stat(dir)
	if err != nil || os.Geteuid() != 0 {
		return nil // who may not read it hears so when it is opened
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || st.Uid == 0 {
		return nil
	}
	name := "#" + strconv.Itoa(int(st.Uid))
	if u, err := user.LookupId(strconv.Itoa(int(st.Uid))); err == nil {
		name = u.Username
	}
	return fail(exitPermission, fmt.Errorf("%s belongs to %s, and root's files there would be closed to the service; hint: sudo -u '%s' discreet-gateway …", dir, name, name))
}
