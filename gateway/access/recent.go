package access

import (
	"crypto/x509"
	"sync"
	"time"

	"github.com/discreet-agent/discreet/gateway"
)

const (
	recentLife = 10 * time.Minute
	maxRecent  = 4096
)

// recent remembers the latest enrolments. A device whose answer was lost on the
// way asks again with the same token and the same key, and gets the same
// certificate, at no further use of the token.
type recent struct {
	mu    sync.Mutex
	byKey map[recentKey]recentEntry // guarded by mu
}

type recentKey struct{ token, spki [32]byte }

type recentEntry struct {
	cert *x509.Certificate
	dev  gateway.Device
	at   time.Time
}

func (r *recent) find(k recentKey, now time.Time) (*x509.Certificate, gateway.Device) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, ok := r.byKey[k]
	if !ok || now.Sub(e.at) > recentLife {
		return nil, ""
	}
	return e.cert, e.dev
}

func (r *recent) add(k recentKey, cert *x509.Certificate, dev gateway.Device, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.byKey) >= maxRecent {
		for k, e := range r.byKey {
			if now.Sub(e.at) > recentLife {
				delete(r.byKey, k)
			}
		}
	}
	if len(r.byKey) < maxRecent {
		r.byKey[k] = recentEntry{cert, dev, now}
	}
}
