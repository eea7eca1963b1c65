//go:build nobehaviour

package agent

import "github.com/discreet-agent/discreet/collectors"

// watchers is empty: this build holds no collector of what a person does.
func watchers() []collectors.Spec { return nil }
