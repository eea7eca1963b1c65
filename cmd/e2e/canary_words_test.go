//go:build linux

package e2e

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/discreet-agent/discreet/agent"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// unpackBundle writes the files of a bundle below dir and returns them.
func unpackBundle(t *testing.T, file, dir string) map[string]string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(h.Name)
		files[name] = string(b)
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// statusWords says of every text in "status --json" which words it may be: a
// closed list, or a shape. A text at a place that is not here fails the test, so
// that nobody adds one that a person could fill.
func statusWords() map[string]func(string) bool {
	list := func(words ...string) func(string) bool {
		return func(s string) bool { return slices.Contains(words, s) }
	}
	shape := func(re string) func(string) bool { return regexp.MustCompile("^(" + re + ")$").MatchString }
	const when = `\d{4}-\d\d-\d\dT[0-9:.]+(Z|[+-]\d\d:\d\d)`
	return map[string]func(string) bool{
		"version": shape(`[0-9A-Za-z.+-]{1,64}`), "device": shape(`[0-9a-f-]{36}`),
		"gateway.address":             shape(`127\.0\.0\.1:\d+`), // of the settings, for whoever is at the device
		"gateway.reason":              shape(`[a-z][a-zA-Z0-9 ,;:.'?()_-]*`),
		"gateway.last_ack":            shape(when),
		"gateway.certificate_expires": shape(when),
		"policy.digest":               shape(`[0-9a-f]{64}`), "policy.since": shape(when),
		"policy.preset":     list("strict", "balanced", "classic"),
		"policy.warnings[]": shape(`(privacy|trust|policy)[^\n]*`),
		// Settings that IT made, for whoever is at the device. Free text is told as set.
		"policy.decided[].key":      shape(`[a-z][a-z0-9_.]*`),
		"policy.decided[].layer":    list("defaults", "file", "conf_d", "push", "managed", "flags", "floor"),
		"policy.decided[].source":   shape(`/[^\n]*/(agent\.yaml|(conf|policy)\.d/[^/\n]+\.yaml)(:\d+)?`),
		"policy.decided[].bound_by": list("tighten", "floor"),
		"policy.decided[].value":    shape(`\(set\)|\(none\)|true|false|[a-z_]+|\d[0-9a-zA-Z.]*`),
		"events.":                   list(agent.Kinds()...),
		"collectors[].name":         list(agent.CollectorNames()...),
		"collectors[].state":        list(agent.States()...),
		"collectors[].rung":         list(agent.Rungs()...),
		"collectors[].doc":          func(s string) bool { return s != "" }, // a constant of the code
		"collectors[].reason":       func(s string) bool { return s != "" }, // for the screen; searched for every canary
	}
}

// closedWords walks "status --json" and fails at a text that is of no list.
func closedWords(t *testing.T, text string) {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	words := statusWords()
	seen := map[string]bool{}
	for _, bad := range openWords("", v, words, seen) {
		t.Errorf("S20: %s", bad)
	}
	labels := map[string]bool{}
	for key := range seen {
		if strings.HasPrefix(key, "events.") || strings.HasPrefix(key, "collectors") {
			labels[key] = true
		}
	}
	if len(labels) < 8 || len(labels) >= 200 {
		t.Errorf("S20: the status has %d labels; want some, and fewer than 200", len(labels))
	}
}

// openWords returns the texts below v that are of no list. seen takes the labels.
func openWords(path string, v any, words map[string]func(string) bool, seen map[string]bool) (bad []string) {
	check := func(at, word string) {
		ok := words[at]
		if ok == nil {
			bad = append(bad, fmt.Sprintf("a text at %s, for which no list is declared", at))
		} else if !ok(word) {
			bad = append(bad, fmt.Sprintf("the text at %s is of no list", at))
		}
		seen[at+"="+word] = true
	}
	switch v := v.(type) {
	case map[string]any:
		for key, child := range v {
			at := strings.TrimPrefix(path+"."+key, ".")
			if path == "events" {
				check("events.", key)
				at = "events."
			}
			bad = append(bad, openWords(at, child, words, seen)...)
		}
	case []any:
		for _, child := range v {
			bad = append(bad, openWords(path+"[]", child, words, seen)...)
		}
	case string:
		check(path, v)
	}
	return bad
}

// closedHealth looks at the labels of the stored accounts that the agent gave of
// itself.
func closedHealth(t *testing.T, all []stored) {
	t.Helper()
	seen := 0
	for _, s := range all {
		var ev struct {
			AgentHealth *struct {
				Collectors []struct{ Name, Status, Rung string }
				Losses     []struct{ Reason string }
			} `json:"agent_health"`
		}
		if err := json.Unmarshal(s.Event, &ev); err != nil {
			t.Fatal(err)
		}
		if ev.AgentHealth == nil {
			continue
		}
		seen++
		for _, c := range ev.AgentHealth.Collectors {
			_, status := eventv1.CollectorStatus_value[c.Status]
			_, rung := eventv1.Rung_value[c.Rung]
			// An empty word is the zero of its list: a collector that has stopped.
			if !slices.Contains(agent.CollectorNames(), c.Name) || !status && c.Status != "" || !rung && c.Rung != "" {
				t.Errorf("S20: a collector in the health is called so that no list has it: %d letters, status %t, rung %t", len(c.Name), status, rung)
			}
		}
		for _, loss := range ev.AgentHealth.Losses {
			if _, ok := eventv1.LossReason_value[loss.Reason]; !ok {
				t.Error("S20: a loss in the health has a reason that no list has")
			}
		}
		if len(ev.AgentHealth.Collectors) < 5 {
			t.Errorf("the health names %d collectors; want all", len(ev.AgentHealth.Collectors))
		}
	}
	if seen == 0 {
		t.Error("no health is stored")
	}
}

// TestS20StatusWordsCheckFinds proves that the check can fail.
func TestS20StatusWordsCheckFinds(t *testing.T) {
	for text, want := range map[string]int{
		`{"events":{"focus":3},"collectors":[{"name":"process","state":"running"}],"policy":{"preset":"strict"}}`: 0,
		`{"events":{"zz-canary":3}}`:                      1,
		`{"collectors":[{"name":"zz-canary"}]}`:           1,
		`{"collectors":[{"state":"zz","rung":"zz"}]}`:     2,
		`{"user":"zz"}`:                                   1,
		`{"spool":{"by_user":{"zz":"x"}},"tripwire":"a"}`: 2,
	} {
		var v any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		if got := openWords("", v, statusWords(), map[string]bool{}); len(got) != want {
			t.Errorf("openWords(%s) = %q; want %d", text, got, want)
		}
	}
}
