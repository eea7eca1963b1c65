// Package fleet writes what fleet tools need to set the agent's policy: templates
// for Group Policy and Intune, a profile and two forms of its keys for macOS, a
// sample for policy.d. All are made from the one table of keys, so that a key which
// the agent knows can be set everywhere, and one which it does not know nowhere.
//
// How a key is written in a registry or a property list is said in
// docs/deploy/README.md; reading it there is the work of package configs.
package fleet

import (
	"fmt"
	"strings"

	"github.com/discreet-agent/discreet/configs"
)

const (
	policyKey = `SOFTWARE\Policies\Discreet\Agent` // below HKLM
	domain    = "org.discreet.agent"               // of preferences on macOS
	root      = "discreet"                         // the category above all others
)

// node is a section or a setting with what lies below it.
type node struct {
	configs.Setting
	below []*node
}

// tree joins settings, which come sections first, to nodes.
func tree(all []configs.Setting) []*node {
	var top []*node
	at := map[string]*node{}
	for _, s := range all {
		n := &node{Setting: s}
		at[s.Path] = n
		if parent := at[section(s.Path)]; parent != nil {
			parent.below = append(parent.below, n)
		} else {
			top = append(top, n)
		}
	}
	return top
}

// Files returns every file by its path below packaging, made anew.
func Files() (map[string][]byte, error) {
	windows := configs.AgentSettings(configs.WindowsPlaces(`C:\ProgramData`))
	darwin := configs.AgentSettings(configs.DarwinPlaces())
	files := map[string][]byte{
		"windows/policy/discreet.admx":          admx(windows),
		"macos/org.discreet.agent.mobileconfig": mobileconfig(darwin),
		"linux/policy.d.sample.yaml":            policyYAML(configs.AgentSettings(configs.LinuxPlaces())),
	}
	languages, err := loadLanguages()
	if err != nil {
		return nil, err
	}
	for _, l := range languages {
		files["windows/policy/"+l.culture+"/discreet.adml"] = l.adml(windows)
	}
	english := languages[0]
	files["macos/manifest/org.discreet.agent.plist"] = english.manifest(darwin)
	if files["macos/org.discreet.agent.jamf.json"], err = english.jamf(darwin); err != nil {
		return nil, fmt.Errorf("write the schema for Jamf: %w", err)
	}
	for _, l := range languages {
		if missing := l.missing(); len(missing) > 0 {
			return nil, fmt.Errorf("packaging/fleet/words/%s.txt: no text for %s", l.code, strings.Join(missing, ", "))
		}
	}
	return files, nil
}
