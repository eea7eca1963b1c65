package agent

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/discreet-agent/discreet/agent/durable"
	"github.com/discreet-agent/discreet/configs"
	"github.com/discreet-agent/discreet/privacy"
)

// pseudonyms returns the keys of epoch e that the settings ask for. Mode auto is
// tenant_key where a key file is set, else device_key: a key made on this device,
// at first use. Mode sealed takes that key too, and seals each name for the
// officer. Where fresh is false a missing key is not made.
func pseudonyms(l *configs.Loaded, e privacy.Epoch, fresh bool) (*privacy.Pseudonyms, error) {
	p := l.Settings.Privacy.Pseudonym
	switch p.Source() {
	case "sealed":
		officer, err := privacy.ReadOfficerPublic(p.OfficerKeyFile)
		if err != nil {
			return nil, err
		}
		keys, err := deviceKey(l.Settings.StateDir, e, fresh)
		return keys.SealTo(officer), err
	case "tenant_key":
		return privacy.ReadKeyFileOf(p.TenantKeyFile, p.KeyID, e)
	}
	return deviceKey(l.Settings.StateDir, e, fresh)
}

// deviceKeyFile is where the device keeps its own key of an epoch. Each epoch has
// a secret of its own: nobody else needs to derive it, and one that is gone is
// gone for everybody.
func deviceKeyFile(dir string, e privacy.Epoch) string {
	if e == "" {
		return filepath.Join(dir, "device.key")
	}
	return filepath.Join(dir, "device-"+string(e)+".key")
}

// deviceKey reads the key of this device, or makes it.
func deviceKey(dir string, e privacy.Epoch, fresh bool) (*privacy.Pseudonyms, error) {
	file := deviceKeyFile(dir, e)
	if _, err := os.Lstat(file); errors.Is(err, fs.ErrNotExist) {
		if !fresh {
			return nil, errors.New("no device key has been made yet")
		}
		secret, err := privacy.NewSecret()
		if err != nil {
			return nil, err
		}
		err = durable.WriteFile(file, secret, 0o600)
		clear(secret)
		if err != nil {
			return nil, err
		}
	}
	return privacy.ReadKeyFileOf(file, "", e)
}

// deviceEpochs returns the epochs of which dir holds a device key; "" where it
// holds the key that never changes.
func deviceEpochs(dir string) []privacy.Epoch {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var all []privacy.Epoch
	for _, d := range entries {
		if d.Name() == "device.key" {
			all = append(all, "")
		}
		name, isKey := strings.CutSuffix(d.Name(), ".key")
		name, ofEpoch := strings.CutPrefix(name, "device-")
		if e, ok := privacy.ParseEpoch(name); ok && isKey && ofEpoch {
			all = append(all, e)
		}
	}
	return all
}

// ownKey reports whether the settings take a key that the device made itself.
func ownKey(l *configs.Loaded) bool {
	return l.Settings.Privacy.Pseudonym.Source() != "tenant_key"
}

// nextEpoch returns the epoch that is to hold at now, where was holds so far. The
// device's own keys remember over a restart which epoch was reached.
func nextEpoch(l *configs.Loaded, was privacy.Epoch, now time.Time) privacy.Epoch {
	clock := privacy.EpochOf(l.Settings.Privacy.Pseudonym.Epoch, now)
	if was.Turn(clock) != clock {
		return was
	}
	if was == "" && ownKey(l) {
		for _, e := range deviceEpochs(l.Settings.StateDir) {
			if e.Turn(clock) == e {
				return e
			}
		}
	}
	return clock
}

// forgetKeys removes the device's own keys of other epochs than e: from then on
// nobody can tell whom their pseudonyms stand for, but by sealed names. Settings
// that could not be read whole forget nothing.
func (a *Agent) forgetKeys(l *configs.Loaded, e privacy.Epoch) {
	if l.Degraded || l.OnlyHealth || !ownKey(l) {
		return
	}
	for _, old := range deviceEpochs(l.Settings.StateDir) {
		if old == e {
			continue
		}
		err := os.Remove(deviceKeyFile(l.Settings.StateDir, old))
		if err = errors.Join(err, durable.SyncDir(l.Settings.StateDir)); err != nil {
			a.log.Error("a past pseudonym key could not be removed", "epoch", string(old), "err", err)
			continue
		}
		a.log.Info("a past pseudonym key was removed", "epoch", string(old))
	}
}

// refilter puts a filter of l in force that knows the accounts of now and the
// keys of epoch e. What waits was made by the old one and goes to the spool
// first: no summary and no batch has two keys.
func (a *Agent) refilter(l *configs.Loaded, e privacy.Epoch) {
	made := a.makeFilter(l, e, true)
	keyErr := ""
	if made.err != nil {
		keyErr = made.err.Error()
	}
	a.mu.Lock()
	said, old := a.keyErr, a.keys
	a.epoch, a.keyErr, a.people, a.zoneText, a.keys = e, keyErr, made.people, made.zone, made.keys
	a.mu.Unlock()
	if made.err != nil && said != keyErr {
		a.log.Error("no pseudonym key: what would be hashed is dropped", "err", made.err)
	}
	if err := made.keys.Unlocked(); err != nil && !a.saidLoose.Swap(true) {
		a.log.Warn("the system may write pseudonym keys to swap; hint: raise the limit of locked memory (LimitMEMLOCK)", "err", err)
	}
	a.pipe.use(made.filter, l.Settings.Summary.Flush)
	old.Close()
	if made.err == nil {
		a.forgetKeys(l, e)
	}
}

// keepEpoch turns to another epoch of keys where the clock says so, and tries
// again where there was no key.
func (a *Agent) keepEpoch(now time.Time) {
	a.mu.Lock()
	l, was, retry := a.loaded, a.epoch, a.keyErr != ""
	a.mu.Unlock()
	e := nextEpoch(l, was, now)
	if e == was && !retry {
		return
	}
	a.refilter(l, e)
	if e != was {
		a.log.Info("pseudonyms changed", "epoch", string(e))
	}
}

// epochTimer returns when to look at the clock because of epochs: at the end of
// the one in force. A timer stands still while the device sleeps, and a clock can
// be set: the agent also looks each time it reports its health.
func (a *Agent) epochTimer(now time.Time) time.Duration {
	a.mu.Lock()
	e := a.epoch
	a.mu.Unlock()
	if e == "" {
		return longest
	}
	return max(e.End().Sub(now.Round(0)), time.Second)
}

// longest is a wait that the health report always cuts short.
const longest = 366 * 24 * time.Hour

// maxPast bounds the past epochs that a person is named.
const maxPast = 40

// pastNames returns the pseudonyms of a person in past epochs of which the
// gateway may still hold something, the newest first. Only a key from IT tells
// them; the device's own keys of the past are gone.
func (a *Agent) pastNames(l *configs.Loaded, who person, now time.Time) []string {
	set := l.Settings.Privacy
	a.mu.Lock()
	e := a.epoch
	a.mu.Unlock()
	if e == "" || ownKey(l) {
		return nil
	}
	secret, err := privacy.ReadSecret(set.Pseudonym.TenantKeyFile)
	if err != nil {
		return nil
	}
	defer secret.Close()
	oldest := now.AddDate(0, 0, -set.Statement.RetentionDays)
	var names []string
	for range maxPast {
		if e = e.Before(); e.End().Before(oldest) {
			break
		}
		keys, err := secret.Pseudonyms(set.Pseudonym.KeyID, e)
		if err != nil {
			break
		}
		if name := privacy.UserPseudonym(keys, filterContext(l), who.name, who.sid()); privacy.PseudonymShape(name) {
			names = append(names, name)
		}
		keys.Close()
	}
	return names
}
