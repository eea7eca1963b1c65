package identity

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

const (
	// clockCheck is how often the time is compared with the clock on the wall:
	// timers stand still while a laptop sleeps.
	clockCheck = time.Hour
	// kickGap is the least time between two renewals that the gateway asks for.
	kickGap = 10 * time.Minute

	retryMin, retryMax = 30 * time.Second, time.Hour
)

// Keeper holds the identity in use and renews it in time.
type Keeper struct {
	renewal Renewal
	renewed func(*Identity)
	log     *slog.Logger
	kick    chan struct{}

	mu sync.Mutex
	id *Identity // guarded by mu
}

// NewKeeper returns a keeper of id. It does nothing until Run. After each
// renewal Run calls renewed, if it is not nil, with the new identity.
func NewKeeper(id *Identity, r Renewal, renewed func(*Identity), log *slog.Logger) *Keeper {
	return &Keeper{renewal: r, renewed: renewed, log: log, kick: make(chan struct{}, 1), id: id}
}

// Identity returns the identity in use.
func (k *Keeper) Identity() *Identity {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.id
}

// Kick asks Run to renew now, as a gateway may direct. It never blocks. Run
// does so at most once in ten minutes.
func (k *Keeper) Kick() {
	select {
	case k.kick <- struct{}{}:
	default:
	}
}

// Run renews the certificate at half of its life and whenever Kick asks for it,
// until ctx ends. It returns nil then.
func (k *Keeper) Run(ctx context.Context) error {
	pauses := backoff{min: retryMin, max: retryMax}
	var last time.Time
	for {
		if k.due(ctx, last) != nil {
			return nil
		}
		said := ""
		for {
			err := k.renew(ctx)
			if err == nil {
				break
			}
			if ctx.Err() != nil {
				return nil
			}
			if said != err.Error() {
				said = err.Error()
				k.log.Warn("certificate not renewed, will go on trying", "err", err)
			}
			pause := pauses.next()
			if errors.Is(err, ErrRefused) {
				pause = retryMax // only a person can help
			}
			if sleep(ctx, pause) != nil {
				return nil
			}
		}
		pauses.reset()
		last = time.Now()
	}
}

func (k *Keeper) renew(ctx context.Context) error {
	id, err := Renew(ctx, k.renewal)
	if err != nil {
		return err
	}
	k.mu.Lock()
	k.id = id
	k.mu.Unlock()
	k.log.Info("certificate renewed", "expires", id.NotAfter())
	if k.renewed != nil {
		k.renewed(id)
	}
	return nil
}

// due waits until it is time to renew: by the certificate, or by a kick.
func (k *Keeper) due(ctx context.Context, last time.Time) error {
	for {
		left := time.Until(k.Identity().RenewAt())
		if left <= 0 {
			return nil
		}
		t := time.NewTimer(min(left, clockCheck))
		select {
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-t.C:
		case <-k.kick:
			t.Stop()
			return sleep(ctx, kickGap-time.Since(last))
		}
	}
}
