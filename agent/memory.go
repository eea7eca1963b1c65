package agent

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/discreet-agent/discreet/agent/durable"
	"github.com/discreet-agent/discreet/collectors"
)

// memory keeps what one collector wants to know after a restart, in a file of
// its own below the state directory that only the agent can read.
type memory struct{ path string }

func (a *Agent) memoryOf(name string) memory {
	return memory{filepath.Join(a.boot.StateDir, "collectors", name)}
}

// Load returns what was saved last; nothing where nothing was.
func (m memory) Load() ([]byte, error) {
	f, err := os.Open(m.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("load memory: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, collectors.MaxMemory+1))
	if err == nil && len(data) > collectors.MaxMemory {
		err = fmt.Errorf("more than %d bytes", collectors.MaxMemory)
	}
	if err != nil {
		return nil, fmt.Errorf("load memory: %w", err)
	}
	return data, nil
}

// Save replaces it.
func (m memory) Save(data []byte) error {
	if len(data) > collectors.MaxMemory {
		return fmt.Errorf("save memory: %d bytes, more than %d", len(data), collectors.MaxMemory)
	}
	if err := durable.MkdirAll(filepath.Dir(m.path), 0o700); err != nil {
		return fmt.Errorf("save memory: %w", err)
	}
	return durable.WriteFile(m.path, data, 0o600)
}

// forget removes it: a collector that is off has no past.
func (m memory) forget() error {
	if err := os.Remove(m.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget memory: %w", err)
	}
	return nil
}
