package configs

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.yaml.in/yaml/v3"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// bundle is a pushed layer and what is said about it. Lines of its layer are
// those of the payload.
type bundle struct {
	*layer
	version            int64
	notBefore, expires time.Time
	notice             time.Duration // of a floor: how long before it may loosen
	data               []byte        // the envelope
}

// readBundle verifies and checks a bundle of settings or of a floor. Whether its
// time is right and its version new is the caller's question. Where the signatures
// are missing the layer is empty but for the fault.
func readBundle(file string, data []byte, s signers, table []key, kind string) bundle {
	b := bundle{layer: newLayer(map[string]string{bundleType: layerPush, floorType: layerFloor}[kind], file), data: data}
	payload, err := s.open(data, kind)
	if err != nil {
		use := map[string]string{bundleType: "push", floorType: "floor"}[kind]
		b.faults = []Fault{{File: file, Text: err.Error(), Hint: "trust." + use + " names whose signatures count"}}
		return b
	}
	b.read(payload, table, kind)
	return b
}

// read checks the payload of a bundle.
func (b *bundle) read(payload []byte, table []key, kind string) {
	root, faults := parse(b.file, payload)
	b.faults = faults
	if root != nil {
		b.fields(&checker{layer: b.layer, table: table}, root, kind)
	}
	b.faults = sortFaults(b.faults)
}

// fields reads the payload's map. A push decides on privacy and nothing else, a
// floor on the floor.
func (b *bundle) fields(c *checker, root *yaml.Node, kind string) {
	settings := []key{*find(c.table, "privacy"), *find(c.table, "privacy_floor")}
	rows := []key{
		{name: "version", kind: kindNumber, min: 1}, {name: "not_before", kind: kindText},
		{name: "expires", kind: kindText}, {name: "settings", kind: kindSection},
	}
	if kind == floorType {
		settings = settings[1:]
		rows = append(rows, key{name: "notice", kind: kindDuration, min: second, max: maxNotice})
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(root.Content); i += 2 {
		kn, vn := root.Content[i], root.Content[i+1]
		k := c.known("", rows, kn)
		switch {
		case k == nil:
			continue
		case seen[k.name]:
			c.fault(kn, k.name, "", "stands here again; want it once")
			continue
		}
		seen[k.name] = true
		switch k.name {
		case "version":
			v, p := k.number(vn)
			if p != nil {
				c.fault(vn, k.name, p.hint, "%s", p.text)
				continue
			}
			b.version = v.(int64)
		case "not_before":
			b.notBefore = c.instant(k.name, vn)
		case "expires":
			b.expires = c.instant(k.name, vn)
		case "notice":
			if v, ok := c.typed(k.name, k, vn); ok {
				b.notice = v.(time.Duration)
			}
		case "settings":
			c.section("", mainBag, settings, vn)
			c.together()
		}
	}
	for _, k := range rows {
		if !seen[k.name] {
			c.fault(root, k.name, "", "missing")
		}
	}
}

func (c *checker) instant(path string, n *yaml.Node) time.Time {
	t, err := time.Parse(time.RFC3339, n.Value)
	if n.Kind != yaml.ScalarNode || err != nil {
		c.fault(n, path, "", "not a time, want one like 2026-11-24T00:00:00Z")
	}
	return t
}

// push returns the layer of a pushed file. It has a fault unless the bundle is
// signed, in its time and not older than one that was accepted before.
func (l *Loader) push(r *resolver, s source) *layer {
	who, fault := l.signers(r)
	if fault != nil {
		return &layer{name: s.layer, file: s.file, faults: []Fault{*fault}}
	}
	b := readBundle(s.file, s.data, who, l.table, bundleType)
	if len(b.faults) > 0 {
		return b.layer
	}
	refuse := func(text, hint string) *layer {
		return &layer{name: s.layer, file: s.file, faults: []Fault{{File: s.file, Text: text, Hint: hint}}}
	}
	p := l.vet(&b)
	if p.text != "" {
		if p.again {
			r.again(b.notBefore)
		}
		return refuse(p.text, p.hint)
	}
	if b.version > l.newest.version {
		// Kept before it is used: a crash in between must not open the way back.
		a := accepted{b.version, sha256.Sum256(s.data)}
		if err := l.good.saveVersion(a); err != nil {
			return refuse("its version cannot be kept: "+cause(err).Error(), "")
		}
		l.newest = a
	}
	l.pushed = s.data
	r.Pushed = who.about(&b, nil)
	r.again(b.expires)
	return b.layer
}

// verdict says why a bundle does not hold now; with an empty text it does.
type verdict struct {
	text, hint string
	reason     eventv1.PolicyRefusal
	again      bool // it will when its time comes
}

// vet asks whether a bundle that is signed and without fault is in its time and
// not older than one that was accepted before.
func (l *Loader) vet(b *bundle) verdict {
	now := l.now()
	if err := l.ratchet(); err != nil {
		return verdict{text: "the version last accepted is not known: " + err.Error(), reason: refusedInvalid}
	}
	switch {
	case now.Before(b.notBefore):
		return verdict{"not valid before " + b.notBefore.UTC().Format(time.RFC3339), "check the clock", refusedInvalid, true}
	case !now.Before(b.expires):
		return verdict{text: "expired at " + b.expires.UTC().Format(time.RFC3339), hint: "push a bundle with a later expires and a higher version", reason: refusedExpired}
	case b.version < l.newest.version:
		return verdict{text: fmt.Sprintf("version %d, older than %d, which was accepted before", b.version, l.newest.version), hint: "versions only grow", reason: refusedOlder}
	case b.version == l.newest.version && sha256.Sum256(b.data) != l.newest.sum:
		return verdict{text: fmt.Sprintf("version %d again, with other bytes", b.version), hint: "versions only grow", reason: refusedOlder}
	}
	return verdict{}
}

// lastPush returns the last good bundle if the keys of today still vouch for it.
// It may have expired: it stays until a newer one comes.
func (l *Loader) lastPush(r *resolver, file string) *layer {
	data := l.pushed
	if data == nil {
		data = l.good.load(file)
	}
	who, fault := l.signers(r)
	if data == nil || fault != nil {
		return nil
	}
	b := readBundle(file, data, who, l.table, bundleType)
	if len(b.faults) > 0 {
		return nil
	}
	r.Pushed = who.about(&b, nil)
	return b.layer
}

// signers returns whose signatures a push needs.
func (l *Loader) signers(r *resolver) (signers, *Fault) {
	if l.pinned != nil {
		return *l.pinned, nil
	}
	return pinnedSigners(r.layers, l.disk, "push")
}

// accepted names the newest bundle that was accepted.
type accepted struct {
	version int64
	sum     [sha256.Size]byte
}

// ratchet reads the version that was kept, once.
func (l *Loader) ratchet() error {
	if l.newest.version > 0 {
		return nil
	}
	kept, err := l.good.loadVersion()
	if err == nil {
		l.newest = kept
	}
	return err
}

// versionFile has no suffix of a last good form: it stays when the pushed file is
// removed, so that an old bundle cannot come back that way.
const versionFile = "push.version"

func (g lastGood) loadVersion() (accepted, error) {
	var a accepted
	if g.dir == "" {
		return a, nil
	}
	data, mode, err := diskFiles{}.Read(filepath.Join(g.dir, versionFile))
	if errors.Is(err, fs.ErrNotExist) {
		return a, nil
	}
	if err != nil {
		return a, cause(err)
	}
	var sum []byte
	n, err := fmt.Sscanf(string(data), "%d %x\n", &a.version, &sum)
	if n != 2 || err != nil || a.version < 1 || copy(a.sum[:], sum) != len(a.sum) || writableFault("", mode) != nil {
		return accepted{}, errors.New(versionFile + " is damaged")
	}
	return a, nil
}

func (g lastGood) saveVersion(a accepted) error {
	if g.dir == "" {
		return nil
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%d %x\n", a.version, a.sum)
	if err := os.MkdirAll(g.dir, 0o700); err != nil {
		return err
	}
	return g.put(filepath.Join(g.dir, versionFile), b.Bytes())
}
