//go:build vm

package connection

import "testing"

// TestVMConnections runs the rung EBPF on a second kernel: the places of fields,
// and what its verifier takes, are other ones there. The machine is slow.
func TestVMConnections(t *testing.T) {
	t.Run("tcp", func(t *testing.T) { ebpfSeesEvery(t, 30) })
	t.Run("outcomes", TestEBPFOutcomes)
	t.Run("udp", TestEBPFCountsUDP)
	t.Run("found", TestEBPFFindsWhatWasThere)
}
