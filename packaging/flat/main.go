// Command flat writes what macOS installs: one program for both processors, and a
// flat package of a folder of files. It needs nothing of a Mac. The same input
// gives the same bytes.
//
//	flat universal -o PROGRAM AMD64 ARM64
//	flat package -o FILE -id ID -version V -root DIR -scripts DIR -time SECONDS [-key PEM -cert PEM]
//
// It signs packages, not programs, and has no part in notarising either.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "flat:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) > 0 && args[0] == "universal" {
		return runUniversal(args[1:])
	}
	if len(args) > 0 && args[0] == "package" {
		return runPackage(args[1:])
	}
	return errors.New("want universal or package")
}

func runUniversal(args []string) error {
	f := flag.NewFlagSet("universal", flag.ContinueOnError)
	out := f.String("o", "", "the program to write")
	if err := f.Parse(args); err != nil {
		return err
	}
	var slices [][]byte
	for _, name := range f.Args() {
		data, err := os.ReadFile(name)
		if err != nil {
			return fmt.Errorf("read program: %w", err)
		}
		slices = append(slices, data)
	}
	data, err := universal(slices)
	if err != nil {
		return fmt.Errorf("join programs: %w", err)
	}
	return os.WriteFile(*out, data, 0o755)
}

func runPackage(args []string) error {
	f := flag.NewFlagSet("package", flag.ContinueOnError)
	var p product
	out := f.String("o", "", "the package to write")
	root := f.String("root", "", "the folder whose files are installed, from / on")
	scripts := f.String("scripts", "", "the folder of preinstall and postinstall")
	seconds := f.Int64("time", 0, "the time of everything in it, in seconds since 1970")
	key := f.String("key", "", "PEM of the RSA key that signs; empty: unsigned")
	cert := f.String("cert", "", "PEM of its certificate and of those above it")
	f.StringVar(&p.id, "id", "", "the identifier of the receipt")
	f.StringVar(&p.version, "version", "", "the version of the receipt")
	f.StringVar(&p.title, "title", "", "what the installer shows")
	f.StringVar(&p.system, "min-system", "12.0", "the oldest system that takes it")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *out == "" || p.id == "" || p.version == "" || *root == "" || *scripts == "" {
		return errors.New("want -o, -id, -version, -root and -scripts")
	}
	var err error
	if p.payload, err = readTree(*root); err != nil {
		return fmt.Errorf("read files: %w", err)
	}
	if p.scripts, err = readTree(*scripts); err != nil {
		return fmt.Errorf("read scripts: %w", err)
	}
	var s *signer
	if *key != "" {
		if s, err = readSigner(*key, *cert); err != nil {
			return fmt.Errorf("read signer: %w", err)
		}
	}
	data, err := p.write(time.Unix(*seconds, 0).UTC(), s)
	if err != nil {
		return fmt.Errorf("write package: %w", err)
	}
	return os.WriteFile(*out, data, 0o644)
}
