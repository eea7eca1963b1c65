package agent

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/discreet-agent/discreet/agent/view"
	"github.com/discreet-agent/discreet/configs"
	"github.com/discreet-agent/discreet/privacy"
)

// Explained is the answer of "privacy explain".
type Explained struct {
	configs.Explanation
	Floor   string     `json:"floor"`             // the level that it holds; "" where there is none
	Changed *time.Time `json:"changed,omitempty"` // when the level last did, as far as the history goes
	SetBy   string     `json:"set_by"`
	Purpose string     `json:"purpose"`
	Own     []view.Own `json:"own"`
	// Why says why there is nothing in Own: the part behind "why." of a message.
	Why string `json:"why,omitempty"`
	// NoKey says why what would be hashed is dropped here.
	NoKey string `json:"key_error,omitempty"`
}

func explain(l *configs.Loaded, name string, who person, filter filterMaker) (Explained, error) {
	e, err := l.Explain("privacy." + name)
	if err != nil {
		return Explained{}, fmt.Errorf("%w: %w", view.ErrUsage, err)
	}
	st := l.Settings.Privacy.Statement
	out := Explained{Explanation: e, Own: []view.Own{}, SetBy: st.SetBy, Purpose: st.Purpose}
	k, ok := privacy.ParseKey(name)
	if !ok {
		return out, nil
	}
	if level, ok := l.Floor[k]; ok {
		out.Floor = level.String()
	}
	out.Changed = lastChange(l, k)
	m, err := newMirror(l, who, filter, nil)
	if err != nil {
		out.NoKey = err.Error()
	}
	own, why := m.values(k)
	out.Own, out.Why = append(out.Own, own...), why
	return out, nil
}

// lastChange returns when the level of k became what it is; nil where the history
// does not say, or may not be read.
func lastChange(l *configs.Loaded, k privacy.Key) *time.Time {
	past, err := readHistory(filepath.Join(l.Settings.StateDir, historyFile))
	if err != nil {
		return nil
	}
	for i := len(past) - 1; i >= 0; i-- {
		for _, c := range past[i].Changed {
			if c.Key == k.String() {
				return &past[i].Time
			}
		}
	}
	return nil
}

// Explain explains a privacy key without a running agent, for the person who
// runs this process. It reads the pseudonym key where she may, and makes none.
func Explain(l *configs.Loaded, name string) (Explained, error) {
	return explain(l, name, personOf(view.Self()), offlineFilter)
}
