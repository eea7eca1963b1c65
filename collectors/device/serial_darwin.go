package device

import (
	"bytes"
	"fmt"

	"github.com/ebitengine/purego"
)

const (
	coreFoundation = "/System/Library/Frameworks/CoreFoundation.framework/CoreFoundation"
	ioKit          = "/System/Library/Frameworks/IOKit.framework/IOKit"
	utf8Encoding   = 0x08000100 // kCFStringEncodingUTF8
)

// registry asks the I/O registry. Its functions are found at run time.
type registry struct {
	makeString  func(allocator uintptr, s string, encoding uint32) uintptr
	readString  func(s uintptr, to *byte, size int, encoding uint32) bool
	typeOf      func(uintptr) uint
	stringType  func() uint
	release     func(uintptr)
	matching    func(name string) uintptr
	service     func(port uint32, match uintptr) uint32
	property    func(entry uint32, key, allocator uintptr, options uint32) uintptr
	releaseItem func(uint32) int32
}

func openRegistry() (*registry, error) {
	r := &registry{}
	for _, f := range []struct {
		library, name string
		to            any
	}{
		{coreFoundation, "CFStringCreateWithCString", &r.makeString},
		{coreFoundation, "CFStringGetCString", &r.readString},
		{coreFoundation, "CFGetTypeID", &r.typeOf},
		{coreFoundation, "CFStringGetTypeID", &r.stringType},
		{coreFoundation, "CFRelease", &r.release},
		{ioKit, "IOServiceMatching", &r.matching},
		{ioKit, "IOServiceGetMatchingService", &r.service},
		{ioKit, "IORegistryEntryCreateCFProperty", &r.property},
		{ioKit, "IOObjectRelease", &r.releaseItem},
	} {
		lib, err := purego.Dlopen(f.library, purego.RTLD_LAZY|purego.RTLD_GLOBAL)
		if err != nil {
			return nil, fmt.Errorf("open framework: %w", err)
		}
		at, err := purego.Dlsym(lib, f.name)
		if err != nil {
			return nil, fmt.Errorf("find %s: %w", f.name, err)
		}
		purego.RegisterFunc(f.to, at)
	}
	return r, nil
}

// serialNumber returns the machine's, or "" where it is not told.
func serialNumber() string {
	r, err := openRegistry()
	if err != nil {
		return "" // what one system cannot tell stays empty
	}
	machine := r.service(0, r.matching("IOPlatformExpertDevice")) // consumes the match
	if machine == 0 {
		return ""
	}
	defer r.releaseItem(machine)
	key := r.makeString(0, "IOPlatformSerialNumber", utf8Encoding)
	if key == 0 {
		return ""
	}
	defer r.release(key)
	v := r.property(machine, key, 0, 0)
	if v == 0 {
		return ""
	}
	defer r.release(v)
	buf := make([]byte, maxText+1)
	if r.typeOf(v) != r.stringType() || !r.readString(v, &buf[0], len(buf), utf8Encoding) {
		return ""
	}
	text, _, _ := bytes.Cut(buf, []byte{0})
	return tidy(string(text))
}
