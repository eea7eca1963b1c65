//go:build unix

package agent

// modesTell says that the mode of a file tells who may read it.
const modesTell = true
