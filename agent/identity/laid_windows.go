package identity

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows/registry"

	"github.com/discreet-agent/discreet/agent/durable"
)

// enrollmentKey is where the installer lays a token that it was given: a key of
// HKLM that only SYSTEM and administrators may read.
const enrollmentKey = `SOFTWARE\Discreet\Enrollment`

// TakeLaidToken moves a token that the installer has laid into the registry to a
// file in dir, and says where; "" where there is none and none was taken before.
// The file goes away with the enrolment, like any token file.
func TakeLaidToken(dir string) (file string, err error) { return takeToken(enrollmentKey, dir) }

// takeToken wipes the value once the file is safe on the disk, not before: what
// stops between the two takes it again.
func takeToken(path, dir string) (file string, err error) {
	file = laidFile(dir)
	k, err := registry.OpenKey(registry.LOCAL_MACHINE, path, registry.QUERY_VALUE|registry.SET_VALUE|registry.WOW64_64KEY)
	if errors.Is(err, registry.ErrNotExist) {
		return ifThere(file), nil
	}
	if err != nil {
		return ifThere(file), fmt.Errorf("open HKLM\\%s: %w", path, err)
	}
	defer k.Close()
	const name = "Token"
	token, _, err := k.GetStringValue(name)
	if errors.Is(err, registry.ErrNotExist) {
		return ifThere(file), nil
	}
	if err != nil {
		return ifThere(file), fmt.Errorf("read the token in HKLM\\%s: %w", path, err)
	}
	if token != "" {
		if err := makePrivate(filepath.Dir(file)); err != nil {
			return "", fmt.Errorf("make folder of the token: %w", err)
		}
		if err := durable.WriteFile(file, []byte(token), 0o600); err != nil {
			return "", fmt.Errorf("keep the token: %w", err)
		}
	}
	if err := k.DeleteValue(name); err != nil {
		return ifThere(file), fmt.Errorf("wipe the token in HKLM\\%s: %w", path, err)
	}
	return ifThere(file), nil
}

// ifThere returns a file that is there, else "".
func ifThere(file string) string {
	if _, err := os.Stat(file); err != nil {
		return ""
	}
	return file
}
