package agent

import (
	"net"
	"os"
	"testing"

	"github.com/discreet-agent/discreet/agent/view"
	"github.com/discreet-agent/discreet/configs"
	"github.com/discreet-agent/discreet/privacy"
)

func TestRemoteOf(t *testing.T) {
	const tail = " 00000000:00000000 00:00000000 00000000 "
	for name, c := range map[string]struct {
		line, want string
		uid        uint32
	}{
		"hers":                   {"0: 0100007F:9C40 0A01A8C0:01BB 01" + tail + "1000 0 1", "192.168.1.10", 1000},
		"hers, version 6":        {"0: 00000000000000000000000001000000:9C40 B80D0120000000000000000001000000:01BB 01" + tail + "1000 0 1", "2001:db8::1", 1000},
		"version 4 in 6":         {"0: 00000000000000000000000001000000:9C40 0000000000000000FFFF00000A01A8C0:01BB 01" + tail + "1000 0 1", "192.168.1.10", 1000},
		"another's":              {"0: 0100007F:9C40 0A01A8C0:01BB 01" + tail + "1001 0 1", "", 1000},
		"listening":              {"0: 0100007F:9C40 00000000:0000 0A" + tail + "1000 0 1", "", 1000},
		"to this computer":       {"0: 0100007F:9C40 0100007F:01BB 01" + tail + "1000 0 1", "", 1000},
		"to this computer, in 6": {"0: 00:9C40 0000000000000000FFFF00000100007F:01BB 01" + tail + "1000 0 1", "", 1000},
		"the head":               {"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode", "", 1000},
		"short":                  {"0: 1 2", "", 1000},
		"odd digits":             {"0: 0100007F:9C40 0A01A8:01BB 01" + tail + "1000 0 1", "", 1000},
		"no digits":              {"0: 0100007F:9C40 zz:01BB 01" + tail + "1000 0 1", "", 1000},
	} {
		if got := remoteOf(c.line, c.uid); got != c.want {
			t.Errorf("%s: remoteOf = %q; want %q", name, got, c.want)
		}
	}
}

func FuzzRemoteOf(f *testing.F) {
	f.Add("0: 0100007F:9C40 0A01A8C0:01BB 01 0:0 0:0 0 1000 0 1")
	f.Fuzz(func(t *testing.T, line string) {
		if got := remoteOf(line, 1000); got != "" && net.ParseIP(got) == nil {
			t.Errorf("remoteOf(%q) = %q; want an address or nothing", line, got)
		}
	})
}

// TestSerialIsNotShownToStrangers asks for the serial number as a user who could
// not read its file, where the machine has one.
func TestSerialIsNotShownToStrangers(t *testing.T) {
	info, err := os.Stat(serialFile)
	serial, why := serialFor(alice)
	switch {
	case err != nil:
		if serial != "" || why != "noserial" {
			t.Errorf("serialFor on a machine without one = %q, %q", serial, why)
		}
	case info.Mode().Perm()&0o004 == 0:
		if serial != "" || why != "serial" {
			t.Errorf("serialFor of a user who may not read it = a text of %d bytes, %q; want none", len(serial), why)
		}
	}
}

// TestEveryKeyShowsAValueOrSaysWhyNot asks as somebody, at each level of each key.
func TestEveryKeyShowsAValueOrSaysWhyNot(t *testing.T) {
	l := loadText(t, "schema: 1\n")
	who := person{uid: alice, name: "maria@corp.example", home: "/home/maria"}
	filter := func(l *configs.Loaded) (*privacy.Filter, []string, error) {
		return privacy.NewFilter(l.Policy, privacy.Context{OS: privacy.Linux, Host: "h"}, nil), nil, nil
	}
	for k := range privacy.NumKeys {
		for _, level := range k.Info().Levels {
			m, err := newMirror(l, who, filter, map[privacy.Key]privacy.Level{k: level})
			if err != nil {
				t.Fatal(err)
			}
			own, why := m.values(k)
			if (len(own) == 0) == (why == "") || why == "unsaid" {
				t.Errorf("%s at %s shows %d values and says %q; want values, or why not", k, level, len(own), why)
			}
			for _, lang := range view.Languages() {
				if id := "why." + why; why != "" && lang.Text(id) == id {
					t.Errorf("%s has no words for %s", lang, id)
				}
			}
		}
	}
	m, _ := newMirror(l, who, filter, map[privacy.Key]privacy.Level{privacy.UPN: privacy.Cleartext})
	if own, why := m.values(privacy.UPN); len(own) != 1 || own[0].Before != who.name || own[0].After == "" {
		t.Errorf("sign-in name = %v, %q; want the account's, which has a realm", own, why)
	}
}
