package privacy

import (
	"testing"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
	"google.golang.org/protobuf/proto"
)

// TestDomainsOfListedPrograms: not every source of names can tell whose one is.
// Where some programs' may not leave, one of nobody may not either.
func TestDomainsOfListedPrograms(t *testing.T) {
	none := func(*Context) {}
	drop := func(c *Context) { c.ExcludePrograms = []string{"browser"} }
	count := func(c *Context) { c.CountOnlyPrograms = []string{"browser"} }
	tests := []struct {
		name    string
		lists   func(*Context)
		program *eventv1.Program
		want    bool
	}{
		{"no list, not known", none, nil, true},
		{"no list", none, &eventv1.Program{Name: "browser"}, true},
		{"excluded", drop, &eventv1.Program{Name: "browser"}, false},
		{"excluded, another", drop, &eventv1.Program{Name: "mail"}, true},
		{"excluded, not known", drop, nil, false},
		{"excluded, empty", drop, &eventv1.Program{}, false},
		{"counted", count, &eventv1.Program{Name: "browser"}, false},
		{"counted, another", count, &eventv1.Program{Name: "mail"}, true},
		{"counted, not known", count, nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := excluding(t, laxest(), Linux, tt.lists)
			ev := proto.Clone(sampleEvents()["domain_seen"][0]).(*eventv1.Event)
			ev.GetDomainSeen().Program = tt.program
			if _, ok := f.Apply(ev); ok != tt.want {
				t.Errorf("Apply(domain_seen) = %v; want %v", ok, tt.want)
			}
		})
	}
}
