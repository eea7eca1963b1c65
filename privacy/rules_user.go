package privacy

import (
	"strconv"
	"strings"
)

// The roles that stand for system accounts. They are no pseudonyms: they name
// nobody.
const (
	roleSystem  = "@system"
	roleService = "@service"
)

// accounts reads the names that systems give to accounts.
type accounts struct {
	os      OS
	host    string // canonical
	label   string // its first label
	aliases map[string]string
}

func newAccounts(c Context) accounts {
	a := accounts{os: c.OS, host: Canonical(c.Host), aliases: make(map[string]string)}
	a.label, _, _ = strings.Cut(a.host, ".")
	for _, alias := range c.RealmAliases {
		if from := canonicalRealm(alias.From); from != "" {
			a.aliases[from] = canonicalRealm(alias.To)
		}
	}
	return a
}

func canonicalRealm(v string) string { return trimRealm(Canonical(v)) }

// trimRealm takes one trailing dot, and blanks, from a canonical realm.
func trimRealm(v string) string {
	return strings.Trim(strings.TrimSuffix(strings.Trim(v, " "), "."), " ")
}

// netBIOSLength is what Windows keeps of a host's name where it names accounts.
const netBIOSLength = 15

// isHost reports whether v, which is canonical, names this device.
func (a *accounts) isHost(v string) bool {
	return v == a.host || v == a.label || len(v) == netBIOSLength && strings.HasPrefix(a.label, v)
}

// account is a name that was read.
type account struct {
	realm  string // empty: of this device
	name   string
	role   string // of a system account
	person bool   // neither a system account nor a virtual one of a service
}

// parse reads the name of an account. sid, which may be empty, outweighs it.
func (a *accounts) parse(name, sid string) account {
	realm, user := a.split(Canonical(name))
	realm, user = trimRealm(realm), strings.Trim(user, " ")
	if a.isHost(realm) {
		realm = ""
	}
	out := account{realm: realm, name: user, role: a.roleOfSID(sid)}
	if out.role == "" {
		out.role = roleOfName(realm, user)
	}
	out.person = out.role == "" && user != "" && !systemRealm(realm) && !virtualSID(sid)
	if to, ok := a.aliases[realm]; ok {
		out.realm = to
	}
	return out
}

// split divides canonical text into realm and name.
func (a *accounts) split(c string) (realm, name string) {
	if i := strings.LastIndexAny(c, `\/`); i >= 0 {
		realm, name = c[:i], c[i+1:]
		if at := strings.LastIndexByte(name, '@'); at > 0 && at < len(name)-1 {
			realm, name = name[at+1:], name[:at] // AzureAD\jdoe@corp.example
		}
		return realm, name
	}
	if at := strings.LastIndexByte(c, '@'); at > 0 {
		return c[at+1:], c[:at]
	}
	if left, right, ok := strings.Cut(c, "+"); ok {
		if _, known := a.aliases[trimRealm(left)]; known {
			return left, right
		}
	}
	return "", c
}

// systemRealm reports whether the system itself is the realm.
func systemRealm(realm string) bool {
	switch realm {
	case "nt authority", "nt service", "window manager", "font driver host":
		return true
	}
	return false
}

func roleOfName(realm, name string) string {
	if realm != "" && !systemRealm(realm) {
		return ""
	}
	switch name {
	case "root", "system", "defaultuser0":
		return roleSystem
	case "local service", "network service", "daemon", "nobody", "www-data", "_windowserver":
		return roleService
	}
	for _, prefix := range []string{"dwm-", "umfd-"} {
		if n, ok := strings.CutPrefix(name, prefix); ok && digits(n) {
			return roleService
		}
	}
	return ""
}

// roleOfSID returns the role of a well-known SID or, on Unix, of a uid.
func (a *accounts) roleOfSID(sid string) string {
	if len(sid) > maxName {
		return ""
	}
	switch upperSID(sid) {
	case "S-1-5-18":
		return roleSystem
	case "S-1-5-19", "S-1-5-20":
		return roleService
	}
	if a.os == Windows || !digits(sid) {
		return ""
	}
	uid, err := strconv.ParseUint(sid, 10, 64)
	last := uint64(999) // of the uids that useradd(8) keeps for the system
	if a.os == Darwin {
		last = 499 // people begin at 501
	}
	switch {
	case err != nil:
		return ""
	case uid == 0:
		return roleSystem
	case uid <= last || uid == 65534 || a.os == Darwin && uid == 1<<32-2:
		return roleService
	}
	return ""
}

// virtualSID reports whether a SID is of a service, an application pool, a
// virtual machine or a window manager: nobody's name.
func virtualSID(sid string) bool {
	for _, prefix := range []string{"S-1-5-80-", "S-1-5-82-", "S-1-5-83-", "S-1-5-90-", "S-1-5-96-"} {
		if strings.HasPrefix(sid, prefix) {
			return true
		}
	}
	return false
}

func digits(v string) bool {
	for i := range len(v) {
		if v[i] < '0' || v[i] > '9' {
			return false
		}
	}
	return v != ""
}

// userMemo is what username made of a name, and the SID that went with it.
type userMemo struct{ sid, out string }

// username takes the account's SID too (on Unix its uid, in digits): it tells a
// system account from a person. The name of a person is learned first, at any
// level, so that the scrub of later fields knows it.
func (r *rules) username(l Level, name, sid string) string {
	if kept, ok := r.users.get(l, name); ok && kept.sid == sid {
		return kept.out
	}
	if len(name) > maxInput {
		return ""
	}
	user := r.accounts.parse(name, sid)
	if user.person {
		r.learn(name, ofAccount)
	}
	out := ""
	switch {
	case l == Hashed:
		out = hashedUser(r.keys, r.accounts.host, user)
		r.note(user, out)
	case l == Cleartext && user.name != "":
		out = clearText(name, maxName)
	}
	if len(sid) <= maxName {
		r.users.put(l, name, userMemo{strings.Clone(sid), out})
	}
	return out
}

func hashedUser(keys *Pseudonyms, host string, user account) string {
	if user.role != "" {
		return user.role
	}
	if user.name == "" {
		return ""
	}
	return keys.make(purposeUser, canonicalUser(host, user))
}

// canonicalUser is what stands for an account on every device: realm and name.
func canonicalUser(host string, user account) string {
	if user.realm == "" {
		user.realm = "local:" + host
	}
	return user.realm + "\x1f" + user.name
}

// upn gives nothing for what is no address: such fields hold display names. The
// address is learned, as a name is.
func (r *rules) upn(l Level, v string) string {
	if out, ok := r.upns.get(l, v); ok {
		return out
	}
	if len(v) > maxInput {
		return ""
	}
	canon := Canonical(v)
	if !isAddress(canon) {
		return ""
	}
	r.learn(v, ofUPN)
	out := ""
	switch l {
	case Hashed:
		out = hashedUPN(r.keys, canon)
	case Cleartext:
		out = clearText(v, maxName)
	}
	r.upns.put(l, v, out)
	return out
}

func isAddress(canon string) bool { return strings.LastIndexByte(canon, '@') > 0 }

func hashedUPN(keys *Pseudonyms, canon string) string {
	if !isAddress(canon) {
		return ""
	}
	return keys.make(purposeUPN, canon)
}

// userSID lets Windows SIDs leave. A uid is the same number on every Unix
// device: it decides roles and never leaves.
func (r *rules) userSID(l Level, v string) string { return r.kept(&r.sids, l, v, (*rules).sidOf) }

func (r *rules) sidOf(l Level, v string) string {
	if l != Hashed {
		return ""
	}
	return hashedSID(r.keys, &r.accounts, v)
}

func hashedSID(keys *Pseudonyms, a *accounts, v string) string {
	sid := upperSID(v)
	if !validSID(sid) {
		return ""
	}
	if role := a.roleOfSID(sid); role != "" {
		return role
	}
	return keys.make(purposeSID, sid)
}

func upperSID(v string) string { return strings.ToUpper(strings.TrimSpace(v)) }

// validSID reports whether v has the form S-1-N-N…, [MS-DTYP] 2.4.2.1.
func validSID(v string) bool {
	rest, ok := strings.CutPrefix(v, "S-1-")
	if !ok || len(v) > maxName {
		return false
	}
	for part := range strings.SplitSeq(rest, "-") {
		if !digits(part) {
			return false
		}
	}
	return true
}
