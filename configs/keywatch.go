package configs

// keyWatch tells of changes below keys of the registry.
type keyWatch interface {
	// Arm asks to be told of the next change. It is called before the keys are
	// read, so that nothing between the two is missed. False: the system does not
	// tell, and the keys are to be looked at.
	Arm() bool
	// Changed is told after a change; then Arm must be called again.
	Changed() <-chan struct{}
	// Close ends it and waits for what it runs.
	Close()
}

// registryKeys returns the keys of the registry that p names.
func (p AgentPaths) registryKeys() []string {
	var keys []string
	for _, k := range []string{p.SettingsKey, p.PolicyKey} {
		if k != "" {
			keys = append(keys, k)
		}
	}
	return keys
}

// changedKeys returns what is told of the registry; nil, which never is, without
// one.
func (w *watcher) changedKeys() <-chan struct{} {
	if w.keys == nil {
		return nil
	}
	return w.keys.Changed()
}

// arm asks to be told of the next change in the registry.
func (w *watcher) arm() {
	if w.keys != nil {
		w.keysBlind = !w.keys.Arm()
	}
}
