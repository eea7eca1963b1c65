package duties

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/discreet-agent/discreet/gateway"
	"github.com/discreet-agent/discreet/gateway/audit"
	"github.com/discreet-agent/discreet/gateway/store/sqlite"
	"github.com/discreet-agent/discreet/privacy"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

const device = gateway.Device("0a9f3f0e-5f0b-4d5c-9c3c-0d6d6a3b9a01")

// newDuties returns duties over a real store with the events in it.
func newDuties(t *testing.T, events ...*eventv1.Event) (*Duties, string) {
	t.Helper()
	dir := t.TempDir()
	s, err := sqlite.Open(context.Background(), filepath.Join(dir, "store"), sqlite.Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	path := filepath.Join(dir, "audit.jsonl")
	log, err := audit.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Append(context.Background(), device, gateway.Epoch{1}, 1, events); err != nil {
		t.Fatal(err)
	}
	return &Duties{Store: s, Registry: s, Audit: log, Who: "officer", Retention: 30 * 24 * time.Hour}, path
}

func use(user, program string, hour int) *eventv1.Event {
	return &eventv1.Event{TimeUnixMs: now.Add(time.Duration(hour) * time.Hour).UnixMilli(), BucketSeconds: 900,
		Kind: &eventv1.Event_ExecutionSummary{ExecutionSummary: &eventv1.ExecutionSummary{
			Program: &eventv1.Program{Name: program}, User: &eventv1.User{Name: user}, Starts: 3}}}
}

func host(name string) *eventv1.Event {
	return &eventv1.Event{TimeUnixMs: now.UnixMilli(), Kind: &eventv1.Event_Device{Device: &eventv1.Device{Name: name, AssetId: "A-7"}}}
}

func (d *Duties) ids(t *testing.T, s Selector) []gateway.SubjectID {
	t.Helper()
	found, err := d.Find(context.Background(), s)
	if err != nil || len(found) == 0 {
		t.Fatalf("Find() = %d, %v; want some", len(found), err)
	}
	return idsOf(found)
}

// unpack returns the archive's files by name, and their names in order.
func unpack(t *testing.T, b []byte) (map[string]string, []string) {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	files, names := map[string]string{}, []string{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return files, names
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[h.Name], names = string(text), append(names, h.Name)
	}
}

// rows returns a CSV file as one map a row.
func rows(t *testing.T, text string) (out []map[string]string) {
	t.Helper()
	all, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(all) == 0 {
		t.Fatalf("read CSV: %d rows, %v", len(all), err)
	}
	for _, r := range all[1:] {
		m := map[string]string{}
		for i, v := range r {
			m[all[0][i]] = v
		}
		out = append(out, m)
	}
	return out
}

func retrieve(t *testing.T, d *Duties, ids []gateway.SubjectID) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := d.Retrieve(context.Background(), ids, &b); err != nil {
		t.Fatalf("Retrieve() = %v; want nil", err)
	}
	return b.Bytes()
}

func TestRetrievePerson(t *testing.T) {
	d, _ := newDuties(t, use("ann", "vi", 0), use("ben", "emacs", 1), use("ann", `=cmd|'/c calc'!A1`, 2), host("host-a"),
		&eventv1.Event{TimeUnixMs: now.UnixMilli(), Kind: &eventv1.Event_Logon{Logon: &eventv1.Logon{Kind: eventv1.LogonKind_LOGON_KIND_LOCK, User: &eventv1.User{Name: "ann"}}}})
	ids := d.ids(t, Selector{Kind: gateway.Person, Names: []string{"ann"}})
	got := retrieve(t, d, ids)
	files, names := unpack(t, got)
	want := []string{"gdpr-data/subjects.csv", "gdpr-data/execution_summary.csv", "gdpr-data/logon.csv", "gdpr-data/README.txt"}
	if !slices.Equal(names, want) {
		t.Errorf("files = %q; want %q", names, want)
	}
	for name, text := range files {
		for _, other := range []string{"ben", "emacs", "host-a"} {
			if strings.Contains(text, other) {
				t.Errorf("%s holds %q; want nothing of others", name, other)
			}
		}
	}
	table := rows(t, files["gdpr-data/execution_summary.csv"])
	if len(table) != 2 {
		t.Fatalf("execution_summary.csv = %d rows; want 2", len(table))
	}
	for column, want := range map[string]string{"device": string(device), "epoch": "01000000000000000000000000000000", "seq": "1", "time": "2026-11-24T12:00:00.000Z",
		"bucket_seconds": "900", "program.name": "vi", "user.name": "ann", "starts": "3", "program.sha256": ""} {
		if got := table[0][column]; got != want {
			t.Errorf("row 1, %s = %q; want %q", column, got, want)
		}
	}
	if got, want := table[1]["program.name"], `'=cmd|'/c calc'!A1`; got != want {
		t.Errorf("formula = %q; want %q", got, want)
	}
	if got := rows(t, files["gdpr-data/logon.csv"])[0]["kind"]; got != "LOGON_KIND_LOCK" {
		t.Errorf("kind = %q; want LOGON_KIND_LOCK", got)
	}
	if got := rows(t, files["gdpr-data/subjects.csv"]); len(got) != 1 || got[0]["name"] != "ann" || got[0]["events"] != "3" {
		t.Errorf("subjects.csv = %v; want ann with 3 events", got)
	}
	for _, want := range []string{"all 3 events", "one person", "30 days", "execution_summary.csv: 2 rows, from 2026-11-24T12:00:00.000Z to 2026-11-24T14:00:00.000Z", "user.name [username]", "pseudonym"} {
		if !strings.Contains(files["gdpr-data/README.txt"], want) {
			t.Errorf("README.txt does not say %q", want)
		}
	}
	if again := retrieve(t, d, ids); !bytes.Equal(got, again) {
		t.Errorf("the second archive differs from the first; want equal bytes")
	}
}

func TestRetrieveMachine(t *testing.T) {
	d, _ := newDuties(t, host("host-a"), use("ann", "vi", 0), use("@system", "cron", 0), use("ben", "emacs", 0))
	if err := d.Registry.PutDevice(context.Background(), gateway.DeviceRecord{Device: device, Group: "sales", Tags: []string{"x", "y"}}); err != nil {
		t.Fatal(err)
	}
	machine := d.ids(t, Selector{Kind: gateway.Machine, Names: []string{"host-a"}})
	files, _ := unpack(t, retrieve(t, d, machine))
	for name, text := range files {
		if strings.Contains(text, "ann") && name != "gdpr-data/README.txt" || strings.Contains(text, "ben") {
			t.Errorf("%s names a person; want machines alone", name)
		}
	}
	table := rows(t, files["gdpr-data/execution_summary.csv"])
	if len(table) != 3 || table[1]["user.name"] != "'@system" {
		t.Errorf("execution_summary.csv = %d rows; want 3, with the role", len(table))
	}
	if got := rows(t, files["gdpr-data/device.csv"]); got[0]["name"] != "host-a" || got[0]["asset_id"] != "A-7" {
		t.Errorf("device.csv = %v; want host-a, A-7", got)
	}
	if got := rows(t, files["gdpr-data/device_record.csv"]); got[0]["group"] != "sales" || got[0]["tags"] != "x; y" {
		t.Errorf("device_record.csv = %v; want its group and tags", got)
	}
	if !strings.Contains(files["gdpr-data/README.txt"], "In 2 rows") {
		t.Errorf("README.txt does not count the rows of others")
	}
	both := append(machine, d.ids(t, Selector{Kind: gateway.Person, Names: []string{"ann"}})...)
	files, _ = unpack(t, retrieve(t, d, both))
	if text := files["gdpr-data/execution_summary.csv"]; !strings.Contains(text, "ann") || strings.Contains(text, "ben") {
		t.Errorf("archive of a machine and ann: want ann's name and not ben's")
	}
}

// TestRetrieveParts hands over more than is held in memory.
func TestRetrieveParts(t *testing.T) {
	var events []*eventv1.Event
	long := strings.Repeat("x", 1<<20)
	for i := range 9 {
		events = append(events, use("ann", fmt.Sprint(i, long), 0))
	}
	d, _ := newDuties(t, events...)
	files, names := unpack(t, retrieve(t, d, d.ids(t, Selector{Kind: gateway.Person})))
	if !slices.Contains(names, "gdpr-data/execution_summary-3.csv") {
		t.Fatalf("files = %q; want three parts", names)
	}
	n := 0
	for _, name := range []string{"execution_summary.csv", "execution_summary-2.csv", "execution_summary-3.csv"} {
		n += len(rows(t, files["gdpr-data/"+name]))
	}
	if n != 9 || !strings.Contains(files["gdpr-data/README.txt"], "execution_summary.csv to execution_summary-3.csv: 9 rows") {
		t.Errorf("the parts hold %d rows; want 9, and a README that says so", n)
	}
}

func TestGuard(t *testing.T) {
	for in, want := range map[string]string{"": "", "vi": "vi", "=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@x": "'@x", " =1": "' =1",
		"\t=1": "'\t=1", "\rx": "'\rx", "a=1": "a=1", "＝1": "'＝1", "C:\\x": "C:\\x", "  x": "  x"} {
		if got := guard(in); got != want {
			t.Errorf("guard(%q) = %q; want %q", in, got, want)
		}
	}
}

// TestColumns reads every kind of the schema, and a list of messages.
func TestColumns(t *testing.T) {
	for i := range eventKind.Fields().Len() {
		f := eventKind.Fields().Get(i)
		if len(columns(f.Message(), "", nil)) == 0 {
			t.Errorf("columns(%s) = none; want some", f.Name())
		}
	}
	health := &eventv1.AgentHealth{Collectors: []*eventv1.CollectorState{{Name: "wifi", Events: 2}, {Name: "focus"}}}
	link := &eventv1.WifiLink{SignalDbm: -60, Ssid: []byte("=x")}
	for _, c := range append(columns(health.ProtoReflect().Descriptor(), "", nil), columns(link.ProtoReflect().Descriptor(), "", nil)...) {
		m := health.ProtoReflect()
		want, has := map[string]string{
			"collectors": "name=wifi status=COLLECTOR_STATUS_UNSPECIFIED rung=RUNG_UNSPECIFIED events=2 lost=0 restarts=0; name=focus status=COLLECTOR_STATUS_UNSPECIFIED rung=RUNG_UNSPECIFIED events=0 lost=0 restarts=0",
			"signal_dbm": "-60", "ssid": "'=x"}[c.name]
		if !has {
			continue
		}
		if c.name != "collectors" {
			m = link.ProtoReflect()
		}
		if got := c.cell(m); got != want {
			t.Errorf("cell(%s) = %q; want %q", c.name, got, want)
		}
	}
}

func TestFind(t *testing.T) {
	secret, err := privacy.NewSecret()
	if err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, secret, 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := privacy.ReadKeyFile(key, "t1")
	if err != nil {
		t.Fatal(err)
	}
	hashed := func(c privacy.Context, name string) string { return privacy.UserPseudonym(keys, c, name, "") }
	ev := []*eventv1.Event{
		use(hashed(privacy.Context{OS: privacy.Windows, Host: "pc"}, `CORP\ann`), "realm", 0),
		use(hashed(privacy.Context{OS: privacy.Linux, Host: "pc"}, "ann"), "local", 0),
		use(hashed(privacy.Context{OS: privacy.Linux, Host: "pc2"}, "ann"), "elsewhere", 0),
		use("ann", "clear", 0), use(hashed(privacy.Context{Host: "pc"}, "ben"), "ben", 0), use("@system", "root", 0),
		host(privacy.DevicePseudonym(keys, "pc")),
	}
	ev[3].GetExecutionSummary().User.Upn = privacy.UPNPseudonym(keys, "ann@corp.example")
	d, _ := newDuties(t, ev...)
	person := Selector{Kind: gateway.Person, Names: []string{"ann"}, KeyFile: key, KeyID: "t1", OS: privacy.Windows}
	for _, c := range []struct {
		name   string
		change func(*Selector)
		want   int
	}{
		{"no key: the clear name", func(s *Selector) { s.KeyFile = "" }, 1},
		{"realm", func(s *Selector) { s.Realm = "CORP" }, 2},
		{"realm by its alias", func(s *Selector) {
			s.Realm, s.Aliases = "azuread", []privacy.Alias{{From: "azuread", To: "corp"}}
		}, 2},
		{"realm in the name, another case", func(s *Selector) { s.Names = []string{`corp\ANN`} }, 1},
		{"host", func(s *Selector) { s.Host = "PC" }, 2},
		{"realm and host", func(s *Selector) { s.Realm, s.Host = "CORP", "pc" }, 3},
		{"address", func(s *Selector) { s.Names = []string{"Ann@corp.example"} }, 1},
		{"pseudonym", func(s *Selector) {
			s.Names, s.Pseudonyms = nil, []string{hashed(privacy.Context{Host: "pc"}, "ben")}
		}, 1},
		{"another key id", func(s *Selector) { s.KeyID, s.Realm = "t2", "CORP" }, 1},
		{"a role is nobody", func(s *Selector) { s.Names, s.Host = []string{"root"}, "pc" }, 0},
		{"machine", func(s *Selector) { s.Kind, s.Names = gateway.Machine, []string{"PC"} }, 1},
		{"nobody", func(s *Selector) { s.Names = []string{"eve"} }, 0},
		{"everybody", func(s *Selector) { s.Names = nil }, 5},
	} {
		s := person
		c.change(&s)
		if got, err := d.Find(context.Background(), s); err != nil || len(got) != c.want {
			t.Errorf("%s: Find() = %d, %v; want %d", c.name, len(got), err, c.want)
		}
	}
	person.KeyFile = key + "-missing"
	if _, err := d.Find(context.Background(), person); err == nil {
		t.Errorf("Find() without the key file = nil; want an error")
	}
}

// TestAudit does every duty, and looks at what is noted of it.
func TestAudit(t *testing.T) {
	ctx := context.Background()
	d, path := newDuties(t, use("ann", "vi", 0), use("ben", "vi", 0), host("host-a"), use("zoe", "vi", -48))
	one := func(name string) []gateway.SubjectID {
		return d.ids(t, Selector{Kind: gateway.Person, Names: []string{name}})
	}
	ann, ben := one("ann"), one("ben")
	machine := d.ids(t, Selector{Kind: gateway.Machine})
	retrieve(t, d, ann)
	if err := errors.Join(d.Restrict(ctx, ann, true), d.Restrict(ctx, ann, false)); err != nil {
		t.Fatalf("Restrict() = %v; want nil", err)
	}
	if n, err := d.Expire(ctx, now.AddDate(0, 0, -1)); err != nil || n != 1 {
		t.Errorf("Expire() = %d, %v; want 1", n, err)
	}
	if e, err := d.Anonymise(ctx, ben); err != nil || e != (gateway.Erased{Subjects: 1, Events: 1}) {
		t.Errorf("Anonymise() = %+v, %v; want one and one", e, err)
	}
	if e, err := d.Delete(ctx, append(ann, machine...)); err != nil || e.Subjects != 3 || e.Events != 3 {
		t.Errorf("Delete() = %+v, %v; want three subjects, one of them nameless, and three events", e, err)
	}
	if _, err := d.Delete(ctx, ann); !errors.Is(err, gateway.ErrNotFound) {
		t.Errorf("Delete() once more = %v; want ErrNotFound", err)
	}
	got, err := d.Audit.Show(0)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, e := range got {
		lines = append(lines, fmt.Sprintf("%s %s %s %d %d", e.Action, e.Kind, e.Outcome, e.Subjects, e.Events))
	}
	want := []string{
		"subject.find person ok 1 1", "subject.find person ok 1 1", "subject.find machine ok 1 4", "subject.retrieve person ok 1 1",
		"subject.restrict person ok 1 1", "subject.unrestrict person ok 1 1", "retention.apply event ok 0 1",
		"subject.anonymise person ok 1 1", "subject.delete person ok 1 1", "subject.delete machine ok 2 2", "subject.delete  failed 0 0",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("audit = %q; want %q", lines, want)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"ann", "ben", "zoe", "host-a", string(device)} {
		if bytes.Contains(b, []byte(value)) {
			t.Errorf("the audit record holds a value")
		}
	}
	if err := d.Audit.Verify(); err != nil {
		t.Errorf("Verify() = %v; want nil", err)
	}
}

// full is a writer on a full disk.
type full struct{}

var errFull = errors.New("no space")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestRetrieveFails(t *testing.T) {
	d, _ := newDuties(t, use("ann", "vi", 0))
	ids := d.ids(t, Selector{Kind: gateway.Person})
	if err := d.Retrieve(context.Background(), ids, full{}); !errors.Is(err, errFull) {
		t.Errorf("Retrieve() = %v; want the error of the writer", err)
	}
	if err := d.Retrieve(context.Background(), nil, io.Discard); !errors.Is(err, gateway.ErrNotFound) {
		t.Errorf("Retrieve(nobody) = %v; want ErrNotFound", err)
	}
	got, err := d.Audit.Show(2)
	if err != nil || len(got) != 2 || got[0].Outcome != audit.Failed || got[1].Outcome != audit.Failed {
		t.Errorf("audit = %+v, %v; want two that failed", got, err)
	}
}
