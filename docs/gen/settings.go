package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/discreet-agent/discreet/configs"
)

const settingsHead = "# Settings\n\n" +
	"This page is made from the table that the programs read their settings with. Places\n" +
	"are those of Linux; `discreet-agent config show` prints those of your system.\n\n" +
	"## How layers work\n\n" +
	"The agent reads, lowest first: built-in defaults, `agent.yaml`, `conf.d/*.yaml`,\n" +
	"a signed push, `policy.d/*.yaml`, and on macOS what a profile forces for\n" +
	"`org.discreet.agent`: dictionaries of the same names, values of the natural types.\n" +
	"A key in a later layer replaces the same key of an earlier one.\n" +
	"Within a folder the files are read by name. Keys under `privacy` cannot be set by\n" +
	"flags or by the environment.\n\n" +
	"**Preset.** `privacy.preset` stands for a level of every key, in the layer that names\n" +
	"it: a later layer's preset replaces keys that an earlier layer set by name.\n\n" +
	"**Tighten.** `privacy.tighten` in any layer can only make a key stricter. A laxer\n" +
	"level there has no effect. A later layer cannot undo it.\n\n" +
	"**Floor.** `privacy_floor` is a bound: the level in force is the stricter of the setting\n" +
	"and the floor. The highest layer that has one gives it, whole. Anybody who may write the settings may take\n" +
	"it away again; a [signed floor](floor.md) only its signers loosen, after notice.\n\n" +
	"**Mistakes.** An unknown key, a key that differs only in case, a wrong type, an empty\n" +
	"value and an unknown level are refused with file, line and column. The last good form\n" +
	"of that file stays. If there is none, only the agent's own health leaves. `off` and\n" +
	"`false` are read as `drop`; `true` is refused.\n\n" +
	"`discreet-agent config explain KEY` names the file and line that decided.\n"

// settingsPage writes docs/configuration.md.
func settingsPage() []byte {
	var b bytes.Buffer
	b.WriteString(settingsHead)
	table(&b, "agent.yaml", configs.AgentReference())
	table(&b, "gateway.yaml", configs.GatewayReference())
	return b.Bytes()
}

func table(b *bytes.Buffer, name string, rows []configs.Row) {
	fmt.Fprintf(b, "\n## %s\n\n| key | takes | default | meaning |\n|---|---|---|---|\n", name)
	for _, r := range rows {
		def := r.Default
		if def != "" && def != "by preset" {
			def = "`" + def + "`"
		}
		want := r.Want
		if strings.HasPrefix(r.Path, "privacy.") && def == "by preset" {
			want += ", strictest first"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", r.Path, cell(want), cell(def), cell(r.Doc))
	}
}
