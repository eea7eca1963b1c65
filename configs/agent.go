package configs

import (
	"net/netip"
	"strings"
	"time"

	"github.com/discreet-agent/discreet/privacy"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// Agent holds the settings of the agent, except the levels, which are a
// privacy.Policy. Each field is a key of the table, named by its tag. Lists,
// quiet hours and pauses are as the floor leaves them.
type Agent struct {
	Schema     int                  `key:"schema"`
	Gateway    Uplink               `key:"gateway"`
	Device     Device               `key:"device"`
	Privacy    Privacy              `key:"privacy"`
	Trust      Trust                `key:"trust"`
	Collectors map[string]Collector `key:"collectors"`
	Summary    Summary              `key:"summary"`
	Spool      Spool                `key:"spool"`
	Log        Log                  `key:"log"`
	StateDir   string               `key:"state_dir"`
	RunDir     string               `key:"run_dir"`
}

// Uplink says where the gateway is and how the agent knows it.
type Uplink struct {
	Address              string `key:"address"` // empty: none yet
	Name                 string `key:"name"`    // empty: the host of Address
	CAFile               string `key:"ca_file"` // empty: the CA that enrolment gave
	CAPin                string `key:"ca_pin"`  // empty: whatever the token names
	TokenFile            string `key:"token_file"`
	Proxy                string `key:"proxy"`
	ProxyCredentialsFile string `key:"proxy_credentials_file"`
}

// Device is what IT says about the device.
type Device struct {
	AssetID string   `key:"asset_id"`
	Tags    []string `key:"tags"`
}

// Privacy is what stands under privacy beside the levels.
type Privacy struct {
	Preset            string         `key:"preset"`
	CorporateDomains  []string       `key:"corporate_domains"`
	CorporateSSIDs    []string       `key:"corporate_ssids"`
	CorporateNetworks []Network      `key:"corporate_networks"`
	RealmAliases      []Alias        `key:"realm_aliases"`
	ExcludePrograms   []string       `key:"exclude_programs"`
	CountOnlyPrograms []string       `key:"count_only_programs"`
	OnlyNetworks      []netip.Prefix `key:"only_networks"` // empty: all
	Quiet             Quiet          `key:"quiet"`
	Pause             Pause          `key:"pause"`
	Pseudonym         Pseudonym      `key:"pseudonym"`
	Statement         Statement      `key:"statement"`
}

// Trust says whose signatures count.
type Trust struct {
	Floor Signers `key:"floor"`
	Push  Signers `key:"push"`
}

// Signers are public keys, and how many of them must sign.
type Signers struct {
	KeyFiles  []string `key:"key_files"`
	Threshold int      `key:"threshold"`
}

// Network is a range of addresses of the company.
type Network struct {
	Label string       `key:"label"`
	CIDR  netip.Prefix `key:"cidr"`
}

// Alias says that realm From is realm To.
type Alias struct {
	From string `key:"from"`
	To   string `key:"to"`
}

// Pause says whether and how the person at the device may pause behaviour
// collectors.
type Pause struct {
	Allowed bool          `key:"allowed"`
	Max     time.Duration `key:"max"`
	PerDay  int           `key:"per_day"`
}

// Pseudonym says where pseudonyms come from.
type Pseudonym struct {
	Mode           string `key:"mode"` // auto, sealed, tenant_key, device_key
	TenantKeyFile  string `key:"tenant_key_file"`
	KeyID          string `key:"key_id"`
	OfficerKeyFile string `key:"officer_key_file"`
	Epoch          string `key:"epoch"` // none, year, quarter, month
}

// Source returns the mode that holds: auto follows the files that are named.
func (p Pseudonym) Source() string {
	switch {
	case p.Mode != "auto":
		return p.Mode
	case p.OfficerKeyFile != "":
		return "sealed"
	case p.TenantKeyFile != "":
		return "tenant_key"
	}
	return "device_key"
}

// Statement is what the employee is told.
type Statement struct {
	SetBy         string `key:"set_by"`
	Purpose       string `key:"purpose"`
	LegalBasis    string `key:"legal_basis"`
	Contact       string `key:"contact"`
	RetentionDays int    `key:"retention_days"`
}

// Collector is one section under collectors.
type Collector struct {
	Enabled  bool   `key:"enabled"`
	RungName string `key:"rung"` // auto, or a rung of the event schema in lower case
}

// Rung returns the rung as collectors take it; auto is RUNG_UNSPECIFIED.
func (c Collector) Rung() eventv1.Rung {
	return eventv1.Rung(eventv1.Rung_value["RUNG_"+strings.ToUpper(c.RungName)])
}

// Summary is about summaries in memory.
type Summary struct {
	Flush time.Duration `key:"flush"`
}

// Spool bounds the buffer on disk.
type Spool struct {
	MaxBytes int64         `key:"max_bytes"`
	MaxAge   time.Duration `key:"max_age"`
	MinFree  int64         `key:"min_free"`
	Flush    time.Duration `key:"flush"`
}

// Log is about the program's own log.
type Log struct {
	Level  string `key:"level"`  // debug, info, warn, error
	Format string `key:"format"` // json, text
}

// Context returns what the value rules must know of the company. The caller
// adds the device's own: system, host, identities, location.
func (a Agent) Context() privacy.Context {
	ctx := privacy.Context{
		CorporateDomains: a.Privacy.CorporateDomains, CorporateSSIDs: a.Privacy.CorporateSSIDs,
		ExcludePrograms: a.Privacy.ExcludePrograms, CountOnlyPrograms: a.Privacy.CountOnlyPrograms,
		OnlyNetworks: a.Privacy.OnlyNetworks,
	}
	for _, al := range a.Privacy.RealmAliases {
		ctx.RealmAliases = append(ctx.RealmAliases, privacy.Alias{From: al.From, To: al.To})
	}
	for _, n := range a.Privacy.CorporateNetworks {
		ctx.CorporateNetworks = append(ctx.CorporateNetworks, privacy.Network{Label: n.Label, CIDR: n.CIDR})
	}
	return ctx
}
