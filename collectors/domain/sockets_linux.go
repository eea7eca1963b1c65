package domain

import (
	"bufio"
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/collectors/kernel"
)

//go:embed bpf/domain.o
var object []byte

// sockets is the rung EBPF: programs at the root of the cgroups see the packets
// of every socket of this machine, in all its network namespaces, and know whose
// each is.
type sockets struct {
	loaded *kernel.Programs
	ring   *kernel.Ring
	offset int64 // wall clock less time since boot
}

func openSockets(env collectors.Env) (source, error) {
	root, err := cgroupRoot(env.ProcRoot)
	if err != nil {
		return nil, err
	}
	loaded, err := kernel.Load(object, env.ProcRoot, env.SysRoot, nil)
	if err != nil {
		return nil, err
	}
	s := &sockets{loaded: loaded}
	s.syncClock()
	if s.ring, err = loaded.Ring(); err == nil {
		if err = attach(loaded, root); err == nil {
			return s, nil
		}
		s.ring.Close()
	}
	loaded.Close()
	return nil, err
}

// attach attaches every program. Those that note whose a socket is come first.
func attach(loaded *kernel.Programs, root string) error {
	places := []struct {
		name string
		at   ebpf.AttachType
	}{
		{"on_connect4", ebpf.AttachCGroupInet4Connect},
		{"on_connect6", ebpf.AttachCGroupInet6Connect},
		{"on_sendmsg4", ebpf.AttachCGroupUDP4Sendmsg},
		{"on_sendmsg6", ebpf.AttachCGroupUDP6Sendmsg},
		{"on_egress", ebpf.AttachCGroupInetEgress},
		{"on_ingress", ebpf.AttachCGroupInetIngress},
	}
	for _, p := range places {
		options := link.CgroupOptions{Path: root, Attach: p.at, Program: loaded.Programs[p.name]}
		if err := loaded.Keep(link.AttachCgroup(options)); err != nil {
			return err
		}
	}
	return nil
}

// cgroupRoot returns where the hierarchy of cgroups, version 2, is mounted. Its
// place differs: some systems have it beside those of version 1.
func cgroupRoot(procRoot string) (string, error) {
	if procRoot == "" {
		procRoot = "/proc"
	}
	f, err := os.Open(filepath.Join(procRoot, "self/mountinfo"))
	if err != nil {
		return "", fmt.Errorf("find cgroups: %w", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		// proc_pid_mountinfo(5): the type stands behind " - ".
		mount, kind, ok := strings.Cut(lines.Text(), " - ")
		fields := strings.Fields(mount)
		if ok && strings.HasPrefix(kind, "cgroup2 ") && len(fields) > 4 && fields[3] == "/" {
			return fields[4], nil
		}
	}
	return "", fmt.Errorf("no cgroup2 is mounted: %w", collectors.ErrUnsupported)
}

func (s *sockets) read(ctx context.Context, take func(*packet), tell func(program), flush func(int64) error) error {
	var p packet
	handle := func(b []byte) {
		if parseRecord(b, &p) {
			take(&p)
		} else if prog, ok := parseProgram(b); ok {
			tell(prog)
		}
	}
	c, err := confine()
	if err != nil {
		return err
	}
	defer c.end()
	s.ring.At(c.do)
	return s.ring.Read(ctx, handle, func() error {
		s.syncClock()
		return flush(s.ring.LastRead())
	})
}

func (s *sockets) syncClock() {
	s.offset = time.Now().UnixNano() - int64(kernel.SinceBoot())
}

func (s *sockets) lost() (uint64, error) { return s.loaded.Lost() }

func (s *sockets) unixNano(at int64) int64 { return at + s.offset }

func (s *sockets) Close() error {
	err := s.ring.Close()
	if e := s.loaded.Close(); err == nil {
		err = e
	}
	return err
}
