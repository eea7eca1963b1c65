package software

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"

	"github.com/discreet-agent/discreet/collectors"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// rungs: the keys below Uninstall of the whole machine, of 64 and of 32 bits. What a
// person installed for herself stands in her own part of the registry, and what came
// from the store nowhere there.
// Proof: run under Wine 8.0.
var rungs = []eventv1.Rung{eventv1.Rung_RUNG_NATIVE}

const uninstallKey = `SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall`

// uninstall reads the registry below a key of the machine.
type uninstall struct {
	key   string
	stamp string // of the last look
}

func newSource(collectors.Env) (source, error) {
	u := &uninstall{key: uninstallKey}
	if _, err := u.sight(); err != nil {
		if errors.Is(err, windows.ERROR_ACCESS_DENIED) {
			return nil, fmt.Errorf("%w: %w", collectors.ErrDenied, err)
		}
		return nil, err
	}
	return u, nil
}

// changed looks at the times of the entries.
func (u *uninstall) changed() bool {
	now, err := u.sight()
	return err != nil || now != u.stamp
}

// each calls do with every entry of both views. On a Windows without 32 bits both are
// the same.
func (u *uninstall) each(do func(view, name string, k registry.Key) error) error {
	for _, view := range []struct {
		name string
		flag uint32
	}{{"64", registry.WOW64_64KEY}, {"32", registry.WOW64_32KEY}} {
		all, err := registry.OpenKey(registry.LOCAL_MACHINE, u.key, registry.ENUMERATE_SUB_KEYS|view.flag)
		if errors.Is(err, registry.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("open the list of programs: %w", err)
		}
		names, err := all.ReadSubKeyNames(maxPackages)
		if err != nil && len(names) == 0 {
			names = nil // io.EOF: there is none
		}
		for _, name := range names {
			k, err := registry.OpenKey(all, name, registry.QUERY_VALUE|view.flag)
			if err != nil {
				continue // gone meanwhile, or somebody closed it to all others
			}
			err = do(view.name, name, k)
			k.Close()
			if err != nil {
				all.Close()
				return err
			}
		}
		all.Close()
	}
	return nil
}

// sight returns what changes when an entry comes, changes or goes.
func (u *uninstall) sight() (string, error) {
	var b strings.Builder
	err := u.each(func(view, name string, k registry.Key) error {
		info, err := k.Stat()
		if err != nil {
			return fmt.Errorf("look at a program's entry: %w", err)
		}
		fmt.Fprintf(&b, "%s %q %d\n", view, name, info.ModTime().UnixNano())
		return nil
	})
	return b.String(), err
}

// look reads all of them. Where one was written meanwhile it is read again, a few
// times.
func (u *uninstall) look() ([]pkg, error) {
	for range 3 {
		before, err := u.sight()
		if err != nil {
			return nil, err
		}
		list, err := u.read()
		if err != nil {
			return nil, err
		}
		if after, err := u.sight(); err == nil && after == before {
			u.stamp = before
			return sortPackages(list), nil
		}
	}
	return nil, errors.New("the list of programs keeps changing")
}

// read reads every entry. What both views show is dropped when they are sorted.
func (u *uninstall) read() ([]pkg, error) {
	var list []pkg
	err := u.each(func(_, _ string, k registry.Key) error {
		e := entry{
			name: text(k, "DisplayName"), version: text(k, "DisplayVersion"), publisher: text(k, "Publisher"),
			installed: text(k, "InstallDate"), parent: text(k, "ParentKeyName"), release: text(k, "ReleaseType"),
			component: number(k, "SystemComponent") == 1, msi: number(k, "WindowsInstaller") == 1,
		}
		if p, ok := e.pkg(); ok && len(list) <= maxPackages {
			list = append(list, p)
		}
		return nil
	})
	return list, err
}

// text returns a value that is text; "" where there is none.
func text(k registry.Key, name string) string {
	s, _, err := k.GetStringValue(name)
	if err != nil {
		return ""
	}
	return s
}

func number(k registry.Key, name string) uint64 {
	n, _, err := k.GetIntegerValue(name)
	if err != nil {
		return 0
	}
	return n
}
