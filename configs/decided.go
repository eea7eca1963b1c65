package configs

// Decided is a setting that some layer decided, as a fleet tool looks it up: who
// says what, and where. A value that could be personal or secret is told as set.
type Decided struct {
	Key     string `json:"key"`
	Value   string `json:"value"`
	Layer   string `json:"layer"`
	Source  string `json:"source,omitempty"`   // file:line
	BoundBy string `json:"bound_by,omitempty"` // tighten or floor
}

// Decided returns every setting that does not come from the built-in defaults, in
// the order of the sample file.
func (l *Loaded) Decided() []Decided {
	all := []Decided{} // in JSON a list, not null
	for _, name := range l.index.order {
		e, err := l.Explain(name)
		if err != nil || e.Layer == layerDefaults && e.BoundBy == "" {
			continue // every name comes from the table
		}
		d := Decided{Key: name, Value: plainSet, Layer: e.Layer, Source: e.Source, BoundBy: e.BoundBy}
		if l.index.rows[name].kind.tellable() {
			d.Value = e.Value
		}
		all = append(all, d)
	}
	return all
}
