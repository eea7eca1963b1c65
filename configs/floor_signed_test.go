package configs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// floorWorld is an agent.yaml that pins two signers of a floor, both of whom must
// sign, and a clock.
type floorWorld struct {
	t     *testing.T
	paths AgentPaths
	state string
	now   time.Time
	boot  boot
	l     *Loader
}

func newFloorWorld(t *testing.T, settings string) *floorWorld {
	t.Helper()
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one.pem"), filepath.Join(dir, "two.pem")
	put(t, one, pemKey(t, testKey(1)))
	put(t, two, pemKey(t, testKey(2)))
	w := &floorWorld{t: t, paths: AgentPathsFor(filepath.Join(dir, "agent.yaml")), state: filepath.Join(dir, "state"),
		now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}
	w.pin(settings, "['"+one+"', '"+two+"']")
	w.restart()
	return w
}

func (w *floorWorld) pin(settings, keys string) {
	put(w.t, w.paths.File, settings+"\ntrust: {floor: {key_files: "+keys+", threshold: 2}}\n")
}

func (w *floorWorld) restart() {
	w.l = NewLoader(w.paths, w.state)
	w.l.now = func() time.Time { return w.now }
	w.l.boot = func() boot { return w.boot }
}

// give puts a floor there, signed by the keys of these numbers.
func (w *floorWorld) give(version int64, notice, floor string, by ...byte) {
	w.t.Helper()
	payload := payloadOf(version, "privacy_floor: {"+floor+"}") + "notice: " + notice + "\n"
	put(w.t, w.paths.FloorFile, string(sealAs(floorType, payload, keysOf(by)...)))
}

func (w *floorWorld) check(when, level, fault string) *Loaded {
	w.t.Helper()
	l := w.l.Load()
	if got := userLevel(w.t, l); got != level {
		w.t.Errorf("%s: username = %s; want %s", when, got, level)
	}
	if got := faultTexts(l.Faults); fault == "" && got != "" || !strings.Contains(got, fault) {
		w.t.Errorf("%s: faults %q; want %q", when, got, fault)
	}
	return l
}

const clear = "privacy: {username: cleartext}"

const fortnight = 14 * 24 * time.Hour

// TestS49SignedFloor walks a floor through its life.
func TestS49SignedFloor(t *testing.T) {
	w := newFloorWorld(t, clear)
	if l := w.check("pinned, no floor yet", "drop", "no signed floor"); !l.OnlyHealth {
		t.Error("pinned, no floor yet: events leave; want only health")
	}
	w.give(1, "14d", "username: hashed", 1)
	w.check("one signature of two", "drop", "1 valid signatures of pinned keys, want 2")
	w.give(1, "14d", "username: hashed", 1, 1)
	w.check("one key twice", "drop", "1 valid signatures")
	w.give(1, "14d", "username: hashed", 1, 3)
	w.check("a stranger", "drop", "1 valid signatures")
	w.give(1, "14d", "username: hashed", 2, 1)
	l := w.check("both", "hashed", "")
	if d := decision(t, l, "username"); d.BoundBy != "floor" || !strings.HasPrefix(d.Source, filepath.ToSlash(w.paths.FloorFile)+":") {
		t.Errorf("username is bound by %q from %q; want the floor's file", d.BoundBy, d.Source)
	}

	w.give(2, "14d", "username: drop", 1, 2)
	w.check("stricter: at once", "drop", "")
	w.give(3, "14d", "username: cleartext", 1, 2)
	l = w.check("looser: not yet", "drop", "")
	want := Pending{"username", "drop", "cleartext", w.now.Add(fortnight)}
	if len(l.Pending) != 1 || l.Pending[0] != want || !l.Next.Equal(want.At) {
		t.Errorf("pending %v, next %v; want %v", l.Pending, l.Next, want)
	}
	w.now = w.now.Add(fortnight - time.Second)
	w.restart()
	w.check("a second before, after a restart", "drop", "")
	w.now = w.now.Add(time.Second)
	if l = w.check("after the notice", "cleartext", ""); l.Pending != nil {
		t.Errorf("pending %v; want nothing", l.Pending)
	}
	w.give(2, "14d", "username: cleartext", 1, 2)
	w.check("an older version", "cleartext", "version 2, want one above 3")
}

// TestS49SignedFloorStays: nothing but the signers takes a floor away.
func TestS49SignedFloorStays(t *testing.T) {
	hashed := func(t *testing.T) *floorWorld {
		w := newFloorWorld(t, clear)
		w.give(5, "7d", "username: hashed", 1, 2)
		w.check("signed", "hashed", "")
		return w
	}
	for name, row := range map[string]struct {
		do    func(*floorWorld)
		fault string
	}{
		"the file is removed":      {func(w *floorWorld) { w.remove(w.paths.FloorFile) }, ""},
		"the file is garbled":      {func(w *floorWorld) { put(w.t, w.paths.FloorFile, "{") }, "not a signed bundle"},
		"the file is empty":        {func(w *floorWorld) { put(w.t, w.paths.FloorFile, "") }, "not a signed bundle"},
		"the pins are taken out":   {func(w *floorWorld) { put(w.t, w.paths.File, clear+"\n") }, "other signers"},
		"other keys are pinned":    {func(w *floorWorld) { w.pinStranger() }, "other signers"},
		"a key's file is removed":  {func(w *floorWorld) { w.remove(filepath.Join(filepath.Dir(w.paths.File), "one.pem")) }, "no such file"},
		"the threshold is lowered": {func(w *floorWorld) { w.lower() }, "other signers"},
		"all of it":                {func(w *floorWorld) { put(w.t, w.paths.File, clear+"\n"); w.remove(w.paths.FloorFile) }, "other signers"},
		"a laxer floor in the file": {func(w *floorWorld) {
			w.pinAgain("privacy: {username: cleartext}\nprivacy_floor: {username: cleartext}")
		}, ""},
		"a laxer managed policy": {func(w *floorWorld) {
			put(w.t, filepath.Join(w.paths.PolicyDir, "a.yaml"), "privacy: {username: cleartext}\nprivacy_floor: {username: cleartext}\n")
		}, ""},
		"expired":           {func(w *floorWorld) { w.now = w.now.AddDate(200, 0, 0) }, ""},
		"a floor of no key": {func(w *floorWorld) { w.give(6, "1s", "", 1, 2) }, ""},
		"a shorter notice first": {func(w *floorWorld) {
			w.give(6, "1s", "username: hashed", 1, 2)
			w.check("shorter notice", "hashed", "")
			w.give(7, "1s", "username: cleartext", 1, 2)
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := hashed(t)
			row.do(w)
			w.check("running", "hashed", row.fault)
			w.restart()
			w.check("restarted", "hashed", row.fault)
		})
	}
	t.Run("what was kept is damaged", func(t *testing.T) {
		w := hashed(t)
		put(t, filepath.Join(w.state, floorState), "{}x")
		w.restart()
		if l := w.check("damaged", "drop", "damaged"); !l.OnlyHealth {
			t.Error("events leave; want only health")
		}
	})
}

func (w *floorWorld) remove(path string) {
	w.t.Helper()
	if err := os.Remove(path); err != nil {
		w.t.Fatal(err)
	}
}

func (w *floorWorld) pinAgain(settings string) {
	dir := filepath.Dir(w.paths.File)
	w.pin(settings, "['"+filepath.Join(dir, "one.pem")+"', '"+filepath.Join(dir, "two.pem")+"']")
}

func (w *floorWorld) pinStranger() {
	three := filepath.Join(filepath.Dir(w.paths.File), "three.pem")
	put(w.t, three, pemKey(w.t, testKey(3)))
	w.pin(clear, "['"+three+"', '"+filepath.Join(filepath.Dir(w.paths.File), "two.pem")+"']")
}

func (w *floorWorld) lower() {
	w.pinAgain(clear)
	data, err := os.ReadFile(w.paths.File)
	if err != nil {
		w.t.Fatal(err)
	}
	put(w.t, w.paths.File, strings.Replace(string(data), "threshold: 2", "threshold: 1", 1))
}

// TestSignedFloorLists: lists and hours are held like levels, and what loosens them
// waits.
func TestSignedFloorLists(t *testing.T) {
	w := newFloorWorld(t, "privacy: {}")
	w.give(1, "7d", "exclude_programs: [keepassxc], quiet: {hours: '19:00-07:00'}", 1, 2)
	l := w.check("signed", "hashed", "")
	if got := l.Settings.Privacy.ExcludePrograms; len(got) != 1 || got[0] != "keepassxc" {
		t.Errorf("exclude_programs = %v; want keepassxc", got)
	}
	w.give(2, "7d", "exclude_programs: [keepassxc, gpg], quiet: {hours: '19:00-07:00'}", 1, 2)
	if l = w.check("longer", "hashed", ""); len(l.Settings.Privacy.ExcludePrograms) != 2 || l.Pending != nil {
		t.Errorf("exclude_programs = %v, pending %v; want two, nothing", l.Settings.Privacy.ExcludePrograms, l.Pending)
	}
	w.give(3, "7d", "exclude_programs: [gpg], quiet: {hours: '19:00-07:00'}", 1, 2)
	l = w.check("shorter", "hashed", "")
	if len(l.Settings.Privacy.ExcludePrograms) != 2 || len(l.Pending) != 1 || l.Pending[0].Key != "privacy.exclude_programs" {
		t.Errorf("exclude_programs = %v, pending %v; want two for now, and the list pending", l.Settings.Privacy.ExcludePrograms, l.Pending)
	}
	w.give(4, "7d", "exclude_programs: [keepassxc, gpg, pass], quiet: {hours: '19:00-07:00'}", 1, 2)
	if l = w.check("thought better of it", "hashed", ""); len(l.Settings.Privacy.ExcludePrograms) != 3 || l.Pending != nil {
		t.Errorf("exclude_programs = %v, pending %v; want three, nothing", l.Settings.Privacy.ExcludePrograms, l.Pending)
	}
}

func TestPinsOnlyWhereTheyAreRead(t *testing.T) {
	w := newFloorWorld(t, clear)
	w.give(1, "7d", "username: hashed", 1, 2)
	put(t, filepath.Join(w.paths.PolicyDir, "a.yaml"), "trust: {push: {key_files: [/x.pem]}}\n")
	w.check("pinned by a managed policy", "drop", "in a managed policy, want it in agent.yaml or conf.d")
}
