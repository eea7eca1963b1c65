package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	_ "modernc.org/sqlite" // the driver that sql.Open names
)

// metaSchema is that of meta.db. A source is a device as record numbers know
// it: it stays when its device is deleted, and names nothing. acked holds the
// numbers that no day file answers for: gaps, and records of days that are gone.
// lost holds those that will never come.
const metaSchema = `
CREATE TABLE IF NOT EXISTS source(
  idx INTEGER PRIMARY KEY AUTOINCREMENT, key BLOB NOT NULL UNIQUE) STRICT;
CREATE TABLE IF NOT EXISTS epoch(
  idx INTEGER PRIMARY KEY AUTOINCREMENT, source INTEGER NOT NULL REFERENCES source(idx),
  epoch BLOB NOT NULL, first_day INTEGER NOT NULL, last_day INTEGER NOT NULL,
  odd INTEGER NOT NULL DEFAULT 0, UNIQUE(source, epoch)) STRICT;
CREATE TABLE IF NOT EXISTS acked(
  epoch INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
  PRIMARY KEY(epoch, first)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS gap(
  epoch INTEGER NOT NULL, seq INTEGER NOT NULL, source INTEGER NOT NULL,
  lost BLOB NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
  count INTEGER NOT NULL, reason INTEGER NOT NULL, PRIMARY KEY(epoch, seq)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lost(
  epoch INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
  PRIMARY KEY(epoch, first)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS subject(
  id BLOB PRIMARY KEY, kind INTEGER NOT NULL,
  name TEXT NOT NULL DEFAULT '', upn TEXT NOT NULL DEFAULT '', sid TEXT NOT NULL DEFAULT '',
  named_ms INTEGER NOT NULL DEFAULT 0, source INTEGER REFERENCES source(idx),
  restricted INTEGER NOT NULL DEFAULT 0, anonymous INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS subject_person ON subject(name, upn, sid) WHERE kind = 1 AND anonymous = 0;
CREATE UNIQUE INDEX IF NOT EXISTS subject_machine ON subject(source) WHERE kind = 2;
CREATE TABLE IF NOT EXISTS device(
  source INTEGER PRIMARY KEY REFERENCES source(idx), id TEXT NOT NULL UNIQUE,
  known INTEGER NOT NULL DEFAULT 0, grp TEXT NOT NULL DEFAULT '',
  enrolled_ms INTEGER NOT NULL DEFAULT 0, contact_ms INTEGER NOT NULL DEFAULT 0,
  agent_version TEXT NOT NULL DEFAULT '', policy_digest BLOB,
  asset_id TEXT NOT NULL DEFAULT '', tags TEXT NOT NULL DEFAULT '[]',
  system INTEGER NOT NULL DEFAULT 0, revoked INTEGER NOT NULL DEFAULT 0,
  cert_serial TEXT NOT NULL DEFAULT '', cert_expires_ms INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE IF NOT EXISTS token(
  id TEXT PRIMARY KEY, hash BLOB NOT NULL UNIQUE, grp TEXT NOT NULL,
  uses_left INTEGER NOT NULL, created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL,
  revoked INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS identity(
  source INTEGER NOT NULL REFERENCES source(idx), pseudonym TEXT NOT NULL,
  officer_key TEXT NOT NULL, sealed BLOB NOT NULL,
  PRIMARY KEY(source, pseudonym, officer_key)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS policy(digest BLOB PRIMARY KEY, levels TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS figure(name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT OR IGNORE INTO figure(name, value) VALUES('skipped', 0), ('floor_day', 0);
` + fleetSchema

// daySchema is that of a day file.
const daySchema = `
CREATE TABLE IF NOT EXISTS event(
  source INTEGER NOT NULL, epoch INTEGER NOT NULL, seq INTEGER NOT NULL,
  kind INTEGER NOT NULL, time_ms INTEGER NOT NULL, subject BLOB, body BLOB NOT NULL,
  PRIMARY KEY(source, epoch, seq)) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS event_subject ON event(subject, time_ms) WHERE subject IS NOT NULL;
CREATE INDEX IF NOT EXISTS event_time ON event(time_ms);
CREATE TABLE IF NOT EXISTS acked(
  epoch INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
  PRIMARY KEY(epoch, first)) STRICT, WITHOUT ROWID;
`

// schemaVersion stands in user_version of every file with a schema. Version 2
// added identity, version 3 state and successor; the statements above make what an
// older file lacks.
const schemaVersion = 3

// The pragmas of every connection. secure_delete overwrites what is freed;
// temp_store keeps what is sorted off the disk; FULL makes a commit durable in
// a write-ahead log too.
var (
	wal = []string{"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)",
		"secure_delete(ON)", "foreign_keys(ON)", "temp_store(MEMORY)"}
	rollback = []string{"busy_timeout(60000)"}
)

// openFile opens one database and brings it to its schema. It makes the file
// where there is none, for its owner alone; SQLite gives its other files the
// same mode.
func openFile(ctx context.Context, path, schema string, pragmas []string) (*sql.DB, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err == nil {
		err = f.Close()
	}
	// A file that is there is not opened here: closing it would drop SQLite's
	// own locks, see "How To Corrupt", sqlite.org/howtocorrupt.html 2.2.
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make store: %w", err)
	}
	name, err := dsn(path, pragmas)
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", name)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", filepath.Base(path), err)
	}
	db.SetMaxOpenConns(8)
	db.SetMaxIdleConns(4)
	if schema != "" {
		err = migrate(ctx, db, schema)
	} else {
		err = db.PingContext(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", filepath.Base(path), err), db.Close())
	}
	return db, nil
}

// dsn names path to the driver. Transactions take the write lock at their start:
// one that takes it later can fail for good.
func dsn(path string, pragmas []string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("open store: %w", err)
	}
	abs = filepath.ToSlash(abs)
	if !strings.HasPrefix(abs, "/") {
		abs = "/" + abs // a drive letter
	}
	q := url.Values{"mode": {"rw"}, "_txlock": {"immediate"}, "_pragma": pragmas}
	return (&url.URL{Scheme: "file", Path: abs, RawQuery: q.Encode()}).String(), nil
}

// migrate brings db to the schema. A newer one than this program's is refused.
func migrate(ctx context.Context, db *sql.DB, schema string) error {
	var version int
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	switch {
	case version == schemaVersion:
		return nil
	case version > schemaVersion:
		return fmt.Errorf("its schema is %d, newer than %d; hint: use the newer gateway", version, schemaVersion)
	}
	return inTx(ctx, db, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, schema+fmt.Sprintf("PRAGMA user_version = %d;", schemaVersion))
		return err
	})
}
