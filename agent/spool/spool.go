// Package spool keeps cleared events on disk until the gateway has them. It is
// the only buffer in the agent: crash-safe, bounded, and open to nothing but a
// privacy.Cleared.
package spool

import (
	"github.com/discreet-agent/discreet/privacy"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// Epoch names one opening of a spool: 16 random bytes.
type Epoch [16]byte

// Item is a run of records to send, or one gap to report.
type Item struct {
	Epoch   Epoch
	First   uint64        // the number of the first record, or of the gap
	Records [][]byte      // encoded events, numbered First, First+1, …; nil for a gap
	Stamp   privacy.Stamp // the policy that cleared all of them
	Gap     *Gap
}

// Gap accounts for records that will never be sent. It has a record's number of
// its own and is freed by Ack like a record.
type Gap struct {
	Lost        Epoch
	First, Last uint64 // numbers of what is missing in Lost; 0 where unknown
	Count       uint64
	Reason      eventv1.LossReason
}
