package connection

// cookies numbers the sockets of lists that give them no number of their own. One
// that the last look found keeps its number.
type cookies[K comparable] struct {
	before, now map[K]uint64
	last        uint64
}

// begin starts a look. One that is not ended leaves things as they were.
func (c *cookies[K]) begin() { c.now = make(map[K]uint64, len(c.before)) }

// of returns the number of a socket, and whether it is new.
func (c *cookies[K]) of(key K) (cookie uint64, fresh bool) {
	cookie, known := c.before[key]
	if !known {
		c.last++
		cookie = c.last
	}
	c.now[key] = cookie
	return cookie, !known
}

func (c *cookies[K]) end() { c.before, c.now = c.now, nil }
