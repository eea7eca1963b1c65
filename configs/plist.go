package configs

import (
	"strings"

	"github.com/discreet-agent/discreet/configs/plist"
	"go.yaml.in/yaml/v3"
)

// preferencesDomain is the domain of the agent's preferences on macOS. Faults and
// explanations name it as the place of what a profile forces.
const preferencesDomain = "org.discreet.agent"

// checkPlist is check for a property list of preferences: each section is a
// dictionary of the same name, values have the natural types. What is in it has no
// lines: faults name the domain and the key.
func checkPlist(name string, data []byte, table []key) *layer {
	l := newLayer(name, preferencesDomain)
	list, err := plist.Parse(data)
	switch {
	case err != nil:
		l.faults = []Fault{{File: preferencesDomain, Text: "not a property list: " + err.Error(), Hint: "install the profile again"}}
		return l
	case list.Kind != plist.Dict:
		l.faults = []Fault{{File: preferencesDomain, Text: "not a dictionary, want one of keys"}}
		return l
	}
	root := plistNode(list)
	root.Content = withoutPayload(root.Content)
	c := &checker{layer: l, table: table}
	c.newer = c.schema(root) > SchemaVersion
	c.section("", mainBag, table, root)
	c.together()
	l.faults = sortFaults(l.faults)
	return l
}

// withoutPayload drops what a profile says about itself: PayloadUUID and its like.
func withoutPayload(pairs []*yaml.Node) []*yaml.Node {
	var kept []*yaml.Node
	for i := 0; i+1 < len(pairs); i += 2 {
		if !strings.HasPrefix(pairs[i].Value, "Payload") {
			kept = append(kept, pairs[i], pairs[i+1])
		}
	}
	return kept
}

// plistNode makes the node that a YAML file would give. What no setting takes
// stands in it by its name, so that the check refuses it with its key.
func plistNode(n *plist.Node) *yaml.Node {
	out := &yaml.Node{Kind: yaml.ScalarNode, Value: n.Text}
	switch n.Kind {
	case plist.Dict:
		out.Kind, out.Tag = yaml.MappingNode, "!!map"
	case plist.Array:
		out.Kind, out.Tag = yaml.SequenceNode, "!!seq"
	case plist.String:
		out.Tag = "!!str"
	case plist.Integer:
		out.Tag = "!!int"
	case plist.Real:
		out.Tag = "!!float"
	case plist.Bool:
		out.Tag = "!!bool"
	case plist.Data:
		out.Tag, out.Value = "!!binary", "data"
	case plist.Date:
		out.Tag, out.Value = "!!timestamp", "a date"
	}
	for _, item := range n.Items {
		out.Content = append(out.Content, plistNode(item))
	}
	return out
}
