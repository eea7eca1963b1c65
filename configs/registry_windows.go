package configs

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"
)

// Bounds of what is read of a registry.
const (
	maxKeyDepth  = 4    // the deepest setting is privacy_floor\quiet\hours, a list one more
	maxKeyValues = 4096 // values and subkeys in all
)

var errTooMany = errors.New("more keys and values than settings need")

// Key reads a key of HKLM, in the view of 64-bit programs, and what is below it.
func (diskFiles) Key(path string) (regKey, error) {
	left := maxKeyValues
	k, err := registry.OpenKey(registry.LOCAL_MACHINE, strings.TrimPrefix(path, hive), registry.READ|registry.WOW64_64KEY)
	if err != nil {
		return regKey{}, err
	}
	defer k.Close()
	return readBelow(k, maxKeyDepth, &left)
}

// readBelow reads an open key. left is how many more values and keys are taken.
func readBelow(k registry.Key, depth int, left *int) (regKey, error) {
	var out regKey
	values, err := k.ReadValueNames(-1)
	if err != nil {
		return out, err
	}
	subs, err := k.ReadSubKeyNames(-1)
	if err != nil {
		return out, err
	}
	if *left -= len(values) + len(subs); *left < 0 || depth == 0 && len(subs) > 0 {
		return out, errTooMany
	}
	slices.Sort(values)
	slices.Sort(subs)
	for _, name := range values {
		v, err := readValue(k, name)
		if errors.Is(err, registry.ErrNotExist) {
			continue // gone since it was listed; the watch tells
		}
		if err != nil {
			return out, err
		}
		out.values = append(out.values, v)
	}
	for _, name := range subs {
		sub, err := registry.OpenKey(k, name, registry.READ|registry.WOW64_64KEY)
		if errors.Is(err, registry.ErrNotExist) {
			continue
		}
		if err != nil {
			return out, err
		}
		below, err := readBelow(sub, depth-1, left)
		_ = sub.Close() // it was only read
		if err != nil {
			return out, err
		}
		out.keys = append(out.keys, regSub{name, below})
	}
	return out, nil
}

// readValue reads one value. What is longer than a file may be is refused with it.
func readValue(k registry.Key, name string) (regValue, error) {
	v := regValue{name: name}
	size, kind, err := k.GetValue(name, nil)
	if err != nil {
		return v, err
	}
	if size > maxFile {
		return v, errTooMany
	}
	switch kind {
	case registry.SZ:
		text, _, err := k.GetStringValue(name)
		v.text = &text
		return v, err
	case registry.DWORD:
		n, _, err := k.GetIntegerValue(name)
		number := uint32(n)
		v.number = &number
		return v, err
	case registry.MULTI_SZ:
		v.list, _, err = k.GetStringsValue(name)
		v.list = slices.DeleteFunc(append([]string{}, v.list...), func(s string) bool { return s == "" })
		return v, err
	case registry.EXPAND_SZ:
		v.other = "REG_EXPAND_SZ"
	case registry.BINARY:
		v.other = "REG_BINARY"
	case registry.QWORD:
		v.other = "REG_QWORD"
	default:
		v.other = fmt.Sprintf("value of type %d", kind)
	}
	return v, nil
}

// regNotify is a watch of keys. One goroutine waits for all of them at once; a
// second thread or a poll would cost more.
type regNotify struct {
	paths   []string
	changed chan struct{}
	stop    windows.Handle // set: the goroutine ends
	armed   chan []notice  // what to wait for next
	done    sync.WaitGroup
}

// notice is one armed notification: the event is set on a change below the key,
// or, where the key is not there, in the nearest one above it.
type notice struct {
	key   registry.Key
	event windows.Handle
}

func (n notice) close() {
	_ = n.key.Close() // ends the notification too
	_ = windows.CloseHandle(n.event)
}

// newKeyWatch returns a watch of keys that is not armed yet; nil without keys, or
// where the system has no event left.
func newKeyWatch(paths []string) keyWatch {
	if len(paths) == 0 {
		return nil
	}
	stop, err := windows.CreateEvent(nil, 1, 0, nil)
	if err != nil {
		return nil
	}
	w := &regNotify{paths: paths, changed: make(chan struct{}, 1), stop: stop, armed: make(chan []notice)}
	w.done.Go(w.wait)
	return w
}

func (w *regNotify) Changed() <-chan struct{} { return w.changed }

// Arm hands the next notifications to the goroutine that waits.
func (w *regNotify) Arm() bool {
	var all []notice
	for _, path := range w.paths {
		n, err := notify(strings.TrimPrefix(path, hive))
		if err != nil {
			for _, n := range all {
				n.close()
			}
			return false
		}
		all = append(all, n)
	}
	w.armed <- all
	return true
}

// notify asks to be told of the next change below a key. Where it is not there,
// of the next key that is made or removed right below the nearest one above.
func notify(path string) (notice, error) {
	const access = registry.NOTIFY | registry.WOW64_64KEY
	filter, below := uint32(windows.REG_NOTIFY_CHANGE_NAME|windows.REG_NOTIFY_CHANGE_LAST_SET), true
	k, err := registry.OpenKey(registry.LOCAL_MACHINE, path, access)
	for errors.Is(err, registry.ErrNotExist) {
		i := strings.LastIndexByte(path, '\\')
		if i < 0 {
			return notice{}, err
		}
		path = path[:i]
		filter, below = windows.REG_NOTIFY_CHANGE_NAME, false
		k, err = registry.OpenKey(registry.LOCAL_MACHINE, path, access)
	}
	if err != nil {
		return notice{}, err
	}
	event, err := windows.CreateEvent(nil, 1, 0, nil)
	if err != nil {
		_ = k.Close()
		return notice{}, err
	}
	n := notice{k, event}
	// Without THREAD_AGNOSTIC the notification would end with the thread that asked.
	if err := windows.RegNotifyChangeKeyValue(windows.Handle(k), below, filter|windows.REG_NOTIFY_THREAD_AGNOSTIC, event, true); err != nil {
		n.close()
		return notice{}, err
	}
	return n, nil
}

// wait waits for the first of each set of armed notifications, or for Close.
func (w *regNotify) wait() {
	runtime.LockOSThread() // it blocks one, and leaves the others their settings
	for all := range w.armed {
		handles := []windows.Handle{w.stop}
		for _, n := range all {
			handles = append(handles, n.event)
		}
		first, err := windows.WaitForMultipleObjects(handles, false, windows.INFINITE)
		for _, n := range all {
			n.close()
		}
		if err != nil || first == windows.WAIT_OBJECT_0 {
			continue // stopped: armed is closed next
		}
		select {
		case w.changed <- struct{}{}:
		default:
		}
	}
}

func (w *regNotify) Close() {
	_ = windows.SetEvent(w.stop)
	close(w.armed)
	w.done.Wait()
	_ = windows.CloseHandle(w.stop)
}
