package configs

import (
	"time"

	"github.com/discreet-agent/discreet/privacy"
)

// Decision says which level a privacy key has, and why.
type Decision struct {
	Key      privacy.Key
	Level    privacy.Level
	Layer    string        // where Level comes from: defaults, file, conf_d, push, managed, or floor for a signed one
	Source   string        // its file:line; "" where it is built in
	Default  privacy.Level // what the preset that holds says
	BoundBy  string        // "", tighten or floor: what made Level stricter than the layers do
	Outvoted []Outvoted    // what lower layers, or the layers above a constraint, said; highest first
}

// Outvoted is a level that was named and does not hold.
type Outvoted struct {
	Level  privacy.Level
	Layer  string
	Source string
}

// Loaded is what the files say together. It does not change.
type Loaded struct {
	Settings   Agent
	Policy     privacy.Policy
	Decisions  []Decision // one for each key, in the order of the table
	Floor      map[privacy.Key]privacy.Level
	Faults     []Fault // of all files
	Warnings   []Warning
	Degraded   bool      // some file has a fault
	OnlyHealth bool      // and there is no last good form of it: nothing but health may leave
	Signed     *Vouched  // who signed the floor; nil: no signed floor holds
	Pushed     *Vouched  // who signed the push; nil: none holds
	Pending    []Pending // what a signed floor will loosen, and when
	Next       time.Time // when the same files will say something else; zero: never

	table     []key
	index     *index
	layers    []*layer         // lowest first, as they were used
	floored   map[string]entry // settings that the floors changed
	flooredBy map[string]*layer
	floors    []*layer // the one of the settings, then those that are signed
	preset    privacy.Policy
}

// resolver makes a Loaded of layers.
type resolver struct {
	Loaded
	refused []*layer // layers with a fault, whose tighten entries still hold
	signed  []*layer // floors that their signers vouch for and that hold now
	coming  *layer   // the one of them that will hold alone; nil: none
	comesAt time.Time
}

// again notes a time at which the same files will say something else.
func (r *resolver) again(at time.Time) {
	if r.Next.IsZero() || at.Before(r.Next) {
		r.Next = at
	}
}

func (r *resolver) warn(err error) {
	if err != nil {
		r.Warnings = append(r.Warnings, Warning{Text: err.Error(), Hint: "without it a fault after a restart stops all events"})
	}
}

func (r *resolver) resolve() *Loaded {
	l := &r.Loaded
	var own []*layer
	for _, la := range r.layers {
		l.Warnings = append(l.Warnings, la.warnings...)
		if p, ok := la.presetPolicy(); ok {
			l.preset = p
		}
		if f := &la.bags[floorBag]; len(f.levels)+len(f.entries) > 0 {
			own = []*layer{la}
		}
	}
	if r.coming != nil {
		l.Pending = r.pending(append(own[:len(own):len(own)], r.coming), append(own[:len(own):len(own)], r.signed...))
	}
	r.settle(append(own, r.signed...))
	decode(r.layers, l.floored, &l.Settings)
	if interval := intervalLength(l.Policy.Level(privacy.SummaryInterval)); l.Settings.Summary.Flush > interval {
		l.Settings.Summary.Flush = interval
	}
	l.Warnings = append(l.Warnings, l.lint()...)
	return l
}

// settle decides every key under the floors.
func (r *resolver) settle(floors []*layer) {
	l := &r.Loaded
	l.floors, l.Floor, l.Decisions = floors, map[privacy.Key]privacy.Level{}, nil
	for _, f := range floors {
		for k, p := range f.bags[floorBag].levels {
			if have, ok := l.Floor[k]; !ok || p.level < have {
				l.Floor[k] = p.level
			}
		}
	}
	for k := range privacy.NumKeys {
		d := r.decide(k)
		l.Decisions = append(l.Decisions, d)
		l.Policy, _ = l.Policy.With(k, d.Level)
	}
	l.floored, l.flooredBy = floorEntries(r.layers, floors)
}

// presetPolicy returns the preset that the layer names.
func (l *layer) presetPolicy() (privacy.Policy, bool) {
	e, ok := l.bags[mainBag].entries["privacy.preset"]
	if !ok {
		return privacy.Policy{}, false
	}
	return privacy.Preset(e.value.(string))
}

// names returns the level that the layer gives a key: by itself, or by its
// preset.
func (l *layer) names(k privacy.Key) (placed, bool) {
	if p, ok := l.bags[mainBag].levels[k]; ok {
		return p, true
	}
	if pol, ok := l.presetPolicy(); ok {
		return placed{level: pol.Level(k), line: l.bags[mainBag].entries["privacy.preset"].line}, true
	}
	return placed{}, false
}

// decide settles one key: the highest layer that names it, then whatever is
// stricter among the constraints.
func (r *resolver) decide(k privacy.Key) Decision {
	d := Decision{Key: k, Default: r.preset.Level(k)}
	take := func(p placed, l *layer) {
		if d.Layer != "" && d.Layer != layerDefaults {
			d.Outvoted = append([]Outvoted{{d.Level, d.Layer, d.Source}}, d.Outvoted...)
		}
		d.Level, d.Layer, d.Source = p.level, l.name, l.source(p.line)
	}
	for _, l := range r.layers {
		if p, ok := l.names(k); ok {
			take(p, l)
		}
	}
	var bound *layer
	var at placed
	constrain := func(l *layer, b bag, by string) {
		p, ok := l.bags[b].levels[k]
		if !ok || p.level >= d.Level {
			return
		}
		if bound == nil || p.level < at.level || p.level == at.level && by == "floor" {
			bound, at, d.BoundBy = l, p, by
		}
	}
	for _, l := range append(r.layers[:len(r.layers):len(r.layers)], r.refused...) {
		constrain(l, tightenBag, "tighten")
	}
	for _, f := range r.floors {
		constrain(f, floorBag, "floor")
	}
	if bound != nil {
		take(at, bound)
	}
	if r.OnlyHealth {
		take(placed{level: privacy.Policy{}.Level(k)}, r.layers[0])
		d.BoundBy = ""
	}
	return d
}
