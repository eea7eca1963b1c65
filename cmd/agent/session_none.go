//go:build nobehaviour

package main

import "github.com/spf13/cobra"

// sessionCommands returns none: nothing in this build asks what people do.
func sessionCommands(*shared) []*cobra.Command { return nil }
