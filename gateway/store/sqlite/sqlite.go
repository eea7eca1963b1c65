// Package sqlite keeps events in files of SQLite below one folder, and can
// forget people.
//
// DIR/meta.db holds names, devices, tokens and policies; DIR/ev-YYYYMMDD.db
// holds the events of one UTC day, without any name; DIR/lock.db is empty and
// orders the processes that have the store open. An event row points to its
// person by a random id, so that taking a name away is one row of meta.db.
//
// Each day file also holds the ranges of record numbers that it has taken. They
// commit with the rows and outlive them, so that a record that was acknowledged
// is never taken twice, also after its deletion. A record's day is its own
// time, so a record that is sent again meets its range. See place for times
// that cannot be true.
//
// Several processes may use one folder at once. Nothing about a person is kept
// in memory between two calls.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/discreet-agent/discreet/gateway"
)

var (
	_ gateway.Store    = (*Store)(nil)
	_ gateway.Registry = (*Store)(nil)
)

// ErrRemains says that an erasure is done but that old bytes may still lie in a
// write-ahead log, because another program reads the store without a pause.
var ErrRemains = errors.New("erased bytes may remain on disk")

// Options change how a store works. The zero Options are good.
type Options struct {
	Retention time.Duration    // older days are refused; 0 keeps everything
	Now       func() time.Time // nil: time.Now
	OpenDays  int              // how many day files stay open; 0: 32
	EraseWait time.Duration    // how long an erasure waits for readers; 0: 10 s
}

// Store is a folder of SQLite files. It is safe for concurrent use.
type Store struct {
	dir    string
	opts   Options
	shapes shapes
	meta   *sql.DB
	lock   *sql.DB
	days   *days

	writing sync.Mutex // one writer of meta.db at a time; others would poll

	ackedMu sync.Mutex
	acked   map[int64]uint64 // epoch index -> a lower bound of Acked; ackedMu
}

// maxAckedHints bounds Store.acked. Beyond it the hints are forgotten.
const maxAckedHints = 1 << 16

// Open opens the store in dir and makes it where there is none. It refuses a
// schema of events that it could not take the names out of.
func Open(ctx context.Context, dir string, o Options) (*Store, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.OpenDays <= 0 {
		o.OpenDays = 32
	}
	if o.EraseWait <= 0 {
		o.EraseWait = 10 * time.Second
	}
	shapes, err := newShapes()
	if err != nil {
		return nil, err
	}
	if err := makeDir(dir); err != nil {
		return nil, err
	}
	s := &Store{dir: dir, opts: o, shapes: shapes, acked: map[int64]uint64{}}
	if s.meta, err = openFile(ctx, filepath.Join(dir, "meta.db"), metaSchema, wal); err != nil {
		return nil, err
	}
	if s.lock, err = openFile(ctx, filepath.Join(dir, "lock.db"), "", rollback); err != nil {
		return nil, errors.Join(err, s.meta.Close())
	}
	s.days = newDays(dir, o.OpenDays)
	return s, nil
}

// Close closes every file. Calls that still run fail.
func (s *Store) Close() error {
	return errors.Join(s.days.close(), s.lock.Close(), s.meta.Close())
}

// makeDir makes dir for its owner alone. A folder that others may enter is
// refused: it holds names.
func makeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make store: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("open store: %w", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("open store %s: not a folder", dir)
	}
	return ownerOnly(dir, info)
}

// ms is how the store writes a time: milliseconds since 1970, 0 for none.
func ms(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// fromMS is the reverse of ms.
func fromMS(v int64) time.Time {
	if v == 0 {
		return time.Time{}
	}
	return time.UnixMilli(v).UTC()
}

// write runs f in a transaction of meta.db that no other writer shares.
func (s *Store) write(ctx context.Context, f func(tx *sql.Tx) error) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	return inTx(ctx, s.meta, f)
}

// inTx runs f in a transaction of db and commits it, or takes it back.
func inTx(ctx context.Context, db *sql.DB, f func(tx *sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		return errors.Join(err, ignoreDone(tx.Rollback()))
	}
	return tx.Commit()
}

// ignoreDone drops the error of a transaction that has ended by itself.
func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}
