package example

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// rungs: the time zone database.
var rungs = []eventv1.Rung{eventv1.Rung_RUNG_NATIVE}

const path = "/usr/share/zoneinfo/tzdata.zi"

// version reads the first line of the database.
func version() (string, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("no time zone database: %w", collectors.ErrUnsupported)
	}
	if err != nil {
		return "", fmt.Errorf("open time zone database: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 64))
	if err != nil {
		return "", fmt.Errorf("read time zone database: %w", err)
	}
	return parseVersion(string(b)), nil
}
