package configs

// YAML returns the effective settings as one file, with the place that each
// value comes from beside it, as "config show" prints them. Laid in the place of
// all the files it means the same.
func (l *Loaded) YAML() []byte {
	explain := func(path string) Explanation {
		e, _ := l.Explain(path) // every path comes from the table
		return e
	}
	w := sampleWriter{levels: true}
	w.value = func(path string, _ *key) (string, string) {
		e := explain(path)
		from := e.Layer
		if e.Source != "" {
			from += " " + e.Source
		}
		if e.BoundBy != "" {
			from += ", bound by " + e.BoundBy
		}
		return e.Value, from
	}
	w.maps = func(path string) (string, bool) { return explain(path).Value, true }
	w.keys("", l.table, 0)
	return w.b.Bytes()
}
