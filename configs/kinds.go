package configs

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// kind is the type of a setting. What a value becomes: text and enums a string,
// numbers and sizes an int64, durations a time.Duration, lists a []any.
type kind uint8

const (
	kindSection  kind = iota
	kindLevel         // of a privacy key
	kindText          // no control characters
	kindTexts         // a list of them
	kindPath          // absolute, or empty
	kindAddress       // host:port, or empty
	kindProxy         // URL without credentials, or empty
	kindDomain        // one name
	kindDomains       // a list of them
	kindRealm         // of accounts
	kindLabel         // lower-case letters, digits, hyphens
	kindCIDR          // one range
	kindCIDRs         // a list of them
	kindHours         // "19:00-07:00", or several joined by commas, or empty
	kindObjects       // a list of maps
	kindBool          // true, false
	kindNumber        // decimal digits
	kindSize          // with KiB, MiB, GiB
	kindDuration      // with s, m, h, d
	kindEnum          // one of k.enum
	numKinds
)

// problem says why a value is refused, and how it could be mended.
type problem struct{ text, hint string }

func wrong(hint, format string, args ...any) *problem {
	return &problem{fmt.Sprintf(format, args...), hint}
}

// list reports whether values of the kind are lists, and of what kind each
// entry is.
func (kd kind) list() (entry kind, ok bool) {
	switch kd {
	case kindTexts:
		return kindText, true
	case kindDomains:
		return kindDomain, true
	case kindCIDRs:
		return kindCIDR, true
	}
	return kd, false
}

// scalar reads one value that is not a list or a map.
func (k *key) scalar(kd kind, n *yaml.Node) (any, *problem) {
	tag := n.ShortTag()
	if n.Kind != yaml.ScalarNode {
		return nil, wrong("", "a %s, want %s", nodeName(n), k.want(kd))
	}
	if tag == "!!null" {
		return nil, wrong("leave the key out for its default", "no value, want %s", k.want(kd))
	}
	switch kd {
	case kindBool:
		if tag != "!!bool" {
			return nil, wrong("", "%s, want true or false", k.show(n))
		}
		return strings.EqualFold(n.Value, "true"), nil
	case kindNumber:
		return k.number(n)
	}
	if tag != "!!str" {
		hint := "put it in quotes"
		if kd == kindDuration || kd == kindSize || kd == kindEnum {
			hint = ""
		}
		return nil, wrong(hint, "%s, want %s", k.show(n), k.want(kd))
	}
	return k.word(kd, n)
}

// word reads a value that is written as text.
func (k *key) word(kd kind, n *yaml.Node) (any, *problem) {
	s := n.Value
	if s == "" && !k.required && (kd == kindText || kd == kindPath || kd == kindAddress || kd == kindProxy || kd == kindHours || kd == kindLabel) {
		return "", nil
	}
	var v any = s
	var p *problem
	switch kd {
	case kindDuration:
		v, p = k.duration(n)
	case kindSize:
		v, p = k.size(n)
	case kindEnum:
		p = k.oneOf(n)
	case kindDomain:
		v, p = strings.ToLower(s), badIf(!isDomain(s), k, kd, n)
	case kindCIDR:
		p = k.cidr(n)
	case kindHours:
		p = badIf(!isHours(s), k, kd, n)
	case kindLabel:
		p = badIf(!isLabel(s, int(k.max)), k, kd, n)
	case kindRealm:
		p = badIf(!isText(s, 1, k.max) || strings.ContainsAny(s, `\/@ `), k, kd, n)
	case kindPath:
		p = badIf(!isText(s, 1, 4096) || !filepath.IsAbs(s), k, kd, n)
	case kindAddress:
		p = badIf(!isAddress(s, k.required), k, kd, n)
	case kindProxy:
		p = badIf(!isProxy(s), k, kd, n)
	default:
		p = badIf(!isText(s, 1, k.max), k, kd, n)
	}
	return v, p
}

func badIf(bad bool, k *key, kd kind, n *yaml.Node) *problem {
	if !bad {
		return nil
	}
	return wrong("", "%s, want %s", k.show(n), k.want(kd))
}

// want says in words what a value of the kind looks like.
func (k *key) want(kd kind) string {
	switch kd {
	case kindSection:
		return "a map of keys"
	case kindLevel, kindEnum:
		return "one of " + strings.Join(k.enum, ", ")
	case kindTexts, kindDomains, kindCIDRs, kindObjects:
		return "a list"
	case kindPath:
		return "an absolute path"
	case kindAddress:
		return "host:port"
	case kindProxy:
		return "a URL like http://proxy.example:3128, without user and password"
	case kindDomain:
		return "a name like corp.example.com, in ASCII, without a wildcard"
	case kindRealm:
		return "the name of a realm, without an account"
	case kindLabel:
		return fmt.Sprintf("1 to %d lower-case letters, digits and hyphens", k.max)
	case kindCIDR:
		return "a range like 10.20.0.0/16"
	case kindHours:
		return `hours like "19:00-07:00", in quotes`
	case kindBool:
		return "true or false"
	case kindNumber:
		return "a whole number"
	case kindSize:
		return "a size with KiB, MiB or GiB"
	case kindDuration:
		return "a duration with s, m, h or d"
	}
	if k.max > 0 {
		return fmt.Sprintf("text of 1 to %d bytes", k.max)
	}
	return "text"
}

// show quotes a refused value, shortened, unless it may be personal.
func (k *key) show(n *yaml.Node) string {
	switch {
	case k.private:
		return "a value that is not accepted"
	case n.ShortTag() == "!!str":
		return strconv.QuoteToASCII(short(n.Value))
	}
	return short(n.Value)
}

func short(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

func nodeName(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "map"
	case n.Kind == yaml.SequenceNode:
		return "list"
	}
	return "single value"
}

func (k *key) number(n *yaml.Node) (any, *problem) {
	v, err := strconv.ParseInt(n.Value, 10, 64)
	if n.ShortTag() != "!!int" || err != nil || strconv.FormatInt(v, 10) != n.Value {
		return nil, wrong("", "%s, want a whole number", k.show(n))
	}
	if p := k.bounds(v, n, func(v int64) string { return strconv.FormatInt(v, 10) }); p != nil {
		return nil, p
	}
	return v, nil
}

// bounds checks v against the row's limits, which format writes.
func (k *key) bounds(v int64, n *yaml.Node, format func(int64) string) *problem {
	if v < k.min || k.max > 0 && v > k.max {
		return wrong("", "%s, want %s to %s", k.show(n), format(k.min), format(k.max))
	}
	return nil
}

func (k *key) duration(n *yaml.Node) (any, *problem) {
	total, ok := parseUnits(n.Value, "dhms", map[byte]int64{'d': day, 'h': hour, 'm': minute, 's': second})
	if !ok {
		return nil, wrong("", "%s, want %s", k.show(n), k.want(kindDuration))
	}
	format := func(v int64) string { return formatDuration(seconds(v)) }
	return seconds(total), k.bounds(total, n, format)
}

// parseUnits reads numbers with one-letter units, in the order of units and each
// at most once, such as 1h30m.
func parseUnits(s, units string, worth map[byte]int64) (int64, bool) {
	var total int64
	for s != "" {
		i := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' })
		if i < 1 || i > 9 {
			return 0, false
		}
		at := strings.IndexByte(units, s[i])
		n, err := strconv.ParseInt(s[:i], 10, 64)
		if at < 0 || err != nil {
			return 0, false
		}
		// Nine digits of days are far below what an int64 of seconds holds, but
		// not below a time.Duration's 292 years.
		if total += n * worth[s[i]]; total > 100000*day {
			return 0, false
		}
		units, s = units[at+1:], s[i+1:]
	}
	return total, total > 0
}

func (k *key) size(n *yaml.Node) (any, *problem) {
	for unit, worth := range map[string]int64{"KiB": kib, "MiB": mib, "GiB": gib} {
		digits, ok := strings.CutSuffix(n.Value, unit)
		if v, err := strconv.ParseUint(digits, 10, 32); ok && err == nil {
			return int64(v) * worth, k.bounds(int64(v)*worth, n, formatSize)
		}
	}
	hint := ""
	if i := strings.IndexFunc(n.Value, unicode.IsLetter); i > 0 && strings.ContainsRune("kKmMgG", rune(n.Value[i])) {
		hint = "did you mean " + strings.TrimSpace(n.Value[:i]) + strings.ToUpper(n.Value[i:i+1]) + "iB?"
	}
	return nil, wrong(hint, "%s, want %s", k.show(n), k.want(kindSize))
}

func (k *key) oneOf(n *yaml.Node) *problem {
	for _, have := range k.enum {
		if have == n.Value {
			return nil
		}
	}
	return wrong(didYouMean(n.Value, k.enum), "%s, want %s", k.show(n), k.want(kindEnum))
}

func (k *key) cidr(n *yaml.Node) *problem {
	p, err := netip.ParsePrefix(n.Value)
	switch {
	case err != nil || p.Addr().Is4In6():
		return wrong("", "%s, want %s", k.show(n), k.want(kindCIDR))
	case p != p.Masked():
		return wrong("did you mean "+p.Masked().String()+"?", "%s names an address inside a range", k.show(n))
	}
	return nil
}

// isText reports whether s is text of least to most bytes without controls.
func isText(s string, least int, most int64) bool {
	return len(s) >= least && (most <= 0 || int64(len(s)) <= most) && utf8.ValidString(s) &&
		strings.IndexFunc(s, unicode.IsControl) < 0
}

func isLabel(s string, most int) bool {
	ok := strings.IndexFunc(s, func(r rune) bool { return r != '-' && (r < 'a' || r > 'z') && (r < '0' || r > '9') }) < 0
	return ok && s != "" && len(s) <= most
}

func isDomain(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(strings.ToLower(s), ".") {
		if !isLabel(label, 63) || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
	}
	return true
}

// isAddress reports whether s is host:port. Only a listener may leave the host
// out.
func isAddress(s string, listener bool) bool {
	host, port, err := net.SplitHostPort(s)
	if err != nil || !isText(s, 1, 300) || strings.ContainsAny(host, " /@") || host == "" && !listener {
		return false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && (n > 0 || listener)
}

func isProxy(s string) bool {
	u, err := url.Parse(s)
	return err == nil && isText(s, 1, 300) && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil
}

// formatDuration writes d in the largest units that hold it, such as 30d or
// 1h30m.
func formatDuration(d time.Duration) string {
	left := int64(d / time.Second)
	if left == 0 {
		return "0s"
	}
	var b strings.Builder
	for _, u := range []struct {
		worth int64
		name  byte
	}{{day, 'd'}, {hour, 'h'}, {minute, 'm'}, {second, 's'}} {
		if n := left / u.worth; n > 0 {
			fmt.Fprintf(&b, "%d%c", n, u.name)
			left -= n * u.worth
		}
	}
	return b.String()
}

func formatSize(n int64) string {
	for _, u := range []struct {
		worth int64
		name  string
	}{{gib, "GiB"}, {mib, "MiB"}} {
		if n >= u.worth && n%u.worth == 0 {
			return strconv.FormatInt(n/u.worth, 10) + u.name
		}
	}
	return strconv.FormatInt(n/kib, 10) + "KiB"
}
