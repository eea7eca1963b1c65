//go:build vm

package domain

import (
	"testing"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// TestVMNames runs both rungs on a second kernel, whose verifier is another one.
// The machine is slow.
func TestVMNames(t *testing.T) {
	const role = "udp:40,tcp:10,nx:5,loose:5,six:5,tls:10,quic:5"
	t.Run("ebpf", func(t *testing.T) { seesEach(t, eventv1.Rung_RUNG_EBPF, calls{role + ",split:5"}) })
	t.Run("packet", func(t *testing.T) { seesEach(t, eventv1.Rung_RUNG_PACKET, calls{role}) })
}

func TestVMOtherPacketsAreNotCopied(t *testing.T) { TestOtherPacketsAreNotCopied(t) }
