package audit

import (
	"context"
	"fmt"
	"os"
	"time"
)

// waitFor asks for the lock until it gets it or ctx is done. A lock is held for
// one line, so asking every 5 ms is often enough.
func waitFor(ctx context.Context, f *os.File, try func(*os.File) (bool, error)) error {
	for {
		ok, err := try(f)
		if err != nil {
			return fmt.Errorf("lock: %w", err)
		}
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the lock: %w", ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
}
