package agent

import (
	"os"

	"github.com/discreet-agent/discreet/privacy"
)

const system = privacy.Darwin

// people returns the names of the home folders of this device's people, sorted:
// what the filter must not let through in any text.
func people() []string {
	var names []string
	homes, _ := os.ReadDir("/Users")
	for _, d := range homes {
		if d.IsDir() && d.Name() != "Shared" && d.Name()[0] != '.' {
			names = append(names, d.Name())
		}
	}
	return names
}
