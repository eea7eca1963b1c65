package privacy

import (
	"net/netip"
	"time"
)

// OS says whose rules for names and paths apply.
type OS string

// The systems.
const (
	Linux   OS = "linux"
	Windows OS = "windows"
	Darwin  OS = "darwin"
)

// Network is a range of addresses that belongs to the company.
type Network struct {
	Label string
	CIDR  netip.Prefix
}

// Alias says that two realms of accounts are one.
type Alias struct{ From, To string }

// Context is what the value rules must know of the device and the company. It
// holds names of people: it is never printed.
type Context struct {
	OS         OS
	Host       string
	Identities []string // account names, UPNs, display names of this device's people
	Location   *time.Location

	RealmAliases      []Alias
	CorporateDomains  []string
	CorporateSSIDs    []string
	CorporateNetworks []Network

	ExcludePrograms   []string       // by name, or by path: never reported
	CountOnlyPrograms []string       // their connections are counted, not described
	OnlyNetworks      []netip.Prefix // connections elsewhere are counted, not described; empty: none are
}
