package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/kardianos/service"
	"github.com/spf13/cobra"
)

func serviceCommand(s *shared) *cobra.Command {
	c := &cobra.Command{Use: "service", Short: "install and control the system service"}
	for _, verb := range []struct{ name, doc string }{
		{"install", "register the service; packages do this for you"},
		{"uninstall", "take the service away; settings and data stay"},
		{"start", "start the service"},
		{"stop", "stop the service"},
		{"restart", "stop, then start the service"},
	} {
		c.AddCommand(&cobra.Command{
			Use: verb.name, Short: verb.doc, Args: cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error { return s.control(verb.name) },
		})
	}
	c.AddCommand(&cobra.Command{
		Use: "status", Short: "say whether the service runs", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return s.serviceStatus(c) },
	})
	return c
}

// manager returns the system's view of the service.
func (s *shared) manager() (service.Service, error) {
	config := s.config
	if config != "" {
		abs, err := filepath.Abs(config)
		if err != nil {
			return nil, err
		}
		config = abs
	}
	return service.New(&program{}, serviceConfig(config))
}

func (s *shared) control(verb string) error {
	svc, err := s.manager()
	if err != nil {
		return fail(exitFailure, err)
	}
	err = service.Control(svc, verb)
	if errors.Is(err, fs.ErrPermission) {
		return fail(exitPermission, fmt.Errorf("service %s: %w; hint: run it as root or administrator", verb, err))
	}
	return fail(exitFailure, err)
}

func (s *shared) serviceStatus(c *cobra.Command) error {
	svc, err := s.manager()
	if err != nil {
		return fail(exitFailure, err)
	}
	state := map[service.Status]string{service.StatusRunning: "running", service.StatusStopped: "stopped"}
	say := func(word string) error {
		if s.json {
			return printJSON(c.OutOrStdout(), map[string]string{"state": word})
		}
		_, err := fmt.Fprintln(c.OutOrStdout(), word)
		return err
	}
	st, err := svc.Status()
	switch {
	case errors.Is(err, service.ErrNotInstalled):
		if err := say("not installed"); err != nil {
			return err
		}
		return fail(exitNotRunning, errors.New("the service is not installed; hint: discreet-agent service install"))
	case err != nil:
		return fail(exitFailure, fmt.Errorf("ask the service manager: %w; hint: does this system run one?", err))
	}
	if err := say(state[st]); err != nil {
		return err
	}
	if st != service.StatusRunning {
		return &exitError{exitNotRunning, nil}
	}
	return nil
}
