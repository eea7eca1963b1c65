package configs

import (
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/discreet-agent/discreet/configs/plist"
)

// templatePolicy is a policy of the template for Group Policy, as far as it says
// what an editor writes into the registry.
type templatePolicy struct {
	Name      string `xml:"name,attr"`
	Key       string `xml:"key,attr"`
	ValueName string `xml:"valueName,attr"`
	Elements  struct {
		All []struct {
			XMLName   xml.Name
			Key       string `xml:"key,attr"`
			ValueName string `xml:"valueName,attr"`
			Min       uint32 `xml:"minValue,attr"`
			Max       uint32 `xml:"maxValue,attr"`
			Items     []struct {
				Text string `xml:"value>string"`
			} `xml:"item"`
		} `xml:",any"`
	} `xml:"elements"`
}

// atKey returns the registry with one value, or one list, below the policy's key.
func atKey(path string, leaf regKey) regKey {
	words := strings.Split(strings.TrimPrefix(strings.TrimPrefix(hive+path, policyKey), `\`), `\`)
	for i := len(words) - 1; i >= 0; i-- {
		if words[i] != "" {
			leaf = regKey{keys: []regSub{sub(words[i], leaf)}}
		}
	}
	return leaf
}

// sampleText returns a text that the row takes.
func sampleText(k *key) string {
	kd, _ := k.kind.list()
	switch kd {
	case kindPath:
		return filepath.Join(SystemPlaces().Config, "x")
	case kindAddress:
		return "gw.example:8443"
	case kindProxy:
		return "http://proxy.example:3128"
	case kindDomain:
		return "corp.example.com"
	case kindCIDR:
		return "10.20.0.0/16"
	case kindHours:
		return "19:00-07:00"
	case kindSize:
		return "512MiB"
	case kindDuration:
		return "1h"
	case kindObjects:
		return k.doc[strings.IndexByte(k.doc, '['):]
	}
	return "hq"
}

// written returns the forms of the registry that the policy can have.
func (p templatePolicy) written(k *key) []regKey {
	var all []regKey
	value := func(v regValue) { all = append(all, atKey(p.Key, keyWith(v))) }
	if p.ValueName != "" {
		value(dword(p.ValueName, 1))
		value(dword(p.ValueName, 0))
	}
	for _, e := range p.Elements.All {
		switch e.XMLName.Local {
		case "enum":
			for _, item := range e.Items {
				value(sz(e.ValueName, item.Text))
			}
		case "decimal":
			value(dword(e.ValueName, e.Min))
			value(dword(e.ValueName, e.Max))
		case "list":
			text := sampleText(k) // the editor names a value after itself
			all = append(all, atKey(e.Key, keyWith(sz(text, text))))
		case "text":
			value(sz(e.ValueName, sampleText(k)))
		}
	}
	return all
}

// TestTemplateIsRead hands everything that the template for Group Policy can write to
// the reader of the registry: all of it is taken, as managed policy.
func TestTemplateIsRead(t *testing.T) {
	data, err := os.ReadFile("../packaging/windows/policy/discreet.admx")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Policies []templatePolicy `xml:"policies>policy"`
	}
	if err := xml.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	rows := map[string]*key{} // by the name of their policy
	leaves("", agentKeys(SystemPlaces()), func(path string, k *key) { rows[strings.ReplaceAll(path, ".", "_")] = k })
	n := 0
	for _, p := range file.Policies {
		forms := p.written(rows[p.Name])
		if len(forms) == 0 {
			t.Errorf("policy %s writes nothing", p.Name)
		}
		for _, k := range forms {
			n++
			l := registryLoader(registered{keys: map[string]*regKey{policyKey: &k}}, "").Load()
			if len(l.Faults) > 0 || len(l.layers) != 2 || l.layers[1].name != layerManaged {
				t.Errorf("%s: %v in %d layers; want none, and a managed one", p.Name, l.Faults, len(l.layers))
			}
			if b := &l.layers[len(l.layers)-1].bags; len(b[mainBag].levels)+len(b[mainBag].entries)+len(b[tightenBag].levels)+len(b[floorBag].levels)+len(b[floorBag].entries) != 1 {
				t.Errorf("%s: sets other than one key", p.Name)
			}
		}
	}
	if n < 300 {
		t.Errorf("%d forms of %d policies; want every item of each", n, len(file.Policies))
	}
}

// TestProfileIsRead hands what the sample profile forces to the checks of forced
// preferences.
func TestProfileIsRead(t *testing.T) {
	data, err := os.ReadFile("../packaging/macos/org.discreet.agent.mobileconfig")
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	_, text, ok := strings.Cut(text, "<key>mcx_preference_settings</key>")
	if !ok {
		t.Fatal("the profile forces nothing")
	}
	depth, end := 0, 0
	for i := 0; i < len(text) && end == 0; i++ {
		if strings.HasPrefix(text[i:], "<dict>") {
			depth++
		} else if strings.HasPrefix(text[i:], "</dict>") {
			if depth--; depth == 0 {
				end = i + len("</dict>")
			}
		}
	}
	l := checkPlist(layerManaged, []byte(`<plist version="1.0">`+text[:end]+"</plist>"), agentKeys(DarwinPlaces()))
	if e := l.bags[mainBag].entries; len(l.faults) > 0 || len(e) != 2 || e["gateway.address"].value != "gw.example:8443" {
		t.Errorf("profile: %v, %d settings; want two, and no fault", l.faults, len(e))
	}
	if root, err := plist.Parse(data); err != nil || root.Kind != plist.Dict {
		t.Errorf("Parse(profile) = %v; want a dictionary", err)
	}
}
