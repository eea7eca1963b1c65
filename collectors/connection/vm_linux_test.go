//go:build vm

package connection

import "testing"

// TestVMConnections runs the rung EBPF on a second kernel: the places of fields,
// and what its verifier takes, are other ones there.
func TestVMConnections(t *testing.T) {
	t.Run("tcp", TestEBPFSeesEveryConnection)
	t.Run("outcomes", TestEBPFOutcomes)
	t.Run("udp", TestEBPFCountsUDP)
	t.Run("found", TestEBPFFindsWhatWasThere)
}
