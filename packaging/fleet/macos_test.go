package fleet

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/discreet-agent/discreet/configs"
)

// readPlist reads a property list and refuses what Apple's definition of the type
// does not hold: other elements, a key without a value, a key twice.
func readPlist(data []byte) (any, error) {
	dec := xml.NewDecoder(bytes.NewReader(data))
	for {
		tok, err := dec.Token()
		if err != nil {
			return nil, err
		}
		if s, ok := tok.(xml.StartElement); ok {
			if s.Name.Local != "plist" {
				return nil, fmt.Errorf("<%s> at the top", s.Name.Local)
			}
			v, _, err := plistValue(dec)
			return v, err
		}
	}
}

// plistValue reads the next value; more is false where the parent ends instead.
func plistValue(dec *xml.Decoder) (v any, more bool, err error) {
	for {
		tok, err := dec.Token()
		if err != nil {
			return nil, false, err
		}
		switch tok := tok.(type) {
		case xml.EndElement:
			return nil, false, nil
		case xml.StartElement:
			v, err := plistElement(dec, tok)
			return v, true, err
		case xml.CharData:
			if len(bytes.TrimSpace(tok)) > 0 {
				return nil, false, fmt.Errorf("text %q between values", tok)
			}
		}
	}
}

type plistKey string

func plistElement(dec *xml.Decoder, start xml.StartElement) (any, error) {
	var text string
	switch name := start.Name.Local; name {
	case "array":
		list := []any{}
		for {
			v, more, err := plistValue(dec)
			if err != nil || !more {
				return list, err
			}
			list = append(list, v)
		}
	case "dict":
		return plistDict(dec)
	case "true", "false":
		return name == "true", dec.Skip()
	case "string", "key", "integer", "date":
		if err := dec.DecodeElement(&text, &start); err != nil {
			return nil, err
		}
		if name == "key" {
			return plistKey(text), nil
		}
		if name == "integer" {
			return strconv.ParseInt(text, 10, 64)
		}
		return text, nil
	}
	return nil, fmt.Errorf("<%s> is no value of a property list", start.Name.Local)
}

func plistDict(dec *xml.Decoder) (map[string]any, error) {
	m := map[string]any{}
	for {
		k, more, err := plistValue(dec)
		if err != nil || !more {
			return m, err
		}
		key, ok := k.(plistKey)
		v, more, err := plistValue(dec)
		if _, isKey := v.(plistKey); err != nil || !ok || !more || isKey || m[string(key)] != nil {
			return m, fmt.Errorf("key %v: no key, no value, or there twice (%v)", k, err)
		}
		m[string(key)] = v
	}
}

func readDict(t *testing.T, name string) map[string]any {
	t.Helper()
	v, err := readPlist(generatedFiles(t)[name])
	m, ok := v.(map[string]any)
	if err != nil || !ok {
		t.Fatalf("%s: %T, %v; want a dict", name, v, err)
	}
	return m
}

// TestPlistReader: the reader above refuses what is none.
func TestPlistReader(t *testing.T) {
	for _, bad := range []string{
		"<plist><dict><key>a</key><ture/></dict></plist>",
		"<plist><dict><key>a</key></dict></plist>",
		"<plist><dict><string>a</string><string>b</string></dict></plist>",
		"<plist><dict><key>a</key><true/><key>a</key><true/></dict></plist>",
		"<plist><array><integer>1x</integer></array></plist>",
	} {
		if v, err := readPlist([]byte(bad)); err == nil {
			t.Errorf("readPlist(%s) = %v; want an error", bad, v)
		}
	}
}

// TestProfile: the sample profile has the policy and the rule for background items,
// its identifiers differ, and what it forces passes the checks of a policy.
func TestProfile(t *testing.T) {
	m := readDict(t, "macos/org.discreet.agent.mobileconfig")
	payloads := m["PayloadContent"].([]any)
	seen := map[string]bool{}
	for _, p := range append([]any{m}, payloads...) {
		p := p.(map[string]any)
		for _, key := range []string{"PayloadType", "PayloadIdentifier", "PayloadUUID", "PayloadDisplayName"} {
			v, _ := p[key].(string)
			if v == "" || seen[v] {
				t.Errorf("%s = %q; want one, and no other like it", key, v)
			}
			seen[v] = true
		}
		if p["PayloadVersion"] != int64(1) {
			t.Errorf("PayloadVersion = %v; want 1", p["PayloadVersion"])
		}
	}
	forced := payloads[0].(map[string]any)["PayloadContent"].(map[string]any)[domain].(map[string]any)["Forced"].([]any)
	settings := forced[0].(map[string]any)["mcx_preference_settings"].(map[string]any)
	l := load(t, settings)
	if len(l.Faults) > 0 || l.Settings.Gateway.Address != "gw.example:8443" || l.Settings.Privacy.Preset != "balanced" {
		t.Errorf("profile: faults %v, gateway %q, preset %q", l.Faults, l.Settings.Gateway.Address, l.Settings.Privacy.Preset)
	}
	rules := payloads[1].(map[string]any)["Rules"].([]any)
	if rule := rules[0].(map[string]any); rule["RuleType"] != "LabelPrefix" || rule["RuleValue"] != domain {
		t.Errorf("rule = %v; want every label that begins with %s", rule, domain)
	}
	text := string(generatedFiles(t)["macos/org.discreet.agent.mobileconfig"])
	for path, s := range keys(configs.DarwinPlaces()) {
		if !strings.HasPrefix(path, "privacy.tighten.") && !strings.HasPrefix(path, "privacy_floor.") && !strings.Contains(text, last(path)+", "+plistKind(s.Form)) && set(path) == "" {
			t.Errorf("the profile does not show %s", path)
		}
	}
}

// TestProfileByAnotherReader asks Python's reader of property lists.
func TestProfileByAnotherReader(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Fatalf("python3 is missing; hint: make deps")
	}
	for _, name := range []string{"org.discreet.agent.mobileconfig", "manifest/org.discreet.agent.plist"} {
		out, err := exec.Command(python, "-c", "import plistlib, sys; plistlib.load(open(sys.argv[1], 'rb'))", filepath.Join("../macos", name)).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// TestManifest: each key of the table is in the manifest with its type, choices and
// bounds, and no other.
func TestManifest(t *testing.T) {
	m := readDict(t, "macos/manifest/org.discreet.agent.plist")
	if m["pfm_domain"] != domain || m["pfm_format_version"] != int64(1) {
		t.Errorf("domain %v, format %v; want %s, 1", m["pfm_domain"], m["pfm_format_version"], domain)
	}
	known := keys(configs.DarwinPlaces())
	seen := map[string]bool{}
	var below func(prefix string, list []any)
	below = func(prefix string, list []any) {
		for _, e := range list {
			k := e.(map[string]any)
			path := prefix + k["pfm_name"].(string)
			s, ok := known[path]
			switch kind := k["pfm_type"]; {
			case prefix == "" && strings.HasPrefix(path, "Payload"):
			case kind == "dictionary":
				below(path+".", k["pfm_subkeys"].([]any))
			case !ok || seen[path]:
				t.Errorf("manifest: %s is no key of the table, or there twice", path)
			default:
				seen[path] = true
				checkManifestKey(t, s, k)
			}
		}
	}
	below("", m["pfm_subkeys"].([]any))
	same(t, "manifest", seen, paths(known))
}

func paths(known map[string]configs.Setting) map[string]bool {
	all := map[string]bool{}
	for path := range known {
		all[path] = true
	}
	return all
}

func checkManifestKey(t *testing.T, s configs.Setting, k map[string]any) {
	t.Helper()
	kinds := map[configs.Form]string{configs.FormSwitch: "boolean", configs.FormNumber: "integer", configs.FormList: "array", configs.FormEntries: "array", configs.FormChoice: "string", configs.FormText: "string"}
	if k["pfm_type"] != kinds[s.Form] {
		t.Errorf("%s: type %v; want %s", s.Path, k["pfm_type"], kinds[s.Form])
	}
	if s.Form == configs.FormChoice && len(k["pfm_range_list"].([]any)) != len(s.Choices) {
		t.Errorf("%s: choices %v; want %v", s.Path, k["pfm_range_list"], s.Choices)
	}
	if s.Form == configs.FormNumber && (k["pfm_range_min"] != s.Min || k["pfm_range_max"] != s.Max) {
		t.Errorf("%s: %v to %v; want %d to %d", s.Path, k["pfm_range_min"], k["pfm_range_max"], s.Min, s.Max)
	}
}

// TestJamfSchema: each key of the table is in the schema, each can stay not
// configured, and each value that it offers passes the checks of a policy.
func TestJamfSchema(t *testing.T) {
	type node struct {
		Type       string
		Enum       []string
		Properties map[string]json.RawMessage
		AnyOf      []struct {
			Type string
			Enum []string
		}
		Order int `json:"property_order"`
	}
	known := keys(configs.DarwinPlaces())
	seen := map[string]bool{}
	var below func(prefix string, data json.RawMessage)
	below = func(prefix string, data json.RawMessage) {
		var n node
		if err := json.Unmarshal(data, &n); err != nil {
			t.Fatalf("%s: %v", prefix, err)
		}
		if len(n.Properties) > 0 {
			for _, name := range slices.Sorted(maps.Keys(n.Properties)) {
				below(strings.TrimPrefix(prefix+"."+name, "."), n.Properties[name])
			}
			return
		}
		seen[prefix] = true
		if len(n.AnyOf) != 2 || n.AnyOf[0].Type != "null" || n.Order == 0 {
			t.Errorf("%s: %+v; want a place, and to be left unset", prefix, n)
			return
		}
		for _, choice := range n.AnyOf[1].Enum {
			m := map[string]any{}
			put(m, strings.Split(prefix, "."), choice)
			for _, f := range load(t, m).Faults {
				t.Error(f)
			}
		}
	}
	below("", generatedFiles(t)["macos/org.discreet.agent.jamf.json"])
	same(t, "schema for Jamf", seen, paths(known))
}
