package identity_test

import (
	"bytes"
	"crypto/tls"
	"encoding/pem"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/discreet-agent/discreet/agent/identity"
	"github.com/discreet-agent/discreet/gateway"
	"github.com/discreet-agent/discreet/gateway/access"
	"github.com/discreet-agent/discreet/gateway/access/accesstest"
	enrollv1 "github.com/discreet-agent/discreet/proto/enroll/v1"
)

// world is a gateway on loopback and what an agent needs to enrol there.
type world struct {
	ca    *access.CA
	reg   *accesstest.Registry
	req   identity.Request
	token string
	rec   gateway.Token
	out   *logBuffer
	log   *slog.Logger
}

func newWorld(t *testing.T) *world {
	w := &world{ca: accesstest.NewCA(t), reg: accesstest.NewRegistry(), out: &logBuffer{}}
	w.log = slog.New(slog.NewTextHandler(w.out, nil))
	w.token, w.rec = accesstest.NewToken(t, w.ca, w.reg, 1)
	w.req = identity.Request{
		Address:      accesstest.Gateway(t, w.ca, w.reg, access.EnrollmentOptions{Log: w.log}),
		ServerName:   "localhost",
		TokenFile:    filepath.Join(t.TempDir(), "token"),
		Dir:          filepath.Join(t.TempDir(), "identity"),
		AgentVersion: "1.2.3",
	}
	writeToken(t, w.req.TokenFile, w.token)
	t.Cleanup(func() {
		if strings.Contains(w.out.String(), w.token[10:40]) {
			t.Error("the log holds the token")
		}
	})
	return w
}

func writeToken(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func ls(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

func writeCA(t *testing.T, ca *access.CA) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	data := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Certificate()})
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func serverTLS(t *testing.T, ca *access.CA) *tls.Config {
	t.Helper()
	cfg, err := ca.ServerTLS()
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// serveTLS does handshakes and nothing else.
func serveTLS(t *testing.T, cfg *tls.Config) string {
	t.Helper()
	lis := accesstest.Listen(t)
	accesstest.Serve(t, lis, enrollv1.UnimplementedEnrollmentServer{}, cfg)
	return lis.Addr().String()
}
