package fleet

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/discreet-agent/discreet/configs"
)

const policyHead = `# A managed policy of discreet-agent: every key that may stand in it, with what it
# takes. It goes over agent.yaml, conf.d and what the gateway pushes. A running agent
# follows within three seconds.
#
# ` + generated + `
#
# 1. Keep the keys that you mean, without their "# ". Two are set; no other key is.
# 2. Check it:  discreet-agent config validate --config agent.yaml   (with this file
#    in policy.d beside that agent.yaml)
# 3. Lay it as /etc/discreet/policy.d/10-NAME.yaml, owner root, mode 0644.
# 4. See it:    discreet-agent config explain privacy.username
#
# Everybody on the device may read it: no secret belongs here.
schema: 1
`

// policyYAML writes the sample for policy.d. What it sets is what a profile for macOS
// sets; all else are comments.
func policyYAML(all []configs.Setting) []byte {
	var b bytes.Buffer
	b.WriteString(policyHead)
	for _, n := range tree(all) {
		b.WriteByte('\n')
		n.yaml(&b, 0)
	}
	return b.Bytes()
}

// set returns the value that samples set a key to, "" for none.
func set(path string) string {
	switch path {
	case "gateway.address":
		return "gw.example:8443"
	case "privacy.preset":
		return "balanced"
	}
	return ""
}

// sets reports whether samples set something at or below the node.
func (n *node) sets() bool {
	for _, b := range n.below {
		if b.sets() {
			return true
		}
	}
	return set(n.Path) != ""
}

func (n *node) yaml(b *bytes.Buffer, depth int) {
	indent, mark := strings.Repeat("  ", depth), "# "
	if n.sets() {
		mark = ""
	}
	if n.Form == configs.FormSection {
		remark := n.Doc
		if remark != "" {
			remark = "  # " + remark
		}
		fmt.Fprintf(b, "%s%s%s:%s\n", mark, indent, last(n.Path), remark)
		for _, below := range n.below {
			below.yaml(b, depth+1)
		}
		return
	}
	value := set(n.Path)
	if value == "" {
		value = n.sample()
	}
	fmt.Fprintf(b, "%s%s%s: %s  # %s; %s\n", mark, indent, last(n.Path), value, n.Doc, n.Want)
}

// sample writes a value that the key takes, as a file spells it: its default, or an
// example.
func (n *node) sample() string {
	switch {
	case n.Level != "":
		return n.Balanced
	case n.Example != "":
		return n.Example
	case n.Form == configs.FormList || n.Form == configs.FormEntries:
		return "[]"
	case n.Default == "":
		return `""`
	}
	return fmt.Sprint(n.Default)
}
