package agent

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/discreet-agent/discreet/agent/durable"
	"github.com/discreet-agent/discreet/configs"
	"github.com/discreet-agent/discreet/privacy"
)

// The bounds of the history: the oldest change goes first.
const (
	historyFile  = "policy-history.jsonl"
	historyLines = 1000
	historyBytes = 16 << 20
	historyTold  = 100 // refused places in one change
)

// Change is one line of the history: how the policy came to be what it is. It
// holds levels, layers and places in files, and no value of any event.
type Change struct {
	Time       time.Time         `json:"time"`
	Before     string            `json:"before,omitempty"` // digest; "" for the first change
	Digest     string            `json:"digest"`
	SetBy      string            `json:"set_by,omitempty"` // as the statement says
	OnlyHealth bool              `json:"only_health,omitempty"`
	Changed    []LevelChange     `json:"changed,omitempty"`
	Refused    []RefusedPlace    `json:"refused,omitempty"`      // the first of them
	Pending    []configs.Pending `json:"pending,omitempty"`      // what a signed floor will loosen
	Floor      *configs.Vouched  `json:"signed_floor,omitempty"` // who signed what holds
	Push       *configs.Vouched  `json:"signed_push,omitempty"`
	Levels     []string          `json:"levels,omitempty"`   // "key level", of all keys after the change
	Settings   []string          `json:"settings,omitempty"` // the same of the lists and the other settings
}

// LevelChange is one key whose level is another than before, or one list or other
// setting under privacy: what stood in it is told as it stands in the files, which
// are no secret on this device.
type LevelChange struct {
	Key     string `json:"key"`
	Before  string `json:"before,omitempty"` // "" where it was not known
	After   string `json:"after"`
	Layer   string `json:"layer"`
	Source  string `json:"source,omitempty"` // file:line
	BoundBy string `json:"bound_by,omitempty"`
}

// RefusedPlace is a fault for which a layer was refused.
type RefusedPlace struct {
	Place string `json:"place"` // file:line:col
	Key   string `json:"key,omitempty"`
	Text  string `json:"text"`
}

// record adds what l changes to the history. That it cannot is no reason to stay
// with the old policy.
func (a *Agent) record(l *configs.Loaded) {
	if err := recordChange(l, time.Now()); err != nil {
		a.log.Warn("policy change not recorded", "err", err)
	}
}

func recordChange(l *configs.Loaded, now time.Time) error {
	file := filepath.Join(l.Settings.StateDir, historyFile)
	past, err := readHistory(file)
	if err != nil {
		return err
	}
	var last *Change
	if len(past) > 0 {
		last = &past[len(past)-1]
	}
	c := changeSince(last, l, now)
	if last != nil && last.Digest == c.Digest && last.OnlyHealth == c.OnlyHealth && len(c.Changed) == 0 &&
		slices.Equal(last.Refused, c.Refused) && samePending(last.Pending, c.Pending) &&
		reflect.DeepEqual(last.Floor, c.Floor) && reflect.DeepEqual(last.Push, c.Push) {
		return nil
	}
	for i := range past { // the last line alone is compared with
		past[i].Levels, past[i].Settings = nil, nil
	}
	past = append(past, c)
	var b bytes.Buffer
	for _, c := range past[max(0, len(past)-historyLines):] {
		line, err := json.Marshal(c)
		if err != nil {
			return fmt.Errorf("write history: %w", err)
		}
		b.Write(append(line, '\n'))
	}
	// Whole, not appended to: a crash leaves no torn line.
	return durable.WriteFile(file, b.Bytes(), 0o600)
}

// changeSince compares l with the last change; nil: there is none.
func changeSince(last *Change, l *configs.Loaded, now time.Time) Change {
	c := Change{
		Time: now.UTC(), Digest: fmt.Sprintf("%x", l.Policy.Digest()),
		SetBy: l.Settings.Privacy.Statement.SetBy, OnlyHealth: l.OnlyHealth,
	}
	before := map[string]string{}
	if last != nil {
		c.Before = last.Digest
		for _, row := range last.Levels {
			var key, level string
			if n, _ := fmt.Sscan(row, &key, &level); n == 2 {
				before[key] = level
			}
		}
	}
	for k := range privacy.NumKeys {
		d, name := l.Decisions[k], k.String()
		after := d.Level.String()
		c.Levels = append(c.Levels, name+" "+after)
		if before[name] != after {
			c.Changed = append(c.Changed, LevelChange{name, before[name], after, d.Layer, d.Source, d.BoundBy})
		}
	}
	c.Settings, c.Pending, c.Floor, c.Push = settingsOf(l), l.Pending, l.Signed, l.Pushed
	if last != nil && last.Settings != nil {
		c.Changed = append(c.Changed, settingChanges(last.Settings, c.Settings, l)...)
	}
	for _, f := range l.Faults[:min(len(l.Faults), historyTold)] {
		c.Refused = append(c.Refused, RefusedPlace{fmt.Sprintf("%s:%d:%d", f.File, f.Line, f.Col), f.Key, f.Text})
	}
	return c
}

// samePending reports whether both will loosen the same. The time is told as the
// device's clock shows it, which is set by fractions of a second now and then.
func samePending(a, b []configs.Pending) bool {
	return slices.EqualFunc(a, b, func(x, y configs.Pending) bool {
		return x.Key == y.Key && x.From == y.From && x.To == y.To && x.At.Sub(y.At).Abs() < time.Hour
	})
}

// settingsOf lists what stands under privacy beside the levels: "key value".
func settingsOf(l *configs.Loaded) []string {
	list := []string{}
	for _, e := range l.PrivacySettings() {
		list = append(list, e.Key+" "+e.Value)
	}
	return list
}

// settingChanges compares two such lists. A setting that is new in this version of
// the agent has no past.
func settingChanges(before, after []string, l *configs.Loaded) []LevelChange {
	past := map[string]string{}
	for _, row := range before {
		key, value, _ := strings.Cut(row, " ")
		past[key] = value
	}
	var list []LevelChange
	for i, e := range l.PrivacySettings() {
		_, now, _ := strings.Cut(after[i], " ")
		if was, ok := past[e.Key]; ok && was != now {
			list = append(list, LevelChange{strings.TrimPrefix(e.Key, "privacy."), was, now, e.Layer, e.Source, e.BoundBy})
		}
	}
	return list
}

// readHistory returns what was recorded, oldest first. A file that is not there
// is empty, and a line that cannot be read is left out.
func readHistory(file string) ([]Change, error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read history: %w", err)
	}
	defer f.Close()
	var past []Change
	r := bufio.NewReader(io.LimitReader(f, historyBytes))
	for {
		line, err := r.ReadBytes('\n')
		var c Change
		if json.Unmarshal(line, &c) == nil && c.Digest != "" {
			for i := range past { // the last line alone is compared with
				past[i].Levels, past[i].Settings = nil, nil
			}
			past = append(past, c)
		}
		if errors.Is(err, io.EOF) {
			return past[max(0, len(past)-historyLines):], nil
		}
		if err != nil {
			return nil, fmt.Errorf("read history: %w", err)
		}
	}
}

// history answers "privacy history": newest last, without the levels that did
// not change.
func (a *Agent) history() ([]Change, error) {
	a.mu.Lock()
	dir := a.loaded.Settings.StateDir
	a.mu.Unlock()
	past, err := readHistory(filepath.Join(dir, historyFile))
	for i := range past {
		past[i].Levels, past[i].Settings = nil, nil
	}
	return past, err
}
