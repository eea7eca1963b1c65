package connection

import "strings"

// parseInUse returns how many TCP and UDP sockets the text of
// /proc/net/sockstat or sockstat6 counts. It is compared, not understood: the
// figures stand in it as they are.
func parseInUse(text string) string {
	var found string
	for line := range strings.Lines(text) {
		name, rest, ok := strings.Cut(line, ": inuse ")
		switch name {
		case "TCP", "TCP6", "UDP", "UDP6":
		default:
			continue
		}
		count, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
		if ok && len(count) <= 20 && len(found) <= 256 {
			found += name + " " + count + ";"
		}
	}
	return found
}
