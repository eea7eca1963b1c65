package fleet

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/discreet-agent/discreet/configs"
)

// adml writes the texts of the template in one language.
func (l *language) adml(all []configs.Setting) []byte {
	w := &writer{}
	w.line(xmlHead)
	w.comment(generated)
	w.open("policyDefinitionResources", "xmlns", admxNamespace, "revision", "1.0", "schemaVersion", "1.0")
	w.leaf("displayName", l.text("product"))
	w.leaf("description", l.text("product.help"))
	w.open("resources")
	w.open("stringTable")
	l.strings(w, all)
	w.shut("stringTable")
	w.open("presentationTable")
	for _, s := range all {
		if s.Form != configs.FormSection && s.Form != configs.FormSwitch {
			l.presentation(w, s)
		}
	}
	w.shut("presentationTable")
	w.shut("resources")
	w.shut("policyDefinitionResources")
	return w.b.Bytes()
}

// strings writes every text, each id once.
func (l *language) strings(w *writer, all []configs.Setting) {
	seen := map[string]bool{}
	add := func(id, text string) {
		if !seen[id] {
			seen[id] = true
			w.leaf("string", text, "id", id)
		}
	}
	add(supported, l.text("supported"))
	add("section_"+root, l.text("product"))
	add("section_"+root+"_help", l.text("product.help"))
	for _, s := range all {
		name := id(s.Path)
		if s.Form == configs.FormSection {
			add("section_"+name, last(s.Path))
			add("section_"+name+"_help", l.doc(s))
			continue
		}
		add(name, last(s.Path)+": "+l.doc(s))
		add(name+"_help", l.help(s, true))
		if s.Form == configs.FormChoice {
			for _, c := range s.Choices {
				add(choiceID(s, c), l.choice(s, c))
			}
		}
	}
}

// presentation writes the dialog of one setting. What the dialog shows at first is
// what holds where nobody sets the key.
func (l *language) presentation(w *writer, s configs.Setting) {
	w.open("presentation", "id", id(s.Path))
	label := last(s.Path)
	switch s.Form {
	case configs.FormChoice:
		first := s.Balanced
		if first == "" {
			first = plain(s)
		}
		w.leaf("dropdownList", label, "refId", "value", "noSort", "true", "defaultItem", strconv.Itoa(max(0, slices.Index(s.Choices, first))))
	case configs.FormNumber:
		w.leaf("decimalTextBox", label, "refId", "value", "defaultValue", fmt.Sprint(s.Default))
	case configs.FormList:
		w.leaf("listBox", label, "refId", "value")
	default:
		w.open("textBox", "refId", "value")
		w.leaf("label", label+" ("+l.want(s)+")")
		if def := plain(s); def != "" {
			w.leaf("defaultValue", def)
		}
		w.shut("textBox")
	}
	w.shut("presentation")
}
