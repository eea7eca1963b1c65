//go:build unix

package identity_test

import "testing"

// modesTell says that the mode of a file tells who may read it.
const modesTell = true

func needsModes(*testing.T) {}
