package agent

import (
	"net"
	"os"
	"os/user"
	"path"
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/discreet-agent/discreet/agent/view"
	"github.com/discreet-agent/discreet/configs"
	"github.com/discreet-agent/discreet/privacy"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// person is who asks, as the system's list of accounts has her.
type person struct {
	uid        uint32
	id         string // on Windows: the SID
	name, home string
}

// personOf returns the account of a caller. One that the system's files do not know
// is called as the collectors call it.
func personOf(who view.Caller) person {
	p := person{uid: who.UID, id: who.SID}
	p.name = "uid:" + p.sid()
	if p.id != "" {
		p.name = ""
	}
	if u, err := user.LookupId(p.sid()); err == nil {
		p.name, p.home = u.Username, u.HomeDir
	}
	return p
}

func (p person) sid() string {
	if p.id != "" {
		return p.id
	}
	return strconv.FormatUint(uint64(p.uid), 10)
}

// mirror runs made-up events of one person through a filter of its own, made
// from the policy and the key in force.
type mirror struct {
	l      *configs.Loaded
	filter *privacy.Filter
	who    person
}

// filterMaker makes a filter of settings, as newFilter does.
type filterMaker func(*configs.Loaded) (*privacy.Filter, []string, error)

// newMirror compiles the policy of l with the levels in more put over it. Single
// events exist in it, so that their fields can be looked at.
func newMirror(l *configs.Loaded, who person, filter filterMaker, more map[privacy.Key]privacy.Level) (mirror, error) {
	own := *l
	own.Policy, _ = own.Policy.With(privacy.Processes, privacy.Each)
	for k, level := range more {
		own.Policy, _ = own.Policy.With(k, level)
	}
	f, _, err := filter(&own)
	return mirror{l, f, who}, err
}

// pass returns the event that would leave, or an empty one, and the id of the
// key that made its pseudonyms.
func (m mirror) pass(ev *eventv1.Event) (*eventv1.Event, string) {
	out := &eventv1.Event{}
	c, ok := m.filter.Apply(ev)
	if !ok || proto.Unmarshal(c.AppendTo(nil), out) != nil {
		return &eventv1.Event{}, ""
	}
	return out, c.Stamp().KeyID
}

// start is a program of the person's own, in her home.
func (m mirror) start() (*eventv1.ProcessStart, string) {
	raw := m.rawStart()
	out, key := m.pass(&eventv1.Event{TimeUnixMs: time.Now().UnixMilli(), Kind: &eventv1.Event_ProcessStart{ProcessStart: raw}})
	return out.GetProcessStart(), key
}

func (m mirror) rawStart() *eventv1.ProcessStart {
	home := m.who.home
	if home == "" {
		home = "/home/" + m.who.name
	}
	return &eventv1.ProcessStart{
		Program: &eventv1.Program{Name: "tool", Path: path.Join(home, "bin", "tool")},
		User:    &eventv1.User{Name: m.who.name, Upn: m.who.upn(), Sid: m.who.sid()},
	}
}

func own(name, before, after string) view.Own {
	return view.Own{Name: name, Before: before, After: after, Dropped: after == ""}
}

// values returns the person's own values of a key, before and after. Where there
// are none to show, why says so: see Explained.Why. What is read is read once, in
// this call, and only where the person could read it herself; no collector runs.
func (m mirror) values(k privacy.Key) (own []view.Own, why string) {
	raw := m.rawStart()
	switch k {
	case privacy.Username, privacy.UPN, privacy.UserSID, privacy.ProgramName, privacy.ProgramPath, privacy.ProgramSHA256:
		return m.program(k)
	case privacy.DeviceName, privacy.AssetID, privacy.LocalAddresses, privacy.DeviceSerial:
		return m.device(k)
	case privacy.Destinations:
		return m.destinations()
	case privacy.Logons:
		return m.time(k, &eventv1.Event{Kind: &eventv1.Event_Logon{Logon: &eventv1.Logon{User: raw.User}}}), ""
	case privacy.UserActivity:
		return m.time(k, &eventv1.Event{Kind: &eventv1.Event_UserActivity{UserActivity: &eventv1.UserActivity{User: raw.User}}}), ""
	case privacy.FocusTime:
		return m.time(k, &eventv1.Event{Kind: &eventv1.Event_Focus{Focus: &eventv1.Focus{User: raw.User, Program: raw.Program}}}), ""
	case privacy.SummaryInterval:
		return m.time(k, &eventv1.Event{Kind: &eventv1.Event_ExecutionSummary{ExecutionSummary: &eventv1.ExecutionSummary{User: raw.User, Program: raw.Program}}}), ""
	case privacy.WifiSSID, privacy.WifiBSSID, privacy.WifiQuality:
		return nil, "wifi"
	case privacy.Domains:
		return nil, "domains"
	case privacy.Software:
		return nil, "software"
	case privacy.ProgramSigner:
		return nil, "signer"
	case privacy.Processes, privacy.Connections:
		return nil, "exists"
	}
	return nil, "unsaid"
}

// program returns what a program of the person's own says of her.
func (m mirror) program(k privacy.Key) ([]view.Own, string) {
	raw := m.rawStart()
	out, _ := m.start()
	switch k {
	case privacy.Username:
		if raw.User.Name == "" {
			return nil, "account"
		}
		return []view.Own{own("user", raw.User.Name, out.GetUser().GetName())}, ""
	case privacy.UPN:
		if raw.User.Upn == "" {
			return nil, "upn"
		}
		return []view.Own{own("upn", raw.User.Upn, out.GetUser().GetUpn())}, ""
	case privacy.UserSID:
		return []view.Own{own("uid", raw.User.Sid, out.GetUser().GetSid())}, ""
	case privacy.ProgramName:
		return []view.Own{own("program, for example", raw.Program.Name, out.GetProgram().GetName())}, ""
	case privacy.ProgramSHA256:
		return nil, "signer"
	}
	return []view.Own{own("program, for example", raw.Program.Path, out.GetProgram().GetPath())}, ""
}

// maxOwnDestinations bounds what is shown of a person's connections.
const maxOwnDestinations = 4

// destinations returns the other ends of connections that the person holds open.
func (m mirror) destinations() ([]view.Own, string) {
	addresses, ok := destinationsOf(m.who.uid, maxOwnDestinations)
	switch {
	case !ok:
		return nil, "destinations"
	case len(addresses) == 0:
		return nil, "nodestination"
	}
	var all []view.Own
	raw := m.rawStart()
	for _, a := range addresses {
		out, _ := m.pass(&eventv1.Event{TimeUnixMs: time.Now().UnixMilli(), Kind: &eventv1.Event_ConnectionSummary{
			ConnectionSummary: &eventv1.ConnectionSummary{Program: raw.Program, User: raw.User, Address: a}}})
		all = append(all, own("address", a, out.GetConnectionSummary().GetAddress()))
	}
	return all, ""
}

// device returns values of the device that every account on it can see.
func (m mirror) device(k privacy.Key) ([]view.Own, string) {
	host, _ := os.Hostname()
	raw := &eventv1.Device{Name: host, AssetId: m.l.Settings.Device.AssetID, Tags: m.l.Settings.Device.Tags}
	if k == privacy.LocalAddresses {
		addrs, _ := net.InterfaceAddrs()
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok && len(raw.Addresses) < 16 {
				raw.Addresses = append(raw.Addresses, n.IP.String())
			}
		}
	}
	var all []view.Own
	each := func(name, before string, ev *eventv1.Device, get func(*eventv1.Device) string) {
		if before == "" {
			return
		}
		out, _ := m.pass(&eventv1.Event{TimeUnixMs: time.Now().UnixMilli(), Kind: &eventv1.Event_Device{Device: ev}})
		all = append(all, own(name, before, get(out.GetDevice())))
	}
	why := ""
	switch k {
	case privacy.DeviceSerial:
		raw.Serial, why = serialFor(m.who.uid)
		each("serial", raw.Serial, &eventv1.Device{Serial: raw.Serial}, (*eventv1.Device).GetSerial)
	case privacy.DeviceName:
		each("name", raw.Name, &eventv1.Device{Name: raw.Name}, (*eventv1.Device).GetName)
	case privacy.AssetID:
		why = "asset"
		each("asset id", raw.AssetId, &eventv1.Device{AssetId: raw.AssetId}, (*eventv1.Device).GetAssetId)
		for _, tag := range raw.Tags {
			each("tag", tag, &eventv1.Device{Tags: []string{tag}}, func(d *eventv1.Device) string { return first(d.GetTags()) })
		}
	case privacy.LocalAddresses:
		why = "noaddress"
		for _, a := range raw.Addresses {
			each("address", a, &eventv1.Device{Addresses: []string{a}}, func(d *eventv1.Device) string { return first(d.GetAddresses()) })
		}
	}
	if len(all) > 0 {
		return all, ""
	}
	return nil, why
}

func first(s []string) string {
	if len(s) == 0 {
		return ""
	}
	return s[0]
}

// time returns what leaves of the present time.
func (m mirror) time(k privacy.Key, ev *eventv1.Event) []view.Own {
	now := time.Now()
	ev.TimeUnixMs = now.UnixMilli()
	out, _ := m.pass(ev)
	after := ""
	if out.Kind != nil {
		after = time.UnixMilli(out.TimeUnixMs).Format(time.DateTime)
		if out.BucketSeconds != 0 {
			after += " + " + (time.Duration(out.BucketSeconds) * time.Second).String()
		}
	}
	return []view.Own{own(k.String()+", now", now.Format("2006-01-02 15:04:05.000"), after)}
}
