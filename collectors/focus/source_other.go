//go:build !linux && !windows

package focus

import (
	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

var rungs []eventv1.Rung

type people struct{}

func newPeople(collectors.Env) *people { return &people{} }

func (*people) user(uint32) *eventv1.User                     { return nil }
func (*people) program(f collectors.Focused) *eventv1.Program { return &eventv1.Program{Name: f.App} }
