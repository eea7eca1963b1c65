package gateway

import (
	"context"
	"time"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// DeviceState is the newest that a device said of its own work, kept beside its
// record so that a list of ten thousand devices reads no event.
type DeviceState struct {
	Device   Device
	Health   *eventv1.AgentHealth // nil: none is kept
	HealthAt time.Time
	Policy   *eventv1.PolicyApplied // nil: none is kept
	PolicyAt time.Time
	Push     *PushState // nil: nothing is known
	PushAt   time.Time

	// What the store adds; PutState does not read it.
	SupersededBy Device // the record that took this one's place; "": none
	Anonymous    bool   // its names were taken off by a duty
}

// PushState says what became of the newest policy that was pushed to a device.
type PushState struct {
	Version uint64 // 0: it could not be read there
	Reason  eventv1.PolicyRefusal
}

// A StateStore keeps the newest account of each device. It goes with the events
// that it was read from: Delete takes it with the machine, Expire with its day. A
// Store's implementation may be one.
type StateStore interface {
	// PutState notes the parts of st that are not nil, where they are newer than
	// what is kept. It returns ErrNotFound where the device has no record.
	PutState(ctx context.Context, st DeviceState) error
	// States returns one state for each device that has a record, in the order of
	// their ids.
	States(ctx context.Context) ([]DeviceState, error)
}

// A Lineage knows which records are of one laptop: one that was set up anew enrols
// again, under a new id. A Store's implementation may be one.
type Lineage interface {
	// EnrolDevice puts the record of a device that has just paid with a token. With
	// an asset id it takes the place of the records of the same group that have that
	// asset id: they are revoked and marked as superseded by it, and returned. One
	// for which live reports true is left alone: a laptop that talks to us now was
	// not set up anew. live may be nil.
	EnrolDevice(ctx context.Context, d DeviceRecord, live func(Device) bool) ([]Device, error)
	// Family returns dev and the records that it superseded, or that superseded it,
	// however far back or on, in the order of their ids.
	Family(ctx context.Context, dev Device) ([]Device, error)
}
