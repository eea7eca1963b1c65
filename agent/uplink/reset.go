package uplink

import "context"

// underway is a session, as Reset sees it.
type underway struct {
	cancel context.CancelFunc
	gone   chan struct{} // closed when nothing of it is sent any more
}

// Reset ends the stream, if there is one, and forgets all that was read from the
// source and is not answered; the client then connects anew and reads it again.
// When Reset returns nothing that was read before it is sent any more. It is for
// a source whose records have changed.
func (c *Client) Reset() {
	c.mu.Lock()
	u := c.under
	c.mu.Unlock()
	if u == nil {
		return
	}
	u.cancel()
	<-u.gone
	c.Kick()
}

// enter notes that a session began; the function that it returns notes its end.
func (c *Client) enter(cancel context.CancelFunc) (leave func()) {
	u := &underway{cancel, make(chan struct{})}
	c.mu.Lock()
	c.under = u
	c.mu.Unlock()
	return func() {
		c.mu.Lock()
		c.under = nil
		c.mu.Unlock()
		close(u.gone)
	}
}
