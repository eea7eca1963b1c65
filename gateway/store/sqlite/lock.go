package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
)

// Whoever adds rows shares the store; whoever removes any has it alone. Without
// that, a row could be written for a person whose deletion has just passed by.
// lock.db stays empty and is only locked: its journal is of the older kind, in
// which readers keep a writer out, and a waiting writer keeps new readers out.

// share waits until nobody has the store alone. The caller calls done.
func (s *Store) share(ctx context.Context) (done func(), err error) {
	return s.hold(ctx, "BEGIN DEFERRED; SELECT count(*) FROM sqlite_master")
}

// alone waits until nobody else adds or removes rows.
func (s *Store) alone(ctx context.Context) (done func(), err error) {
	return s.hold(ctx, "BEGIN EXCLUSIVE")
}

func (s *Store) hold(ctx context.Context, begin string) (func(), error) {
	conn, err := s.lock.Conn(ctx)
	if err == nil {
		if _, err = conn.ExecContext(ctx, begin); err == nil {
			return func() { release(conn) }, nil
		}
		err = errors.Join(err, drop(conn))
	}
	return nil, fmt.Errorf("wait for the store: %w", err)
}

// release ends the transaction that holds the lock.
func release(conn *sql.Conn) { _ = drop(conn) }

// drop rolls back what stands open and gives the connection back. A connection
// that does not come clean is closed for good, and its locks with it.
func drop(conn *sql.Conn) error {
	if _, err := conn.ExecContext(context.Background(), "ROLLBACK"); err != nil {
		_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	}
	return conn.Close()
}
