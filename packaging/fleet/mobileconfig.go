package fleet

import (
	"fmt"

	"github.com/discreet-agent/discreet/configs"
)

// The UUIDs of the sample profile. They only have to differ from others; a copy
// that lives beside the sample wants its own, from uuidgen.
const (
	profileUUID = "6B0E1C52-5C07-4F0B-9C5B-0B5D1E7A4D01"
	policyUUID  = "6B0E1C52-5C07-4F0B-9C5B-0B5D1E7A4D02"
	loginUUID   = "6B0E1C52-5C07-4F0B-9C5B-0B5D1E7A4D03"
)

// mobileconfig writes the sample profile: the policy as forced preferences, and the
// rule that keeps the agent's background items on. It goes through the payload for
// managed clients, which writes our keys and none of its own.
func mobileconfig(all []configs.Setting) []byte {
	return plist(dict{
		{"PayloadType", "Configuration"},
		{"PayloadVersion", 1},
		{"PayloadIdentifier", domain + ".profile"},
		{"PayloadUUID", profileUUID},
		{"PayloadDisplayName", "Discreet: policy of the agent"},
		{"PayloadDescription", "What may leave this Mac, and that the agent's background items stay on."},
		{"PayloadOrganization", "YOUR COMPANY"},
		{"PayloadScope", "System"},
		{"PayloadRemovalDisallowed", true},
		{"PayloadContent", []any{policyPayload(all), loginItems()}},
	}, generated,
		"Before you roll it out: put your gateway in the place of gw.example:8443 and your company in the place of YOUR COMPANY; for a copy beside this one new UUIDs (uuidgen) and another PayloadIdentifier.",
		"A line that is a comment shows a key and what it takes. A profile is readable by everybody on the Mac: no secret belongs here. Sign it with your own certificate, or let your MDM do so.")
}

func policyPayload(all []configs.Setting) dict {
	forced := dict{{"mcx_preference_settings", preferences(tree(all))}}
	return dict{
		{"PayloadType", "com.apple.ManagedClient.preferences"},
		{"PayloadVersion", 1},
		{"PayloadIdentifier", domain + ".policy"},
		{"PayloadUUID", policyUUID},
		{"PayloadDisplayName", "Discreet: what may leave this Mac"},
		{"PayloadContent", dict{{domain, dict{{"Forced", []any{forced}}}}}},
	}
}

// loginItems keeps the daemon and the session helper on: their labels begin with
// our domain. A package that is signed can be named by its team as well.
func loginItems() dict {
	return dict{
		{"PayloadType", "com.apple.servicemanagement"},
		{"PayloadVersion", 1},
		{"PayloadIdentifier", domain + ".loginitems"},
		{"PayloadUUID", loginUUID},
		{"PayloadDisplayName", "Discreet: background items"},
		{"Rules", []any{dict{
			{"RuleType", "LabelPrefix"},
			{"RuleValue", domain},
			{"Comment", "daemon and session helper of Discreet"},
			{"", remark("For a package that you signed, add your team here: key TeamIdentifier, string TEAMID1234")},
		}}},
	}
}

// preferences writes what is set, and every other key as a comment. The keys of the
// floor and of tighten are those of privacy again, and are not listed anew.
func preferences(nodes []*node) dict {
	var d dict
	for _, n := range nodes {
		name := last(n.Path)
		switch again := n.Path == "privacy_floor" || n.Path == "privacy.tighten"; {
		case again:
			d = append(d, pair{"", remark(name + ", a dict with keys of privacy again: " + n.Doc)})
		case n.Form == configs.FormSection && n.sets():
			d = append(d, pair{name, preferences(n.below)})
		case n.Form == configs.FormSection:
			d = append(d, pair{"", remark(name + ", a dict" + colon(n.Doc))})
			for _, p := range preferences(n.below) {
				d = append(d, pair{"", remark(name + "." + string(p.value.(remark)))})
			}
		case n.sets():
			d = append(d, pair{"", remark(n.Doc + "; " + n.Want)}, pair{name, set(n.Path)})
		default:
			d = append(d, pair{"", remark(fmt.Sprintf("%s, %s: %s; %s", name, plistKind(n.Form), n.Doc, n.Want))})
		}
	}
	return d
}

func colon(s string) string {
	if s == "" {
		return ""
	}
	return ": " + s
}

// plistKind names the type that a form has in a property list.
func plistKind(f configs.Form) string {
	switch f {
	case configs.FormSwitch:
		return "boolean"
	case configs.FormNumber:
		return "integer"
	case configs.FormList:
		return "array of strings"
	case configs.FormEntries:
		return "array of dicts"
	}
	return "string"
}
