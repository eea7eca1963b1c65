//go:build unix

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// person is whoever the show is about: an account of this machine, or as root a
// throw-away uid that has none.
type person struct {
	name string
	cred *syscall.Credential // nil: run programs as we are
}

// firstSpare is where the search for a uid without an account begins: above what
// distributions give to people, below what they give to containers.
const firstSpare = 48123

// cast picks the person, and collects the clear names of all people of this
// machine: none of them may be found in the store.
func cast() (person, []string, error) {
	names, taken, err := accounts()
	if err != nil {
		return person{}, nil, err
	}
	if os.Geteuid() != 0 {
		u, err := user.Current()
		if err != nil {
			return person{}, nil, err
		}
		return person{name: u.Username}, append(names, u.Username), nil
	}
	for uid := uint32(firstSpare); uid < firstSpare+1000; uid++ {
		if !taken[uid] {
			name := "uid:" + strconv.Itoa(int(uid)) // what the agent calls an account without a name
			return person{name: name, cred: &syscall.Credential{Uid: uid, Gid: uid}}, append(names, name), nil
		}
	}
	return person{}, nil, errors.New("no spare uid for the show")
}

// accounts returns the names of people in passwd(5) and all uids that it holds.
// Names of under four letters are left out: as bytes they are found anywhere.
func accounts() (names []string, taken map[uint32]bool, err error) {
	f, err := os.Open("/etc/passwd")
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	taken = map[uint32]bool{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Split(lines.Text(), ":")
		if len(fields) < 3 {
			continue
		}
		uid, err := strconv.ParseUint(fields[2], 10, 32)
		if err != nil {
			continue
		}
		taken[uint32(uid)] = true
		if uid >= 1000 && uid != 65534 && len(fields[0]) >= 4 {
			names = append(names, fields[0])
		}
	}
	return names, taken, nil
}

// work runs small real programs and makes small real connections on loopback
// until ctx is done: about seven programs a second.
func (p person) work(ctx context.Context) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		return
	}
	defer l.Close()
	go echo(l)
	for n := 0; ctx.Err() == nil; n++ {
		args := []string{"/bin/sleep", "0.1"}
		if n%5 == 4 {
			args = []string{"/bin/sh", "-c", "exit 3"}
		}
		cmd := exec.Command(args[0], args[1:]...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.cred}
		cmd.Dir = "/"
		_ = cmd.Run() // an exit code other than 0 is part of the show
		if n%5 == 0 {
			call(l.Addr().String())
		}
		select {
		case <-ctx.Done():
		case <-time.After(40 * time.Millisecond):
		}
	}
}

// echo answers each connection with what it sent.
func echo(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = io.Copy(c, io.LimitReader(c, 1<<10))
		c.Close()
	}
}

// call sends 512 bytes and reads them back.
func call(addr string) {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Second))
	b := make([]byte, 512)
	if _, err := c.Write(b); err == nil {
		_, _ = io.ReadFull(c, b)
	}
}
