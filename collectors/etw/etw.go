// Package etw hears what the kernel of Windows and its DNS client tell as it
// happens (Event Tracing for Windows), for the collectors that need it.
//
// A session of ours is fed by one provider. The decoders stand here without a
// system in their names, so that every system tests them; they know the events of
// the published manifests of Kernel-Process and DNS-Client in all their versions; those
// of Kernel-Network follow descriptions of them. Fields behind the last one that is
// needed are not looked at, so a longer version of an event is read too.
package etw

// Event is one event. Data is good until the call ends that hands it out.
type Event struct {
	ID      uint16
	Version uint8
	PID     uint32 // of the process that it happened in
	At      int64  // FILETIME
	Data    []byte
}

// Provider is who tells.
type Provider struct {
	GUID     string
	Keywords uint64   // any of them
	IDs      []uint16 // which of its events are wanted; the kernel holds the others back
}

// KernelProcess tells of processes that start and stop.
func KernelProcess() Provider {
	return Provider{"{22fb2cd6-0e7b-422b-a0c7-2fad1fd0e716}", 0x10, []uint16{idProcessStart, idProcessStop}}
}

// KernelNetwork tells of TCP connections and of what passes through sockets. What
// it says twice of received data is left out: 18 and 34 are copies of 11 and 27.
func KernelNetwork() Provider {
	return Provider{
		"{7dd42a49-5329-4832-8dfd-43d979153a88}", 0x30,
		[]uint16{10, 11, 12, 13, 14, 15, 42, 43, 26, 27, 28, 29, 30, 31, 58, 59},
	}
}

// DNSClient tells what programs ask the system's resolver.
func DNSClient() Provider {
	return Provider{"{1c95126e-7eea-49a9-a3fe-a378b03ddb4d}", 0, []uint16{idAsked, idAnswered}}
}
