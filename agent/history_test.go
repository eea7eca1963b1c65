package agent

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/discreet-agent/discreet/configs"
)

func TestHistory(t *testing.T) {
	dir := t.TempDir()
	file, state := filepath.Join(dir, "agent.yaml"), filepath.Join(dir, "state")
	if err := os.Mkdir(state, 0o700); err != nil {
		t.Fatal(err)
	}
	loader := configs.NewLoader(configs.AgentPaths{File: file}, "")
	load := func(privacy string) {
		t.Helper()
		if err := os.WriteFile(file, []byte("state_dir: "+state+"\nprivacy: "+privacy+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := recordChange(loader.Load(), time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	load("{username: hashed}")
	load("{username: hashed}") // nothing changed
	load("{username: drop, exclude_programs: [keepassxc], statement: {set_by: works council}}")
	load("{username: nonsense}")
	log := filepath.Join(state, historyFile)
	past, err := readHistory(log)
	if err != nil || len(past) != 3 {
		t.Fatalf("readHistory() = %d changes, %v; want 3", len(past), err)
	}
	want := LevelChange{Key: "username", Before: "hashed", After: "drop", Layer: "file", Source: file + ":2"}
	list := LevelChange{Key: "exclude_programs", Before: "[]", After: "[keepassxc]", Layer: "file", Source: file + ":2"}
	setBy := LevelChange{Key: "statement.set_by", Before: `""`, After: `"works council"`, Layer: "file", Source: file + ":2"}
	if c := past[1]; !slices.Equal(c.Changed, []LevelChange{want, list, setBy}) || c.Before != past[0].Digest || c.SetBy != "works council" {
		t.Errorf("second change = %+v; want %+v, %+v and who decided", c.Changed, want, list)
	}
	if past[0].Levels != nil || past[0].Settings != nil || past[2].Settings == nil {
		t.Error("the whole policy stands in another line than the last")
	}
	if c := past[2]; len(c.Changed) != 0 || len(c.Refused) != 1 || !strings.HasPrefix(c.Refused[0].Place, file+":2:") || c.Refused[0].Key != "privacy.username" {
		t.Errorf("refused change = %+v; want one refused place in line 2 and no changed key", c)
	}
	if st, err := os.Stat(log); err != nil || st.Mode().Perm()&0o077 != 0 && os.PathSeparator == '/' {
		t.Errorf("mode of the history = %v, %v; want 0600", st.Mode(), err)
	}

	// Full, with a torn line: bounded, the newest stay.
	data, _ := os.ReadFile(log)
	line := data[:bytes.IndexByte(data, '\n')+1]
	if err := os.WriteFile(log, append(bytes.Repeat(line, historyLines+5), `{"time":`...), 0o600); err != nil {
		t.Fatal(err)
	}
	load("{username: cleartext}")
	past, _ = readHistory(log)
	if n := len(past); n != historyLines || past[n-1].Changed[0].After != "cleartext" {
		t.Errorf("full history = %d changes, want %d, the last to cleartext", n, historyLines)
	}
}
