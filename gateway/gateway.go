// Package gateway holds the vocabulary of the receiver: what a device, a person
// and a stored record are, and what a store must do. Everything that acts lies
// in the folders below.
package gateway

import (
	"context"
	"errors"
	"iter"
	"time"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// Device is the random id of an agent, a UUID from its certificate.
type Device string

// Epoch names one opening of an agent's spool.
type Epoch [16]byte

// SubjectKind says what a subject is.
type SubjectKind uint8

// The kinds of subject.
const (
	Person SubjectKind = iota + 1
	Machine
)

// SubjectID is a random name for a person or a machine. Event rows hold it
// instead of any name.
type SubjectID [16]byte

// Subject is a person or a machine, as far as the store knows: for a person the
// pseudonyms or names under which it was reported, for a machine its device id
// and its name. After Anonymise all names are empty.
type Subject struct {
	ID         SubjectID
	Kind       SubjectKind
	Name       string // a person's name field, or the device name, as reported
	UPN        string
	SID        string
	Device     Device // of a machine
	Restricted bool
	Events     int64
	First      time.Time
	Last       time.Time
}

// Stored is a record as the store gives it back: with the names of its subjects
// put in again, where it still has them.
type Stored struct {
	Device Device
	Epoch  Epoch
	Seq    uint64
	Event  *eventv1.Event
}

// Gap says that an agent will never send some records.
type Gap struct {
	Epoch       Epoch
	Seq         uint64 // the gap's own number
	Lost        Epoch
	First, Last uint64
	Count       uint64
	Reason      eventv1.LossReason
}

// Erased counts what a duty changed.
type Erased struct {
	Subjects int64
	Events   int64
}

// Query selects subjects. Names match a person's name, UPN or SID, or a
// machine's name, exactly. An empty Query selects all of its kind, and with no
// kind both.
type Query struct {
	Kind   SubjectKind
	IDs    []SubjectID
	Names  []string
	Device Device // a machine by its id; a person by a device that reported it
}

// Totals counts what a store holds.
type Totals struct {
	Events     int64
	Kinds      map[string]int64 // by the name of the event's field in event.v1.Event
	Duplicates int64            // rows that share (device, epoch, seq): always 0
	Skipped    int64            // records that came again and were skipped
	Gaps       int64
	Lost       int64 // records that gaps account for
}

// ErrNotFound says that there is no such thing in the store.
var ErrNotFound = errors.New("not found")

// A Store keeps events and can forget people. Every implementation passes the
// suite in gateway/store/storetest.
type Store interface {
	// Append stores the events first, first+1, … of one epoch of dev. On return
	// they are durable. What was acknowledged before is skipped, also after its
	// deletion; what is older than the retention is skipped and acknowledged.
	Append(ctx context.Context, dev Device, epoch Epoch, first uint64, events []*eventv1.Event) error
	// AppendGap stores a gap under its own number, like an event.
	AppendGap(ctx context.Context, dev Device, gap Gap) error
	// Acked returns the last number up to which the epoch is complete; 0: none.
	Acked(ctx context.Context, dev Device, epoch Epoch) (uint64, error)

	// Subjects returns what q selects.
	Subjects(ctx context.Context, q Query) ([]Subject, error)
	// Retrieve yields every event that names one of the subjects, oldest day
	// first.
	Retrieve(ctx context.Context, ids []SubjectID) iter.Seq2[Stored, error]
	// Anonymise takes the names off the subjects for good and keeps their events.
	// For a machine it also takes the names off its record of devices.
	Anonymise(ctx context.Context, ids []SubjectID) (Erased, error)
	// Delete removes the subjects and every event that names them. Deleting a
	// machine removes all that its device sent, and its record of devices.
	Delete(ctx context.Context, ids []SubjectID) (Erased, error)
	// Restrict marks subjects whose data may be kept but not used, or unmarks
	// them.
	Restrict(ctx context.Context, ids []SubjectID, on bool) error

	// Events yields the newest n events, or all for n = 0, oldest first.
	Events(ctx context.Context, n int) iter.Seq2[Stored, error]
	// Expire removes every event that happened before t, by whole days.
	Expire(ctx context.Context, t time.Time) (int64, error)
	Totals(ctx context.Context) (Totals, error)
	Close() error
}

// DeviceRecord is what the gateway knows of an agent beside its events.
type DeviceRecord struct {
	Device       Device
	Group        string
	Enrolled     time.Time
	LastContact  time.Time // zero: never
	AgentVersion string
	PolicyDigest []byte
	AssetID      string
	Tags         []string
	System       eventv1.System
	Revoked      bool
	CertSerial   string // of its newest certificate
	CertExpires  time.Time
}

// Token lets some devices enrol. The store holds its hash, never the token.
type Token struct {
	ID       string // random, for people to name it by
	Hash     [32]byte
	Group    string
	UsesLeft int
	Created  time.Time
	Expires  time.Time
	Revoked  bool
}

// The reasons for which a token is refused.
var (
	ErrTokenUnknown = errors.New("token unknown")
	ErrTokenUsedUp  = errors.New("token used up")
	ErrTokenExpired = errors.New("token expired")
	ErrTokenRevoked = errors.New("token revoked")
)

// A Registry keeps devices, tokens and the policies that digests stand for. A
// Store's implementation is one too.
type Registry interface {
	// PutDevice adds a device or replaces what is known of it. A device that is
	// revoked stays revoked, whatever d says: a renewal may race a revocation.
	PutDevice(ctx context.Context, d DeviceRecord) error
	// RenewDevice notes the newest certificate of a device that is there, and
	// DescribeDevice what it says of itself. Both return ErrNotFound where there
	// is none: a deletion that came between stays.
	RenewDevice(ctx context.Context, dev Device, certSerial string, expires time.Time) error
	DescribeDevice(ctx context.Context, dev Device, assetID string, tags []string, system eventv1.System) error
	// Device returns ErrNotFound where there is none.
	Device(ctx context.Context, dev Device) (DeviceRecord, error)
	Devices(ctx context.Context) ([]DeviceRecord, error)
	// Touch notes a contact; empty values leave what is there.
	Touch(ctx context.Context, dev Device, at time.Time, agentVersion string, policyDigest []byte) error
	Revoke(ctx context.Context, dev Device) error

	PutToken(ctx context.Context, t Token) error
	Tokens(ctx context.Context) ([]Token, error)
	RevokeToken(ctx context.Context, id string) error
	// UseToken takes one use of the token with that hash, or says why not.
	UseToken(ctx context.Context, hash [32]byte, now time.Time) (Token, error)

	// PutPolicy notes the levels behind a digest; Policy returns them, or
	// ErrNotFound.
	PutPolicy(ctx context.Context, digest [32]byte, levels string) error
	Policy(ctx context.Context, digest [32]byte) (string, error)
}
