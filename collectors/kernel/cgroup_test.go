package kernel

import (
	"errors"
	"strings"
	"testing"

	"github.com/discreet-agent/discreet/collectors"
)

func TestParseMountinfo(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"one tree", "25 30 0:23 / /sys rw,nosuid shared:7 - sysfs sysfs rw\n26 25 0:27 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw,nsdelegate\n", "/sys/fs/cgroup"},
		{"both versions", "30 25 0:24 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n31 25 0:25 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n", "/sys/fs/cgroup/unified"},
		{"a part of the tree first", "31 25 0:25 /a /b rw - cgroup2 cgroup2 rw\n32 25 0:25 / /c\\040d rw - cgroup2 cgroup2 rw\n", "/c d"},
		{"version 1 alone", "30 25 0:24 / /sys/fs/cgroup/cpu rw - cgroup cgroup2 rw,cpu\n", ""},
		{"short line", "1 2 - cgroup2 x\n", ""},
		{"empty", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, ok := parseMountinfo(tt.text); got != tt.want || ok != (tt.want != "") {
				t.Errorf("parseMountinfo() = %q, %v; want %q", got, ok, tt.want)
			}
		})
	}
}

func TestCgroupRoot(t *testing.T) {
	if _, err := CgroupRoot(t.TempDir()); err == nil || !strings.Contains(err.Error(), "mountinfo") {
		t.Errorf("CgroupRoot(no /proc) = %v; want an error with the file", err)
	}
	if root, err := CgroupRoot(""); err != nil && !errors.Is(err, collectors.ErrUnsupported) {
		t.Errorf("CgroupRoot() = %q, %v; want one, or ErrUnsupported", root, err)
	}
}

func FuzzParseMountinfo(f *testing.F) {
	f.Add("32 25 0:25 / /c\\040d rw - cgroup2 cgroup2 rw\n")
	f.Fuzz(func(t *testing.T, text string) {
		if got, _ := parseMountinfo(text); len(got) > len(text) {
			t.Errorf("parseMountinfo() of %d bytes = %d bytes", len(text), len(got))
		}
	})
}
