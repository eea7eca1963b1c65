package configs

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-viper/mapstructure/v2"

	"github.com/discreet-agent/discreet/privacy"
)

// presetTable is the table of the design, written by hand: strict, balanced,
// classic.
const presetTable = `
username hashed hashed cleartext
upn drop drop drop
user_sid drop drop hashed
device_name hashed auto cleartext
asset_id cleartext cleartext cleartext
device_serial drop drop cleartext
local_addresses drop scope cleartext
program_name generalised generalised cleartext
program_path drop generalised generalised
program_sha256 drop cleartext cleartext
program_signer drop generalised cleartext
software cleartext cleartext cleartext
processes summary summary each
connections summary summary summary
destinations scope cleartext cleartext
domains drop drop drop
summary_interval day quarter_hour quarter_hour
wifi_quality cleartext cleartext cleartext
wifi_ssid drop drop drop
wifi_bssid drop drop drop
focus_time drop drop drop
user_activity drop hour full
logons drop hour full
`

func TestPresets(t *testing.T) {
	rows := strings.Split(strings.TrimSpace(presetTable), "\n")
	if len(rows) != int(privacy.NumKeys) {
		t.Fatalf("table has %d rows; want %d", len(rows), privacy.NumKeys)
	}
	for i, preset := range presetNames() {
		file, err := Files.ReadFile("presets/" + preset + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		for from, l := range map[string]*Loaded{
			"preset: " + preset: good(t, loadText("privacy: {preset: "+preset+"}")),
			"presets file":      good(t, loadText(string(file))),
		} {
			for _, row := range rows {
				cell := strings.Fields(row)
				d := decision(t, l, cell[0])
				if d.Level.String() != cell[i+1] || d.Default != d.Level || d.Layer != "file" || d.BoundBy != "" {
					t.Errorf("%s: %s = %+v; want %s from file", from, cell[0], d, cell[i+1])
				}
			}
		}
	}
}

func TestSamplesAreFresh(t *testing.T) {
	samples, err := Samples()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range samples {
		got, err := Files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is stale; run: go generate ./configs", name)
		}
	}
}

// TestShippedFileSaysTheDefaults loads the shipped file alone, and the same with
// its levels uncommented.
func TestShippedFileSaysTheDefaults(t *testing.T) {
	sample := AgentYAML(SystemPlaces())
	if shipped, _ := Files.ReadFile("agent.yaml"); SystemPlaces() == LinuxPlaces() {
		sample = shipped
	}
	for name, text := range map[string]string{"as shipped": string(sample), "levels uncommented": uncomment(string(sample))} {
		l := good(t, loadText(text))
		if !reflect.DeepEqual(l.Settings, Defaults()) {
			t.Errorf("%s: settings = %+v; want %+v", name, l.Settings, Defaults())
		}
		if p, _ := privacy.Preset("balanced"); l.Policy != p {
			t.Errorf("%s: policy = %s; want balanced", name, l.Policy.Lines())
		}
	}
	table := agentKeys(SystemPlaces())
	main := check(layerFile, "agent.yaml", []byte(uncomment(string(sample))), table).bags[mainBag]
	leaves("", table, func(path string, k *key) {
		_, isEntry := main.entries[path]
		_, isLevel := main.levels[k.level]
		if !isEntry && (k.kind != kindLevel || !isLevel) && !strings.HasPrefix(path, "privacy_floor.") {
			t.Errorf("agent.yaml has no line for %s", path)
		}
	})
}

func uncomment(sample string) string {
	var b strings.Builder
	for line := range strings.Lines(sample) {
		if level, ok := strings.CutPrefix(line, "  # "); ok {
			line = "  " + level
		}
		b.WriteString(line)
	}
	return b.String()
}

func TestDefaults(t *testing.T) {
	on := Collector{true, "auto"}
	want := Agent{
		Schema: 1,
		Device: Device{Tags: []string{}},
		Privacy: Privacy{
			Preset: "balanced", CorporateDomains: []string{}, CorporateSSIDs: []string{}, CorporateNetworks: []Network{},
			RealmAliases: []Alias{}, ExcludePrograms: []string{}, CountOnlyPrograms: []string{}, OnlyNetworks: []netip.Prefix{},
			Quiet: Quiet{Hours: []Window{}}, Pause: Pause{false, 60 * time.Minute, 4},
			Pseudonym: Pseudonym{Mode: "auto", Epoch: "none"}, Statement: Statement{RetentionDays: 30},
		},
		Collectors: map[string]Collector{"process": on, "connection": on, "focus": on, "activity": on, "wifi": on, "domain": on, "logon": on, "device": on, "software": on},
		Trust:      Trust{Signers{[]string{}, 1}, Signers{KeyFiles: []string{}, Threshold: 1}}, Summary: Summary{5 * time.Minute},
		Spool:    Spool{256 << 20, 30 * 24 * time.Hour, 1 << 30, 5 * time.Second},
		Log:      Log{"info", "json"},
		StateDir: SystemPlaces().State,
		RunDir:   SystemPlaces().Run,
	}
	if got := Defaults(); !reflect.DeepEqual(got, want) {
		t.Errorf("Defaults() = %+v; want %+v", got, want)
	}
	wantGateway := Gateway{1, ":8443", SystemPlaces().Gateway, SystemPlaces().Gateway + "/ca", "discreet", 30, 30 * 24 * time.Hour, Limits{512, 1 << 20, 4 << 20, 16, 2}, Log{"info", "json"}}
	if got := GatewayDefaults(); SystemPlaces() == LinuxPlaces() && got != wantGateway {
		t.Errorf("GatewayDefaults() = %+v; want %+v", got, wantGateway)
	}
}

// TestTypesFitTheTable finds a field without a key. A key without a field would
// have stopped decode.
func TestTypesFitTheTable(t *testing.T) {
	linuxPaths(t)
	for name, tt := range map[string]struct {
		keys []key
		out  any
	}{"agent": {agentKeys(LinuxPlaces()), &Agent{}}, "gateway": {gatewayKeys(LinuxPlaces()), &Gateway{}}} {
		dec, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
			TagName: "key", Result: tt.out, ErrorUnset: true, ErrorUnused: true, DecodeHook: mapstructure.TextUnmarshallerHookFunc(),
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := dec.Decode(tree(defaultsLayer(tt.keys).bags[mainBag].entries)); err != nil {
			t.Errorf("%s: %v; want a key for each field", name, err)
		}
	}
}

func TestEveryKeyHasADoc(t *testing.T) {
	for _, keys := range [][]key{agentKeys(LinuxPlaces()), gatewayKeys(LinuxPlaces())} {
		leaves("", keys, func(path string, k *key) {
			if k.doc == "" || strings.ContainsAny(k.doc, "\n#") || k.def == "" {
				t.Errorf("%s: doc %q, default %q; want one line and a default", path, k.doc, k.def)
			}
			if strings.ToLower(path) != path || strings.ContainsAny(path, " -") {
				t.Errorf("%s: want lower_snake_case", path)
			}
		})
	}
}

func TestSamplesOfOtherSystems(t *testing.T) {
	p := WindowsPlaces(`C:\ProgramData`)
	for _, want := range []string{`state_dir: "C:\\ProgramData\\Discreet\\state"`, `C:\ProgramData\Discreet\ca.pem`} {
		if got := string(AgentYAML(p)); !strings.Contains(got, want) {
			t.Errorf("AgentYAML(Windows) has no %s", want)
		}
	}
	if got := string(AgentYAML(DarwinPlaces())); !strings.Contains(got, `state_dir: "/Library/Application Support/Discreet/state"`) {
		t.Errorf("AgentYAML(macOS) has no state_dir in quotes:\n%s", got)
	}
}

func TestSchema(t *testing.T) {
	var s struct {
		Schema     string `json:"$schema"`
		Properties map[string]struct {
			Properties map[string]map[string]any
		}
		AdditionalProperties bool
	}
	if err := json.Unmarshal(Schema(), &s); err != nil {
		t.Fatal(err)
	}
	if s.Schema != "https://json-schema.org/draft/2020-12/schema" || s.AdditionalProperties {
		t.Errorf("Schema() says %q, additional keys %v; want draft 2020-12 and none", s.Schema, s.AdditionalProperties)
	}
	for _, path := range loadText("{}").Keys() {
		words := strings.Split(path, ".")
		top, ok := s.Properties[words[0]]
		if len(words) > 1 && ok {
			_, ok = top.Properties[words[1]]
		}
		if !ok {
			t.Errorf("Schema() has no %s", path)
		}
	}
	if got := s.Properties["privacy"].Properties["username"]["enum"]; !reflect.DeepEqual(got, []any{"drop", "off", false, "hashed", "cleartext"}) {
		t.Errorf("username takes %v; want its levels, off and false", got)
	}
	if !json.Valid(GatewaySchema()) {
		t.Error("GatewaySchema() is no JSON")
	}
}
