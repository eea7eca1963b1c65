package kernel

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/discreet-agent/discreet/collectors"
)

// CgroupRoot returns where the one tree of control groups of version 2 is
// mounted: programs on sockets are attached to its root. procRoot is where /proc
// is found. Where none is mounted the error wraps collectors.ErrUnsupported.
func CgroupRoot(procRoot string) (string, error) {
	if procRoot == "" {
		procRoot = "/proc"
	}
	text, err := os.ReadFile(filepath.Join(procRoot, "self/mountinfo"))
	if err != nil {
		return "", fmt.Errorf("find control groups: %w", err)
	}
	path, ok := parseMountinfo(string(text))
	if !ok {
		return "", fmt.Errorf("find control groups: none of version 2 is mounted: %w", collectors.ErrUnsupported)
	}
	return path, nil
}

// parseMountinfo finds the mount of the root of cgroup2 (proc_pid_mountinfo(5)).
func parseMountinfo(text string) (string, bool) {
	for line := range strings.Lines(text) {
		mount, filesystem, ok := strings.Cut(line, " - ")
		fields := strings.Fields(mount)
		if !ok || len(fields) < 5 || !strings.HasPrefix(filesystem, "cgroup2 ") || fields[3] != "/" {
			continue
		}
		return unescape.Replace(fields[4]), true
	}
	return "", false
}

var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
