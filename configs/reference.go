package configs

import (
	"strconv"
	"strings"
)

// Row is one setting as documents show it.
type Row struct {
	Path    string // joined by dots
	Section bool   // a map of keys; it has no value of its own
	Want    string // what a value looks like
	Default string // as a file spells it
	Doc     string
}

// AgentReference returns a row for every key of agent.yaml on Linux, in the order
// of the sample. Below tighten and the floor stand the keys of privacy again;
// only the section is listed there.
func AgentReference() []Row { return reference(nil, "", agentKeys(LinuxPlaces())) }

// GatewayReference returns the rows of gateway.yaml on Linux.
func GatewayReference() []Row { return reference(nil, "", gatewayKeys(LinuxPlaces())) }

func reference(rows []Row, prefix string, keys []key) []Row {
	for i := range keys {
		k := &keys[i]
		path := join(prefix, k.name)
		row := Row{Path: path, Section: k.kind == kindSection, Want: k.accepts(), Default: k.def, Doc: k.doc}
		if k.kind == kindLevel {
			row.Default = "by preset"
		}
		rows = append(rows, row)
		if k.kind == kindSection && k.bag == mainBag {
			rows = reference(rows, path, k.keys)
		}
	}
	return rows
}

// accepts says in words what the key takes, with the bounds of numbers.
func (k *key) accepts() string {
	entry, isList := k.kind.list()
	switch {
	case isList:
		return "a list; each " + k.want(entry)
	case k.kind == kindObjects:
		var names []string
		for _, row := range k.keys {
			names = append(names, row.name+" ("+row.want(row.kind)+")")
		}
		return "a list of maps with " + strings.Join(names, " and ")
	case k.max > 0 && k.kind == kindNumber:
		return k.want(k.kind) + ", " + strconv.FormatInt(k.min, 10) + " to " + strconv.FormatInt(k.max, 10)
	case k.max > 0 && k.kind == kindSize:
		return k.want(k.kind) + ", " + formatSize(k.min) + " to " + formatSize(k.max)
	case k.max > 0 && k.kind == kindDuration:
		return k.want(k.kind) + ", " + formatDuration(seconds(k.min)) + " to " + formatDuration(seconds(k.max))
	}
	return k.want(k.kind)
}
