//go:build unix

package main

// modesTell says that the mode of a file tells who may read it.
const modesTell = true
