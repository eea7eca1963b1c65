package privacy

import (
	"encoding/hex"
	"slices"
	"strings"
	"time"
)

// The longest values that leave, in bytes, and the longest that is read.
const (
	maxName  = 256
	maxPath  = 1024
	maxInput = 32 << 10
)

const (
	maxLearned    = 4096 // identities
	maxLearnBytes = 1024 // of one; no system has longer account names
)

// rules turns a raw value into what may leave of it, by VALUE_RULES. Each
// method takes the level that the policy gives and returns "" for dropped; a
// level that a rule does not know drops. The results of the dear ones are kept,
// in bounded memos, so that a value seen again costs no allocation. Memos and
// tokens hold clear names: rules print as <redacted>.
type rules struct {
	ctx      Context
	keys     *Pseudonyms
	accounts accounts
	domains  []string // the company's, canonical, longest first
	networks []Network

	known   map[string]struct{} // identities that tokens holds
	tokens  *scrubber
	learned int    // how many of known came from events
	epoch   uint64 // how often what was kept was dropped
	frozen  bool   // learns nothing: a trial answers alike in any order
	sealed  sealed

	users                                 memo[userMemo]
	upns, sids, devices, serials, locals  memo[string]
	names, paths, signers, packages, dest memo[string]
	doms, ssids, bssids                   memo[string]
	buckets                               [numLevels]bucketMemo
}

// newRules compiles the rules for one device. keys may be nil: then whatever
// would be hashed is dropped.
func newRules(ctx Context, keys *Pseudonyms) *rules {
	r := &rules{
		ctx:      ctx,
		keys:     keys,
		accounts: newAccounts(ctx),
		domains:  corporateDomains(ctx.CorporateDomains),
		networks: corporateNetworks(ctx.CorporateNetworks),
	}
	r.relearn()
	return r
}

// relearn begins anew with the identities of the context alone.
func (r *rules) relearn() {
	r.known = make(map[string]struct{})
	r.tokens = newScrubber()
	r.learned = 0
	r.tokens.add(hostTokens(r.ctx.Host))
	for _, identity := range r.ctx.Identities {
		r.known[identity] = struct{}{}
		if r.accounts.isHost(Canonical(identity)) {
			r.tokens.add(hostTokens(identity))
		} else {
			r.addPerson(identity, originOf(identity))
		}
	}
}

// learn adds an account name that was seen in an event to the identities, and
// drops what was kept: it was made without that name. At the bound it begins
// anew with the identities of the context, so that the names of late are known.
func (r *rules) learn(name string, from origin) {
	if _, ok := r.known[name]; ok || r.frozen || len(name) > maxLearnBytes {
		return
	}
	if r.learned >= maxLearned {
		r.relearn()
	}
	r.learned++
	name = strings.Clone(name)
	r.known[name] = struct{}{}
	r.addPerson(name, from)
	r.forget()
}

// addPerson makes the tokens of an identity known, and those of the account's
// name in it: winbind's CORP+jdoe names jdoe.
func (r *rules) addPerson(identity string, from origin) {
	r.tokens.add(tagged(tokensOf(identity), from))
	_, name := r.accounts.split(Canonical(identity))
	r.tokens.add(tagged(tokensOf(name), from))
}

// forget drops all that was kept.
func (r *rules) forget() {
	r.epoch++
	r.users.forget()
	for _, m := range []*memo[string]{
		&r.upns, &r.sids, &r.devices, &r.serials, &r.locals, &r.names, &r.paths,
		&r.signers, &r.packages, &r.dest, &r.doms, &r.ssids, &r.bssids,
	} {
		m.forget()
	}
}

// scrub returns v with a mark for each identity, at most limit bytes of it. A
// value without one leaves as it is.
func (r *rules) scrub(v string, limit int) string {
	out, found := r.marked(v)
	if strings.ContainsFunc(v, invisible) {
		// Canonical text loses its controls, and a name that a line break ends
		// would not end there: read it once more with blanks in their place.
		switch again, more := r.marked(blankInvisible(v)); {
		case more && !found:
			out, found = again, true
		case more && strings.ReplaceAll(again, " ", "") != strings.ReplaceAll(out, " ", ""):
			out = idMark // each reading shows a name that the other hides
		}
	}
	if !found {
		out = v
	}
	if plain, ok := unescaped(out); ok {
		if again, found := r.marked(plain); found {
			out = again
		}
	}
	return r.capped(validText(out, "\ufffd"), limit)
}

// marked returns the canonical form of v with a mark for each identity, and
// whether there was one.
func (r *rules) marked(v string) (string, bool) {
	canon := Canonical(v)
	if !r.tokens.finds(canon, false) {
		return canon, false
	}
	return r.tokens.replace(canon), true
}

// capped returns at most limit bytes of scrubbed text. Where the cut makes an
// identity of a longer word, nothing is left.
func (r *rules) capped(v string, limit int) string {
	if len(v) <= limit {
		return v
	}
	v = cut(v, limit)
	if r.holdsIdentity(v, false) {
		return ""
	}
	return v
}

// holdsIdentity reports whether an identity stands in v in any reading.
func (r *rules) holdsIdentity(v string, people bool) bool {
	if r.tokens.finds(Canonical(v), people) ||
		strings.ContainsFunc(v, invisible) && r.tokens.finds(Canonical(blankInvisible(v)), people) {
		return true
	}
	plain, ok := unescaped(v)
	return ok && r.tokens.finds(Canonical(plain), people)
}

// unescaped returns v without its percent escapes, to the third depth, and
// whether it had any.
func unescaped(v string) (string, bool) {
	plain := v
	for range 3 {
		plain = unescapedOnce(plain)
	}
	return plain, plain != v
}

func unescapedOnce(v string) string {
	from := strings.IndexByte(v, '%')
	if from < 0 {
		return v
	}
	b := []byte(v[:from])
	for i := from; i < len(v); i++ {
		if v[i] == '%' && i+2 < len(v) {
			if c, err := hex.DecodeString(v[i+1 : i+3]); err == nil {
				b = append(b, c[0])
				i += 2
				continue
			}
		}
		b = append(b, v[i])
	}
	return string(b)
}

func blankInvisible(v string) string {
	return strings.Map(func(c rune) rune {
		if invisible(c) {
			return ' '
		}
		return c
	}, v)
}

// clearText returns v as it is, but as valid text and at most limit bytes of it.
func clearText(v string, limit int) string { return cut(validText(v, "\ufffd"), limit) }

// bucket returns the start and the length of the bucket of device-local time in
// which t lies. At Full, and at levels that are no grain of time, the length is
// 0 and start is t.
func (r *rules) bucket(l Level, t time.Time) (start time.Time, length time.Duration) {
	if l >= numLevels {
		return t, 0
	}
	m, unix := &r.buckets[l], t.Unix()
	if unix < m.from || unix >= m.to {
		m.start, m.length = bucketIn(l, t, r.ctx.Location)
		m.from = m.start.Unix()
		m.to = m.from + int64(m.length/time.Second)
	}
	return m.start, m.length
}

// byLength orders text longest first, then by its letters.
func byLength(a, b string) int {
	if len(a) != len(b) {
		return len(b) - len(a)
	}
	return strings.Compare(a, b)
}

func sortedUnique(list []string) []string {
	slices.SortFunc(list, byLength)
	return slices.Compact(list)
}
