//go:build !linux && !windows && !darwin

package agent

import "github.com/discreet-agent/discreet/privacy"

const system = privacy.Linux

func people() []string { return nil }
