package agent

import (
	"maps"
	"slices"
	"strings"

	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// The words that status, health and the support bundle use for what they count
// come from these lists and from nowhere else: a name of a person, a program or a
// network can never become one.

// CollectorNames returns the collectors of this build.
func CollectorNames() []string {
	var names []string
	for _, spec := range Builtin() {
		names = append(names, spec.Name)
	}
	return names
}

// States returns what a collector can be: what runs or does not, and why.
func States() []string {
	return append(slices.Sorted(maps.Keys(statusByState)), "stopped", "not_running")
}

// Rungs returns the names of the sources of a system, as settings spell them.
func Rungs() []string {
	var names []string
	for n := range eventv1.Rung_name {
		if name := rungName(eventv1.Rung(n)); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// Kinds returns the kinds of events of the schema.
func Kinds() []string {
	var names []string
	fields := (&eventv1.Event{}).ProtoReflect().Descriptor().Oneofs().ByName("kind").Fields()
	for i := range fields.Len() {
		names = append(names, string(fields.Get(i).Name()))
	}
	return names
}

// LossName returns a reason for which something was lost, in the words of the
// schema.
func LossName(r eventv1.LossReason) string {
	if _, ok := eventv1.LossReason_name[int32(r)]; !ok {
		r = eventv1.LossReason_LOSS_REASON_UNSPECIFIED
	}
	return strings.ToLower(strings.TrimPrefix(r.String(), "LOSS_REASON_"))
}

// LossNames returns all of them.
func LossNames() []string {
	var names []string
	for n := range eventv1.LossReason_name {
		names = append(names, LossName(eventv1.LossReason(n)))
	}
	return names
}
