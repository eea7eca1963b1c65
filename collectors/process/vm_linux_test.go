//go:build vm

package process

import (
	"testing"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// TestVMPrograms runs the sources on a second kernel: the places of fields, and
// what its verifier takes, are other ones there. The machine is slow.
func TestVMPrograms(t *testing.T) {
	for _, rung := range []eventv1.Rung{eventv1.Rung_RUNG_EBPF, eventv1.Rung_RUNG_NETLINK} {
		t.Run(rung.String(), func(t *testing.T) { seesEvery(t, rung, 40) })
	}
}

func TestVMFigures(t *testing.T) { TestEBPFFigures(t) }

func TestVMExecInThread(t *testing.T) { TestEBPFExecInThread(t) }
