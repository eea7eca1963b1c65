package main

import "golang.org/x/sys/windows"

// prepare lets libraries come from System32 only, before the first of ours is
// loaded: a command is run from any folder, by an administrator from a folder of
// downloads too, and Windows would look there first.
func prepare() { _ = windows.SetDefaultDllDirectories(windows.LOAD_LIBRARY_SEARCH_SYSTEM32) }

// harden has nothing more to do. Windows keeps crash dumps of programs only where
// an administrator asked for them.
func harden() {}
