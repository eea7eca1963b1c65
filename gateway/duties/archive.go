package duties

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/discreet-agent/discreet/gateway"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// partBytes bounds what waits in memory for one file: tar wants to know a
// file's size before its first byte. A longer table goes on in a second file.
const partBytes = 4 << 20

// archive is gdpr-data.tar.gz while it is written. The same data gives the same
// bytes.
type archive struct {
	zip      *gzip.Writer
	tar      *tar.Writer
	subjects []gateway.Subject
	known    map[person]bool // the people whom the archive is about
	tables   map[protoreflect.FieldNumber]*table
	hidden   int64 // rows of a machine that named somebody else
	sealed   int   // sealed names
}

// person is how an event names somebody.
type person struct{ name, upn, sid string }

// table is the file, or files, of one kind.
type table struct {
	name        string
	columns     []column
	buf         bytes.Buffer
	csv         *csv.Writer
	rows, parts int
	first, last int64
}

func newArchive(w io.Writer, subjects []gateway.Subject) *archive {
	a := &archive{zip: gzip.NewWriter(w), subjects: subjects, known: map[person]bool{}, tables: map[protoreflect.FieldNumber]*table{}}
	a.tar = tar.NewWriter(a.zip)
	for _, s := range subjects {
		if s.Kind == gateway.Person {
			a.known[person{s.Name, s.UPN, s.SID}] = true
		}
	}
	return a
}

// add writes one event as a row of its kind's table.
func (a *archive) add(st gateway.Stored) error {
	m := st.Event.ProtoReflect()
	f := m.WhichOneof(eventKind)
	if f == nil {
		return errors.New("an event without a kind")
	}
	t := a.tables[f.Number()]
	if t == nil {
		t = &table{name: string(f.Name()), columns: columns(f.Message(), "", nil), first: st.Event.GetTimeUnixMs(), last: st.Event.GetTimeUnixMs()}
		a.tables[f.Number()] = t
	}
	kind := m.Get(f).Message()
	a.hideOthers(kind)
	cells := lead(st)
	for _, c := range t.columns {
		cells = append(cells, c.cell(kind))
	}
	if err := t.row(cells); err != nil {
		return err
	}
	t.first, t.last = min(t.first, st.Event.GetTimeUnixMs()), max(t.last, st.Event.GetTimeUnixMs())
	if t.buf.Len() < partBytes {
		return nil
	}
	return a.flush(t)
}

// hideOthers takes out the names of whoever is not among the subjects: what a
// machine did may also be data of the people who used it.
func (a *archive) hideOthers(kind protoreflect.Message) {
	kind.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if f.Message() == nil || f.IsList() {
			return true
		}
		u, ok := v.Message().Interface().(*eventv1.User)
		if !ok || a.known[person{u.GetName(), u.GetUpn(), u.GetSid()}] || isRole(u) {
			return true
		}
		kind.Clear(f)
		a.hidden++
		return true
	})
}

// isRole reports whether u hides an account that is no person's.
func isRole(u *eventv1.User) bool {
	for _, v := range []string{u.GetName(), u.GetUpn(), u.GetSid()} {
		if v != "" && v != "@system" && v != "@service" {
			return false
		}
	}
	return true
}

func (t *table) row(cells []string) error {
	if t.csv == nil {
		t.csv = csv.NewWriter(&t.buf)
		t.csv.UseCRLF = true // RFC 4180
		names := slices.Clone(leading)
		for _, c := range t.columns {
			names = append(names, c.name)
		}
		if err := t.csv.Write(names); err != nil {
			return err
		}
	}
	t.rows++
	if err := t.csv.Write(cells); err != nil {
		return err
	}
	t.csv.Flush()
	return t.csv.Error()
}

// flush writes what a table holds as one file.
func (a *archive) flush(t *table) error {
	if t.buf.Len() == 0 {
		return nil
	}
	t.parts++
	name := t.name + ".csv"
	if t.parts > 1 {
		name = fmt.Sprintf("%s-%d.csv", t.name, t.parts)
	}
	err := a.file(name, t.buf.Bytes())
	t.buf.Reset()
	t.csv = nil
	return err
}

func (a *archive) file(name string, content []byte) error {
	h := &tar.Header{Name: "gdpr-data/" + name, Mode: 0o600, Size: int64(len(content)), ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR}
	if err := a.tar.WriteHeader(h); err != nil {
		return fmt.Errorf("write archive: %w", err)
	}
	if _, err := a.tar.Write(content); err != nil {
		return fmt.Errorf("write archive: %w", err)
	}
	return nil
}

// csvFile writes a small table as one file.
func (a *archive) csvFile(name string, rows [][]string) error {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.UseCRLF = true
	if err := w.WriteAll(rows); err != nil {
		return err
	}
	return a.file(name, b.Bytes())
}

// writeSubjects writes under which names the subjects are known.
func (a *archive) writeSubjects() error {
	rows := [][]string{{"id", "kind", "name", "upn", "sid", "device", "restricted", "events", "first", "last"}}
	for _, s := range a.subjects {
		rows = append(rows, []string{hex.EncodeToString(s.ID[:]), kindNames[s.Kind], guard(s.Name), guard(s.UPN), guard(s.SID), guard(string(s.Device)),
			strconv.FormatBool(s.Restricted), strconv.FormatInt(s.Events, 10), clock(s.First), clock(s.Last)})
	}
	return a.csvFile("subjects.csv", rows)
}

// writeDevices writes what the registry knows of the machines among the
// subjects.
func (d *Duties) writeDevices(ctx context.Context, a *archive) error {
	rows := [][]string{{"device", "group", "enrolled", "last_contact", "agent_version", "asset_id", "tags", "system", "revoked", "cert_serial", "cert_expires"}}
	for _, s := range a.subjects {
		if s.Kind != gateway.Machine || d.Registry == nil {
			continue
		}
		r, err := d.Registry.Device(ctx, s.Device)
		if errors.Is(err, gateway.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		rows = append(rows, []string{guard(string(r.Device)), guard(r.Group), clock(r.Enrolled), clock(r.LastContact), guard(r.AgentVersion), guard(r.AssetID),
			guard(strings.Join(r.Tags, "; ")), r.System.String(), strconv.FormatBool(r.Revoked), guard(r.CertSerial), clock(r.CertExpires)})
	}
	if len(rows) == 1 {
		return nil
	}
	return a.csvFile("device_record.csv", rows)
}

// close writes what is left, the README last, and ends the archive.
func (a *archive) close(retention time.Duration) error {
	for _, t := range a.sorted() {
		if err := a.flush(t); err != nil {
			return err
		}
	}
	if err := a.file("README.txt", a.readme(retention)); err != nil {
		return err
	}
	if err := errors.Join(a.tar.Close(), a.zip.Close()); err != nil {
		return fmt.Errorf("write archive: %w", err)
	}
	return nil
}

// sorted returns the tables in the order of the schema.
func (a *archive) sorted() []*table {
	var out []*table
	for i := range eventKind.Fields().Len() {
		if t := a.tables[eventKind.Fields().Get(i).Number()]; t != nil {
			out = append(out, t)
		}
	}
	return out
}
