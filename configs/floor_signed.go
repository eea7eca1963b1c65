package configs

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"github.com/discreet-agent/discreet/privacy"
)

// maxNotice bounds the notice of a floor: a slip of the pen must not bind for
// ever.
const maxNotice = 400 * day

// Pending is one thing that a signed floor will loosen when its notice is over.
type Pending struct {
	Key  string    `json:"key"`
	From string    `json:"from,omitempty"` // levels; "" for a list, which is not told
	To   string    `json:"to,omitempty"`
	At   time.Time `json:"at"`
}

// Vouched says who signed a floor or a push that holds.
type Vouched struct {
	Version   int64    `json:"version"`
	Signers   []string `json:"signers"` // short names of the pinned keys that signed it
	Pinned    int      `json:"pinned"`
	Threshold int      `json:"threshold"`
	Coming    int64    `json:"coming,omitempty"` // of a floor, the version that will hold; 0: none
}

// keptFloor is what must outlive a restart, a removed file and an edited
// agent.yaml: who may sign, the floor that holds, and the one that will.
type keptFloor struct {
	Keys      [][]byte `json:"keys"`
	Threshold int      `json:"threshold"`
	Floor     []byte   `json:"floor,omitempty"`  // the envelope that holds
	Coming    []byte   `json:"coming,omitempty"` // looser: holds beside Floor until its notice is over, then alone
	Waited    waited   `json:"waited,omitzero"`  // how much of Coming's notice is over
}

func (k *keptFloor) signers() signers {
	s := signers{threshold: k.Threshold}
	for _, key := range k.Keys {
		s.keys = append(s.keys, key)
	}
	return s
}

// addFloor puts the floors that hold onto r. Once signers are pinned and a floor
// of theirs was accepted, neither the removal of a file nor another agent.yaml
// takes it away: only they do, with a newer one. Whatever else is wrong leaves it
// as it is, and where there is none nothing but health leaves.
func (l *Loader) addFloor(r *resolver, s *source) {
	refuse := func(f Fault) {
		r.Faults, r.Degraded = append(r.Faults, f), true
	}
	named, fault := pinnedSigners(r.layers, l.disk, "floor")
	if fault != nil {
		refuse(*fault)
	}
	if err := l.recallFloor(); err != nil {
		refuse(Fault{File: l.paths.FloorFile, Text: "the floor that was accepted is not known: " + err.Error(), Hint: "see docs/floor.md"})
		r.OnlyHealth = true
		return
	}
	now := *l.floor
	switch {
	case now.Floor == nil && fault != nil:
		r.OnlyHealth = true
		return
	case now.Floor == nil && len(named.keys) == 0:
		if s != nil {
			refuse(Fault{File: s.file, Text: "a floor that nobody may sign", Hint: "trust.floor names whose signatures count"})
		}
		return
	case now.Floor == nil:
		now.Threshold, now.Keys = named.threshold, nil
		for _, key := range named.keys {
			now.Keys = append(now.Keys, key)
		}
	case fault == nil && !now.signers().same(named):
		_, from := top(r.layers, "trust.floor.key_files")
		if from.name == layerDefaults {
			from = &layer{file: l.paths.File}
		}
		refuse(Fault{File: from.file, Key: "trust.floor", Text: "other signers than those that were pinned first, who stay", Hint: "see docs/floor.md for new signers"})
	}
	if s != nil {
		if f := l.takeFloor(r, &now, s); f != nil {
			refuse(*f)
		}
	}
	l.useFloor(r, &now, refuse)
}

// takeFloor puts a floor that came into k, if it is signed, in its time and newer.
func (l *Loader) takeFloor(r *resolver, k *keptFloor, s *source) *Fault {
	if s.fault != nil {
		return s.fault
	}
	b := readBundle(s.file, s.data, k.signers(), l.table, floorType)
	if len(b.faults) > 0 {
		r.Faults = append(r.Faults, b.faults[1:]...)
		return &b.faults[0]
	}
	refuse := func(hint, format string, args ...any) *Fault {
		return &Fault{File: s.file, Text: fmt.Sprintf(format, args...), Hint: hint}
	}
	holds, newest := l.floorOf(k, k.Floor), int64(0)
	for _, data := range [][]byte{k.Floor, k.Coming} {
		if sha256.Sum256(data) == sha256.Sum256(s.data) {
			return nil // it was taken before
		}
		if f := l.floorOf(k, data); f != nil {
			newest = max(newest, f.version)
		}
	}
	now := l.now()
	switch {
	case b.version <= newest:
		return refuse("versions only grow", "version %d, want one above %d, which was accepted before", b.version, newest)
	case now.Before(b.notBefore):
		r.again(b.notBefore)
		return refuse("check the clock", "not valid before %s", b.notBefore.UTC().Format(time.RFC3339))
	case !now.Before(b.expires):
		return refuse("sign a floor with a later expires and a higher version", "expired at %s", b.expires.UTC().Format(time.RFC3339))
	case holds == nil || !loosens(holds, &b):
		k.Floor, k.Coming, k.Waited = s.data, nil, waited{}
	default:
		k.Coming, k.Waited = s.data, waited{}.until(now, l.boot())
	}
	return nil
}

// useFloor lets k hold: the floor, and until its notice is over the looser one
// beside it.
func (l *Loader) useFloor(r *resolver, k *keptFloor, refuse func(Fault)) {
	holds, coming := l.floorOf(k, k.Floor), l.floorOf(k, k.Coming)
	if holds != nil && coming != nil {
		k.Waited = k.Waited.until(l.now(), l.boot())
		if left := max(holds.notice, coming.notice) - k.Waited.Time; left > 0 {
			r.coming, r.comesAt = coming.layer, l.now().Add(left)
			r.again(r.comesAt)
		} else {
			k.Floor, k.Coming, k.Waited = k.Coming, nil, waited{}
			holds, coming = coming, nil
		}
	}
	if holds == nil {
		refuse(Fault{File: l.paths.FloorFile, Text: "no signed floor, and trust.floor names who signs it", Hint: "put it there, or take trust.floor away"})
		r.OnlyHealth = true
		return
	}
	// Kept before it is used: a crash in between must not open the way back.
	if err := l.good.saveFloor(l.floor, k); err != nil {
		refuse(Fault{File: l.paths.FloorFile, Text: "a signed floor cannot be kept: " + cause(err).Error(), Hint: "see to room and rights in the state directory"})
		if l.floor.Floor == nil {
			r.OnlyHealth = true
		}
		// What is stricter holds all the same.
		if old := l.floorOf(l.floor, l.floor.Floor); old != nil {
			r.signed = append(r.signed, old.layer)
		}
	} else {
		l.floor = k
	}
	r.signed = append(r.signed, holds.layer)
	r.Signed = k.signers().about(holds, coming)
	if coming != nil {
		r.signed = append(r.signed, coming.layer)
	}
}

// about says who signed a bundle that was accepted.
func (s signers) about(b, coming *bundle) *Vouched {
	v := &Vouched{Version: b.version, Signers: []string{}, Pinned: len(s.keys), Threshold: s.threshold}
	if e, err := decodeEnvelope(b.data); err == nil {
		for _, key := range e.signedBy(s.keys) {
			v.Signers = append(v.Signers, signerID(key))
		}
	}
	if coming != nil {
		v.Coming = coming.version
	}
	return v
}

// floorOf reads an envelope that was accepted before; nil where there is none.
// That it has expired since does not matter: it stays until a newer one comes.
func (l *Loader) floorOf(k *keptFloor, data []byte) *bundle {
	if data == nil {
		return nil
	}
	b := readBundle(l.paths.FloorFile, data, k.signers(), l.table, floorType)
	if len(b.faults) > 0 {
		return nil
	}
	return &b
}

// loosens reports whether b lets anything through that a holds back: a laxer
// level, a list with less, or a shorter notice.
func loosens(a, b *bundle) bool {
	is, will := a.bags[floorBag], b.bags[floorBag]
	for k, p := range is.levels {
		if have, ok := will.levels[k]; !ok || have.level > p.level {
			return true
		}
	}
	for path, e := range is.entries {
		have, ok := will.entries[path]
		if !ok || !reflect.DeepEqual(stricter(e.key.name, have.value, e.value), have.value) {
			return true
		}
	}
	return b.notice < a.notice
}

// pending says what changes when the floors that hold now give way to others.
func (r *resolver) pending(then, now []*layer) []Pending {
	r.settle(then)
	policy, entries := r.Policy, r.floored
	r.settle(now)
	var list []Pending
	for k := range privacy.NumKeys {
		if from, to := r.Policy.Level(k), policy.Level(k); from != to {
			list = append(list, Pending{k.String(), from.String(), to.String(), r.comesAt})
		}
	}
	leaves("", r.table, func(path string, _ *key) {
		if strings.HasPrefix(path, "privacy.") && !reflect.DeepEqual(r.floored[path].value, entries[path].value) {
			list = append(list, Pending{Key: path, At: r.comesAt})
		}
	})
	return list
}

// floorState has no suffix of a last good form: it stays when the file is removed.
const floorState = "floor.state"

// recallFloor reads what was kept, once.
func (l *Loader) recallFloor() error {
	if l.floor != nil {
		return nil
	}
	k := &keptFloor{}
	if l.good.dir != "" {
		data, mode, err := diskFiles{}.Read(filepath.Join(l.good.dir, floorState))
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return cause(err)
		case writableFault("", mode) != nil || json.Unmarshal(data, k) != nil || !l.sound(k):
			return errors.New(floorState + " is damaged")
		}
	}
	l.floor = k
	return nil
}

// sound reports whether what was kept can be what was written.
func (l *Loader) sound(k *keptFloor) bool {
	for _, key := range k.Keys {
		if len(key) != ed25519.PublicKeySize {
			return false
		}
	}
	return l.floorOf(k, k.Floor) != nil && (k.Coming == nil || l.floorOf(k, k.Coming) != nil)
}

// saveFloor keeps k where it differs from what is there.
func (g lastGood) saveFloor(old, k *keptFloor) error {
	if g.dir == "" || reflect.DeepEqual(old, k) {
		return nil
	}
	data, err := json.Marshal(k)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(g.dir, 0o700); err != nil {
		return err
	}
	return g.put(filepath.Join(g.dir, floorState), data)
}

// same reports whether both count the same signatures.
func (s signers) same(t signers) bool {
	if s.threshold != t.threshold || len(s.keys) != len(t.keys) {
		return false
	}
	for _, k := range s.keys {
		if !t.has(k) {
			return false
		}
	}
	return true
}
