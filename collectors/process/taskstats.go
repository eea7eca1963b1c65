package process

import (
	"encoding/binary"

	"github.com/discreet-agent/discreet/collectors/netlink"
)

// Taskstats (linux/taskstats.h) is a generic netlink family that tells what each
// thread used when it ends: a header, then attributes within attributes, then one
// structure, which grows with the kernel's versions and keeps its order.
const (
	taskstatsFamily  = "TASKSTATS"
	taskstatsGet     = 1 // TASKSTATS_CMD_GET
	taskstatsListen  = 3 // TASKSTATS_CMD_ATTR_REGISTER_CPUMASK
	taskstatsThread  = 4 // TASKSTATS_TYPE_AGGR_PID
	taskstatsFigures = 3 // TASKSTATS_TYPE_STATS

	genericHeader  = 4 // command, version, two bytes unused
	controller     = 16
	getFamily      = 3 // CTRL_CMD_GETFAMILY
	controllerID   = 1 // CTRL_ATTR_FAMILY_ID
	controllerName = 2 // CTRL_ATTR_FAMILY_NAME
	taskstatsLeast = 264
	groupSince     = 12 // the version that brought ac_tgid
	groupAt        = 368
)

// usage is what threads used.
type usage struct {
	pid                uint32 // of the process
	userNS, systemNS   int64
	rssBytes           uint64
	readBytes, written uint64
}

// add takes over the figures of one more thread.
func (u *usage) add(v usage) {
	u.userNS += v.userNS
	u.systemNS += v.systemNS
	u.rssBytes = max(u.rssBytes, v.rssBytes)
	u.readBytes += v.readBytes
	u.written += v.written
}

// parseTaskstats reads the data of one message. It reports false for what is cut
// short or tells of no thread. Before version 12 the process of a thread is not
// told, and only that of the first thread is known.
func parseTaskstats(b []byte) (usage, bool) {
	if len(b) < genericHeader {
		return usage{}, false
	}
	s, ok := attribute(b[genericHeader:], taskstatsThread)
	if !ok {
		return usage{}, false
	}
	if s, ok = attribute(s, taskstatsFigures); !ok || len(s) < taskstatsLeast {
		return usage{}, false
	}
	order := binary.NativeEndian
	long := func(at int) uint64 { return order.Uint64(s[at:]) }
	const us = 1000
	u := usage{
		pid:       order.Uint32(s[128:]),
		userNS:    int64(long(152)%(1<<50)) * us,
		systemNS:  int64(long(160)%(1<<50)) * us,
		rssBytes:  long(200) << 10,
		readBytes: long(248), written: long(256),
	}
	if order.Uint16(s) >= groupSince && len(s) >= groupAt+4 {
		u.pid = order.Uint32(s[groupAt:])
	}
	return u, true
}

// attribute returns the data of the first attribute of a kind.
func attribute(b []byte, want uint16) ([]byte, bool) {
	for {
		kind, data, rest, ok := netlink.NextAttr(b)
		if !ok {
			return nil, false
		}
		if kind&0x3fff == want { // without NLA_F_NESTED
			return data, true
		}
		b = rest
	}
}

// genericRequest returns a message with one attribute, a string.
func genericRequest(family, flags uint16, command byte, attr uint16, value string) []byte {
	size := 4 + len(value) + 1
	padded := (size + 3) &^ 3
	b := netlink.AppendHeader(nil, family, flags, 1, genericHeader+padded)
	b = append(b, command, 1, 0, 0)
	b = binary.NativeEndian.AppendUint16(b, uint16(size))
	b = binary.NativeEndian.AppendUint16(b, attr)
	b = append(b, value...)
	return append(b, make([]byte, 1+padded-size)...)
}
