package fleet

import (
	"strconv"
	"strings"

	"github.com/discreet-agent/discreet/configs"
)

// The namespace of Microsoft's templates, and ours in it. The file defines its own
// "supported on", so that it can be imported without any other template: Intune
// takes no file whose references it does not hold.
// https://learn.microsoft.com/en-us/previous-versions/windows/desktop/policy/admx-schema
const (
	admxNamespace = "http://schemas.microsoft.com/GroupPolicy/2006/07/PolicyDefinitions"
	ourNamespace  = "Discreet.Policies.Agent"
	supported     = "SUPPORTED_Agent"
)

// maxText is the longest text that the editor takes where a key has no bound.
const maxText = 1023

const xmlHead = `<?xml version="1.0" encoding="utf-8"?>`

// generated stands at the top of each file.
const generated = `Made from the table of keys by "make generate": change configs/keys.go or packaging/fleet.`

// admx writes the template: a category for each section, a policy for each setting.
func admx(all []configs.Setting) []byte {
	w := &writer{}
	w.line(xmlHead)
	w.comment(generated)
	w.open("policyDefinitions", "xmlns", admxNamespace, "revision", "1.0", "schemaVersion", "1.0")
	w.open("policyNamespaces")
	w.empty("target", "prefix", root, "namespace", ourNamespace)
	w.shut("policyNamespaces")
	w.empty("resources", "minRequiredRevision", "1.0")
	w.open("supportedOn")
	w.open("definitions")
	w.empty("definition", "name", supported, "displayName", "$(string."+supported+")")
	w.shut("definitions")
	w.shut("supportedOn")
	w.open("categories")
	w.category(root, "")
	for _, s := range all {
		if s.Form == configs.FormSection {
			w.category(id(s.Path), category(s.Path))
		}
	}
	w.shut("categories")
	w.open("policies")
	for _, s := range all {
		if s.Form != configs.FormSection {
			w.policy(s)
		}
	}
	w.shut("policies")
	w.shut("policyDefinitions")
	return w.b.Bytes()
}

// category returns the name of the category that a key lies in.
func category(path string) string {
	if above := section(path); above != "" {
		return id(above)
	}
	return root
}

// registryKey returns the key below HKLM that a section's values lie in.
func registryKey(section string) string {
	key := policyKey
	for _, word := range splitPath(section) {
		key += `\` + word
	}
	return key
}

func (w *writer) category(name, parent string) {
	attrs := []string{"name", name, "displayName", "$(string.section_" + name + ")", "explainText", "$(string.section_" + name + "_help)"}
	if parent == "" {
		w.empty("category", attrs...)
		return
	}
	w.open("category", attrs...)
	w.empty("parentCategory", "ref", parent)
	w.shut("category")
}

// policy writes one setting. A switch is the policy itself, enabled or disabled;
// all else is an element in it, named value.
func (w *writer) policy(s configs.Setting) {
	name := id(s.Path)
	attrs := []string{"name", name, "class", "Machine", "displayName", "$(string." + name + ")", "explainText", "$(string." + name + "_help)"}
	if s.Form != configs.FormSwitch {
		attrs = append(attrs, "presentation", "$(presentation."+name+")")
	}
	attrs = append(attrs, "key", registryKey(section(s.Path)))
	if s.Form == configs.FormSwitch {
		attrs = append(attrs, "valueName", last(s.Path))
	}
	w.open("policy", attrs...)
	w.empty("parentCategory", "ref", category(s.Path))
	w.empty("supportedOn", "ref", supported)
	if s.Form == configs.FormSwitch {
		w.word("enabledValue", 1)
		w.word("disabledValue", 0)
	} else {
		w.open("elements")
		w.element(s)
		w.shut("elements")
	}
	w.shut("policy")
}

// word writes a value that is stored as a number.
func (w *writer) word(name string, value int) {
	w.open(name)
	w.empty("decimal", "value", strconv.Itoa(value))
	w.shut(name)
}

func (w *writer) element(s configs.Setting) {
	attrs := []string{"id", "value", "valueName", last(s.Path)}
	if !s.Empty && s.Form != configs.FormList {
		attrs = append(attrs, "required", "true")
	}
	switch s.Form {
	case configs.FormChoice:
		w.open("enum", attrs...)
		for _, c := range s.Choices {
			w.open("item", "displayName", "$(string."+choiceID(s, c)+")")
			w.open("value")
			w.leaf("string", c)
			w.shut("value")
			w.shut("item")
		}
		w.shut("enum")
	case configs.FormNumber:
		w.empty("decimal", append(attrs, "minValue", strconv.FormatInt(s.Min, 10), "maxValue", strconv.FormatInt(s.Max, 10))...)
	case configs.FormList:
		// Without a prefix the editor names each value after itself, so that none is
		// there twice.
		w.empty("list", "id", "value", "key", registryKey(section(s.Path))+`\`+last(s.Path))
	case configs.FormEntries:
		w.empty("text", append(attrs, "maxLength", "4096")...)
	default:
		longest := s.Max
		if longest == 0 || s.Kind == "path" {
			longest = maxText
		}
		w.empty("text", append(attrs, "maxLength", strconv.FormatInt(longest, 10))...)
	}
}

// choiceID names the text of a choice. Levels are the same text wherever they stand.
func choiceID(s configs.Setting, choice string) string {
	if s.Level != "" {
		return "level_" + s.Level + "_" + choice
	}
	return "choice_" + id(strings.ReplaceAll(docID(s.Path), "*", "each")) + "_" + choice
}
