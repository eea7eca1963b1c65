package main

import (
	"encoding/csv"
	"regexp"
	"strings"
	"testing"

	"github.com/discreet-agent/discreet/agent/view"
)

// TestInventoryIsEscaped puts texts into a table that would become a formula, a
// further cell or row, or markup.
func TestInventoryIsEscaped(t *testing.T) {
	for _, evil := range []string{
		"=HYPERLINK(\"http://evil.example\")", "+1", "-1+cmd|' /C calc'!A0", "@SUM(1)", " =1", "\t=1", "\r\n=1", "\uff1d1",
		"a|b", "a\\|b", "line\nline", "<script>x</script>", "[x](http://evil.example)", "\"quoted\"", "a;b,c", "\u202e=1",
	} {
		rows := []view.Field{{Event: "e", Field: "f", Class: "c", Level: "l", Leaves: evil, Source: evil, Purpose: evil, Basis: evil, Days: 3, Recipient: evil}}
		b := &strings.Builder{}
		if err := inventoryCSV(b, rows, view.English); err != nil {
			t.Fatal(err)
		}
		table, err := csv.NewReader(strings.NewReader(b.String())).ReadAll()
		if err != nil || len(table) != 2 || len(table[1]) != 10 {
			t.Fatalf("csv of %q = %q, %v; want a head and a row of 10", evil, table, err)
		}
		for _, cell := range table[1] {
			if trimmed := strings.TrimSpace(cell); strings.ContainsAny(cell, "\r\n\t\u202e") || trimmed != "" && strings.ContainsRune("=+-@\uff1d", []rune(trimmed)[0]) {
				t.Errorf("csv of %q has the cell %q; want no formula in it", evil, cell)
			}
		}
		b.Reset()
		if err := inventoryMarkdown(b, rows, view.English); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(b.String()), "\n")
		last := regexp.MustCompile(`\\.`).ReplaceAllString(lines[len(lines)-1], "")
		if len(lines) != 5 || strings.Count(last, "|") != 11 || strings.ContainsAny(last, "<[") {
			t.Errorf("markdown of %q = %q; want one row of ten cells and no markup", evil, lines)
		}
	}
}
