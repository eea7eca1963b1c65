package software

import (
	"bufio"
	"io"
	"strings"
)

// parseDesktop reads the name of an application from its desktop file
// (Desktop Entry Specification 1.5). It returns "" for what no menu shows.
func parseDesktop(r io.Reader) string {
	lines := bufio.NewScanner(io.LimitReader(r, 1<<20))
	var name string
	in, app := false, false
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if strings.HasPrefix(line, "[") {
			if in {
				break // the next group
			}
			in = line == "[Desktop Entry]"
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !in || !ok {
			continue
		}
		switch strings.TrimSpace(key) {
		case "Name":
			name = tidy(value)
		case "Type":
			app = strings.TrimSpace(value) == "Application"
		case "NoDisplay", "Hidden":
			if strings.TrimSpace(value) == "true" {
				return ""
			}
		}
	}
	if !app {
		return ""
	}
	return name
}
