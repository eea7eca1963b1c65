package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/discreet-agent/discreet/agent"
	"github.com/discreet-agent/discreet/agent/identity"
)

// maxToken bounds what is read from standard input as a token.
const maxToken = 8 << 10

func enrollCommand(s *shared) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use: "enroll --token-file FILE", Short: "trade a token for this device's certificate", Args: cobra.NoArgs,
		Long: `enroll makes a key on this device, sends a certificate request with the token to
the gateway, and stores what comes back. The token file is deleted after use.
"-" reads the token from standard input. A token is never taken from the command
line, where every user of the device could read it.`,
		RunE: func(c *cobra.Command, _ []string) error {
			l := s.loaded()
			if len(l.Faults) > 0 {
				return fail(exitConfig, errors.New(l.Faults[0].String()))
			}
			set := l.Settings
			if file == "" {
				file = set.Gateway.TokenFile
			}
			if file == "" {
				return fail(exitUsage, errors.New("no token; hint: --token-file FILE, or - for standard input"))
			}
			req := identity.Request{
				Address: set.Gateway.Address, ServerName: set.Gateway.Name, TokenFile: file, CAFile: set.Gateway.CAFile, CAPin: set.Gateway.CAPin,
				Dir: filepath.Join(set.StateDir, "identity"), AgentVersion: version,
				AssetID: func() string { return agent.EnrolAsset(l) },
			}
			if file == "-" {
				b, err := io.ReadAll(io.LimitReader(c.InOrStdin(), maxToken))
				if err != nil {
					return fail(exitFailure, fmt.Errorf("read the token: %w", err))
				}
				req.TokenFile, req.Token = "", b
			}
			log := slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
			id, err := identity.Enroll(c.Context(), req, log)
			if err != nil {
				return fail(enrolCode(err), err)
			}
			if s.json {
				return printJSON(c.OutOrStdout(), map[string]any{"device": id.Device(), "certificate_expires": id.NotAfter()})
			}
			fmt.Fprintf(c.OutOrStdout(), "enrolled as %s; the certificate is good until %s\n", id.Device(), id.NotAfter().Local().Format(time.DateTime))
			return nil
		},
	}
	c.Flags().StringVar(&file, "token-file", "", "the file with the token, or - for standard input (default: gateway.token_file)")
	return c
}

// enrolCode is the exit code for a failed enrolment.
func enrolCode(err error) int {
	switch {
	case errors.Is(err, identity.ErrUnreachable):
		return exitUnreachable
	case errors.Is(err, identity.ErrTokenRefused), errors.Is(err, identity.ErrPin):
		return exitNotEnrolled
	case errors.Is(err, fs.ErrPermission):
		return exitPermission
	}
	return exitFailure
}
