package packaging_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/discreet-agent/discreet/configs"
)

// table returns the rows of a table of a package, by column.
func table(t *testing.T, msi, name string) []map[string]string {
	t.Helper()
	lines := strings.Split(strings.ReplaceAll(run(t, nil, "msiinfo", "export", msi, name), "\r", ""), "\n")
	if len(lines) < 3 {
		t.Fatalf("table %s of %s: %q", name, msi, lines)
	}
	columns := strings.Split(lines[0], "\t")
	var rows []map[string]string
	for _, line := range lines[3:] {
		if line == "" {
			continue
		}
		row := map[string]string{}
		for i, cell := range strings.Split(line, "\t") {
			row[columns[i]] = cell
		}
		rows = append(rows, row)
	}
	return rows
}

// TestWindowsSameBytesTwice builds the agent's packages twice, and looks at their
// tables: an Installer is not at hand on every machine that builds.
func TestWindowsSameBytesTwice(t *testing.T) {
	for _, name := range []string{"wixl", "msibuild", "msiinfo"} {
		tool(t, name)
	}
	var sums [2]string
	dirs := [2]string{t.TempDir(), t.TempDir()}
	env := []string{"VERSION=1.2.3", "ONLY_AGENT=1", "SOURCE_DATE_EPOCH=1790000000"}
	for i, dir := range dirs {
		run(t, env, "./build", "--out", dir, "msi")
		b, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
		if err != nil {
			t.Fatal(err)
		}
		sums[i] = string(b)
	}
	if sums[0] != sums[1] || strings.Count(sums[0], "\n") != 4 {
		t.Errorf("two builds differ, or are not four files each:\n%s%s", sums[0], sums[1])
	}
	for arch, template := range map[string]string{"x64": "x64;1033", "arm64": "Arm64;1033"} {
		msi := filepath.Join(dirs[0], "discreet-agent-1.2.3-windows-"+arch+".msi")
		if info := run(t, nil, "msiinfo", "suminfo", msi); !strings.Contains(info, "Template: "+template+"\n") || !strings.Contains(info, "Created: Mon Sep 21 ") {
			t.Errorf("%s says of itself %s; want %s, and the time of the commit", arch, info, template)
		}
		tables(t, msi)
	}
}

// tables: nothing that runs a program, no part without a name of its own, and each
// choice is taken, kept and forgotten.
func tables(t *testing.T, msi string) {
	for _, a := range table(t, msi, "CustomAction") {
		if kind, _ := strconv.Atoi(a["Type"]); kind != 51 {
			t.Errorf("custom action %s is of type %s; want 51, which sets a property", a["Action"], a["Type"])
		}
	}
	seen := map[string]bool{}
	condition := map[string]string{}
	for _, c := range table(t, msi, "Component") {
		if seen[c["ComponentId"]] || len(c["ComponentId"]) != 38 {
			t.Errorf("component %s is named %s; want a name of its own", c["Component"], c["ComponentId"])
		}
		if kind, _ := strconv.Atoi(c["Attributes"]); kind&256 == 0 {
			t.Errorf("component %s is not for 64 bits", c["Component"])
		}
		seen[c["ComponentId"]] = true
		condition[c["Component"]] = c["Condition"]
	}
	written, cleared, searched := map[string]string{}, map[string]bool{}, map[string]bool{}
	for _, r := range table(t, msi, "Registry") {
		written[r["Key"]+`\`+r["Name"]] = r["Value"]
	}
	for _, r := range table(t, msi, "RemoveRegistry") {
		cleared[r["Key"]+`\`+r["Name"]] = true
	}
	for _, r := range table(t, msi, "RegLocator") {
		searched[r["Key"]+`\`+r["Name"]] = r["Type"] == "18" // a value, of the 64-bit registry
	}
	properties := map[string]string{}
	for _, p := range table(t, msi, "Property") {
		properties[p["Property"]] = p["Value"]
	}
	if properties["MsiHiddenProperties"] != "TOKEN" || properties["ALLUSERS"] != "1" || properties["REINSTALLMODE"] != "amus" {
		t.Errorf("properties = %v; want the token hidden, for all users, every file replaced", properties)
	}
	secure := ";" + properties["SecureCustomProperties"] + ";"
	choices := 0
	for _, path := range configs.LoadAgent(configs.AgentPaths{}).Keys() {
		name, ok := strings.CutPrefix(path, "privacy.")
		if !ok || name == "tighten" || name == "preset" {
			continue
		}
		choices++
		property := "PRIVACY_" + strings.ToUpper(strings.ReplaceAll(name, ".", "_"))
		at := `SOFTWARE\Discreet\Agent\` + strings.ReplaceAll(path, ".", `\`)
		if written[at] != "["+property+"]" || !cleared[at] || !searched[at] || !strings.Contains(secure, ";"+property+";") {
			t.Errorf("%s: written %q, cleared %v, searched %v; want all, and %s among %s", path, written[at], cleared[at], searched[at], property, secure)
		}
		if want := "(" + property + ` AND ` + property + `<>"-") OR REMOVE`; condition[strings.ReplaceAll(path, ".", "_")] != want {
			t.Errorf("%s is written where %s; want %s", path, condition[strings.ReplaceAll(path, ".", "_")], want)
		}
	}
	if choices < 40 {
		t.Errorf("%d settings of privacy can be chosen; want every one", choices)
	}
	sequence(t, msi)
}

// sequence: what has to come before what in a run of the Installer.
func sequence(t *testing.T, msi string) {
	at := map[string]int{}
	for _, a := range table(t, msi, "InstallExecuteSequence") {
		at[a["Action"]], _ = strconv.Atoi(a["Sequence"])
	}
	for _, want := range [][2]string{
		{"FindRelatedProducts", "LaunchConditions"}, {"AppSearch", "Keep_GATEWAY"}, {"Keep_GATEWAY", "CostFinalize"},
		{"LaunchConditions", "KeepWIPE00"}, {"KeepWIPE10", "WIPE00"}, {"WIPE10", "CostInitialize"}, {"CostInitialize", "RemoveFiles"}, {"StopServices", "InstallFiles"}, {"RemoveRegistryValues", "WriteRegistryValues"},
		{"InstallFiles", "InstallServices"}, {"InstallServices", "StartServices"}, {"PublishProduct", "InstallExecute"},
		{"InstallExecute", "RemoveExistingProducts"}, {"RemoveExistingProducts", "InstallFinalize"}, {"InstallFinalize", "ForgetToken"},
	} {
		if at[want[0]] == 0 || at[want[0]] >= at[want[1]] {
			t.Errorf("%s is at %d, %s at %d; want it before", want[0], at[want[0]], want[1], at[want[1]])
		}
	}
}

// TestWindowsSigned: with keys, package and program are signed, and a changed byte
// shows.
func TestWindowsSigned(t *testing.T) {
	for _, name := range []string{"wixl", "osslsigncode", "openssl", "msiextract"} {
		tool(t, name)
	}
	dir := t.TempDir()
	key, cert := filepath.Join(dir, "key.pem"), filepath.Join(dir, "cert.pem")
	run(t, nil, "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=Test signer", "-addext", "extendedKeyUsage=codeSigning")
	run(t, []string{"VERSION=1.2.3", "ONLY_AGENT=1", "SYSTEMS=amd64", "SIGN_KEY=" + key, "SIGN_CERT=" + cert}, "./build", "--out", dir, "msi")
	msi := filepath.Join(dir, "discreet-agent-1.2.3-windows-x64.msi")
	run(t, nil, "osslsigncode", "verify", "-CAfile", cert, "-in", msi)
	run(t, nil, "msiextract", "-C", dir, msi)
	found, _ := filepath.Glob(filepath.Join(dir, "*", "discreet-agent.exe"))
	if len(found) != 1 {
		t.Fatalf("the package holds %q; want one program", found)
	}
	run(t, nil, "osslsigncode", "verify", "-CAfile", cert, "-in", found[0])
	program, err := os.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	program[len(program)/2] ^= 1
	if err := os.WriteFile(found[0], program, 0o755); err != nil {
		t.Fatal(err)
	}
	if says, ok := try("osslsigncode", "verify", "-CAfile", cert, "-in", found[0]); ok {
		t.Errorf("a changed program passes: %s", says)
	}
}

// try runs a program that may fail.
func try(name string, args ...string) (says string, ok bool) {
	out, err := exec.Command(name, args...).CombinedOutput()
	return string(out), err == nil
}
