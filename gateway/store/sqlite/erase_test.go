package sqlite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/discreet-agent/discreet/gateway"
	"github.com/discreet-agent/discreet/gateway/store/storetest"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// scan counts in how many places of the files below dir each text stands, in
// every file: databases, logs, indexes of logs. Reading a file that SQLite has
// open drops this process's locks on it, which here nobody contends for.
func scan(t *testing.T, dir string, texts ...string) map[string]int {
	t.Helper()
	found := map[string]int{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		for _, text := range texts {
			found[text] += bytes.Count(b, []byte(text))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// event returns one of a person whose names all begin with mark.
func event(mark, domain string, daysAgo int) *eventv1.Event {
	return &eventv1.Event{
		TimeUnixMs: storetest.Now.AddDate(0, 0, -daysAgo).UnixMilli(),
		Kind: &eventv1.Event_Connection{Connection: &eventv1.Connection{
			Program: &eventv1.Program{Name: "curl"}, Domain: domain, Port: 443,
			User: &eventv1.User{Name: mark + "-name", Upn: mark + "@upn.example", Sid: "S-1-5-21-" + mark},
		}},
	}
}

func texts(mark string) []string {
	return []string{mark + "-name", mark + "@upn.example", "S-1-5-21-" + mark}
}

func subjects(t *testing.T, s *Store, q gateway.Query) []gateway.SubjectID {
	t.Helper()
	found, err := s.Subjects(context.Background(), q)
	if err != nil || len(found) == 0 {
		t.Fatalf("Subjects() = %d, %v; want some", len(found), err)
	}
	var ids []gateway.SubjectID
	for _, f := range found {
		ids = append(ids, f.ID)
	}
	return ids
}

// TestErasedBytes proves that no file holds a name after its erasure, for people
// who were written in any order among others, so that pages have split.
func TestErasedBytes(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(*Store, context.Context, []gateway.SubjectID) (gateway.Erased, error)
		body bool // the events go too
	}{
		{"delete", (*Store).Delete, true},
		{"anonymise", (*Store).Anonymise, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "store")
			s := open(t, dir, Options{})
			rnd := rand.New(rand.NewPCG(7, 7))
			const people = 300
			for i, n := range rnd.Perm(people) {
				mark := fmt.Sprintf("mark%04d", n)
				batch := []*eventv1.Event{event(mark, mark+".example", 0), event(mark, mark+".example", 1)}
				if err := s.Append(context.Background(), "dev", gateway.Epoch{1}, uint64(2*i+1), batch); err != nil {
					t.Fatal(err)
				}
			}
			for _, n := range rnd.Perm(people)[:15] {
				mark := fmt.Sprintf("mark%04d", n)
				all := append(texts(mark), mark+".example")
				for text, n := range scan(t, dir, all...) {
					if n == 0 {
						t.Fatalf("scan before finds no %q: it could not find it after either", text)
					}
				}
				e, err := c.do(s, context.Background(), subjects(t, s, gateway.Query{Kind: gateway.Person, Names: []string{mark + "-name"}}))
				if err != nil || e.Subjects != 1 || e.Events != 2 {
					t.Fatalf("erasure = %+v, %v; want 1 subject, 2 events", e, err)
				}
				if !c.body {
					all = texts(mark)
				}
				for text, n := range scan(t, dir, all...) {
					if n != 0 {
						t.Errorf("scan after erasure finds %q %d times; want 0", text, n)
					}
				}
			}
			if left := scan(t, dir, "-name")["-name"]; left == 0 {
				t.Errorf("the others are gone too")
			}
		})
	}
}

// TestErasedMachine does the same for all that names a machine and its people.
func TestErasedMachine(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(*Store, context.Context, []gateway.SubjectID) (gateway.Erased, error)
		gone []string
		kept []string
	}{
		{"delete", (*Store).Delete, []string{"host-x", "asset-x", "serial-x", "tag-x", "10.1.2.3", "0d6d6a3b9a01", "markx-name", "markx.example"}, nil},
		{"anonymise", (*Store).Anonymise, []string{"host-x", "asset-x", "serial-x", "tag-x", "10.1.2.3"}, []string{"0d6d6a3b9a01", "markx-name", "markx.example"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "store")
			s := open(t, dir, Options{})
			dev := gateway.Device("0a9f3f0e-5f0b-4d5c-9c3c-0d6d6a3b9a01")
			batch := []*eventv1.Event{event("markx", "markx.example", 0), {TimeUnixMs: storetest.Now.UnixMilli(), Kind: &eventv1.Event_Device{Device: &eventv1.Device{
				Name: "host-x", AssetId: "asset-x", Serial: "serial-x", Tags: []string{"tag-x"}, Addresses: []string{"10.1.2.3"}}}}}
			if err := s.Append(context.Background(), dev, gateway.Epoch{1}, 1, batch); err != nil {
				t.Fatal(err)
			}
			if err := s.PutDevice(context.Background(), gateway.DeviceRecord{Device: dev, AssetID: "asset-x", Tags: []string{"tag-x"}}); err != nil {
				t.Fatal(err)
			}
			for text, n := range scan(t, dir, append(c.gone, c.kept...)...) {
				if n == 0 {
					t.Fatalf("scan before finds no %q", text)
				}
			}
			if _, err := c.do(s, context.Background(), subjects(t, s, gateway.Query{Kind: gateway.Machine, Names: []string{"host-x"}})); err != nil {
				t.Fatal(err)
			}
			for text, n := range scan(t, dir, c.gone...) {
				if n != 0 {
					t.Errorf("scan after finds %q %d times; want 0", text, n)
				}
			}
			for text, n := range scan(t, dir, c.kept...) {
				if n == 0 {
					t.Errorf("scan after finds no %q; want it kept", text)
				}
			}
		})
	}
}

// TestEraseWaitsForReaders holds a read open in another connection: the bytes
// cannot go, and the caller is told. Once the reader has left, the same call
// finishes the work, although the subject is gone already.
func TestEraseWaitsForReaders(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s := open(t, dir, Options{EraseWait: 200 * time.Millisecond})
	if err := s.Append(context.Background(), "dev", gateway.Epoch{1}, 1, []*eventv1.Event{event("markx", "", 0)}); err != nil {
		t.Fatal(err)
	}
	ids := subjects(t, s, gateway.Query{Kind: gateway.Person})
	other, err := openFile(context.Background(), filepath.Join(dir, "meta.db"), metaSchema, wal)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	rows, err := other.Query(`SELECT name FROM subject`)
	if err != nil || !rows.Next() {
		t.Fatalf("read in another connection: %v", err)
	}
	if _, err := s.Delete(context.Background(), ids); !errors.Is(err, ErrRemains) {
		t.Errorf("Delete() while somebody reads = %v; want ErrRemains", err)
	}
	if err := rows.Close(); err != nil {
		t.Fatal(err)
	}
	if e, err := s.Delete(context.Background(), ids); err != nil || e != (gateway.Erased{}) {
		t.Errorf("Delete() once more = %+v, %v; want nothing left to do", e, err)
	}
	for text, n := range scan(t, dir, texts("markx")...) {
		if n != 0 {
			t.Errorf("scan finds %q %d times; want 0", text, n)
		}
	}
}
