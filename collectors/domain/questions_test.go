package domain

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"unicode/utf16"

	"github.com/discreet-agent/discreet/collectors"
	"github.com/discreet-agent/discreet/collectors/etw"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// asks and answers write the events of the DNS client of Windows.
func asks(pid uint32, atMS int64, name string) *etw.Event {
	return &etw.Event{ID: 3006, PID: pid, At: 116444736000000000 + atMS*10_000, Data: fields(name, uint32(1), uint64(0), "", uint32(0), uint32(0), uint32(0), uint32(0))}
}

func answers(pid uint32, atMS int64, name string, status uint32, results string) *etw.Event {
	return &etw.Event{ID: 3008, PID: pid, At: 116444736000000000 + atMS*10_000, Data: fields(name, uint32(1), uint64(0), status, results)}
}

func fields(list ...any) []byte {
	var b []byte
	for _, f := range list {
		if s, ok := f.(string); ok {
			f = append(utf16.Encode([]rune(s)), 0)
		}
		b, _ = binary.Append(b, binary.LittleEndian, f)
	}
	return b
}

func TestQuestions(t *testing.T) {
	for _, c := range []struct {
		name   string
		events []*etw.Event
		want   []string
	}{
		{"answered", []*etw.Event{asks(7, 1000, "a.example"), answers(7, 1030, "A.example.", 0, "192.0.2.1;")}, []string{"1000 a.example by p7 of u7 rcode 0 in 30000"}},
		{"asked twice", []*etw.Event{asks(7, 1000, "a.example"), asks(7, 1010, "a.example"), answers(7, 1030, "a.example", 0, "")}, []string{"1000 a.example by p7 of u7 rcode 0 in 30000"}},
		{"no such name", []*etw.Event{asks(7, 1000, "a.example"), answers(7, 1001, "a.example", 9003, "")}, []string{"1000 a.example by p7 of u7 rcode 3 in 1000"}},
		{"nobody answered", []*etw.Event{asks(7, 1000, "a.example"), answers(7, 9000, "a.example", 1460, "")}, []string{"1000 a.example by p7 of u7 rcode 0 in 0"}},
		{"the question was not seen", []*etw.Event{answers(7, 1030, "a.example", 0, "")}, []string{"1030 a.example by p7 of u7 rcode 0 in 0"}},
		{"two programs", []*etw.Event{asks(7, 1000, "a.example"), asks(8, 1005, "a.example"), answers(8, 1030, "a.example", 0, ""), answers(7, 1040, "a.example", 0, "")}, []string{
			"1005 a.example by p8 of u8 rcode 0 in 25000", "1000 a.example by p7 of u7 rcode 0 in 40000",
		}},
		{"an old question of the name", []*etw.Event{asks(7, 1000, "a.example"), asks(7, 60_000, "a.example"), answers(7, 60_001, "a.example", 0, "")}, []string{"60000 a.example by p7 of u7 rcode 0 in 1000"}},
		{"a program that is gone", []*etw.Event{asks(0, 1000, "a.example"), answers(0, 1001, "a.example", 0, "")}, []string{"1000 a.example by  of  rcode 0 in 1000"}},
	} {
		var got []string
		names := &collectors.Names{}
		q := newQuestions(collectors.Env{Names: names}, func(ev *eventv1.Event) {
			d := ev.GetDomainSeen()
			got = append(got, fmt.Sprintf("%d %s by %s of %s rcode %d in %d", ev.GetTimeUnixMs(), d.GetDomain(), d.GetProgram().GetName(), d.GetUser().GetName(), d.GetRcode(), d.GetLatencyUs()))
		}, func(pid uint32) asker {
			if pid == 0 {
				return asker{}
			}
			return asker{key: uint64(pid), name: fmt.Sprint("p", pid), user: fmt.Sprint("u", pid), sid: "S-1"}
		})
		for _, e := range c.events {
			q.take(e)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: told %q; want %q", c.name, got, c.want)
		}
		if len(q.open) != 0 {
			t.Errorf("%s: %d questions left; want none", c.name, len(q.open))
		}
		if c.name == "answered" {
			if n, ok := names.Find(collectors.Flow{Remote: netip.MustParseAddrPort("192.0.2.1:443")}, 7, 2e9, 2e9); !ok || n.Domain != "a.example" {
				t.Errorf("other collectors are told %q, %v; want the name", n.Domain, ok)
			}
		}
	}
}

// TestQuestionsBound: questions without an answer do not pile up.
func TestQuestionsBound(t *testing.T) {
	q := newQuestions(collectors.Env{}, func(*eventv1.Event) {}, func(uint32) asker { return asker{} })
	for i := range 3 * maxQuestions {
		q.take(asks(7, int64(i), fmt.Sprintf("n%d.example", i)))
	}
	if len(q.open) > maxQuestions {
		t.Errorf("%d questions are kept; want at most %d", len(q.open), maxQuestions)
	}
}
