package configs

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// The reasons for which a bundle is refused, as they are told.
const (
	refusedInvalid   = eventv1.PolicyRefusal_POLICY_REFUSAL_INVALID
	refusedOlder     = eventv1.PolicyRefusal_POLICY_REFUSAL_OLDER
	refusedExpired   = eventv1.PolicyRefusal_POLICY_REFUSAL_EXPIRED
	refusedSignature = eventv1.PolicyRefusal_POLICY_REFUSAL_SIGNATURE
)

// TakenFile returns where a bundle that the gateway pushed is kept, in the folder
// of the last good forms.
func TakenFile(lastGoodDir string) string { return filepath.Join(lastGoodDir, "push.json") }

// Taken says what became of a bundle that the gateway pushed.
type Taken struct {
	Version int64 // 0: nobody whose signature counts says one
	Kept    bool  // it is there for the next Load; false with no Reason: it was before
	Reason  eventv1.PolicyRefusal
	Text    string // why it was refused, for the log: it holds no setting
}

// Take keeps a bundle that the gateway pushed where Load finds it, if it would
// hold now: by the keys that the settings below it pin, its time and its version.
// What is refused changes nothing. A bundle that an administrator laid into
// PushFile goes before it.
func (l *Loader) Take(envelope []byte) Taken {
	l.mu.Lock()
	defer l.mu.Unlock()
	refuse := func(version int64, reason eventv1.PolicyRefusal, text string) Taken {
		return Taken{Version: version, Reason: reason, Text: text}
	}
	if l.paths.TakenFile == "" || l.good.dir == "" {
		return refuse(0, refusedInvalid, "there is no place to keep it")
	}
	who, fault := l.signers(&resolver{Loaded: Loaded{layers: l.below}})
	if fault != nil {
		return refuse(0, refusedSignature, fault.Text)
	}
	if _, err := who.open(envelope, bundleType); err != nil {
		return refuse(0, refusedSignature, err.Error())
	}
	b := readBundle(l.paths.TakenFile, envelope, who, l.table, bundleType)
	if len(b.faults) > 0 {
		return refuse(b.version, refusedInvalid, "faults: "+fmt.Sprint(len(b.faults)))
	}
	if p := l.vet(&b); p.text != "" {
		return refuse(b.version, p.reason, p.text)
	}
	if st, err := os.Stat(l.paths.PushFile); l.paths.PushFile != "" && err == nil {
		return refuse(b.version, refusedInvalid, st.Name()+" beside the settings goes before it")
	}
	if had, _, err := l.disk.Read(l.paths.TakenFile); err == nil && bytes.Equal(had, envelope) {
		return Taken{Version: b.version}
	}
	if err := l.keep(envelope); err != nil {
		return refuse(b.version, refusedInvalid, "it cannot be kept: "+cause(err).Error())
	}
	return Taken{Version: b.version, Kept: true}
}

func (l *Loader) keep(envelope []byte) error {
	if err := os.MkdirAll(l.good.dir, 0o700); err != nil {
		return err
	}
	return l.good.put(l.paths.TakenFile, envelope)
}
