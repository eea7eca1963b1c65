package process

import (
	"encoding/binary"

	"github.com/discreet-agent/discreet/collectors/netlink"
)

// The process connector speaks over netlink (linux/connector.h,
// linux/cn_proc.h): a cn_msg header, then one proc_event.
const (
	connectorIndex = 1 // CN_IDX_PROC, also the multicast group
	connectorValue = 1 // CN_VAL_PROC
	connectorSize  = 20
	eventHead      = 16 // what, cpu, timestamp

	listen = 1 // PROC_CN_MCAST_LISTEN
)

// What a proc_event says. The rest (group ids, sessions, ptrace, core dumps,
// names) is not needed.
const (
	whatAck  = 0
	whatFork = 0x00000001
	whatExec = 0x00000002
	whatUID  = 0x00000004
	whatExit = 0x80000000
)

// procEvent is one event of the process connector.
type procEvent struct {
	what   uint32
	at     int64 // nanoseconds of the monotonic clock
	pid    uint32
	leader bool   // it concerns the process, not one of its threads
	parent uint32 // of a fork
	uid    uint32 // the real user id of a change of it
	status uint32 // of an exit, as wait(2) gives it; of an acknowledgement, the error
}

// parseProcEvent reads the data of one netlink message of the connector. It
// reports false for what is cut short or not from the process connector.
func parseProcEvent(b []byte) (procEvent, bool) {
	if len(b) < connectorSize+eventHead+4 {
		return procEvent{}, false
	}
	order := binary.NativeEndian
	if order.Uint32(b) != connectorIndex || order.Uint32(b[4:]) != connectorValue {
		return procEvent{}, false
	}
	b = b[connectorSize:]
	e := procEvent{what: order.Uint32(b), at: int64(order.Uint64(b[8:]))}
	b = b[eventHead:]
	word := func(i int) uint32 { return order.Uint32(b[4*i:]) }
	switch {
	case e.what == whatAck:
		e.status = word(0)
		return e, true
	case len(b) < 8:
		return procEvent{}, false
	case e.what == whatFork && len(b) >= 16:
		e.parent, e.pid, e.leader = word(1), word(3), word(2) == word(3)
	case e.what == whatExec:
		e.pid, e.leader = word(1), true // the thread that calls becomes the process
	case e.what == whatUID && len(b) >= 16:
		e.pid, e.leader, e.uid = word(1), word(0) == word(1), word(2)
	case e.what == whatExit && len(b) >= 12:
		e.pid, e.leader, e.status = word(1), word(0) == word(1), word(2)
	default:
		return procEvent{}, false
	}
	return e, true
}

// listenRequest returns the message that asks the connector for its events.
func listenRequest() []byte {
	const size = connectorSize + 4
	b := netlink.AppendHeader(nil, netlink.TypeDone, 0, 0, size)
	for _, word := range []uint32{connectorIndex, connectorValue, 0, 0} {
		b = binary.NativeEndian.AppendUint32(b, word)
	}
	b = binary.NativeEndian.AppendUint16(b, 4) // the length of what follows
	b = binary.NativeEndian.AppendUint16(b, 0)
	return binary.NativeEndian.AppendUint32(b, listen)
}
