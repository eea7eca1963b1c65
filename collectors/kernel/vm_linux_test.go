//go:build vm

package kernel

import "testing"

// TestVMRing runs the ring on a second kernel.
func TestVMRing(t *testing.T) {
	t.Run("order", TestRingKeepsOrderOverItsEnd)
	t.Run("full", TestFullRingCountsWhatItLoses)
	t.Run("read", TestRead)
	t.Run("links", TestLinksOutliveTheCollector)
}
