package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/discreet-agent/discreet/gateway"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

var modelCases = []storeCase{
	{"model/seed_1", func(f *fixture) { compare(f, 1) }},
	{"model/seed_2", func(f *fixture) { compare(f, 2) }},
	{"model/seed_3", func(f *fixture) { compare(f, 3) }},
	{"model/seed_4", func(f *fixture) { compare(f, 4) }},
}

// key names a record.
type key struct {
	dev   gateway.Device
	epoch byte
	seq   uint64
}

// kept is a record as the model keeps it.
type kept struct {
	person  string // empty after anonymise
	subject int    // which subject of that name it was
	ago     int
}

// model is a store that is right because it is simple.
type model struct {
	rows    map[key]kept
	acked   map[key]bool
	person  map[string]int // the subject that a name means now
	next    int
	oldest  int // days ago beyond which all has expired
	skipped int64
}

// ago is the day of a record: fixed by its name, as it is in a spool.
func (k key) ago() int { return int(k.seq*7+uint64(k.epoch)) % 6 }

func (k key) user() string { return fmt.Sprintf("person-%d", (k.seq*5+uint64(k.dev[0]))%4) }

func (m *model) put(k key) {
	if m.acked[k] {
		m.skipped++
		return
	}
	m.acked[k] = true
	if k.ago() > m.oldest {
		return
	}
	if m.person[k.user()] == 0 {
		m.next++
		m.person[k.user()] = m.next
	}
	m.rows[k] = kept{k.user(), m.person[k.user()], k.ago()}
}

func (m *model) through(dev gateway.Device, ep byte) (n uint64) {
	for m.acked[key{dev, ep, n + 1}] {
		n++
	}
	return n
}

// forget removes the rows that pick chooses, and the names without rows.
func (m *model) forget(pick func(key, kept) bool) (n int64) {
	for k, r := range m.rows {
		if pick(k, r) {
			delete(m.rows, k)
			n++
		}
	}
	m.dropNames()
	return n
}

func (m *model) dropNames() {
	left := map[int]bool{}
	for _, r := range m.rows {
		left[r.subject] = true
	}
	for name, id := range m.person {
		if !left[id] {
			delete(m.person, name)
		}
	}
}

func (m *model) lines() (out []string) {
	for k, r := range m.rows {
		out = append(out, fmt.Sprintf("%s/%d/%d use %s p", k.dev[:2], k.epoch, k.seq, r.person))
	}
	return out
}

// compare plays the same random calls on the store and on the model.
func compare(f *fixture, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	m := &model{rows: map[key]kept{}, acked: map[key]bool{}, person: map[string]int{}, oldest: 100}
	devs := []gateway.Device{devA, devB, "2c-third"}
	for step := range 80 {
		dev, ep := devs[rnd.IntN(len(devs))], byte(1+rnd.IntN(2))
		switch n := rnd.IntN(20); {
		case n < 13:
			m.append(f, rnd, dev, ep)
		case n < 15:
			m.erase(f, fmt.Sprintf("person-%d", rnd.IntN(4)), rnd.IntN(2) == 0)
		case n < 16:
			m.eraseMachine(f, dev)
		case n < 17 && m.oldest > 1:
			m.oldest = min(m.oldest, 6) - 1
			want := m.forget(func(_ key, r kept) bool { return r.ago > m.oldest })
			if got, err := f.Expire(context.Background(), at(m.oldest)); err != nil || got != want {
				f.Errorf("step %d: Expire() = %d, %v; want %d", step, got, err, want)
			}
		default:
			f.reopen()
		}
		f.wantAcked(dev, epoch(ep), m.through(dev, ep))
		if f.Failed() {
			f.Fatalf("seed %d, step %d: the store and the model differ", seed, step)
		}
	}
	m.check(f)
}

func (m *model) append(f *fixture, rnd *rand.Rand, dev gateway.Device, ep byte) {
	first, n := uint64(1+rnd.IntN(40)), 1+rnd.IntN(12)
	batch := make([]*eventv1.Event, n)
	for i := range batch {
		k := key{dev, ep, first + uint64(i)}
		batch[i] = usage(at(k.ago()), k.user(), "p")
		m.put(k)
	}
	f.put(dev, epoch(ep), first, batch...)
}

func (m *model) erase(f *fixture, name string, whole bool) {
	id := m.person[name]
	found := f.find(gateway.Person, name)
	if (id != 0) != (len(found) == 1) {
		f.Errorf("Subjects(%s) = %d; want it there: %v", name, len(found), id != 0)
	}
	if id == 0 || len(found) != 1 {
		return
	}
	want := gateway.Erased{Subjects: 1, Events: found[0].Events}
	if whole {
		if n := m.forget(func(_ key, r kept) bool { return r.subject == id }); n != want.Events {
			f.Errorf("Subjects(%s) = %d events; want %d", name, want.Events, n)
		}
		f.erase("Delete", f.Delete, want, found[0].ID)
		return
	}
	for k, r := range m.rows {
		if r.subject == id {
			r.person = ""
			m.rows[k] = r
		}
	}
	delete(m.person, name)
	f.erase("Anonymise", f.Anonymise, want, found[0].ID)
}

func (m *model) eraseMachine(f *fixture, dev gateway.Device) {
	found, err := f.Subjects(context.Background(), gateway.Query{Kind: gateway.Machine, Device: dev})
	if err != nil || len(found) > 1 {
		f.Fatalf("Subjects(machine) = %d, %v; want at most 1", len(found), err)
	}
	want := m.forget(func(k key, _ kept) bool { return k.dev == dev })
	if len(found) == 0 {
		if want != 0 {
			f.Errorf("Subjects(machine) = 0; want 1: it has %d events", want)
		}
		return
	}
	got, err := f.Delete(context.Background(), []gateway.SubjectID{found[0].ID})
	if err != nil || got.Events != want {
		f.Errorf("Delete(machine) = %+v, %v; want %d events", got, err, want)
	}
}

// check compares all that can be seen.
func (m *model) check(f *fixture) {
	f.wantLines("Events(0)", f.all(0), m.lines()...)
	t := f.totals()
	if t.Events != int64(len(m.rows)) || t.Skipped != m.skipped || t.Duplicates != 0 {
		f.Errorf("Totals() = %+v; want %d events, %d skipped, no duplicates", t, len(m.rows), m.skipped)
	}
	for name := range m.person {
		id := f.one(gateway.Person, name)
		var want []string
		for k, r := range m.rows {
			if r.person == name {
				want = append(want, fmt.Sprintf("%s/%d/%d use %s p", k.dev[:2], k.epoch, k.seq, name))
			}
		}
		f.wantLines("Retrieve("+name+")", f.retrieve(id), want...)
	}
}
