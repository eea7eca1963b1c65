package software

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// memory is what was told to the gateway, and when all of it was told last.
type memory struct {
	announced time.Time
	packages  []pkg // sorted
}

// memoryMark is the first word of a memory. Another form is none.
const memoryMark = "software1"

// recall returns what was told before; nothing where there is no memory or it is
// damaged: then all is told again.
func (c *Collector) recall() *memory {
	if c.env.Memory == nil {
		return &memory{}
	}
	data, err := c.env.Memory.Load()
	if err != nil {
		c.env.Log.Warn("what was told about software is not known; all of it is told again", "err", err)
		return &memory{}
	}
	m, err := parseMemory(data)
	if err != nil {
		c.env.Log.Warn("what was told about software is damaged; all of it is told again", "err", err)
		return &memory{}
	}
	return m
}

// keep writes m down where it is not what was kept last. Where that fails the list
// is told again after a restart, which harms nobody.
func (c *Collector) keep(last, m *memory) {
	if c.env.Memory == nil || m == last {
		return
	}
	if err := c.env.Memory.Save(m.format()); err != nil {
		c.env.Log.Warn("what was told about software is not kept", "err", err)
	}
}

// format writes a line each, its words parted by tabs. tidy left no control
// character in them.
func (m *memory) format() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\t%d\n", memoryMark, m.announced.Unix())
	for _, p := range m.packages {
		fmt.Fprintf(&b, "%s\t%s\t%s\t%s\t%d\n", p.source, p.name, p.version, p.vendor, p.day)
	}
	return b.Bytes()
}

// parseMemory reads what format wrote. No data is an empty memory.
func parseMemory(data []byte) (*memory, error) {
	if len(data) == 0 {
		return &memory{}, nil
	}
	head, rest, _ := strings.Cut(string(data), "\n")
	mark, unix, _ := strings.Cut(head, "\t")
	seconds, err := strconv.ParseInt(unix, 10, 64)
	if mark != memoryMark || err != nil {
		return nil, fmt.Errorf("parse memory: line 1: want %q and a time", memoryMark)
	}
	m := &memory{announced: time.Unix(seconds, 0)}
	for line := range strings.Lines(rest) {
		words := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(words) != 5 || len(m.packages) == maxPackages {
			return nil, fmt.Errorf("parse memory: line %d: want five words", len(m.packages)+2)
		}
		day, err := strconv.ParseUint(words[4], 10, 32)
		if err != nil {
			return nil, fmt.Errorf("parse memory: line %d: want a day", len(m.packages)+2)
		}
		m.packages = append(m.packages, pkg{words[0], words[1], words[2], words[3], uint32(day)})
	}
	m.packages = sortPackages(m.packages)
	return m, nil
}
