package view

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"testing"
)

// serveIn serves reply in a folder of its own until the test ends.
func serveIn(t *testing.T, reply Reply) string {
	t.Helper()
	dir := t.TempDir()
	s, err := Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var serving sync.WaitGroup
	serving.Go(func() { s.Serve(ctx, reply) })
	t.Cleanup(func() { stop(); serving.Wait() })
	return dir
}

func TestAsk(t *testing.T) {
	dir := serveIn(t, func(_ context.Context, _ Caller, q Request) (any, error) {
		if q.Command != "status" {
			return nil, errors.New("unknown command")
		}
		return map[string]int{"events": 7}, nil
	})
	var got map[string]int
	if err := Ask(dir, Request{Command: "status"}, &got); err != nil || got["events"] != 7 {
		t.Errorf("Ask(status) = %v, %v; want events 7", got, err)
	}
	if err := Ask(dir, Request{Command: "other"}, &got); err == nil || err.Error() != "unknown command" {
		t.Errorf("Ask(other) = %v; want the agent's error", err)
	}
}

func TestAskWithoutAgent(t *testing.T) {
	if err := Ask(t.TempDir(), Request{Command: "status"}, nil); !errors.Is(err, ErrNotRunning) {
		t.Errorf("Ask without an agent = %v; want ErrNotRunning", err)
	}
}

func TestListenTwice(t *testing.T) {
	if os.Getenv("DISCREET_WINE") != "" {
		t.Skip("Wine 8.0: it takes no notice of FILE_FLAG_FIRST_PIPE_INSTANCE, which keeps a second agent, or an impostor, off the name")
	}
	dir := serveIn(t, func(context.Context, Caller, Request) (any, error) { return nil, nil })
	if _, err := Listen(dir); err == nil {
		t.Error("Listen beside a living agent succeeded; want an error")
	}
}

func TestGarbageRequests(t *testing.T) {
	dir := serveIn(t, func(context.Context, Caller, Request) (any, error) {
		t.Error("a garbage request was answered")
		return nil, nil
	})
	for _, garbage := range []string{"\n", "{\n", "[1,2]\n", string(make([]byte, 2*maxRequest))} {
		c, err := reach(dir)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = c.Write([]byte(garbage))
		buf := make([]byte, 256)
		_, _ = c.Read(buf)
		c.Close()
	}
}

func FuzzServe(f *testing.F) {
	f.Add([]byte(`{"command":"status"}` + "\n"))
	f.Add([]byte("{\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		here, there := net.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			serve(t.Context(), there, Caller{}, func(context.Context, Caller, Request) (any, error) { return "x", nil })
			there.Close()
		}()
		go func() { _, _ = here.Write(in); _, _ = here.Write([]byte("\n")) }()
		buf := make([]byte, 256)
		_, _ = here.Read(buf)
		here.Close()
		<-done
	})
}
