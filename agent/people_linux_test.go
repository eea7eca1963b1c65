package agent

import (
	"slices"
	"testing"
)

func TestPasswdNames(t *testing.T) {
	for _, c := range []struct {
		name, line string
		want       []string
	}{
		{"person", "jdoe:x:1000:1000:John Doe,,,:/home/jdoe:/bin/bash", []string{"jdoe", "John Doe"}},
		{"person without display name", "anna:x:1001:1001::/home/anna:/bin/sh", []string{"anna"}},
		{"system account", "daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin", nil},
		{"nobody", "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin", nil},
		{"uid is no number", "x:x:abc:1:y:/:/", nil},
		{"short line", "x:y", nil},
		{"empty line", "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := passwdNames(c.line); !slices.Equal(got, c.want) {
				t.Errorf("passwdNames(%q) = %q; want %q", c.line, got, c.want)
			}
		})
	}
}
