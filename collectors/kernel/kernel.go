// Package kernel loads eBPF programs into the Linux kernel and reads what they
// tell. Several collectors share it; what a record holds is the work of the
// collector that brings the program.
//
// The programs stand as C in collectors/NAME/bpf, with the header kernel.h of
// this package, and as a compiled object beside it that is part of the agent:
// "make bpf" makes it anew. On other systems the package is empty.
package kernel
