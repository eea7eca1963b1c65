package connection

import (
	"os"

	"github.com/discreet-agent/discreet/collectors"
)

// counter tells whether sockets were opened since the last question. Reading
// two counts is some fifty times cheaper than walking the kernel's tables.
type counter struct {
	files []*os.File // empty where they cannot be read: then it always says yes
	last  string
	buf   [1024]byte
}

func openCounter(env collectors.Env) *counter {
	root := env.ProcRoot
	if root == "" {
		root = "/proc"
	}
	c := &counter{}
	for _, name := range []string{"/net/sockstat", "/net/sockstat6"} {
		if f, err := os.Open(root + name); err == nil {
			c.files = append(c.files, f)
		}
	}
	return c
}

func (c *counter) close() {
	for _, f := range c.files {
		f.Close()
	}
}

// changed reports whether the count of sockets is another than before. One that
// opened and one that closed cancel out, but what closed is told elsewhere.
func (c *counter) changed() bool {
	var now string
	for _, f := range c.files {
		n, err := f.ReadAt(c.buf[:], 0)
		if n == 0 && err != nil {
			return true
		}
		now += parseInUse(string(c.buf[:n]))
	}
	changed := now == "" || now != c.last
	c.last = now
	return changed
}
