package procfs

import (
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	maxPasswd  = 4 << 20         // bytes of the file that are read
	maxNames   = 64 << 10        // accounts that are kept
	checkAfter = 5 * time.Second // how long a look at the file's time is good for
	checkKnown = time.Minute     // the same for an account that was found before
)

// Accounts finds the names of accounts. It is not safe for concurrent use.
type Accounts struct {
	path    string
	checked time.Time
	stamp   time.Time
	size    int64
	names   map[uint32]string
	ids     map[uint32]string // the decimal form of each id that was asked for
}

// NewAccounts returns the accounts of a passwd file; "" means /etc/passwd.
// Accounts from a directory service do not stand in it.
func NewAccounts(path string) *Accounts {
	if path == "" {
		path = "/etc/passwd"
	}
	return &Accounts{path: path, ids: make(map[uint32]string)}
}

// Find returns the name of an account and its id in decimal. An account that
// has no line in the file is called uid:ID.
func (a *Accounts) Find(uid uint32) (name, id string) {
	good := checkAfter
	if _, known := a.names[uid]; known {
		good = checkKnown
	}
	a.refresh(good)
	id, ok := a.ids[uid]
	if !ok {
		if len(a.ids) >= 4096 {
			clear(a.ids)
		}
		id = strconv.FormatUint(uint64(uid), 10)
		a.ids[uid] = id
	}
	if name, ok = a.names[uid]; !ok {
		name = "uid:" + id
		if a.names == nil {
			a.names = map[uint32]string{}
		}
		if len(a.names) < maxNames {
			a.names[uid] = name // until the file changes
		}
	}
	return name, id
}

// refresh reads the file where it has changed, and the last look at it is too old
// to be good.
func (a *Accounts) refresh(good time.Duration) {
	now := time.Now()
	if now.Sub(a.checked) < good {
		return
	}
	a.checked = now
	info, err := os.Stat(a.path)
	if err != nil || info.ModTime().Equal(a.stamp) && info.Size() == a.size {
		return // without the file the last good names stay
	}
	if info.Size() > maxPasswd {
		return
	}
	text, err := os.ReadFile(a.path)
	if err != nil {
		return
	}
	a.stamp, a.size, a.names = info.ModTime(), info.Size(), ParsePasswd(string(text))
}

// ParsePasswd returns the names of accounts in the text of a passwd file
// (passwd(5)) by their ids. Where two share an id the first counts, as it does
// for getpwuid(3).
func ParsePasswd(text string) map[uint32]string {
	names := make(map[uint32]string)
	for line := range strings.Lines(text) {
		name, rest, ok := strings.Cut(line, ":")
		_, rest, ok2 := strings.Cut(rest, ":")
		word, _, ok3 := strings.Cut(rest, ":")
		if !ok || !ok2 || !ok3 || name == "" || name[0] == '#' || name[0] == '+' || name[0] == '-' {
			continue
		}
		uid, err := strconv.ParseUint(word, 10, 32)
		if err != nil {
			continue
		}
		if _, taken := names[uint32(uid)]; !taken {
			names[uint32(uid)] = strings.Clone(name)
		}
	}
	return names
}

// ID returns the id of the account of that name in decimal, or nothing where no
// line of the file has it.
func (a *Accounts) ID(name string) string {
	a.refresh(checkAfter)
	for uid, n := range a.names {
		if n == name {
			return strconv.FormatUint(uint64(uid), 10)
		}
	}
	return ""
}
