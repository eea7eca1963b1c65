package view

import (
	"context"
	"os"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/windows"
)

// TestPipeTellsWhoCalls asks through a pipe and finds the caller's own SID.
func TestPipeTellsWhoCalls(t *testing.T) {
	got := make(chan Caller, 1)
	dir := serveIn(t, func(_ context.Context, who Caller, _ Request) (any, error) {
		got <- who
		return "x", nil
	})
	var s string
	if err := Ask(dir, Request{Command: "whoami"}, &s); err != nil {
		t.Fatal(err)
	}
	who, me := <-got, Self()
	if !who.Known || who.SID != me.SID || !strings.HasPrefix(who.SID, "S-1-5-") {
		t.Errorf("caller = %+v; want the account of this process, %s", who, me.SID)
	}
	if who.Root() != me.Root() {
		t.Errorf("caller rules: %v; want %v as this process does", who.Root(), me.Root())
	}
}

// TestPipeServesOnAndOn asks many times, many at a time, with callers between that
// come and go without a word.
func TestPipeServesOnAndOn(t *testing.T) {
	dir := serveIn(t, func(context.Context, Caller, Request) (any, error) { return strings.Repeat("x", 64<<10), nil })
	var asking sync.WaitGroup
	for range perUser / 2 { // an answer is there a moment before its slot is free
		asking.Go(func() {
			for range 50 {
				var s string
				if err := Ask(dir, Request{Command: "status"}, &s); err != nil || len(s) != 64<<10 {
					t.Errorf("Ask() = %d bytes, %v; want all of the answer", len(s), err)
				}
			}
		})
	}
	asking.Wait()
	for range 10 {
		if c, err := reach(dir); err == nil {
			c.Close()
		}
	}
	var s string
	if err := Ask(dir, Request{Command: "status"}, &s); err != nil {
		t.Errorf("Ask() after callers without a word = %v; want an answer", err)
	}
}

// TestPipeNameIsTakenOnce opens the name that somebody else has.
func TestPipeNameIsTakenOnce(t *testing.T) {
	if os.Getenv("DISCREET_WINE") != "" {
		t.Skip("Wine 8.0: it takes no notice of FILE_FLAG_FIRST_PIPE_INSTANCE, which keeps a second agent, or an impostor, off the name")
	}
	dir := t.TempDir()
	name, err := windows.UTF16PtrFromString(pipeName(dir))
	if err != nil {
		t.Fatal(err)
	}
	h, err := windows.CreateNamedPipe(name, windows.PIPE_ACCESS_DUPLEX, 0, windows.PIPE_UNLIMITED_INSTANCES, 512, 512, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := Listen(dir); err == nil {
		s.l.Close()
		t.Error("Listen() took a name that is in use; want an error")
	}
	windows.CloseHandle(h)
	s, err := Listen(dir)
	if err != nil {
		t.Fatalf("Listen() once it is free = %v; want nil", err)
	}
	if err := s.l.Close(); err != nil {
		t.Errorf("Close() = %v", err)
	}
	if s, err = Listen(dir); err != nil {
		t.Fatalf("Listen() after Close = %v; want the name free again", err)
	}
	s.l.Close()
}

// TestPipeRights reads the access list as Windows does: interactive people may not
// open further ends.
func TestPipeRights(t *testing.T) {
	sd, err := windows.SecurityDescriptorFromString(pipeAccess)
	if err != nil {
		t.Fatal(err)
	}
	dacl, _, err := sd.DACL()
	if err != nil {
		t.Fatal(err)
	}
	people := 0
	for i := range uint32(dacl.AceCount) {
		var ace *windows.ACCESS_ALLOWED_ACE
		if err := windows.GetAce(dacl, i, &ace); err != nil {
			t.Fatal(err)
		}
		if ace.Mask == pipeRights {
			people++
		}
		const moreEnds = windows.FILE_APPEND_DATA // FILE_CREATE_PIPE_INSTANCE on a pipe
		if ace.Mask == pipeRights && ace.Mask&moreEnds != 0 {
			t.Errorf("rights of people = %x; want none to open ends", ace.Mask)
		}
	}
	if people != 1 {
		t.Errorf("%d entries for people; want one, with exactly the rights that reach() asks for", people)
	}
}

// TestPipeIsTrusted asks a pipe of this account, which is one of ours.
func TestPipeIsTrusted(t *testing.T) {
	dir := serveIn(t, func(context.Context, Caller, Request) (any, error) { return "x", nil })
	c, err := reach(dir)
	if err != nil {
		t.Fatalf("reach() = %v; want a pipe of this account trusted", err)
	}
	defer c.Close()
	if c.(*pipeConn).Name() == "" || !strings.HasPrefix(c.RemoteAddr().String(), `\\.\pipe\discreet-agent-`) {
		t.Errorf("address = %v", c.RemoteAddr())
	}
	if _, err := os.Stat(dir); err != nil {
		t.Fatal(err)
	}
}
