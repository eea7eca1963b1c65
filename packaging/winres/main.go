// Command winres gives a program for Windows its resources: the version that
// Explorer, Installer and inventories read, and a manifest. The linker writes none.
// The same program and version give the same bytes.
package main

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
)

func main() {
	var v version
	flag.StringVar(&v.number, "version", "", "three numbers")
	flag.StringVar(&v.description, "description", "", "what Explorer calls the program")
	flag.StringVar(&v.file, "file", "", "the name that the program is shipped under")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: winres -version 1.2.3 -description TEXT -file NAME PROGRAM")
		os.Exit(2)
	}
	if err := edit(flag.Arg(0), v); err != nil {
		fmt.Fprintln(os.Stderr, "winres:", err)
		os.Exit(1)
	}
}

func edit(program string, v version) error {
	data, err := os.ReadFile(program)
	if err != nil {
		return fmt.Errorf("read the program: %w", err)
	}
	info, err := v.resource()
	if err != nil {
		return err
	}
	data, err = appendResources(data, []resource{{typeVersion, info}, {typeManifest, []byte(manifest)}})
	if err != nil {
		return fmt.Errorf("%s: %w", program, err)
	}
	return os.WriteFile(program, data, 0o755)
}

// manifest says that the program knows Windows 10, long paths and UTF-8, and wants
// no more rights than its caller has.
const manifest = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<assembly xmlns="urn:schemas-microsoft-com:asm.v1" manifestVersion="1.0">
<trustInfo xmlns="urn:schemas-microsoft-com:asm.v3"><security><requestedPrivileges><requestedExecutionLevel level="asInvoker" uiAccess="false"/></requestedPrivileges></security></trustInfo>
<compatibility xmlns="urn:schemas-microsoft-com:compatibility.v1"><application><supportedOS Id="{8e0f7a12-bfb3-4fe8-b9a5-48fd50a15a9a}"/></application></compatibility>
<application xmlns="urn:schemas-microsoft-com:asm.v3"><windowsSettings><longPathAware xmlns="http://schemas.microsoft.com/SMI/2016/WindowsSettings">true</longPathAware></windowsSettings></application>
</assembly>
`

// version is what stands in a VS_VERSIONINFO.
type version struct{ number, description, file string }

// parts returns the three numbers.
func (v version) parts() ([3]uint16, error) {
	var p [3]uint16
	words := strings.Split(v.number, ".")
	if len(words) != len(p) {
		return p, fmt.Errorf("version %.40q: want three numbers", v.number)
	}
	for i, w := range words {
		n, err := strconv.ParseUint(w, 10, 16)
		if err != nil {
			return p, fmt.Errorf("version %.40q: want three numbers up to 65535", v.number)
		}
		p[i] = uint16(n)
	}
	return p, nil
}
