package etw

import (
	"errors"
	"io/fs"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/windows"
)

// TestLayouts compares the structures with the platform's headers: sizes and places
// as a C compiler for 64 bits gives them.
func TestLayouts(t *testing.T) {
	for _, c := range []struct {
		name string
		got  uintptr
		want uintptr
	}{
		{"EVENT_TRACE_PROPERTIES", unsafe.Offsetof(properties{}.name), 120},
		{"EVENT_TRACE_PROPERTIES.Wnode.Guid", unsafe.Offsetof(properties{}.guid), 24},
		{"EVENT_TRACE_PROPERTIES.Wnode.ClientContext", unsafe.Offsetof(properties{}.clock), 40},
		{"EVENT_TRACE_PROPERTIES.LogFileMode", unsafe.Offsetof(properties{}.mode), 64},
		{"EVENT_TRACE_PROPERTIES.EventsLost", unsafe.Offsetof(properties{}.lost), 88},
		{"EVENT_TRACE_PROPERTIES.RealTimeBuffersLost", unsafe.Offsetof(properties{}.lostRealTime), 100},
		{"EVENT_TRACE_PROPERTIES.LoggerNameOffset", unsafe.Offsetof(properties{}.sessionName), 116},
		{"EVENT_HEADER", unsafe.Sizeof(header{}), 80},
		{"EVENT_HEADER.ProcessId", unsafe.Offsetof(header{}.process), 12},
		{"EVENT_HEADER.TimeStamp", unsafe.Offsetof(header{}.at), 16},
		{"EVENT_HEADER.EventDescriptor", unsafe.Offsetof(header{}.id), 40},
		{"EVENT_RECORD", unsafe.Sizeof(record{}), 112},
		{"EVENT_RECORD.UserDataLength", unsafe.Offsetof(record{}.dataSize), 86},
		{"EVENT_RECORD.UserData", unsafe.Offsetof(record{}.data), 96},
		{"EVENT_RECORD.UserContext", unsafe.Offsetof(record{}.session), 104},
		{"EVENT_TRACE_LOGFILEW", unsafe.Sizeof(logfile{}), 448},
		{"EVENT_TRACE_LOGFILEW.LoggerName", unsafe.Offsetof(logfile{}.session), 8},
		{"EVENT_TRACE_LOGFILEW.ProcessTraceMode", unsafe.Offsetof(logfile{}.mode), 28},
		{"EVENT_TRACE_LOGFILEW.EventRecordCallback", unsafe.Offsetof(logfile{}.event), 424},
		{"EVENT_TRACE_LOGFILEW.Context", unsafe.Offsetof(logfile{}.context), 440},
		{"ENABLE_TRACE_PARAMETERS", unsafe.Sizeof(parameters{}), 48},
		{"ENABLE_TRACE_PARAMETERS.EnableFilterDesc", unsafe.Offsetof(parameters{}.filters), 32},
		{"EVENT_FILTER_DESCRIPTOR", unsafe.Sizeof(filterOf{}), 16},
		{"EVENT_FILTER_EVENT_ID.Events", unsafe.Offsetof(filter{}.ids), 4},
	} {
		if c.got != c.want {
			t.Errorf("%s is %d; want %d", c.name, c.got, c.want)
		}
	}
	for name, p := range map[string]Provider{"Kernel-Process": KernelProcess(), "Kernel-Network": KernelNetwork(), "DNS-Client": DNSClient()} {
		if _, err := windows.GUIDFromString(p.GUID); err != nil || len(p.IDs) == 0 || len(p.IDs) > len(filter{}.ids) {
			t.Errorf("%s: GUID %v, %d events; want a GUID and 1 to %d", name, err, len(p.IDs), len(filter{}.ids))
		}
	}
}

// TestCallback calls the function that the system calls, as it would.
func TestCallback(t *testing.T) {
	data := []byte{1, 2, 3}
	var got Event
	s := &Session{take: func(e *Event) { got = *e }}
	r := &record{dataSize: 3, data: &data[0], session: s}
	r.header.id, r.header.version, r.header.process, r.header.at = 3008, 2, 77, 99
	call(onEvent(), r)
	if got.ID != 3008 || got.Version != 2 || got.PID != 77 || got.At != 99 || string(got.Data) != string(data) {
		t.Errorf("handed out %+v; want what the record says", got)
	}
}

// TestOpenDenied: where the system does not let this program trace, the error says
// so, and nothing is left behind. Where it does, the session can be closed.
func TestOpenDenied(t *testing.T) {
	s, err := Open("Discreet-test", KernelProcess())
	if err == nil {
		s.Close()
		return
	}
	if !errors.Is(err, fs.ErrPermission) {
		t.Errorf("Open = %v; want one that says denied", err)
	}
}

// call calls a function of the system's kind.
func call(f uintptr, r *record) { _, _, _ = syscall.SyscallN(f, uintptr(unsafe.Pointer(r))) }
