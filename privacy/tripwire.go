package privacy

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	privacyv1 "github.com/discreet-agent/discreet/proto/privacy/v1"
	"golang.org/x/text/cases"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// tripwire looks over the bytes of every event that a Filter has cleared, for
// the identities that its policy hides. It is there for our own mistakes: a rule
// that lets a name through, a collector that puts one where no name belongs.
// The tokens are those of the scrub, so what the scrub has passed does not trip
// it; a name of two letters, which the scrub replaces only as a component of a
// path, is not looked for.
//
// Not hidden, and so not looked for:
//   - with username or upn at cleartext, account names or UPNs, wherever they
//     stand;
//   - the host's name, unless it names a person too, with device_name at
//     cleartext, or at auto where the name is one that may leave clear.
//
// Left alone, since the policy gives what stands there away or it has a form
// that holds no name:
//   - a field whose class has level cleartext: username, upn, device_name,
//     asset_id, device_serial, program_name, program_path, program_signer,
//     domains, wifi_ssid; software is not one of them, since it is scrubbed at
//     that level;
//   - pseudonyms, roles, digests, addresses, and the words that rules write in
//     place of a value;
//   - in PLAIN text, words that systems and makers call themselves by, such as
//     "ubuntu" or "laptop": there they are no person's, whoever has such a name.
type tripwire struct {
	rules *rules
	shown origin              // of which the policy hides no identity
	host  bool                // the host's name is hidden
	kinds [numKinds]tripField // each kind's message, as if in a field

	text, spare []byte // the value at hand, canonical; reused
	fold        cases.Caser
	table       *foldTable // of letters; nil until one comes

	of    *scrubber // the tokens of late
	added int       // of them
	age   uint64    // how often the tokens were others
	other tripField // what the schema does not know
	found [seenSlots]seenValue
}

// tripMessage says of each field of a message, by its number, how to look at it.
type tripMessage struct{ of []tripField }

type tripField struct {
	how   tripHow
	key   Key // NumKeys: PLAIN
	level Level
	inner *tripMessage
	salt  uint64 // tells fields apart in found
}

type tripHow uint8

const (
	tripText  tripHow = iota // also what the schema does not know
	tripLeave                // the policy gives it away
	tripInner
	tripDigest
)

func newTripwire(p Policy, r *rules) *tripwire {
	t := &tripwire{
		rules: r, fold: cases.Fold(), other: tripField{key: NumKeys},
	}
	if p.Level(Username) == Cleartext {
		t.shown |= ofAccount
	}
	if p.Level(UPN) == Cleartext {
		t.shown |= ofUPN
	}
	t.host = r.deviceName(p.Level(DeviceName), r.ctx.Host) != r.ctx.Host
	members := (&eventv1.Event{}).ProtoReflect().Descriptor().Fields()
	for k := uint8(1); k < numKinds; k++ {
		d := members.ByNumber(protoreflect.FieldNumber(kinds[k].number)).Message()
		t.kinds[k] = tripField{how: tripInner, inner: t.compile(p, d), salt: uint64(k) << 32}
	}
	return t
}

// compile reads what the schema says about a message. Messages do not nest in
// themselves.
func (t *tripwire) compile(p Policy, d protoreflect.MessageDescriptor) *tripMessage {
	m := &tripMessage{}
	for i := range d.Fields().Len() {
		fd := d.Fields().Get(i)
		for len(m.of) <= int(fd.Number()) {
			m.of = append(m.of, tripField{key: NumKeys})
		}
		f := &m.of[fd.Number()]
		f.salt = uint64(fd.Number()) * mixer
		class := proto.GetExtension(fd.Options(), privacyv1.E_Class).(privacyv1.Class)
		if key, ok := ParseKey(strings.ToLower(class.String())); ok {
			f.key, f.level = key, p.Level(key)
		}
		switch {
		case fd.Message() != nil:
			f.how, f.inner = tripInner, t.compile(p, fd.Message())
		case givenAway(f.key, f.level):
			f.how = tripLeave
		case fd.Kind() == protoreflect.BytesKind && f.key != WifiSSID:
			f.how = tripDigest
		}
	}
	return m
}

// givenAway reports whether a value of class k leaves as it is at level l.
func givenAway(k Key, l Level) bool {
	switch k {
	case Username, UPN, DeviceName, AssetID, DeviceSerial, ProgramName, ProgramPath, ProgramSigner, Domains, WifiSSID:
		return l == Cleartext
	}
	return false
}

// clean reports whether no hidden identity stands in the encoded message of an
// event of kind k. Bytes that are no message are not clean.
func (t *tripwire) clean(k uint8, b []byte) bool {
	t.renew()
	ok := t.fieldClean(&t.kinds[k], b)
	if !ok { // what was found is not kept
		clear(t.text[:cap(t.text)])
		clear(t.spare[:cap(t.spare)])
	}
	return ok
}

func (t *tripwire) scan(m *tripMessage, b []byte) bool {
	for i := 0; i < len(b); {
		tag := uint64(b[i])
		if i++; tag >= 0x80 {
			n := 0
			if tag, n = binary.Uvarint(b[i-1:]); n <= 0 {
				return false
			}
			i += n - 1
		}
		if tag&7 == 0 { // a number
			if i < len(b) && b[i] < 0x80 {
				i++
			} else if i = numberEnd(b, i); i == 0 {
				return false
			}
			continue
		}
		if tag&7 != 2 { // the filter writes no such field
			return false
		}
		size, n := binary.Uvarint(b[i:])
		if i += n; n <= 0 || size > uint64(len(b)-i) {
			return false
		}
		end := i + int(size)
		if !t.value(m, tag>>3, b[i:end]) {
			return false
		}
		i = end
	}
	return true
}

// value reports whether the value of a field is clean.
func (t *tripwire) value(m *tripMessage, number uint64, v []byte) bool {
	f := &t.other
	if number < uint64(len(m.of)) {
		f = &m.of[number]
	}
	if f.how == tripLeave || f.how == tripDigest && len(v) == 32 {
		return true
	}
	return t.fieldClean(f, v)
}

// fieldClean is value, where the field is known.
func (t *tripwire) fieldClean(f *tripField, v []byte) bool {
	s, ok := t.seen(f, v)
	if ok {
		return true
	}
	if !t.look(f, v) {
		return false
	}
	t.keep(s, f, v)
	return true
}

// look is fieldClean without what was seen before.
func (t *tripwire) look(f *tripField, v []byte) bool {
	if f.how == tripInner {
		return t.scan(f.inner, v)
	}
	plain := f.key == NumKeys
	return !t.finds(v, tripLook{plain: plain}) || !plain && t.written(f.key, f.level, string(v))
}

// written reports whether v, in which an identity was found, is of a form that
// the rule of k writes at level l and that holds no name.
func (t *tripwire) written(k Key, l Level, v string) bool {
	switch {
	case l == Drop:
		return false
	case k == LocalAddresses, k == Destinations, k == WifiBSSID:
		return plausible(k, l, v)
	case k == Domains && l == List:
		return v == "other" || slices.Contains(t.rules.domains, v)
	case k == Domains && plausibleDomain(Hashed, v), k == WifiSSID && l == Label && (v == "corporate" || v == "other"):
		return true
	case k == ProgramSigner:
		return v == "<person>" || slices.Contains(personalSigners[:], v)
	case l == Hashed:
		return pseudonym(v) || role(v)
	case l == Auto:
		made := machinePattern.MatchString(v) || assetPattern.MatchString(v)
		return pseudonym(v) || made && !t.finds([]byte(v), tripLook{people: true})
	}
	return false
}

// hides reports whether a token stands for an identity that is hidden.
func (t *tripwire) hides(o token, look tripLook) bool {
	if o.host {
		return t.host && !look.people
	}
	return o.from&t.shown == 0
}

// Format writes a fixed text, whatever the verb: a tripwire holds values.
func (t *tripwire) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redactedText) }
