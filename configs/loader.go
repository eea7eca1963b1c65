package configs

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"go.yaml.in/yaml/v3"
)

// Loader reads the agent's settings again and again and remembers the last good
// form of each file. It is safe for concurrent use.
type Loader struct {
	paths AgentPaths
	good  lastGood
	table []key
	index *index
	base  *layer // the defaults
	disk  files
	now   func() time.Time
	boot  func() boot   // the clock that nobody sets
	read  chan struct{} // a Load has been, for Watch to set its timer by

	mu    sync.Mutex // guards what follows
	forms map[string]*layer
	flags *layer // nil: none
	seen  [32]byte
	next  time.Time // when the same files say something else; zero: never

	newest accepted // of all pushed bundles
	pushed []byte   // the last good one
	pinned *signers // whose push is accepted; nil: as the settings say
	below  []*layer // what lies below a push, as Load found it

	floor *keptFloor // what is known of signed floors; nil: not read yet
}

// NewLoader returns a Loader of the files that p names. lastGoodDir is where it
// keeps their last good forms over a restart, "" means in memory only. Nothing
// is read before Load.
func NewLoader(p AgentPaths, lastGoodDir string) *Loader {
	table := agentKeys(SystemPlaces())
	return &Loader{paths: p, good: lastGood{lastGoodDir}, table: table, index: newIndex(table), base: defaultsLayer(table), disk: diskFiles{}, now: time.Now, boot: readBoot, read: make(chan struct{}, 1), forms: map[string]*layer{}}
}

// LoadAgent reads the settings once, without a last good form to fall back on.
func LoadAgent(p AgentPaths) *Loaded { return NewLoader(p, "").Load() }

// Defaults returns the settings of an agent without a file.
func Defaults() Agent { return NewLoader(AgentPaths{}, "").Load().Settings }

// Load reads every file. It always returns settings that can be run with: what
// has a fault is replaced by its last good form, and where there is none nothing
// but health may leave.
func (l *Loader) Load() *Loaded {
	l.mu.Lock()
	defer l.mu.Unlock()
	sources, warnings := readSources(l.paths, l.disk, l.table)
	l.seen, l.below = digest(sources), []*layer{l.base}
	r := &resolver{Loaded: Loaded{table: l.table, index: l.index, layers: []*layer{l.base}, Warnings: warnings}}
	var present []string
	var floor *source
	for _, s := range sources {
		present = append(present, s.file)
		if s.layer == layerFloor {
			floor = &s
			continue
		}
		l.add(r, s)
		if s.layer == layerFile || s.layer == layerConfD {
			l.below = slices.Clone(r.layers)
		}
	}
	l.addFloor(r, floor)
	l.forget(present)
	if !l.blind(sources) {
		r.warn(l.good.prune(present))
	}
	if l.flags != nil {
		r.layers = append(r.layers, l.flags)
	}
	l.next = r.Next
	select {
	case l.read <- struct{}{}:
	default:
	}
	return r.resolve()
}

// add puts the layer of one source onto r, or its last good form.
func (l *Loader) add(r *resolver, s source) {
	var now *layer
	if s.fault != nil {
		now = &layer{name: s.layer, file: s.file, faults: []Fault{*s.fault}}
	} else if now = l.check(r, s); len(now.faults) == 0 {
		l.forms[s.file] = now
		r.warn(l.good.save(s.file, s.data))
		r.layers = append(r.layers, now)
		return
	}
	r.Faults = append(r.Faults, now.faults...)
	r.refused = append(r.refused, now)
	r.Degraded = true
	if l.isDir(s.file) {
		l.addFolder(r, s)
		return
	}
	form := l.lastForm(r, s)
	if form == nil {
		r.OnlyHealth = true
		return
	}
	r.layers = append(r.layers, form)
}

// check reads one source; what was pushed must be signed.
func (l *Loader) check(r *resolver, s source) *layer {
	if s.layer == layerPush {
		return l.push(r, s)
	}
	la := s.check(s.data, l.table)
	if s.layer == layerManaged {
		la.noPins()
	}
	return la
}

// isStore reports whether a source is what a system keeps in the place of files.
func (l *Loader) isStore(path string) bool { return path == l.paths.Preferences || inRegistry(path) }

func (l *Loader) isDir(path string) bool { return path == l.paths.ConfDir || path == l.paths.PolicyDir }

// addFolder stands in for a folder that cannot be listed: the files that were
// read from it before stay.
func (l *Loader) addFolder(r *resolver, s source) {
	var names []string
	for file, form := range l.forms {
		if form.name == s.layer && !l.isStore(file) {
			names = append(names, file)
		}
	}
	sort.Strings(names)
	for _, file := range names {
		r.layers = append(r.layers, l.forms[file])
	}
	// What else is in it is not known, and could be a floor.
	if len(names) == 0 {
		r.OnlyHealth = true
	}
}

// lastForm returns the last good form of a source, or nil.
func (l *Loader) lastForm(r *resolver, s source) *layer {
	if s.layer == layerPush {
		return l.lastPush(r, s.file)
	}
	if form := l.forms[s.file]; form != nil {
		return form
	}
	data := l.good.load(s.file)
	if data == nil {
		return nil
	}
	s.faults = nil // of what is there now
	form := s.check(data, l.table)
	if len(form.faults) > 0 {
		return nil
	}
	l.forms[s.file] = form
	return form
}

// blind reports whether a folder could not be listed, so that what is gone is
// not known.
func (l *Loader) blind(sources []source) bool {
	return slices.ContainsFunc(sources, func(s source) bool { return l.isDir(s.file) })
}

// forget drops the forms of files that are gone.
func (l *Loader) forget(present []string) {
	if !slices.Contains(present, l.paths.PushFile) && !slices.Contains(present, l.paths.TakenFile) {
		l.pushed = nil
	}
	for file, form := range l.forms {
		folder := form.name == layerConfD && slices.Contains(present, l.paths.ConfDir) ||
			form.name == layerManaged && slices.Contains(present, l.paths.PolicyDir)
		if (!folder || l.isStore(file)) && !slices.Contains(present, file) {
			delete(l.forms, file)
		}
	}
}

// ApplyOverrides sets operational keys from flags or the environment, for this
// and every later Load. They go over every file. Keys are dotted, values are
// written as in a file. A privacy key, an unknown one or a wrong value is an
// error, and then nothing is set.
func (l *Loader) ApplyOverrides(kv map[string]string) error {
	flags := &layer{name: layerFlags}
	flags.bags[mainBag].entries = map[string]entry{}
	c := &checker{layer: flags, table: l.table}
	var errs []error
	for path, text := range kv {
		k := l.index.rows[path]
		switch {
		case isPrivacy(path):
			errs = append(errs, fmt.Errorf("%.80s: a privacy key cannot be set by a flag or the environment; hint: set it in agent.yaml", path))
		case k == nil || path == "schema":
			errs = append(errs, fmt.Errorf("%.80s: not a key that can be set; hint: \"config schema\" lists every key", path))
		default:
			c.override(path, k, text)
		}
	}
	for _, f := range flags.faults {
		errs = append(errs, fmt.Errorf("%s: %s", f.Key, f.Text))
	}
	if len(errs) > 0 {
		slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
		return errors.Join(errs...)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flags = flags
	return nil
}

// override reads one value that is written as in a file; text needs no quotes.
func (c *checker) override(path string, k *key, text string) {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
	_, isList := k.kind.list()
	if isList || k.kind == kindObjects || k.kind == kindBool || k.kind == kindNumber {
		root, faults := parse("", []byte("value: "+text))
		if root == nil || len(faults) > 0 || len(root.Content) != 2 {
			c.fault(n, path, "", "%s, want %s", k.show(n), k.want(k.kind))
			return
		}
		n = root.Content[1]
	}
	if v, ok := c.typed(path, k, n); ok {
		c.bags[mainBag].entries[path] = entry{key: k, value: v}
	}
}

// isPrivacy reports whether a path lies under what only files may decide.
func isPrivacy(path string) bool {
	head, _, _ := strings.Cut(strings.ToLower(path), ".")
	return head == "privacy" || head == "privacy_floor" || head == "trust"
}
