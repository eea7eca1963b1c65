package privacy

import (
	"strings"
	"testing"
)

// TestKillUnreadableKeyFile: a file that opens and does not read is told so.
func TestKillUnreadableKeyFile(t *testing.T) {
	if _, err := ReadSecret("/proc/self/mem"); err == nil || !strings.HasPrefix(err.Error(), "read pseudonym key file: ") {
		t.Errorf("ReadSecret of memory that is not mapped: %v; want that it cannot be read", err)
	}
}
