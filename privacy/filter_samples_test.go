package privacy

import (
	"fmt"
	"testing"
	"time"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// sampleTime is in a summer hour that is not on any boundary.
var sampleTime = time.Date(2026, 7, 14, 9, 41, 27, 345e6, time.UTC)

func preset(t testing.TB, name string) Policy {
	t.Helper()
	p, ok := Preset(name)
	if !ok {
		t.Fatalf("Preset(%q) does not exist", name)
	}
	return p
}

// with returns p with one key at another level.
func with(t testing.TB, p Policy, k Key, l Level) Policy {
	t.Helper()
	p, ok := p.With(k, l)
	if !ok {
		t.Fatalf("%v has no level %v", k, l)
	}
	return p
}

// laxest returns the policy that lets out as much as there are levels for.
func laxest() Policy {
	var p Policy
	for k := range NumKeys {
		levels := k.Info().Levels
		p.levels[k] = levels[len(levels)-1]
	}
	return p
}

func newSampleFilter(t testing.TB, p Policy) *Filter {
	t.Helper()
	return NewFilter(p, testContext(Linux), testKeys(t))
}

// decode returns the event that c holds, and fails on anything unknown in it.
func decode(t testing.TB, c Cleared) *eventv1.Event {
	t.Helper()
	b := c.AppendTo(nil)
	if len(b) != c.Size() {
		t.Fatalf("Size() = %d; want %d, the bytes that AppendTo gives", c.Size(), len(b))
	}
	ev := &eventv1.Event{}
	if err := proto.Unmarshal(b, ev); err != nil {
		t.Fatalf("decode %s: %v", c.Kind(), err)
	}
	return ev
}

// kindFields returns the members of Event's oneof.
func kindFields() []protoreflect.FieldDescriptor {
	members := (&eventv1.Event{}).ProtoReflect().Descriptor().Oneofs().ByName("kind").Fields()
	out := make([]protoreflect.FieldDescriptor, members.Len())
	for i := range out {
		out[i] = members.Get(i)
	}
	return out
}

func classOf(fd protoreflect.FieldDescriptor) privacyv1.Class {
	return proto.GetExtension(fd.Options(), privacyv1.E_Class).(privacyv1.Class)
}

func mergeOf(fd protoreflect.FieldDescriptor) privacyv1.Merge {
	return proto.GetExtension(fd.Options(), privacyv1.E_Merge).(privacyv1.Merge)
}

// filled returns an event of kind fd in which every field has a value, and
// every value is another.
func filled(fd protoreflect.FieldDescriptor) *eventv1.Event {
	ev := &eventv1.Event{TimeUnixMs: sampleTime.UnixMilli(), BucketSeconds: 7}
	n := 0
	fill(ev.ProtoReflect().Mutable(fd).Message(), &n)
	return ev
}

func fill(m protoreflect.Message, n *int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		switch {
		case fd.IsList():
			list := m.Mutable(fd).List()
			for range 3 {
				if fd.Message() != nil {
					fill(list.AppendMutable().Message(), n)
				} else {
					list.Append(sampleValue(fd, n))
				}
			}
		case fd.Message() != nil:
			fill(m.Mutable(fd).Message(), n)
		default:
			m.Set(fd, sampleValue(fd, n))
		}
	}
}

// sampleValue returns a value that every rule lets through at its laxest level.
func sampleValue(fd protoreflect.FieldDescriptor, n *int) protoreflect.Value {
	*n++
	switch fd.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(sampleText(classOf(fd), *n))
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes(fmt.Appendf(nil, "mark-%027d", *n))
	case protoreflect.EnumKind:
		values := fd.Enum().Values()
		return protoreflect.ValueOfEnum(values.Get(values.Len() - 1).Number())
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	case protoreflect.Int32Kind, protoreflect.Sint32Kind:
		return protoreflect.ValueOfInt32(-int32(*n) - 1000)
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(uint32(*n) + 1000)
	case protoreflect.Uint64Kind:
		return protoreflect.ValueOfUint64(uint64(*n) + 1000)
	}
	panic(fmt.Sprintf("no sample for %v", fd.FullName()))
}

func sampleText(c privacyv1.Class, n int) string {
	switch c {
	case privacyv1.Class_UPN:
		return fmt.Sprintf("mark%03d@example.org", n)
	case privacyv1.Class_USER_SID:
		return fmt.Sprintf("S-1-5-21-1004336348-1177238915-682003330-%d", 1000+n)
	case privacyv1.Class_DESTINATIONS, privacyv1.Class_LOCAL_ADDRESSES:
		return fmt.Sprintf("198.51.100.%d", 100+n)
	case privacyv1.Class_DOMAINS:
		return fmt.Sprintf("mark%03d.example.org", n)
	case privacyv1.Class_WIFI_BSSID:
		return fmt.Sprintf("00:25:9c:00:00:%02x", n)
	case privacyv1.Class_PROGRAM_PATH:
		return fmt.Sprintf("/usr/bin/mark%03d", n)
	}
	return fmt.Sprintf("mark%03d", n)
}

// walk calls visit for each field that is set in m and below, with its value,
// or with each of its values.
func walk(m protoreflect.Message, visit func(protoreflect.FieldDescriptor, protoreflect.Value)) {
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		values := []protoreflect.Value{v}
		if fd.IsList() {
			values = values[:0]
			for i := range v.List().Len() {
				values = append(values, v.List().Get(i))
			}
		}
		for _, v := range values {
			visit(fd, v)
			if fd.Message() != nil {
				walk(v.Message(), visit)
			}
		}
		return true
	})
}

// sampleEvents returns raw events as collectors make them, by kind.
func sampleEvents() map[string][]*eventv1.Event {
	program := func() *eventv1.Program {
		return &eventv1.Program{
			Name: "firefox", Version: "140.2", Product: "Firefox", Vendor: "Mozilla Corporation",
			Path: "/usr/lib/firefox/firefox", Sha256: []byte("0123456789abcdef0123456789abcdef"), Signer: "Mozilla Corporation",
		}
	}
	own := func() *eventv1.Program {
		return &eventv1.Program{Name: "jdoe-notes", Path: "/home/jdoe/bin/jdoe-notes"}
	}
	user := func() *eventv1.User {
		return &eventv1.User{Name: "jdoe", Upn: "john.doe@corp.example.com", Sid: "1000"}
	}
	root := func() *eventv1.User { return &eventv1.User{Name: "root", Sid: "0"} }
	events := map[string][]*eventv1.Event{
		"process_start": {
			{Kind: &eventv1.Event_ProcessStart{ProcessStart: &eventv1.ProcessStart{Pid: 4711, StartKey: 47110815, ParentStartKey: 1, Program: program(), User: user(), Session: 2, Rung: eventv1.Rung_RUNG_EBPF}}},
			{Kind: &eventv1.Event_ProcessStart{ProcessStart: &eventv1.ProcessStart{Pid: 4712, Program: own(), User: root()}}},
		},
		"process_stop": {
			{Kind: &eventv1.Event_ProcessStop{ProcessStop: &eventv1.ProcessStop{Pid: 4711, StartKey: 47110815, Program: program(), User: user(), ExitCode: -1, Signal: 11, LifetimeMs: 640, CpuUserMs: 210, CpuSystemMs: 40, MaxRssBytes: 180 << 20, ReadBytes: 1 << 20, WrittenBytes: 4096, Rung: eventv1.Rung_RUNG_EBPF}}},
		},
		"execution_summary": {
			{Kind: &eventv1.Event_ExecutionSummary{ExecutionSummary: &eventv1.ExecutionSummary{Program: program(), User: user(), Starts: 3, Stops: 2, ShortLived: 1, Crashes: 1, RunningMs: 90000, CpuUserMs: 1500, CpuSystemMs: 300, MemorySumBytes: 1 << 30, MemorySamples: 4, MemoryMaxBytes: 400 << 20, ReadBytes: 1 << 20, WrittenBytes: 1 << 16, BytesIn: 5 << 20, BytesOut: 1 << 20}}},
		},
		"connection": {
			{Kind: &eventv1.Event_Connection{Connection: &eventv1.Connection{Program: program(), User: user(), Address: "198.51.100.7", Port: 443, Transport: eventv1.Transport_TRANSPORT_TCP, Direction: eventv1.Direction_DIRECTION_OUTBOUND, Scope: eventv1.Scope_SCOPE_PUBLIC, Domain: "www.example.org", DomainSource: eventv1.NameSource_NAME_SOURCE_SNI, DomainAmbiguous: true, Outcome: eventv1.Outcome_OUTCOME_ESTABLISHED, DurationMs: 1200, ConnectUs: 14000, RttMinUs: 9000, RttAvgUs: 11000, RttMaxUs: 30000, BytesIn: 52000, BytesOut: 3100, SegmentsIn: 44, SegmentsOut: 30, Retransmits: 1, Rung: eventv1.Rung_RUNG_EBPF}}},
		},
		"connection_summary": {
			{Kind: &eventv1.Event_ConnectionSummary{ConnectionSummary: &eventv1.ConnectionSummary{Program: program(), User: user(), Address: "10.20.3.4", Port: 22, Transport: eventv1.Transport_TRANSPORT_TCP, Attempts: 4, Established: 3, Refused: 1, RttMinUs: 800, BytesIn: 1 << 20}}},
		},
		"domain_seen": {
			{Kind: &eventv1.Event_DomainSeen{DomainSeen: &eventv1.DomainSeen{Program: program(), User: user(), Domain: "www.example.org", Source: eventv1.NameSource_NAME_SOURCE_DNS, Rcode: 3, LatencyUs: 21000, Ambiguous: true}}},
		},
		"focus": {
			{Kind: &eventv1.Event_Focus{Focus: &eventv1.Focus{Program: program(), User: user(), Seconds: 340}}},
		},
		"user_activity": {
			{Kind: &eventv1.Event_UserActivity{UserActivity: &eventv1.UserActivity{User: user(), ActiveSeconds: 45}}},
		},
		"wifi_link": {
			{Kind: &eventv1.Event_WifiLink{WifiLink: &eventv1.WifiLink{Kind: eventv1.WifiKind_WIFI_KIND_ROAM, Ssid: []byte("CORP-WIFI"), Bssid: "00:25:9C:AA:BB:CC", IdentityStatus: eventv1.IdentityStatus_IDENTITY_STATUS_OK, SignalDbm: -61, NoiseDbm: -92, RxKbitPerSecond: 390000, TxKbitPerSecond: 433300, FrequencyMhz: 5180, Channel: 36, WidthMhz: 80, Phy: eventv1.WifiPhy_WIFI_PHY_AC, Security: eventv1.WifiSecurity_WIFI_SECURITY_WPA2, Roams: 2}}},
		},
		"logon": {
			{Kind: &eventv1.Event_Logon{Logon: &eventv1.Logon{Kind: eventv1.LogonKind_LOGON_KIND_LOGON, User: user(), Type: eventv1.LogonType_LOGON_TYPE_CONSOLE, DurationSeconds: 3600}}},
		},
		"device": {
			{Kind: &eventv1.Event_Device{Device: &eventv1.Device{Name: "JDOE-LAPTOP", AssetId: "NB-004711", Tags: []string{"sales", "berlin"}, Serial: "PF3ABC12", Addresses: []string{"192.168.1.7", "10.20.3.4", "00:25:9c:aa:bb:cd"}, System: eventv1.System_SYSTEM_LINUX, Version: "13", Build: "13.1", Kernel: "6.12.41", Maker: "LENOVO", Model: "21HMCTO1WW", Cpu: "Intel Core i7-1365U", Cores: 12, MemoryBytes: 32 << 30, DiskBytes: 1 << 40, Chassis: "laptop", Managed: true, BootDay: 20648, AgentVersion: "0.1.0"}}},
		},
		"software": {
			{Kind: &eventv1.Event_Software{Software: &eventv1.Software{Name: "libreoffice", Version: "25.2.3", Vendor: "The Document Foundation", InstallDay: 20600, Source: "dpkg", Change: eventv1.SoftwareChange_SOFTWARE_CHANGE_UPDATED}}},
		},
		"agent_health": {
			{Kind: &eventv1.Event_AgentHealth{AgentHealth: &eventv1.AgentHealth{UptimeSeconds: 86400, CpuMs: 52000, RssBytes: 19 << 20, BytesSent: 1 << 20, SpoolEvents: 40, SpoolBytes: 3800, Collectors: []*eventv1.CollectorState{{Name: "process", Status: eventv1.CollectorStatus_COLLECTOR_STATUS_RUNNING, Rung: eventv1.Rung_RUNG_EBPF, Events: 1200}, {Name: "focus", Status: eventv1.CollectorStatus_COLLECTOR_STATUS_OFF_BY_POLICY}}, Losses: []*eventv1.Loss{{Reason: eventv1.LossReason_LOSS_REASON_DISK, Count: 2}}, UncleanStop: true, ConfigOk: true}}},
		},
		"policy_applied": {
			{Kind: &eventv1.Event_PolicyApplied{PolicyApplied: &eventv1.PolicyApplied{Digest: []byte("0123456789abcdef0123456789abcdef"), Version: 7, Layer: eventv1.Layer_LAYER_PUSH, Signer: "it-1", Accepted: true}}},
		},
	}
	for _, list := range events {
		for _, ev := range list {
			ev.TimeUnixMs = sampleTime.UnixMilli()
		}
	}
	return events
}
