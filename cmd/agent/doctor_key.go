package main

import (
	"errors"
	"io/fs"
	"strings"

	"github.com/discreet-agent/discreet/configs"
	"github.com/discreet-agent/discreet/privacy"
)

// keyChecks reads the key file that the settings name, as the agent does: where it
// is refused, every name is dropped. The device's own key is made by the agent and
// is not looked at. Whoever may not read the file is told so, without a fault.
func keyChecks(l *configs.Loaded) []check {
	p := l.Settings.Privacy.Pseudonym
	var err error
	switch p.Source() {
	case "sealed":
		_, err = privacy.ReadOfficerPublic(p.OfficerKeyFile)
	case "tenant_key":
		var keys *privacy.Pseudonyms
		if keys, err = privacy.ReadKeyFile(p.TenantKeyFile, p.KeyID); err == nil {
			keys.Close()
		}
	default:
		return nil
	}
	c := check{Name: "pseudonym key", State: "ok", Text: "the key file is good"}
	if errors.Is(err, fs.ErrPermission) {
		c.State, c.Text, c.Hint = "warning", "this account may not read the key file", "run doctor as root or administrator"
	} else if err != nil {
		text, hint, _ := strings.Cut(err.Error(), "\nhint: ")
		c = check{"pseudonym key", "fault", text + "; what would be hashed is dropped", hint, exitConfig}
	}
	return []check{c}
}
