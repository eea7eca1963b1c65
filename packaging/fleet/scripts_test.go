package fleet

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/discreet-agent/discreet/agent"
	"github.com/discreet-agent/discreet/configs"
)

// scripts are those of other systems' fleet tools, which cannot be run here.
func scripts(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, pattern := range []string{"../windows/*/*.ps1", "../macos/jamf/*.sh"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: %d scripts, %v", pattern, len(names), err)
		}
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			all[name] = string(data)
		}
	}
	return all
}

// TestScriptsAskForWhatStatusHas: each field of "status --json" that a script reads is
// one that the agent writes.
func TestScriptsAskForWhatStatusHas(t *testing.T) {
	now := time.Now()
	data, err := json.Marshal(agent.Status{Gateway: agent.GatewayStatus{LastAck: &now}, Policy: agent.PolicyStatus{Decided: []configs.Decided{}}})
	if err != nil {
		t.Fatal(err)
	}
	var status map[string]any
	if err := json.Unmarshal(data, &status); err != nil {
		t.Fatal(err)
	}
	n := 0
	for name, text := range scripts(t) {
		for _, m := range regexp.MustCompile(`(?:\$status|\bs)\.([a-z_]+(?:\.[a-z_]+)?)`).FindAllStringSubmatch(text, -1) {
			n++
			var at any = status
			for word := range strings.SplitSeq(m[1], ".") {
				section, _ := at.(map[string]any)
				v, ok := section[word]
				if !ok {
					t.Errorf("%s reads %s; status --json has no such field", name, m[1])
				}
				at = v
			}
		}
	}
	if n < 15 {
		t.Errorf("%d fields are read; want those of every script", n)
	}
}

// TestScriptsNameOurPlaces: service, program and registry key are those of the
// packages, and a script that PowerShell 5.1 reads without a mark is plain ASCII.
func TestScriptsNameOurPlaces(t *testing.T) {
	wxs, err := os.ReadFile("../windows/agent.wxs")
	if err != nil {
		t.Fatal(err)
	}
	launchd, err := os.ReadFile("../macos/org.discreet.agent.plist")
	if err != nil {
		t.Fatal(err)
	}
	packages := string(wxs) + string(launchd)
	for _, place := range []string{`Name="discreet-agent"`, `Key="SOFTWARE\Discreet\Install" Name="Version"`, `Id="ProgramDir" Name="Discreet"`, `Name="discreet-agent.exe"`, "<string>/Library/Application Support/Discreet/bin/discreet-agent</string>"} {
		if !strings.Contains(packages, place) {
			t.Errorf("the packages have no %s: the scripts look in the wrong place", place)
		}
	}
	for name, text := range scripts(t) {
		if i := strings.IndexFunc(text, func(r rune) bool { return r > 126 || r < ' ' && r != '\n' && r != '\t' }); i >= 0 {
			t.Errorf("%s: byte %d is not ASCII", name, i)
		}
		for _, m := range regexp.MustCompile(`-Name '([^']+)'`).FindAllStringSubmatch(text, -1) {
			if m[1] != "discreet-agent" && m[1] != "Version" {
				t.Errorf("%s names %s; want our service or the version", name, m[1])
			}
		}
		for _, m := range regexp.MustCompile(`'((?:HKLM:|Discreet)\\[^']+)'`).FindAllStringSubmatch(text, -1) {
			if !slices.Contains([]string{`HKLM:\SOFTWARE\Discreet\Install`, `Discreet\discreet-agent.exe`}, m[1]) {
				t.Errorf("%s names the place %s; no package makes it", name, m[1])
			}
		}
		if strings.Count(text, "{") != strings.Count(text, "}") || strings.Count(text, "(") != strings.Count(text, ")") {
			t.Errorf("%s: brackets do not pair", name)
		}
		if strings.HasSuffix(name, ".ps1") && strings.Contains(text, "2>$null") && !strings.Contains(text, "$ErrorActionPreference = 'Continue'") {
			t.Errorf("%s throws error output away where it would end the script", name)
		}
	}
}
