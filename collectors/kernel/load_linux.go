package kernel

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/rlimit"

	"github.com/discreet-agent/discreet/collectors"
)

// firstPIDNamespace is the inode of the namespace that the kernel starts with
// (PROC_PID_INIT_INO). The programs tell of its pids.
const firstPIDNamespace = "pid:[4026531836]"

// askMissed is at which calls of Lost the kernel is asked what it left out.
const askMissed = 60

// Programs are the eBPF programs of one object: loaded, and attached as far as
// Trace and Keep did. They see until Close.
type Programs struct {
	*ebpf.Collection
	// A link that nobody refers to is closed by the garbage collector, and its
	// program then sees nothing more, without a word. They are held here, and
	// the one who reads must hold Programs: "defer p.Close()" does.
	links []link.Link
	said  uint64 // what Lost returned so far, in sum

	missed uint64 // calls that the kernel left out, when they were last asked for
	asked  int    // calls of Lost
}

// Load loads every program and map of an object. set, where it is not nil, may
// change them before. sysRoot and procRoot are where /sys and /proc are found.
//
// The error wraps collectors.ErrDenied where a capability is missing, and
// collectors.ErrUnsupported where this kernel cannot run them.
func Load(object []byte, procRoot, sysRoot string, set func(*ebpf.CollectionSpec) error) (*Programs, error) {
	if err := able(procRoot, sysRoot); err != nil {
		return nil, err
	}
	// Since Linux 5.11 the memory is counted otherwise, and this does nothing.
	// Where it fails, loading fails too and tells more.
	_ = rlimit.RemoveMemlock()
	p, err := load(object, set)
	if err != nil {
		return nil, explain("load eBPF programs", err)
	}
	// The kernel's types are some MiB that were needed for the loading alone.
	debug.FreeOSMemory()
	return p, nil
}

func load(object []byte, set func(*ebpf.CollectionSpec) error) (*Programs, error) {
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
	if err != nil {
		return nil, err
	}
	if set != nil {
		if err := set(spec); err != nil {
			return nil, err
		}
	}
	c, err := ebpf.NewCollection(spec)
	if err != nil {
		return nil, err
	}
	return &Programs{Collection: c}, nil
}

// able finds out without loading what would make the loading fail, or the
// programs lie.
func able(procRoot, sysRoot string) error {
	if procRoot == "" {
		procRoot = "/proc"
	}
	if sysRoot == "" {
		sysRoot = "/sys"
	}
	if _, err := os.Stat(filepath.Join(sysRoot, "kernel/btf/vmlinux")); err != nil {
		return fmt.Errorf("the kernel does not describe its types (CONFIG_DEBUG_INFO_BTF): %w", collectors.ErrUnsupported)
	}
	if ns, err := os.Readlink(filepath.Join(procRoot, "self/ns/pid")); err == nil && ns != firstPIDNamespace {
		return fmt.Errorf("this is a container with pids of its own: %w", collectors.ErrUnsupported)
	}
	return nil
}

// explain says what an error of the kernel means for people. The kernel's word
// for a missing capability is the one for a limit, so its text is not shown.
func explain(what string, err error) error {
	var refused *ebpf.VerifierError
	switch {
	case errors.As(err, &refused):
		return fmt.Errorf("%s: refused by this kernel's verifier: %w: %w", what, collectors.ErrUnsupported, refused.Cause)
	case errors.Is(err, fs.ErrPermission) || !capable():
		return fmt.Errorf("%s: %w; hint: it needs CAP_BPF and CAP_PERFMON, for sockets CAP_NET_ADMIN too, and no kernel lockdown", what, collectors.ErrDenied)
	}
	return fmt.Errorf("%s: %w: %w", what, collectors.ErrUnsupported, err)
}

// Trace attaches every tracing program (tp_btf) of the object. Close detaches
// them.
func (p *Programs) Trace() error {
	for _, prog := range p.Programs {
		if prog.Type() != ebpf.Tracing {
			continue
		}
		l, err := link.AttachTracing(link.TracingOptions{Program: prog})
		if err := p.Keep(l, err); err != nil {
			return err
		}
	}
	return nil
}

// Keep holds a link that was made otherwise until Close. It takes the results
// of one of the functions of package link as they are.
func (p *Programs) Keep(l link.Link, err error) error {
	if err != nil {
		return explain("attach an eBPF program", err)
	}
	p.links = append(p.links, l)
	return nil
}

// Set sets a variable of the loaded programs.
func (p *Programs) Set(name string, value any) error {
	v := p.Variables[name]
	if v == nil {
		return fmt.Errorf("set variable %s of eBPF programs: %w", name, os.ErrNotExist)
	}
	if err := v.Set(value); err != nil {
		return fmt.Errorf("set variable %s of eBPF programs: %w", name, err)
	}
	return nil
}

// Lost returns how much was not told since the last call: records for which the
// ring had no room, and calls that the kernel left out since the same program was
// at work on that processor. The latter are all but never there and cost a system
// call for each program: they are asked for at the first call and each 60th.
func (p *Programs) Lost() (uint64, error) {
	var sum uint64
	if err := p.Variables["lost"].Get(&sum); err != nil {
		return 0, fmt.Errorf("read the lost records of eBPF programs: %w", err)
	}
	if p.asked%askMissed == 0 {
		p.missed = 0
		for _, prog := range p.Programs {
			// Kernels before 5.12 do not count them.
			if stats, err := prog.Stats(); err == nil {
				p.missed += stats.RecursionMisses
			}
		}
	}
	p.asked++
	sum += p.missed
	n := sum - p.said
	p.said = sum
	return n, nil
}

// Close detaches and unloads all.
func (p *Programs) Close() error {
	var errs []error
	for _, l := range p.links {
		errs = append(errs, l.Close())
	}
	p.links = nil
	p.Collection.Close()
	return errors.Join(errs...)
}
