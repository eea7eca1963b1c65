package example

import (
	"errors"
	"fmt"

	"golang.org/x/sys/windows/registry"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

var rungs = []eventv1.Rung{eventv1.Rung_RUNG_NATIVE}

// version reads the number that the registry gives the database.
func version() (string, error) {
	k, err := registry.OpenKey(registry.LOCAL_MACHINE, `SOFTWARE\Microsoft\Windows NT\CurrentVersion\Time Zones`, registry.QUERY_VALUE)
	if err != nil {
		return "", fmt.Errorf("open time zone database: %w", err)
	}
	defer k.Close()
	n, _, err := k.GetIntegerValue("TzVersion")
	if errors.Is(err, registry.ErrNotExist) {
		return "", fmt.Errorf("the time zone database has no version: %w", collectors.ErrUnsupported)
	}
	if err != nil {
		return "", fmt.Errorf("read time zone database: %w", err)
	}
	return fmt.Sprintf("%#x", n), nil
}
