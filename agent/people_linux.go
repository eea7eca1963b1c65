package agent

import (
	"bufio"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/discreet-agent/discreet/privacy"
)

const system = privacy.Linux

// people returns the accounts of persons on this device, with their display
// names, sorted: what the filter must not let through in any text. Directory
// users are not in /etc/passwd; their home folders are in /home.
func people() []string {
	var names []string
	f, err := os.Open("/etc/passwd")
	if err == nil {
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			names = append(names, passwdNames(lines.Text())...)
		}
	}
	homes, _ := os.ReadDir("/home")
	for _, d := range homes {
		if d.IsDir() && d.Name() != "lost+found" {
			names = append(names, d.Name())
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// passwdNames returns the account and display name of one line of passwd(5), or
// nothing where the account is not a person's.
func passwdNames(line string) []string {
	f := strings.Split(line, ":")
	if len(f) < 5 || f[0] == "" {
		return nil
	}
	uid, err := strconv.ParseUint(f[2], 10, 32)
	if err != nil || uid < 1000 || uid == 65534 {
		return nil
	}
	names := []string{f[0]}
	if display, _, _ := strings.Cut(f[4], ","); display != "" {
		names = append(names, display)
	}
	return names
}
