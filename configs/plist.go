package configs

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// preferencesDomain is the domain of the agent's preferences on macOS. Faults and
// explanations name it as the place of what a profile forces.
const preferencesDomain = "org.discreet.agent"

// The bounds of a property list, beside maxFile. A binary one may name the same
// object many times, so its nodes and text are counted as they are used.
const (
	maxPlistDepth = 16
	maxPlistNodes = 20000
	maxPlistText  = 4 << 20
)

var (
	errPlistDeep  = fmt.Errorf("nested more than %d deep", maxPlistDepth)
	errPlistLarge = fmt.Errorf("more than %d values or %d MiB of text", maxPlistNodes, maxPlistText>>20)
)

// checkPlist is check for a property list of preferences: each section is a
// dictionary of the same name, values have the natural types. What is in it has no
// lines: faults name the domain and the key.
func checkPlist(name string, data []byte, table []key) *layer {
	l := newLayer(name, preferencesDomain)
	root, err := parsePlist(data)
	switch {
	case err != nil:
		l.faults = []Fault{{File: preferencesDomain, Text: "not a property list: " + err.Error(), Hint: "install the profile again"}}
		return l
	case root.Kind != yaml.MappingNode:
		l.faults = []Fault{{File: preferencesDomain, Text: "not a dictionary, want one of keys"}}
		return l
	}
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

// parsePlist reads an XML or binary property list into the nodes that a YAML file
// would give. A key that stands twice in a dictionary is left to the check.
func parsePlist(data []byte) (*yaml.Node, error) {
	switch {
	case len(data) > maxFile:
		return nil, errors.New("larger than 1 MiB")
	case bytes.HasPrefix(data, []byte(binaryMagic)):
		return parseBinaryPlist(data)
	}
	return parseXMLPlist(data)
}

// plistBudget counts what a property list makes of itself.
type plistBudget struct{ nodes, text int }

func (b *plistBudget) take(text int) error {
	b.nodes++
	if b.text += text; b.nodes > maxPlistNodes || b.text > maxPlistText {
		return errPlistLarge
	}
	return nil
}

func plistScalar(tag, value string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: value}
}

func plistBool(v bool) *yaml.Node { return plistScalar("!!bool", strconv.FormatBool(v)) }

func plistMap(pairs []*yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Content: pairs}
}

func plistList(items []*yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Content: items}
}

// What no setting takes stands in a node by its name, so that the check refuses it
// with its key.
func plistData() *yaml.Node { return plistScalar("!!binary", "data") }
func plistDate() *yaml.Node { return plistScalar("!!timestamp", "a date") }
