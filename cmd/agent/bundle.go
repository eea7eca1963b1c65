package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/discreet-agent/discreet/agent"
)

// member is one file of a bundle.
type member struct {
	Name   string `json:"name"`
	Bytes  int    `json:"bytes"`
	SHA256 string `json:"sha256"`
	data   []byte
}

func bundleCommand(s *shared) *cobra.Command {
	var out string
	c := &cobra.Command{
		Use: "support-bundle", Short: "write one file for IT or the maker: how the agent fares, and nothing of anybody", Args: cobra.NoArgs,
		Long: `support-bundle writes a .tar.gz with status, collectors, policy, settings, checks and
the last lines of the log. It is built from numbers and words of closed lists: it
holds no event, no name, no address, no path, no key. MANIFEST.txt in it says so in
plain words. It works with and without a running agent, and sends nothing.`,
		RunE: func(c *cobra.Command, _ []string) error {
			made := time.Now()
			if out == "" {
				out = "discreet-support-" + made.UTC().Format("20060102-150405") + ".tar.gz"
			}
			sup, err := s.support()
			if err != nil {
				return err
			}
			members, err := s.members(sup, s.examine(c.Context()), made)
			if err != nil {
				return fail(exitFailure, err)
			}
			if err := writeBundle(out, members, made); errors.Is(err, fs.ErrPermission) {
				return fail(exitPermission, err)
			} else if err != nil {
				return fail(exitFailure, err)
			}
			return s.sayBundle(c.OutOrStdout(), out, members)
		},
	}
	c.Flags().StringVar(&out, "out", "", "the file to write (default: discreet-support-TIME.tar.gz in this folder)")
	c.Flags().StringVar(&s.lang, "lang", "", "en or de, for the manifest (default: that of your session)")
	return c
}

// support asks the running agent, or reads the files where none answers.
func (s *shared) support() (agent.Support, error) {
	var sup agent.Support
	err := s.ask("support", &sup)
	var e *exitError
	if errors.As(err, &e) && (e.code == exitNotRunning || e.code == exitPermission) {
		return agent.SupportOf(s.loaded()), nil
	}
	return sup, err
}

// sayBundle tells what was written.
func (s *shared) sayBundle(w io.Writer, file string, members []member) error {
	if s.json {
		return printJSON(w, map[string]any{"file": file, "members": members})
	}
	l := s.language()
	fmt.Fprintln(w, l.Text("bundle.wrote", "file", file))
	for _, m := range members {
		fmt.Fprintf(w, "  %-16s %6d\n", m.Name, m.Bytes)
	}
	_, err := fmt.Fprintln(w, l.Text("bundle.read"))
	return err
}

// writeBundle writes a new file that its owner alone can read. It replaces
// nothing.
func writeBundle(file string, members []member, made time.Time) error {
	data, err := packBundle(members, made)
	if err != nil {
		return fmt.Errorf("pack bundle: %w", err)
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("write bundle: %s is there already; hint: name another with --out", file)
	}
	if err != nil {
		return fmt.Errorf("write bundle: %w; hint: name a place that you may write to with --out", err)
	}
	if _, err = f.Write(data); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(file)
		return fmt.Errorf("write bundle: %w", err)
	}
	return nil
}

// packBundle makes the archive. The headers name no account and no host.
func packBundle(members []member, made time.Time) ([]byte, error) {
	b := &bytes.Buffer{}
	z := gzip.NewWriter(b)
	t := tar.NewWriter(z)
	for _, m := range members {
		head := &tar.Header{
			Typeflag: tar.TypeReg, Name: "discreet-support/" + m.Name, Mode: 0o600, Size: int64(len(m.data)),
			ModTime: made.UTC().Truncate(time.Second), Format: tar.FormatUSTAR,
		}
		if err := t.WriteHeader(head); err != nil {
			return nil, err
		}
		if _, err := t.Write(m.data); err != nil {
			return nil, err
		}
	}
	err := errors.Join(t.Close(), z.Close())
	return b.Bytes(), err
}

func newMember(name string, data []byte) member {
	return member{name, len(data), fmt.Sprintf("%x", sha256.Sum256(data)), data}
}
