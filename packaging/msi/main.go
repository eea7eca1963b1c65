// Command msi fills in what the Windows package is made of: for each setting that
// can be chosen at install a property, where it is kept in the registry, and how
// an upgrade finds it again. The settings are those of the table in package
// configs, so that no list is kept by hand. wixl and msibuild make the package.
package main

import (
	"crypto/sha1"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/discreet-agent/discreet/configs"
)

func main() {
	var p product
	flag.StringVar(&p.name, "name", "discreet-agent", "the package: discreet-agent or discreet-agent-nobehaviour")
	flag.StringVar(&p.version, "version", "", "its version, three numbers")
	flag.StringVar(&p.arch, "arch", "amd64", "amd64 or arm64")
	templates := flag.String("templates", "packaging/windows", "where agent.wxs and agent.sql lie")
	work := flag.String("work", "", "where the files of the package lie, and where both are written")
	at := flag.Int64("stamp", 0, "stamp the package that is named with this time, in seconds since 1970, and do nothing else")
	flag.Parse()
	err := error(nil)
	if *at != 0 {
		err = stamp(flag.Arg(0), *at)
	} else {
		err = p.write(*templates, *work)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "msi:", err)
		os.Exit(1)
	}
}

// setting is one that can be chosen at install.
type setting struct {
	property string // of the installer
	path     string // in the table of keys
}

// settings returns them: some with names of their own, and whatever stands under
// privacy.
func settings() []setting {
	all := []setting{
		{"GATEWAY", "gateway.address"}, {"CAPIN", "gateway.ca_pin"}, {"TOKENFILE", "gateway.token_file"},
		{"ASSETID", "device.asset_id"}, {"TAGS", "device.tags"}, {"PRESET", "privacy.preset"},
	}
	for _, path := range configs.LoadAgent(configs.AgentPaths{}).Keys() {
		name, ok := strings.CutPrefix(path, "privacy.")
		if ok && name != "preset" && name != "tighten" {
			all = append(all, setting{"PRIVACY_" + strings.ToUpper(strings.ReplaceAll(name, ".", "_")), path})
		}
	}
	return all
}

// place returns the key of the registry and the value's name in it.
func (s setting) place() (key, name string) {
	words := strings.Split(s.path, ".")
	last := len(words) - 1
	return strings.Join(append([]string{`SOFTWARE\Discreet\Agent`}, words[:last]...), `\`), words[last]
}

// id is the name of the setting's rows in the package's tables.
func (s setting) id() string { return strings.ReplaceAll(s.path, ".", "_") }

// wiped are the folders below ProgramData that an uninstall empties and removes, the
// inner ones first, with the files that it takes. What somebody laid elsewhere stays.
func wiped() [][2]string {
	return [][2]string{
		{`state\identity\`, "*"}, {`state\spool\`, "*"}, {`state\last-good\`, "*"}, {`state\collectors\`, "*"}, {`state\`, "*"},
		{`run\`, "*"}, {`conf.d\`, "*.yaml"}, {`policy.d\`, "*.yaml"}, {``, "*.yaml"}, {``, "*.json"}, {``, "*.sock"},
	}
}

// wipes says in the package's tables what an uninstall removes beside what it has
// installed. Each folder is a property that names it in a real uninstall only: in an
// upgrade, which ends with the uninstall of the old version, and where the admin asks
// to keep data, it names a folder that is not there. The Installer looks at them when
// it begins to count bytes, so they are set before that.
func wipes() string {
	const countsFrom, nowhere = 800, `none\`
	var b strings.Builder
	query := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	set := func(action, property, folder, condition string, at int) {
		query("INSERT INTO CustomAction (Action, Type, Source, Target) VALUES ('%s', 51, '%s', '[CommonAppDataFolder]Discreet\\%s')", action, property, folder)
		query("INSERT INTO InstallExecuteSequence (Action, Condition, Sequence) VALUES ('%s', '%s', %d)", action, condition, at)
	}
	for i, w := range wiped() {
		id := fmt.Sprintf("WIPE%02d", i)
		set("Keep"+id, id, nowhere, "1", countsFrom-200+i)
		set(id, id, w[0], `REMOVE="ALL" AND NOT KEEPDATA AND NOT UPGRADINGPRODUCTCODE`, countsFrom-100+i)
		query("INSERT INTO RemoveFile (FileKey, Component_, FileName, DirProperty, InstallMode) VALUES ('%s_0', 'State', '%s', '%[1]s', 2)", id, w[1])
		query("INSERT INTO RemoveFile (FileKey, Component_, DirProperty, InstallMode) VALUES ('%s_1', 'State', '%[1]s', 2)", id)
	}
	return strings.TrimRight(b.String(), "\n")
}

// product is one package.
type product struct{ name, version, arch string }

const (
	usual   = "discreet-agent"
	without = "discreet-agent-nobehaviour"
)

// other is the package whose place this one takes.
func (p product) other() string {
	if p.name == usual {
		return without
	}
	return usual
}

func (p product) title() string {
	if p.name == without {
		return "Discreet agent without behaviour collectors"
	}
	return "Discreet agent"
}

// guid returns a name as a UUID of version 5. The same name has the same one in
// every build and every version: an upgrade knows its parts by it.
// https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-5
func guid(name string) string {
	space, _ := hex.DecodeString("5d0f3ac08e6c4c6fa3e51f3f0b5fd1c4")
	sum := sha1.Sum(append(space, name...))
	sum[6], sum[8] = sum[6]&0x0f|0x50, sum[8]&0x3f|0x80
	return strings.ToUpper(fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16]))
}

// forget as a property's value takes what was chosen before away.
const forget = "-"

func (p product) write(templates, work string) error {
	var searches, rows, keeps, refs, conditions strings.Builder
	all := settings()
	after := "AppSearch"
	for _, s := range all {
		key, name := s.place()
		fmt.Fprintf(&searches, "    <Property Id=\"PREV_%s\"><RegistrySearch Id=\"%s\" Root=\"HKLM\" Key=\"%s\" Name=\"%s\" Type=\"raw\" Win64=\"yes\"/></Property>\n", s.property, s.id(), key, name)
		fmt.Fprintf(&rows, "      <Component Id=\"%s\" Guid=\"%s\" Win64=\"yes\"><RegistryValue Root=\"HKLM\" Key=\"%s\" Name=\"%s\" Type=\"string\" Value=\"[%s]\" KeyPath=\"yes\"/></Component>\n",
			s.id(), guid("setting "+s.path), key, name, s.property)
		fmt.Fprintf(&conditions, "UPDATE Component SET Condition='(%s AND %[1]s<>\"%s\") OR REMOVE' WHERE Component='%s'\n", s.property, forget, s.id())
		fmt.Fprintf(&conditions, "INSERT INTO RemoveRegistry (RemoveRegistry, Root, `Key`, Name, Component_) VALUES ('%s', 2, '%s', '%s', 'Data')\n", s.id(), key, name)
		fmt.Fprintf(&keeps, "    <CustomAction Id=\"Keep_%s\" Property=\"%[1]s\" Value=\"[PREV_%[1]s]\"/>\n", s.property)
		fmt.Fprintf(&refs, "      <ComponentRef Id=\"%s\"/>\n", s.id())
	}
	keeps.WriteString("    <InstallExecuteSequence>\n")
	for _, s := range all {
		fmt.Fprintf(&keeps, "      <Custom Action=\"Keep_%s\" After=\"%s\">NOT %[1]s AND PREV_%[1]s</Custom>\n", s.property, after)
		after = "Keep_" + s.property
	}
	keeps.WriteString("    </InstallExecuteSequence>\n")
	fill := p.filler(all, map[string]string{
		"SEARCHES": trim(searches), "SETTINGS": trim(rows), "KEEPS": trim(keeps), "REFERENCES": trim(refs), "CONDITIONS": trim(conditions), "WIPES": wipes(),
	})
	for _, file := range []string{"agent.wxs", "agent.sql"} {
		text, err := os.ReadFile(filepath.Join(templates, file))
		if err != nil {
			return fmt.Errorf("read template: %w", err)
		}
		filled, err := fill(string(text))
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if err := os.WriteFile(filepath.Join(work, file), []byte(filled), 0o644); err != nil {
			return fmt.Errorf("write: %w", err)
		}
	}
	return nil
}

func trim(b strings.Builder) string { return strings.TrimRight(b.String(), "\n") }

// filler returns what puts values between @ signs.
func (p product) filler(all []setting, values map[string]string) func(string) (string, error) {
	secure := []string{"TOKEN", "CONFIG", "NOSTART", "KEEPDATA", "NEWERFOUND", "OLDERFOUND", "OTHERFOUND", "OTHERNEWERFOUND"}
	for _, s := range all {
		secure = append(secure, s.property)
	}
	for name, value := range map[string]string{
		"VERSION": p.version, "TITLE": p.title(),
		"OWN": guid("upgrade " + p.name), "OTHER": guid("upgrade " + p.other()),
		"PRODUCT": guid("product " + p.name + " " + p.arch + " " + p.version),
		"SECURE":  strings.Join(secure, ";"),
	} {
		values[name] = value
	}
	return func(text string) (string, error) {
		var b strings.Builder
		for {
			before, rest, ok := strings.Cut(text, "@")
			b.WriteString(before)
			if !ok {
				return b.String(), nil
			}
			name, after, ok := strings.Cut(rest, "@")
			if !ok {
				return "", fmt.Errorf("an @ without its second after %.40q", before)
			}
			if id, ok := strings.CutPrefix(name, "GUID:"); ok {
				b.WriteString(guid("component " + id))
			} else if value, ok := values[name]; ok {
				b.WriteString(value)
			} else {
				return "", fmt.Errorf("nothing for @%s@", name)
			}
			text = after
		}
	}
}
