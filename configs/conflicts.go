package configs

import "github.com/discreet-agent/discreet/privacy"

// Conflict is a level that somebody set for this device and that does not hold,
// where that is no plain matter of layers: what IT set here is undone by what IT set
// there.
type Conflict struct {
	Key   privacy.Key
	Asked Named  // the level that does not hold, with its place
	Held  Named  // the level that holds, with its place
	By    string // "layer": another file of the same layer; tighten, floor: a constraint
}

// Conflicts returns the keys about which the files contradict each other, in the
// order of the table. A higher layer that outvotes a lower one is no conflict, nor is
// a constraint that is stricter than agent.yaml, which is a sample with every key in
// it, or than what a preset brings along: those are there to be made stricter.
func (l *Loaded) Conflicts() []Conflict {
	var all []Conflict
	if l.OnlyHealth {
		return nil // a fault says more
	}
	for _, d := range l.Decisions {
		last, before := l.set(d.Key)
		switch {
		case last == nil:
		case d.BoundBy != "" && last.level > d.Level:
			all = append(all, Conflict{d.Key, last.named(), Named{d.Level.String(), d.Layer, d.Source}, d.BoundBy})
		case before != nil && before.layer.name == last.layer.name && before.level != last.level:
			all = append(all, Conflict{d.Key, before.named(), last.named(), "layer"})
		}
	}
	return all
}

// setting is a level that a file gives a key by itself.
type setting struct {
	placed
	layer *layer
}

func (s *setting) named() Named {
	return Named{s.level.String(), s.layer.name, s.layer.source(s.line)}
}

// set returns the two highest files above agent.yaml that give the key a level by
// themselves; nil where there is none.
func (l *Loaded) set(k privacy.Key) (last, before *setting) {
	for _, la := range l.layers {
		p, ok := la.bags[mainBag].levels[k]
		if ok && la.name != layerDefaults && la.name != layerFile {
			last, before = &setting{p, la}, last
		}
	}
	return last, before
}
