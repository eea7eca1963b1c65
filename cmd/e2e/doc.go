// Package e2e holds the tests of both programs together, as processes, over real
// mutual TLS and real files. "make build" makes the programs that they run.
package e2e
