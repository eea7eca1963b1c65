package identity

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// laidFile is where a token that came with an installer waits, in the folder of the
// identity, which nobody else can read.
func laidFile(dir string) string { return filepath.Join(dir, "token") }

// ForgetLaidToken deletes a token that came with an installer to a device that is
// enrolled already: it might let another one enrol.
func ForgetLaidToken(dir string) error {
	if err := os.Remove(laidFile(dir)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete a token that is not needed: %w", err)
	}
	return nil
}
