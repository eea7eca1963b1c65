package privacy

import (
	"fmt"
	"io"
	"runtime"
	"sync/atomic"
)

// vault is memory for keys. It lies outside of what the garbage collector moves
// and reuses; where the system lets it, it is never written to swap and left out
// of core files.
//
// What it cannot cover: crypto/hmac and crypto/hkdf copy a key, mixed with
// constants, into ordinary memory for as long as one call takes, and nothing
// wipes those copies before that memory is used again. A secret is copied so
// when keys are made, a key when a value is seen first. The process as a whole
// is undumpable on Linux, which covers them against a core file, not against
// swap.
type vault struct {
	mem    []byte
	closed atomic.Bool
	loose  error // why mem is not locked; nil: it is
}

// newVault returns zeroed memory of n bytes.
func newVault(n int) *vault {
	mem, release, loose := secretMemory(n)
	v := &vault{mem: mem, loose: loose}
	runtime.AddCleanup(v, func(mem []byte) {
		clear(mem)
		release(mem)
	}, mem)
	return v
}

// close wipes the memory. It is given back once nothing refers to the vault, so
// that a late reader finds zeros and no fault.
func (v *vault) close() {
	v.closed.Store(true)
	clear(v.mem)
	runtime.KeepAlive(v)
}

// Format writes a fixed text, whatever the verb.
func (v *vault) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redactedText) }
