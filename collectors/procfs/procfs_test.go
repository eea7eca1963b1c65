package procfs

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

const statText = "4711 (a) b (c) S 1 4711 4711 0 -1 4194560 120 0 0 0 31 7 0 0 20 0 1 0 987654 2300000 512 18446744073709551615 0 0\n"

func TestParseStat(t *testing.T) {
	s, ok := ParseStat([]byte(statText))
	if !ok || string(s.Name) != "a) b (c" || s.State != 'S' || s.Parent != 1 || s.Flags != 4194560 ||
		s.UserTicks != 31 || s.SystemTicks != 7 || s.StartTicks != 987654 || s.RSSPages != 512 || s.KernelThread() {
		t.Errorf("ParseStat() = %+v, %v; want the figures of the text", s, ok)
	}
	tests := []struct{ name, in string }{
		{"empty", ""},
		{"no name", "4711 S 1"},
		{"brackets swapped", "1 )x( S 1"},
		{"cut in the name", "4711 (abc"},
		{"cut after the name", "4711 (abc)"},
		{"cut before the start", statText[:60]},
		{"long state", "1 (x) SS 1 2 3"},
		{"letters for a parent", "1 (x) S x 2 3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if s, ok := ParseStat([]byte(tt.in)); ok {
				t.Errorf("ParseStat(%q) = %+v, true; want false", tt.in, s)
			}
		})
	}
}

func TestParseUID(t *testing.T) {
	tests := []struct {
		name, in string
		want     uint32
		ok       bool
	}{
		{"plain", "Name:\tx\nUmask:\t0022\nUid:\t1000\t1001\t1002\t1003\nGid:\t5\t5\t5\t5\n", 1000, true},
		{"a name that tries", "Name:\tUid:\nUid:\t7\t7\t7\t7\n", 7, true},
		{"none", "Name:\tx\n", 0, false},
		{"cut", "Name:\tx\nUid:\t10", 0, false},
		{"too large", "Name:\tx\nUid:\t4294967296\t0\n", 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, ok := ParseUID([]byte(tt.in)); ok != tt.ok || ok && got != tt.want {
				t.Errorf("ParseUID(%q) = %d, %v; want %d, %v", tt.in, got, ok, tt.want, tt.ok)
			}
		})
	}
}

// entry is one directory entry as getdents64 writes it.
func entry(name string) []byte {
	size := (19 + len(name) + 1 + 7) &^ 7
	b := make([]byte, size)
	binary.NativeEndian.PutUint16(b[16:], uint16(size))
	copy(b[19:], name)
	return b
}

func TestAppendNumbers(t *testing.T) {
	b := slices.Concat(entry("."), entry(".."), entry("1"), entry("self"), entry("4711"), entry("12x"), entry("99999999999"))
	if got, want := AppendNumbers(nil, b), []uint32{1, 4711}; !slices.Equal(got, want) {
		t.Errorf("AppendNumbers() = %v; want %v", got, want)
	}
	if got := AppendNumbers(nil, b[:len(b)-1]); !slices.Equal(got, []uint32{1, 4711}) {
		t.Errorf("AppendNumbers(cut) = %v; want what is whole", got)
	}
}

func TestSocketInode(t *testing.T) {
	tests := []struct {
		in   string
		want uint32
		ok   bool
	}{
		{"socket:[12345]", 12345, true},
		{"pipe:[12345]", 0, false},
		{"socket:[]", 0, false},
		{"socket:[x]", 0, false},
		{"/tmp/socket:[1]", 0, false},
	}
	for _, tt := range tests {
		if got, ok := SocketInode([]byte(tt.in)); got != tt.want || ok != tt.ok {
			t.Errorf("SocketInode(%q) = %d, %v; want %d, %v", tt.in, got, ok, tt.want, tt.ok)
		}
	}
}

func TestProgramName(t *testing.T) {
	for in, want := range map[string]string{
		"/usr/bin/true": "true", "/opt/x (deleted)": "x", "true": "true", "/memfd:x (deleted)": "memfd:x", "": "",
	} {
		if got := ProgramName(in); got != want {
			t.Errorf("ProgramName(%q) = %q; want %q", in, got, want)
		}
	}
}

func TestKey(t *testing.T) {
	if a, b := Key(100, 7), Key(101, 7); a == b || a&(1<<22-1) != 7 || a>>22 != 100 {
		t.Errorf("Key(100, 7), Key(101, 7) = %d, %d; want two that hold pid and start", a, b)
	}
}

func TestAccounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "passwd")
		write := func(text string) {
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		write("# comment\nroot:x:0:0:root:/root:/bin/sh\nada:x:1000:1000:Ada L:/home/ada:/bin/sh\ntwin:x:1000:1::/:/x\n+::::::\nbroken\n")
		a := NewAccounts(path)
		check := func(uid uint32, wantName, wantID string) {
			t.Helper()
			if name, id := a.Find(uid); name != wantName || id != wantID {
				t.Errorf("Find(%d) = %q, %q; want %q, %q", uid, name, id, wantName, wantID)
			}
		}
		check(0, "root", "0")
		check(1000, "ada", "1000")
		check(4242, "uid:4242", "4242")
		if got := a.ID("ada"); got != "1000" {
			t.Errorf("ID(ada) = %q; want 1000", got)
		}
		if got := a.ID("nobody-here"); got != "" {
			t.Errorf("ID(nobody-here) = %q; want nothing", got)
		}
		write("root:x:0:0:root:/root:/bin/sh\nbert:x:4242:1::/home/bert:/bin/sh\ncarl:x:4243:1::/home/carl:/bin/sh\n")
		check(4242, "uid:4242", "4242") // a look is good for a while
		time.Sleep(checkAfter)
		check(4242, "uid:4242", "4242") // for who is known, for longer
		check(4243, "carl", "4243")     // who is not is looked for sooner
		check(4242, "bert", "4242")
		time.Sleep(checkKnown)
		check(1000, "uid:1000", "1000")
		os.Remove(path)
		time.Sleep(checkKnown)
		check(4242, "bert", "4242") // the last good names stay
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(statText))
	f.Add([]byte("Name:\tx\nUid:\t1\t1\t1\t1\n"))
	f.Add(slices.Concat(entry("1"), entry("x")))
	f.Add([]byte("root:x:0:0:root:/root:/bin/sh\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, ok := ParseStat(b); ok && len(s.Name) > len(b) {
			t.Errorf("name of %d bytes from %d", len(s.Name), len(b))
		}
		ParseUID(b)
		SocketInode(b)
		if n := len(AppendNumbers(nil, b)); n > len(b)/20 {
			t.Errorf("%d entries in %d bytes", n, len(b))
		}
		ParsePasswd(string(b))
		if n := ProgramName(string(b)); len(n) > len(b) {
			t.Errorf("ProgramName gave %d bytes of %d", len(n), len(b))
		}
	})
}
