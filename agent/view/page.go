package view

import "time"

// Page is what "privacy show" tells a person, before it is put into words.
type Page struct {
	Live       bool       `json:"live"` // from a running agent
	Preset     string     `json:"preset"`
	Digest     string     `json:"digest"`
	Since      *time.Time `json:"since,omitempty"`
	OnlyHealth bool       `json:"only_health,omitempty"`
	SetBy      string     `json:"set_by"`
	Purpose    string     `json:"purpose"`
	LegalBasis string     `json:"legal_basis"`
	Contact    string     `json:"contact"`
	Gateway    string     `json:"gateway"` // host:port; "" where none is set
	Retention  int        `json:"retention_days"`
	Pseudonyms string     `json:"pseudonyms"` // device_key, tenant_key, sealed
	Keys       []PageKey  `json:"keys"`
	Floor      []string   `json:"floor"` // "key=level", in the order of Keys
	Pause      Pause      `json:"pause"`
	Signers    []string   `json:"signers,omitempty"` // of the floor: short names of their keys
	Pending    []Pending  `json:"pending"`           // what was announced, the next first
	Made       *time.Time `json:"made,omitempty"`    // when the page was asked for
}

// Pending is what a signed floor will loosen from a time on. Before and After are
// empty where the key is no level.
type Pending struct {
	Key    string    `json:"key"`
	Before string    `json:"before"`
	After  string    `json:"after"`
	From   time.Time `json:"from"`
}

// PageKey is one kind of data.
type PageKey struct {
	Key     string `json:"key"`
	Level   string `json:"level"`
	Layer   string `json:"layer"`
	Source  string `json:"source"` // file:line; "" where it is built in
	BoundBy string `json:"bound_by"`
}

// Pause says whether behaviour collectors can be paused, and whether they are.
type Pause struct {
	Allowed bool       `json:"allowed"`
	Max     int64      `json:"max_seconds"`
	PerDay  int        `json:"per_day"`
	Left    int        `json:"left_today"`
	Until   *time.Time `json:"until,omitempty"`
}

// Sent is one record in the form in which it went to the spool, from where it is
// sent.
type Sent struct {
	Time   time.Time         `json:"spooled"`
	Kind   string            `json:"kind"`
	Bytes  int               `json:"bytes"`
	SHA256 string            `json:"sha256"` // of the very bytes
	Wire   []byte            `json:"wire"`   // the very bytes
	Fields map[string]string `json:"fields"`
}

// Last is the answer to "privacy last".
type Last struct {
	Events []Sent `json:"events"`
	// NoUser says that under this policy some records name no user. They are
	// shown to root only.
	NoUser bool `json:"some_name_no_user"`
}

// Whoami says by which names a person stands in the data.
type Whoami struct {
	Account  string   `json:"account"`
	UID      uint32   `json:"uid"`
	ID       string   `json:"id"`          // how the system numbers the account: its uid, its SID
	Level    string   `json:"level"`       // of username
	InData   string   `json:"in_the_data"` // what leaves for the name; "" where nothing does
	Pseudo   []string `json:"pseudonyms"`  // under the key in force, whatever the level
	UPN      Name     `json:"upn"`
	SID      Name     `json:"user_sid"`
	KeyID    string   `json:"key_id"`
	Mode     string   `json:"mode"`
	Device   string   `json:"device_id"`
	Contact  string   `json:"contact"`
	KeyError string   `json:"key_error,omitempty"`
}

// Name is another name of an account, beside its account name.
type Name struct {
	Known  bool   `json:"known"` // the system has one for this account
	Level  string `json:"level"`
	InData string `json:"in_the_data"` // what leaves of it; "" where nothing does
	Pseudo string `json:"pseudonym"`   // under the key in force, whatever the level
}

// Own is a value of the person who asks, and what would leave of it.
type Own struct {
	Name    string `json:"name"`
	Before  string `json:"before"`
	After   string `json:"after"`
	Dropped bool   `json:"dropped"`
}

// Field is one row of the data inventory.
type Field struct {
	Event     string `json:"event"`
	Field     string `json:"field"`
	Class     string `json:"class"`
	Level     string `json:"level"` // "" of a field that is of no person
	Leaves    string `json:"leaves"`
	Days      int    `json:"retention_days"`
	Purpose   string `json:"purpose"`
	Basis     string `json:"legal_basis"`
	Recipient string `json:"recipient"`
	Source    string `json:"source"` // who decided the level, and where
}
