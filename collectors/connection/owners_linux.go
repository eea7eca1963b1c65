package connection

import (
	"slices"

	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/collectors/procfs"
)

// owners finds whose a socket is: sock_diag names an inode, and /proc/PID/fd
// says who holds it. Looking through every process is by far the dearest thing
// that this collector does, so it looks only for sockets that are new, first at
// processes that held one before, then at the youngest, and stops when all are
// found.
type owners struct {
	proc     *procfs.Reader
	accounts *procfs.Accounts
	holders  map[uint32]uint32 // pids that held a socket, and the last find that saw them do it
	finds    uint32
	want     map[uint32][]*holder // by inode
	pids     []uint32
}

// keepHolders is for how many finds a process that opened nothing new is still
// looked at first.
const keepHolders = 120

func newOwners(env collectors.Env) *owners {
	return &owners{
		proc:     procfs.NewReader(env.ProcRoot),
		accounts: procfs.NewAccounts(""),
		holders:  make(map[uint32]uint32),
		want:     make(map[uint32][]*holder),
	}
}

// find looks for the owners of what t wants.
func (o *owners) find(t *tracker) {
	clear(o.want)
	t.wanted(func(h *holder) {
		h.tries++
		o.want[h.inode] = append(o.want[h.inode], h)
	})
	if len(o.want) == 0 {
		return
	}
	o.finds++
	o.pids = o.pids[:0]
	for pid, last := range o.holders {
		if o.finds-last > keepHolders {
			delete(o.holders, pid)
			continue
		}
		o.pids = append(o.pids, pid)
	}
	known := len(o.pids)
	all, err := o.proc.Pids()
	if err != nil {
		return // /proc is gone: connections stay without owners
	}
	for _, pid := range slices.Backward(all) {
		if _, first := o.holders[pid]; !first {
			o.pids = append(o.pids, pid)
		}
	}
	for i, pid := range o.pids {
		if len(o.want) == 0 {
			return
		}
		if err := o.look(pid); err != nil && i < known {
			delete(o.holders, pid)
		}
	}
}

// look takes from want what one process holds.
func (o *owners) look(pid uint32) error {
	var found []*holder
	err := o.proc.Sockets(pid, func(inode uint32) bool {
		if hs, ok := o.want[inode]; ok {
			found = append(found, hs...)
			delete(o.want, inode)
		}
		return len(o.want) > 0
	})
	if len(found) == 0 {
		return err // gone, or another account's: no more than not found
	}
	o.holders[pid] = o.finds
	var name, path string
	var key uint64
	stat, err := o.proc.Stat(pid)
	if err == nil {
		key, name = procfs.Key(stat.StartTicks, pid), string(stat.Name)
	}
	if exe, err := o.proc.Exe(pid); err == nil {
		path = string(exe)
		name = baseName(path)
	}
	byUID := make(map[uint32]*owner, 1)
	for _, h := range found {
		if byUID[h.uid] == nil {
			user, id := o.accounts.Find(h.uid)
			byUID[h.uid] = &owner{key, name, path, user, id}
		}
		h.owner = byUID[h.uid]
	}
	return nil
}
