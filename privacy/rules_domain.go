package privacy

import (
	"net/netip"
	"strings"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

const maxDomain = 253 // RFC 1035 3.1

// lookupIDNA maps names as browsers do, and lets through what stands in the DNS
// beside host names: underscores, and hyphens in the third place.
var lookupIDNA = idna.New(
	idna.MapForLookup(), idna.Transitional(false),
	idna.StrictDomainName(false), idna.CheckHyphens(false),
)

// localZones are never of the public DNS, whatever it says of them.
var localZones = [...]string{
	"local", "home.arpa", "lan", "internal", "home", "localdomain", "fritz.box",
	"localhost", "test", "invalid", "onion", "corp",
}

// domain serves DNS, TLS and QUIC names alike.
func (r *rules) domain(l Level, v string) string { return r.kept(&r.doms, l, v, (*rules).domainOf) }

func (r *rules) domainOf(l Level, v string) string {
	d := readDomain(v)
	switch l {
	case List:
		return r.listed(d.ascii)
	case Generalised:
		return r.generalDomain(d)
	case Hashed:
		name := r.generalDomain(d)
		if strings.HasPrefix(name, "<") {
			return name
		}
		return r.keys.make(purposeDomain, name)
	case Cleartext:
		return clearText(d.ascii, maxName)
	}
	return ""
}

// domainName is a name that was read.
type domainName struct {
	text    string // canonical, as it came
	ascii   string // as the DNS has it; a label that it cannot have is "?"
	address bool
}

// readDomain takes port and trailing dots from a name.
func readDomain(v string) domainName {
	v = strings.TrimSpace(v)
	host := v
	if inner, port, ok := strings.Cut(v, "]"); ok && strings.HasPrefix(inner, "[") && portOrNothing(port) {
		host = inner[1:]
	} else if head, port, _ := strings.Cut(v, ":"); portOrNothing(":" + port) {
		host = head
	}
	host = strings.TrimRight(fullStops.Replace(host), ".")
	if a, err := netip.ParseAddr(host); err == nil {
		return domainName{ascii: a.WithZone("").String(), address: true}
	}
	d := domainName{text: Canonical(host)}
	if ascii := asciiLabels(host); len(ascii) <= maxDomain {
		d.ascii = ascii
	}
	return d
}

// fullStops are the dots that IDNA reads as one.
var fullStops = strings.NewReplacer("\u3002", ".", "\uff0e", ".", "\uff61", ".")

// asciiLabels converts label by label: services announce themselves as
// "John's Printer._ipp._tcp.local", which is no name as a whole.
func asciiLabels(host string) string {
	labels := strings.Split(host, ".")
	for i, label := range labels {
		ascii, err := lookupIDNA.ToASCII(label)
		if err != nil { // a broken xn-- label is still a name
			ascii = lowerASCII(label)
		}
		if strings.ContainsFunc(ascii, func(c rune) bool { return c <= ' ' || c >= 0x7f }) {
			ascii = "?"
		}
		labels[i] = ascii
	}
	return strings.Join(labels, ".")
}

func portOrNothing(v string) bool {
	port, ok := strings.CutPrefix(v, ":")
	return v == "" || ok && (port == "" || digits(port))
}

// generalDomain returns the registrable domain of a name in the public DNS, and
// of any other name only its kind.
func (r *rules) generalDomain(d domainName) string {
	name := d.ascii
	switch {
	case name == "":
		return ""
	case d.address:
		return "<ip>"
	case !strings.Contains(name, "."):
		return "<local>"
	case inZone(name, "in-addr.arpa"), inZone(name, "ip6.arpa"):
		return "<reverse>"
	}
	for _, zone := range localZones {
		if inZone(name, zone) {
			return "<local>"
		}
	}
	domain := registrable(name)
	switch {
	case domain == "":
		return "<local>"
	case r.personalDomain(d, domain):
		return "<id-domain>"
	case !hostName(domain): // an address of mail, a URL, a sentence
		return ""
	}
	return domain
}

// personalDomain reports whether an identity stands in the registrable domain
// of d, in ASCII, in the letters that the ASCII stands for, or as it came.
func (r *rules) personalDomain(d domainName, domain string) bool {
	if r.holdsIdentity(domain, false) {
		return true
	}
	if strings.Contains(domain, "xn--") {
		if text, _ := lookupIDNA.ToUnicode(domain); r.holdsIdentity(text, false) {
			return true
		}
	}
	labels := strings.Split(d.text, ".")
	from := max(0, len(labels)-1-strings.Count(domain, "."))
	return r.holdsIdentity(strings.Join(labels[from:], "."), false)
}

// registrable returns the name's domain one below its public suffix, by the
// ICANN section alone: below a private suffix such as github.io the next label
// is a person. It returns "" where there is no such domain.
func registrable(name string) string {
	suffix, icann := publicsuffix.PublicSuffix(name)
	for !icann {
		_, parent, ok := strings.Cut(suffix, ".")
		if !ok {
			return "" // a top level that ICANN does not list
		}
		suffix, icann = publicsuffix.PublicSuffix(parent)
	}
	rest, ok := strings.CutSuffix(name, "."+suffix)
	label := rest[strings.LastIndexByte(rest, '.')+1:]
	if !ok || label == "" {
		return ""
	}
	return label + "." + suffix
}

// inZone reports whether name is zone or below it, by whole labels.
func inZone(name, zone string) bool {
	rest, ok := strings.CutSuffix(name, zone)
	return ok && (rest == "" || rest[len(rest)-1] == '.')
}

func hostName(name string) bool {
	for i := range len(name) {
		c := name[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return true
}

// listed returns the company's domain that name lies in, the closest one.
func (r *rules) listed(name string) string {
	for _, domain := range r.domains {
		if inZone(name, domain) {
			return domain
		}
	}
	return "other"
}

// corporateDomains returns the entries in the form of names, longest first.
func corporateDomains(list []string) []string {
	var out []string
	for _, entry := range list {
		d := readDomain(strings.TrimPrefix(strings.TrimPrefix(entry, "*"), "."))
		if d.ascii != "" {
			out = append(out, d.ascii)
		}
	}
	return sortedUnique(out)
}
