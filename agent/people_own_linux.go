package agent

import (
	"bufio"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

// serialFile is the machine's serial number, which firmware states.
const serialFile = "/sys/class/dmi/id/product_serial"

// serialFor returns the serial number of the machine where that user may read it
// herself; else why not.
func serialFor(uid uint32) (serial, why string) {
	info, err := os.Stat(serialFile)
	if errors.Is(err, fs.ErrNotExist) {
		return "", "noserial"
	}
	if err != nil || uid != 0 && info.Mode().Perm()&0o004 == 0 {
		return "", "serial"
	}
	f, err := os.Open(serialFile)
	if err != nil {
		return "", "serial"
	}
	defer f.Close()
	text, _ := io.ReadAll(io.LimitReader(f, 256))
	if serial = strings.TrimSpace(string(text)); serial == "" {
		return "", "noserial"
	}
	return serial, ""
}

// destinationsOf returns the other ends of up to limit TCP connections that a user
// holds open to other computers. The kernel shows these tables to everybody.
func destinationsOf(uid uint32, limit int) (addresses []string, ok bool) {
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(table)
		if err != nil {
			continue
		}
		ok = true
		for lines := bufio.NewScanner(f); lines.Scan() && len(addresses) < limit; {
			if a := remoteOf(lines.Text(), uid); a != "" && !slices.Contains(addresses, a) {
				addresses = append(addresses, a)
			}
		}
		f.Close()
	}
	return addresses, ok
}

// remoteOf reads a line of /proc/net/tcp: the remote address of an established
// connection of uid that leaves this computer, or nothing.
func remoteOf(line string, uid uint32) string {
	f := strings.Fields(line)
	if len(f) < 8 || f[3] != "01" || f[7] != strconv.FormatUint(uint64(uid), 10) {
		return ""
	}
	digits, _, _ := strings.Cut(f[2], ":")
	b, err := hex.DecodeString(digits)
	if err != nil || len(b)%4 != 0 {
		return ""
	}
	for i := 0; i < len(b); i += 4 { // each word in the order of the machine: little-endian on all that we build for
		slices.Reverse(b[i : i+4])
	}
	a, ok := netip.AddrFromSlice(b)
	if a = a.Unmap(); !ok || a.IsLoopback() || a.IsUnspecified() {
		return ""
	}
	return a.String()
}
