package cmd_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// built builds a program for this system as releases are built.
func built(t *testing.T, name string) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), name)
	cmd := exec.Command("go", "build", "-trimpath", "-tags", "grpcnotrace", "-ldflags", "-w", "-o", out, "./cmd/"+name)
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v: %s", name, err, msg)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestS19AbsentFromBothPrograms looks into the programs, symbols included, for
// what must not be linked: handlers that show memory or payloads, and the calls
// that read window titles.
func TestS19AbsentFromBothPrograms(t *testing.T) {
	for _, name := range []string{"agent", "gateway"} {
		b := built(t, name)
		for _, word := range []string{"debug/pprof", "debug/requests", "debug/vars", "net/http/pprof.", "golang.org/x/net/trace.", "GetWindowText", "_NET_WM_NAME", "AXTitle"} {
			if bytes.Contains(b, []byte(word)) {
				t.Errorf("%s holds %q", name, word)
			}
		}
		if !bytes.Contains(b, []byte("google.golang.org/grpc.")) {
			t.Errorf("%s has no symbols: the search proves nothing", name)
		}
	}
}

// TestS55GatewayHasNoKey: the only packages of the gateway that could make a
// pseudonym are the duties, for the one call with a key file.
func TestS55GatewayHasNoKey(t *testing.T) {
	eachFile(t, func(file, from string) {
		if from == "gateway/duties" || !strings.HasPrefix(from, "gateway") && from != "cmd/gateway" {
			return
		}
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{"privacy.ReadKeyFile", "privacy.NewPseudonyms", "privacy.UserPseudonym", "privacy.DevicePseudonym"} {
			if bytes.Contains(src, []byte(word)) {
				t.Errorf("%s calls %s; want it in gateway/duties only", file, word)
			}
		}
	})
}
