package fleet

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/discreet-agent/discreet/configs"
)

// template is a template as an editor reads it.
type template struct {
	Categories []struct {
		Name        string `xml:"name,attr"`
		DisplayName string `xml:"displayName,attr"`
		Parent      ref    `xml:"parentCategory"`
	} `xml:"categories>category"`
	Definitions []struct {
		Name string `xml:"name,attr"`
	} `xml:"supportedOn>definitions>definition"`
	Policies []policy `xml:"policies>policy"`
}

type ref struct {
	Ref string `xml:"ref,attr"`
}

type policy struct {
	Name         string   `xml:"name,attr"`
	Class        string   `xml:"class,attr"`
	Key          string   `xml:"key,attr"`
	ValueName    string   `xml:"valueName,attr"`
	Presentation string   `xml:"presentation,attr"`
	Parent       ref      `xml:"parentCategory"`
	SupportedOn  ref      `xml:"supportedOn"`
	Enabled      *decimal `xml:"enabledValue>decimal"`
	Disabled     *decimal `xml:"disabledValue>decimal"`
	Elements     struct {
		All []element `xml:",any"`
	} `xml:"elements"`
}

type decimal struct {
	Value uint32 `xml:"value,attr"`
}

type element struct {
	XMLName   xml.Name
	ID        string `xml:"id,attr"`
	Key       string `xml:"key,attr"`
	ValueName string `xml:"valueName,attr"`
	Required  bool   `xml:"required,attr"`
	Min       uint32 `xml:"minValue,attr"`
	Max       uint32 `xml:"maxValue,attr"`
	MaxLength int    `xml:"maxLength,attr"`
	Items     []struct {
		DisplayName string `xml:"displayName,attr"`
		Text        string `xml:"value>string"`
	} `xml:"item"`
}

// texts of one language, and the elements that each dialog shows.
type resources struct {
	Strings []struct {
		ID   string `xml:"id,attr"`
		Text string `xml:",chardata"`
	} `xml:"resources>stringTable>string"`
	Presentations []struct {
		ID  string `xml:"id,attr"`
		All []struct {
			XMLName xml.Name
			RefID   string `xml:"refId,attr"`
			First   int    `xml:"defaultItem,attr"`
		} `xml:",any"`
	} `xml:"resources>presentationTable>presentation"`
}

func generatedFiles(t *testing.T) map[string][]byte {
	t.Helper()
	files, err := Files()
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func readTemplate(t *testing.T) template {
	t.Helper()
	var a template
	if err := xml.Unmarshal(generatedFiles(t)["windows/policy/discreet.admx"], &a); err != nil {
		t.Fatal(err)
	}
	return a
}

// keys returns the settings that are no sections, by path.
func keys(p configs.Places) map[string]configs.Setting {
	all := map[string]configs.Setting{}
	for _, s := range configs.AgentSettings(p) {
		if s.Form != configs.FormSection {
			all[s.Path] = s
		}
	}
	return all
}

// path returns the key that a policy sets: what its registry key and value name say.
func (p policy) path() string {
	key, name := p.Key, p.ValueName
	if len(p.Elements.All) == 1 {
		if e := p.Elements.All[0]; e.XMLName.Local == "list" {
			i := strings.LastIndexByte(e.Key, '\\')
			key, name = e.Key[:i], e.Key[i+1:]
		} else {
			name = e.ValueName
		}
	}
	rest, ok := strings.CutPrefix(key+`\`, policyKey+`\`)
	if !ok {
		return ""
	}
	return strings.ReplaceAll(rest, `\`, ".") + name
}

// TestFilesAreFresh compares what lies in the tree with what the table gives.
func TestFilesAreFresh(t *testing.T) {
	for name, want := range generatedFiles(t) {
		got, err := os.ReadFile(filepath.Join("..", filepath.FromSlash(name)))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("packaging/%s is stale (%v); hint: make generate", name, err)
		}
	}
}

// TestEveryKeyHasAPolicy: each key of the table is set by one policy, and each
// policy sets a key of the table.
func TestEveryKeyHasAPolicy(t *testing.T) {
	want := keys(configs.WindowsPlaces(`C:\ProgramData`))
	a := readTemplate(t)
	seen := map[string]bool{}
	for _, p := range a.Policies {
		path := p.path()
		if _, ok := want[path]; !ok || seen[path] || p.Class != "Machine" || id(path) != p.Name {
			t.Errorf("policy %s (%s) sets %q; want one key of the table, and that once", p.Name, p.Class, path)
		}
		seen[path] = true
	}
	for path := range want {
		if !seen[path] {
			t.Errorf("no policy sets %s", path)
		}
	}
	if len(seen) < 100 || seen["trust.push.threshold"] || seen["schema"] {
		t.Errorf("%d policies; want all keys but the schema and those of trust", len(seen))
	}
}

// TestIntuneTakesTheTemplate: what Microsoft names as limits of imported templates.
// https://learn.microsoft.com/en-us/windows/client-management/win32-and-centennial-app-policy-configuration
func TestIntuneTakesTheTemplate(t *testing.T) {
	for name, data := range generatedFiles(t) {
		if strings.Contains(name, "/policy/") && len(data) > 1<<20 {
			t.Errorf("%s has %d bytes; want at most 1 MiB", name, len(data))
		}
	}
	a := readTemplate(t)
	for _, p := range a.Policies {
		for _, e := range p.Elements.All {
			if strings.Contains(p.SupportedOn.Ref, ":") || strings.HasPrefix(strings.ToLower(p.Key), `software\policies\microsoft`) || !slices.Contains([]string{"enum", "decimal", "text", "list"}, e.XMLName.Local) {
				t.Errorf("policy %s refers to another template, to a key of Microsoft or to a kind of element that is not taken", p.Name)
			}
		}
	}
}

// TestTemplateResolves: every string, dialog, category and element that the
// template names is there in each language, and none is there that it does not name.
func TestTemplateResolves(t *testing.T) {
	files := generatedFiles(t)
	text := string(files["windows/policy/discreet.admx"])
	a := readTemplate(t)
	named := func(table string) map[string]bool {
		all := map[string]bool{}
		for _, m := range regexp.MustCompile(`\$\(`+table+`\.(\w+)\)`).FindAllStringSubmatch(text, -1) {
			all[m[1]] = true
		}
		return all
	}
	known := map[string]bool{}
	for _, c := range a.Categories {
		if known[c.Name] || c.Parent.Ref != "" && !known[c.Parent.Ref] || c.Parent.Ref == "" && c.Name != root {
			t.Errorf("category %s below %q: want it once, below one that is there", c.Name, c.Parent.Ref)
		}
		known[c.Name] = true
	}
	for _, p := range a.Policies {
		if !known[p.Parent.Ref] || known[p.Name] || len(a.Definitions) != 1 || p.SupportedOn.Ref != a.Definitions[0].Name {
			t.Errorf("policy %s: in category %q, for %q; want ones that are there, and a name of its own", p.Name, p.Parent.Ref, p.SupportedOn.Ref)
		}
	}
	for _, culture := range []string{"en-US", "de-DE"} {
		var r resources
		if err := xml.Unmarshal(files["windows/policy/"+culture+"/discreet.adml"], &r); err != nil {
			t.Fatal(err)
		}
		have := map[string]bool{}
		for _, s := range r.Strings {
			if have[s.ID] || strings.TrimSpace(s.Text) == "" || strings.ContainsAny(s.Text, "{}") && !strings.Contains(s.Text, ": hq, ") && !strings.Contains(s.Text, "{from:") {
				t.Errorf("%s: string %s = %q; want it once, with a text", culture, s.ID, s.Text)
			}
			have[s.ID] = true
		}
		same(t, culture+" strings", have, named("string"))
		shown := map[string]bool{}
		for _, d := range r.Presentations {
			shown[d.ID] = true
			i := slices.IndexFunc(a.Policies, func(p policy) bool { return p.Presentation == "$(presentation."+d.ID+")" })
			if i < 0 || len(d.All) != 1 || len(a.Policies[i].Elements.All) != 1 || d.All[0].RefID != a.Policies[i].Elements.All[0].ID {
				t.Errorf("%s: dialog %s shows other elements than its policy has", culture, d.ID)
				continue
			}
			fits := map[string]string{"enum": "dropdownList", "decimal": "decimalTextBox", "list": "listBox", "text": "textBox"}
			if e := a.Policies[i].Elements.All[0]; fits[e.XMLName.Local] != d.All[0].XMLName.Local || d.All[0].First > 0 && d.All[0].First >= len(e.Items) {
				t.Errorf("%s: dialog %s shows %s for %s, item %d", culture, d.ID, d.All[0].XMLName.Local, e.XMLName.Local, d.All[0].First)
			}
		}
		same(t, culture+" dialogs", shown, named("presentation"))
	}
}

func same(t *testing.T, what string, have, named map[string]bool) {
	t.Helper()
	for id := range named {
		if !have[id] {
			t.Errorf("%s: %s is named and not there", what, id)
		}
	}
	for id := range have {
		if !named[id] {
			t.Errorf("%s: %s is there and nobody names it", what, id)
		}
	}
}

// grammar is what we know of the order of elements in a template: after a parent's
// name, the children that may stand in it, in that order.
const grammar = `
policyDefinitions policyNamespaces resources supportedOn categories policies
policyNamespaces target
supportedOn definitions
definitions definition
categories category
category parentCategory
policies policy
policy parentCategory supportedOn enabledValue disabledValue elements
enabledValue decimal
disabledValue decimal
elements enum decimal text list
enum item
item value
value string
policyDefinitionResources displayName description resources
resources stringTable presentationTable
stringTable string
presentationTable presentation
presentation dropdownList decimalTextBox listBox textBox
textBox label defaultValue
`

// TestTemplateGrammar walks the files along our own short grammar. Microsoft's
// schema says more; "make admx-schema XSD=folder" asks that where somebody has it.
func TestTemplateGrammar(t *testing.T) {
	children := map[string][]string{}
	for line := range strings.Lines(strings.TrimSpace(grammar)) {
		f := strings.Fields(line)
		children[f[0]] = f[1:]
	}
	for name, data := range generatedFiles(t) {
		if !strings.Contains(name, "/policy/") {
			continue
		}
		if err := walk(data, children); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, bad := range []string{
		"<policy><elements/><supportedOn/></policy>",
		"<policy><element/></policy>",
		"<enum><item><value/><value><text/></value></item></enum>",
	} {
		if err := walk([]byte(bad), children); err == nil {
			t.Errorf("walk(%s) = nil; want an error", bad)
		}
	}
}

// walk checks that each element's children stand in the order of the grammar.
func walk(data []byte, children map[string][]string) error {
	type open struct {
		name string
		at   int
	}
	var stack []open
	dec := xml.NewDecoder(bytes.NewReader(data))
	for {
		tok, err := dec.Token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			if n := len(stack); n > 0 {
				parent := &stack[n-1]
				i := slices.Index(children[parent.name], tok.Name.Local)
				if i < parent.at {
					return fmt.Errorf("%s in %s: not there, or not in this order", tok.Name.Local, parent.name)
				}
				parent.at = i
			}
			stack = append(stack, open{name: tok.Name.Local})
		case xml.EndElement:
			stack = stack[:len(stack)-1]
		}
	}
}
