package agent

import (
	"slices"
	"strings"

	"golang.org/x/sys/windows/registry"

	"github.com/discreet-agent/discreet/privacy"
)

const system = privacy.Windows

// people returns the names of the profile folders of this device's people,
// sorted: what the filter must not let through in any text.
func people() []string {
	const list = `SOFTWARE\Microsoft\Windows NT\CurrentVersion\ProfileList`
	k, err := registry.OpenKey(registry.LOCAL_MACHINE, list, registry.READ)
	if err != nil {
		return nil
	}
	defer k.Close()
	sids, _ := k.ReadSubKeyNames(4096)
	var names []string
	for _, sid := range sids {
		if !strings.HasPrefix(sid, "S-1-5-21-") && !strings.HasPrefix(sid, "S-1-12-1-") {
			continue // a system account
		}
		p, err := registry.OpenKey(k, sid, registry.READ)
		if err != nil {
			continue
		}
		path, _, err := p.GetStringValue("ProfileImagePath")
		p.Close()
		if err == nil {
			names = append(names, path[strings.LastIndexByte(path, '\\')+1:])
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
