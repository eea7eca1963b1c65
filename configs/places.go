package configs

import "strings"

// Places says where a system keeps the files of both programs.
type Places struct {
	Config  string // agent.yaml, conf.d, policy.d
	State   string // of the agent
	Run     string // socket and lock of the agent
	Gateway string // data of the gateway

	SettingsKey, PolicyKey string // of the agent in the registry; empty: there is none
	Preferences            string // what a profile forces, as a property list; "": no such thing here
}

func (p Places) state() string { return p.State }
func (p Places) run() string   { return p.Run }

// LinuxPlaces are the ones that the shipped samples name.
func LinuxPlaces() Places {
	return Places{Config: "/etc/discreet", State: "/var/lib/discreet", Run: "/run/discreet", Gateway: "/var/lib/discreet-gateway"}
}

// WindowsPlaces returns the places below programData, the known folder of that
// name.
func WindowsPlaces(programData string) Places {
	dir := programData + `\Discreet`
	return Places{Config: dir, State: dir + `\state`, Run: dir + `\run`, Gateway: programData + `\Discreet Gateway`, SettingsKey: settingsKey, PolicyKey: policyKey}
}

// DarwinPlaces are the ones on macOS.
func DarwinPlaces() Places {
	const dir = "/Library/Application Support/Discreet"
	return Places{Config: dir, State: dir + "/state", Run: "/var/run/discreet", Gateway: dir + " Gateway",
		Preferences: "/Library/Managed Preferences/" + preferencesDomain + ".plist"}
}

// others returns a remark about the same place on the systems that the samples
// do not name.
func (p Places) others(place func(Places) string) string {
	if p != LinuxPlaces() {
		return ""
	}
	return "; Windows: " + place(WindowsPlaces("ProgramData")) + "; macOS: " + place(DarwinPlaces())
}

// file returns the path of a file in the folder of settings, written with the
// separator of these places' system.
func (p Places) file(name string) string {
	if strings.Contains(p.Config, `\`) {
		return p.Config + `\` + name
	}
	return p.Config + "/" + name
}
