// Wine runs a command beside a throw-away Windows: a prefix of Wine of its own
// that says Windows 10, an X server of its own, and the system DLL that Go
// programs need and Wine 8 lacks. All of it is gone when the command ends.
//
//	go run ./.ci/wine test                       # the tests of the packages in the file packages
//	go run ./.ci/wine test ./privacy ./configs   # the tests of these, built for Windows
//	go run ./.ci/wine with sh -c '"$WINE" bin/discreet-agent.exe version'
//
// The command finds in its environment: WINE (the program to run others with),
// WINEPREFIX, DISPLAY, WINE_USER, and WINE_OVERLAY, a file for "go build -overlay" that lets
// os.RemoveAll work (see overlay.go). DISCREET_WINE=1 tells tests where they are.
//
// Nothing here is part of the product, and nothing in the product knows of it:
// what runs under Wine is the very program that is shipped.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

// errAbsent says that this machine has no Wine or no X server.
var errAbsent = errors.New("wine64 or Xvfb is not here; hint: make deps")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx))
}

// run returns the exit code: that of the command, 0 where Wine is absent and
// nobody demands it.
func run(ctx context.Context) int {
	keep := flag.Bool("keep", false, "leave the prefix in place and say where it is")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: go run ./.ci/wine [-keep] test [PACKAGE...] | with COMMAND...")
	}
	flag.Parse()
	if flag.NArg() < 1 || flag.Arg(0) != "test" && flag.NArg() < 2 {
		flag.Usage()
		return 2
	}
	// Wine makes a file's access list from its mode: one that everybody may read is
	// open to Everyone there, whatever the list of its folder hands down.
	syscall.Umask(0o077)
	w, err := open(ctx)
	if errors.Is(err, errAbsent) && os.Getenv("CI") != "true" {
		fmt.Println("skipped, the tests under Wine:", err)
		return 0
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "wine:", err)
		return 1
	}
	defer w.close(*keep)
	words := flag.Args()[1:]
	switch flag.Arg(0) {
	case "test":
		err = w.test(ctx, words)
	case "with":
		c := exec.CommandContext(ctx, words[0], words[1:]...)
		c.Stdin, c.Stdout, c.Stderr, c.Env = os.Stdin, os.Stdout, os.Stderr, w.env
		err = c.Run()
	default:
		flag.Usage()
		return 2
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return max(exit.ExitCode(), 1)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "wine:", err)
		return 1
	}
	return 0
}
