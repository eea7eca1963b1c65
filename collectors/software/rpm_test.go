package software

import (
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	_ "modernc.org/sqlite"
)

// sampleDatabase is what rpm 4.18 wrote: three small packages and one of 1,500
// files, whose header spans many pages.
func sampleDatabase(t testing.TB) []byte {
	t.Helper()
	f, err := os.Open("testdata/rpmdb.sqlite.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func parseDatabase(db, wal []byte) ([]pkg, error) {
	s, err := openSQLite(bytes.NewReader(db), int64(len(db)), bytes.NewReader(wal), int64(len(wal)))
	if err != nil {
		return nil, err
	}
	list, err := parseRPM(s)
	return sortPackages(list), err
}

func TestReadsWhatRPMWrote(t *testing.T) {
	list, err := parseDatabase(sampleDatabase(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range list {
		got = append(got, fmt.Sprintf("%s %s %s %s", p.source, p.name, p.version, p.vendor))
		if p.day < 20781 {
			t.Errorf("%s: day %d; want one of late 2026", p.name, p.day)
		}
	}
	want := []string{
		"rpm discreet-sample-alpha 1:1.2.3-3 Example Vendor",
		"rpm discreet-sample-beta 1:1.2.3-3 Example Vendor",
		"rpm discreet-sample-gamma 1:1.2.3-3 Example Vendor",
		"rpm discreet-sample-many 0.9~rc1-1.el9 Example Vendor",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// rpmHeader makes a header as rpm keeps it, with filler bytes of files after the
// words.
func rpmHeader(name, version string, filler int) []byte {
	store := []byte(name + "\x00" + version + "\x00")
	tags := [][4]uint32{{tagName, 6, 0, 1}, {tagVersion, 6, uint32(len(name) + 1), 1}}
	store = append(store, bytes.Repeat([]byte{'f'}, filler)...)
	tags = append(tags, [4]uint32{tagInstallTime, 4, uint32(len(store)), 1})
	store = binary.BigEndian.AppendUint32(store, 20000*86400)
	out := binary.BigEndian.AppendUint32(nil, uint32(len(tags)))
	out = binary.BigEndian.AppendUint32(out, uint32(len(store)))
	for _, tag := range tags {
		for _, n := range tag {
			out = binary.BigEndian.AppendUint32(out, n)
		}
	}
	return append(out, store...)
}

// TestReadsEveryShapeOfDatabase lets SQLite write: sizes of pages, rows that
// spill over, deep trees, and what lies only in the log.
func TestReadsEveryShapeOfDatabase(t *testing.T) {
	for _, row := range []struct {
		name       string
		page, rows int
		filler     int
	}{
		{"small pages", 512, 3000, 0},
		{"usual pages", 4096, 700, 300},
		{"long rows", 4096, 40, 90_000},
		{"large pages", 65536, 300, 40_000},
	} {
		t.Run(row.name, func(t *testing.T) {
			db, wal := writeDatabase(t, row.page, row.rows, row.filler)
			if len(wal) == 0 {
				t.Fatal("no log was written")
			}
			list, err := parseDatabase(db, wal)
			if err != nil {
				t.Fatal(err)
			}
			if len(list) != row.rows {
				t.Fatalf("read %d packages; want %d", len(list), row.rows)
			}
			for i, p := range list {
				if want := (pkg{"rpm", fmt.Sprintf("p%06d", i), "1.0", "", 20000}); p != want {
					t.Fatalf("package %d = %v; want %v", i, p, want)
				}
			}
			if cut, err := parseDatabase(db, wal[:len(wal)-7]); err != nil || len(cut) >= row.rows {
				t.Errorf("with a torn log: %d packages, %v; want those of the transaction before", len(cut), err)
			}
		})
	}
}

// writeDatabase returns the files of a database whose last row lies in the log
// in a transaction of its own.
func writeDatabase(t *testing.T, page, rows, filler int) (db, wal []byte) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "rpmdb.sqlite")
	pool, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	conn, err := pool.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	exec := func(text string, args ...any) {
		t.Helper()
		if _, err := conn.ExecContext(context.Background(), text, args...); err != nil {
			t.Fatal(err)
		}
	}
	exec(fmt.Sprintf("PRAGMA page_size=%d", page))
	exec("PRAGMA journal_mode=WAL")
	exec("CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)")
	add := func(from, to int) {
		exec("BEGIN")
		for i := from; i < to; i++ {
			exec("INSERT INTO Packages (blob) VALUES (?)", rpmHeader(fmt.Sprintf("p%06d", i), "1.0", filler))
		}
		exec("COMMIT")
	}
	add(0, rows/2)
	exec("PRAGMA wal_checkpoint(TRUNCATE)")
	add(rows/2, rows-1)
	add(rows-1, rows)
	if db, err = os.ReadFile(file); err != nil {
		t.Fatal(err)
	}
	if wal, err = os.ReadFile(file + "-wal"); err != nil {
		t.Fatal(err)
	}
	return db, wal
}

func FuzzRPM(f *testing.F) {
	db := sampleDatabase(f)
	f.Add(db[:8192], []byte(nil))
	f.Add(db, []byte(nil))
	f.Fuzz(func(t *testing.T, db, wal []byte) {
		list, _ := parseDatabase(db, wal)
		for _, p := range list {
			if p.name != tidy(p.name) || p.version == "" && p.name == "" {
				t.Errorf("package %q is not tidy", p.name)
			}
		}
	})
}
