package privacy

import (
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	"google.golang.org/protobuf/proto"
)

// Forbidden says that an event holds what its policy forbids. It names the
// field as the schema does, and why; it never holds a value.
type Forbidden struct {
	Field string // such as "Program.path"
	Why   string // one of a few fixed texts
}

// Error returns both.
func (e *Forbidden) Error() string { return "forbidden by the policy: " + e.Field + ": " + e.Why }

func forbid(field, why string) *Forbidden { return &Forbidden{field, why} }

// The reasons.
const (
	whyNoKind  = "no event of a known kind"
	whyUnknown = "holds a field that the schema does not know"
	whyEnum    = "a number that the schema does not name"
	whyTooMany = "too many items"
	whyTooLong = "too long"
	whyNotText = "not UTF-8"
	whyDropped = "its class is dropped"
	whyEach    = "only summaries may leave"
	whyDay     = "a summary of a day names a person"
	whyTime    = "not on the boundary of a bucket"
	whyBucket  = "not the length of the bucket that the level wants"
	whyStatus  = "not off_by_policy, although both names are dropped"
	whyForm    = "not of the form that the level gives"
)

// Check verifies that ev, as it arrived, is what a Filter under p can have
// made. It is the gateway's second look: it changes nothing, and it needs no
// key and no knowledge of the device, so it sees the form of a value only. Its
// error is a *Forbidden.
func (p Policy) Check(ev *eventv1.Event) error {
	// One return: a nil *Forbidden in an error would not be nil.
	if err := p.check(ev); err != nil {
		return err
	}
	return nil
}

func (p *Policy) check(ev *eventv1.Event) *Forbidden {
	if ev == nil {
		return forbid("Event", whyNoKind)
	}
	if unknownFields(ev) {
		return forbid("Event", whyUnknown)
	}
	k := kindOf(ev)
	if k == 0 {
		return forbid("Event.kind", whyNoKind)
	}
	if !p.mayExist(k) {
		if kinds[k].each && p.Level(kinds[k].key) > Drop {
			return forbid("Event."+kinds[k].name, whyEach)
		}
		return forbid("Event."+kinds[k].name, whyDropped)
	}
	if err := checkTime(ev, p.grain(k)); err != nil {
		return err
	}
	if w := ev.GetWifiLink(); w != nil {
		off := w.IdentityStatus == eventv1.IdentityStatus_IDENTITY_STATUS_OFF_BY_POLICY
		if !off && p.Level(WifiSSID) == Drop && p.Level(WifiBSSID) == Drop {
			return forbid("WifiLink.identity_status", whyStatus)
		}
	}
	return p.checkKind(ev)
}

// unknownFields reports whether m came with fields that this schema does not
// have. protobuf-go keeps them, and would store them.
func unknownFields(m proto.Message) bool { return len(m.ProtoReflect().GetUnknown()) > 0 }

// checkTime verifies the length of the event's bucket, and that its start can be
// one. Buckets are of the device's local time, which is not known here, but
// every zone in use is a multiple of a quarter of an hour from UTC. Where the
// clocks change a day has 23 or 25 hours.
func checkTime(ev *eventv1.Event, grain Level) *Forbidden {
	const minute, quarter, hour = 60, 15 * 60, 60 * 60
	low, high, step := uint32(0), uint32(0), int64(1)
	switch grain {
	case Day:
		low, high, step = 23*hour, 25*hour, quarter
	case Hour:
		low, high, step = hour, hour, quarter
		if clocksCutHours(ev.TimeUnixMs) {
			low = quarter
		}
	case QuarterHour:
		low, high, step = quarter, quarter, quarter
	case Minute:
		low, high, step = minute, minute, minute
	}
	if s := ev.BucketSeconds; s < low || s > high || high > minute && s%quarter != 0 {
		return forbid("Event.bucket_seconds", whyBucket)
	}
	if high > 0 && ev.TimeUnixMs%(step*1000) != 0 {
		return forbid("Event.time_unix_ms", whyTime)
	}
	return nil
}

// clocksCutHours reports whether a change of clocks can end an hour before its
// time. Only Lord Howe, by half an hour, and the Chatham Islands, a quarter
// beside the hour, have such changes, and have them on Saturdays of UTC.
func clocksCutHours(ms int64) bool {
	const day, thursday = 24 * 60 * 60 * 1000, 4 // 1 January 1970 was one
	return (ms/day+thursday)%7 == 6
}
