package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/discreet-agent/discreet/agent"
	"github.com/discreet-agent/discreet/agent/view"
)

func privacyShow(s *shared) *cobra.Command {
	var html, open bool
	var out string
	c := &cobra.Command{
		Use: "show", Short: "say in plain words what may leave, who decided that, and what you can do", Args: cobra.NoArgs,
		Long: `show tells the policy in force. With --config it reads that file and its
neighbours; else it asks the running agent. --html makes one file that needs
nothing else: no network, no script.`,
		RunE: func(c *cobra.Command, _ []string) error {
			b := &strings.Builder{}
			if open {
				return openPage(func() (string, error) { err := s.showTo(b, true); return b.String(), err })
			}
			if out == "" {
				return s.showTo(c.OutOrStdout(), html)
			}
			if err := s.showTo(b, html); err != nil {
				return err
			}
			if err := os.WriteFile(out, []byte(b.String()), 0o600); err != nil {
				return fail(exitFailure, fmt.Errorf("write page: %w", err))
			}
			return nil
		},
	}
	c.Flags().BoolVar(&html, "html", false, "write one HTML page")
	c.Flags().StringVar(&out, "out", "", "write to this file")
	openFlag(c, &open)
	return c
}

func (s *shared) showTo(w io.Writer, html bool) error {
	if s.json {
		raw, err := s.policyJSON()
		if err == nil {
			_, err = fmt.Fprintln(w, string(raw))
		}
		return err
	}
	p, err := s.page()
	if err != nil {
		return err
	}
	if html {
		return p.WriteHTML(w, s.language())
	}
	return p.WriteText(w, s.language())
}

// policyJSON is the object that "privacy show --json" promises.
func (s *shared) policyJSON() (json.RawMessage, error) {
	if s.config != "" {
		return s.loaded().ShowJSON(), nil
	}
	var raw json.RawMessage
	err := s.ask("privacy_show", &raw)
	return raw, err
}

func (s *shared) page() (view.Page, error) {
	if s.config != "" {
		return agent.PageOf(s.loaded()), nil
	}
	var p view.Page
	err := s.ask("privacy_page", &p)
	return p, err
}

func privacyInventory(s *shared) *cobra.Command {
	var format string
	c := &cobra.Command{
		Use: "inventory", Short: "list every field of every event, for a data protection impact assessment", Args: cobra.NoArgs,
		Long: `inventory is read from the schema of the events and the policy in force. With
--config it needs no running agent.`,
		RunE: func(c *cobra.Command, _ []string) error {
			if s.json {
				format = "json"
			}
			write, ok := inventoryFormats[format]
			if !ok {
				return fail(exitUsage, fmt.Errorf("format %.20q: want md, csv or json", format))
			}
			rows, err := s.inventory()
			if err != nil {
				return err
			}
			return write(c.OutOrStdout(), rows, s.language())
		},
	}
	c.Flags().StringVar(&format, "format", "md", "md, csv or json")
	return c
}

func (s *shared) inventory() ([]view.Field, error) {
	if s.config != "" {
		return agent.Inventory(s.loaded(), s.language()), nil
	}
	var rows []view.Field
	err := s.askWith("inventory", map[string]string{"lang": s.language().String()}, &rows)
	return rows, err
}

var inventoryFormats = map[string]func(io.Writer, []view.Field, view.Lang) error{
	"md":   inventoryMarkdown,
	"csv":  inventoryCSV,
	"json": func(w io.Writer, rows []view.Field, _ view.Lang) error { return printJSON(w, rows) },
}

func inventoryHead(l view.Lang) []string {
	var head []string
	for _, id := range []string{"event", "field", "class", "level", "leaves", "source", "purpose", "basis", "days", "recipient"} {
		head = append(head, l.Text("inventory."+id))
	}
	return head
}

// inventoryRow returns the cells of a row. What the policy does not state is a gap
// that the assessment must see.
func inventoryRow(f view.Field, l view.Lang) []string {
	said := func(text string) string {
		if text == "" {
			return l.Text("who.unsaid")
		}
		return text
	}
	return []string{f.Event, f.Field, f.Class, f.Level, f.Leaves, f.Source, said(f.Purpose), said(f.Basis), strconv.Itoa(f.Days), f.Recipient}
}

// inventoryMarkdown writes a table in which no text of the settings ends a cell,
// begins a line or is markup.
func inventoryMarkdown(w io.Writer, rows []view.Field, l view.Lang) error {
	cell := strings.NewReplacer("\\", "\\\\", "|", "\\|", "<", "&lt;", "&", "&amp;", "[", "\\[", "]", "\\]", "`", "\\`", "*", "\\*")
	b := &strings.Builder{}
	head := inventoryHead(l)
	fmt.Fprintf(b, "# %s\n\n| %s |\n|%s\n", l.Text("inventory.title"), strings.Join(head, " | "), strings.Repeat("---|", len(head)))
	for _, f := range rows {
		cells := inventoryRow(f, l)
		for i := range cells {
			cells[i] = cell.Replace(view.Clean(cells[i]))
		}
		fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func inventoryCSV(w io.Writer, rows []view.Field, l view.Lang) error {
	out := csv.NewWriter(w)
	if err := out.Write(inventoryHead(l)); err != nil {
		return err
	}
	for _, f := range rows {
		cells := inventoryRow(f, l)
		for i := range cells {
			cells[i] = noFormula(cells[i])
		}
		if err := out.Write(cells); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// noFormula puts a quote before a text that a spreadsheet would take for a formula,
// also behind blanks and in the wide forms of these characters.
func noFormula(s string) string {
	s = view.Clean(s)
	if t := strings.TrimSpace(s); t != "" && strings.ContainsRune("=+-@\uff1d\uff0b\uff0d\uff20", []rune(t)[0]) {
		return "'" + s
	}
	return s
}
