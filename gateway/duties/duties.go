// Package duties is what a gateway owes to people: to find, hand over,
// anonymise, delete and restrict what it holds about them, and to let go of
// what is too old. Each duty leaves one line in the audit record for each kind
// of subject, with counts and without values.
//
// To ask a person whether it is meant is the work of the command.
package duties

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/discreet-agent/discreet/gateway"
	"github.com/discreet-agent/discreet/gateway/audit"
)

// Duties acts for one user of the system.
type Duties struct {
	Store     gateway.Store
	Registry  gateway.Registry // may be nil: then there are no device records
	Audit     *audit.Log
	Who       string        // the user of the system who asked
	Retention time.Duration // told to the person; 0: not told

	// OfficerKeyFile opens the sealed names that Retrieve hands over; "" leaves
	// them sealed.
	OfficerKeyFile string
}

var kindNames = map[gateway.SubjectKind]string{gateway.Person: "person", gateway.Machine: "machine"}

// record writes the audit line of an action, and joins its own error to that of
// the action. Nothing is handed over without a line.
func (d *Duties) record(ctx context.Context, action, kind string, subjects, events int64, err error) error {
	outcome := audit.OK
	if err != nil {
		outcome = audit.Failed
	}
	// A caller who gave up must not leave the action without its line.
	line := d.Audit.Record(context.WithoutCancel(ctx), audit.Entry{
		Who: d.Who, Action: action, Kind: kind, Outcome: outcome, Subjects: subjects, Events: events,
	})
	return errors.Join(err, line)
}

// Find returns the subjects that the selector names.
func (d *Duties) Find(ctx context.Context, s Selector) ([]gateway.Subject, error) {
	found, err := d.find(ctx, s)
	if err := d.record(ctx, "subject.find", kindNames[s.Kind], int64(len(found)), eventsOf(found), err); err != nil {
		return nil, fmt.Errorf("find subjects: %w", err)
	}
	return found, nil
}

func (d *Duties) find(ctx context.Context, s Selector) ([]gateway.Subject, error) {
	var seen []string
	if keyed, ok := d.Store.(gateway.KeyStore); ok && s.KeyFile != "" {
		var err error
		if seen, err = keyed.KeyIDs(ctx); err != nil {
			return nil, err
		}
	}
	q, err := s.query(seen)
	if err != nil {
		return nil, err
	}
	if s.OfficerKeyFile != "" {
		more, err := d.unseal(ctx, s)
		if err != nil {
			return nil, err
		}
		q.Names = append(q.Names, more...)
	}
	return d.subjects(ctx, q)
}

// subjects asks the store. A machine that was named by its id is found with all
// records of the same laptop: who asks about a laptop that was set up anew means
// what it sent before, too.
func (d *Duties) subjects(ctx context.Context, q gateway.Query) ([]gateway.Subject, error) {
	kin, ok := d.Store.(gateway.Lineage)
	if !ok || q.Kind != gateway.Machine || q.Device == "" {
		return d.Store.Subjects(ctx, q)
	}
	family, err := kin.Family(ctx, q.Device)
	if err != nil {
		return nil, err
	}
	var found []gateway.Subject
	for _, dev := range family {
		q.Device = dev
		more, err := d.Store.Subjects(ctx, q)
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
	}
	return found, nil
}

func eventsOf(subjects []gateway.Subject) (n int64) {
	for _, s := range subjects {
		n += s.Events
	}
	return n
}

// byID returns the subjects with these ids, and ErrNotFound if one of them is
// not there: then nothing at all is done.
func (d *Duties) byID(ctx context.Context, ids []gateway.SubjectID) ([]gateway.Subject, error) {
	if len(ids) == 0 {
		return nil, fmt.Errorf("subjects: %w; hint: find them first", gateway.ErrNotFound)
	}
	found, err := d.Store.Subjects(ctx, gateway.Query{IDs: ids})
	if err != nil {
		return nil, err
	}
	there := map[gateway.SubjectID]bool{}
	for _, s := range found {
		there[s.ID] = true
	}
	for _, id := range ids {
		if !there[id] {
			return nil, fmt.Errorf("subject %x: %w; hint: find it again, it may be gone", id[:4], gateway.ErrNotFound)
		}
	}
	return found, nil
}

// Retrieve writes all that the store holds about the subjects to w, as a
// gzipped tar of CSV files and a README.
func (d *Duties) Retrieve(ctx context.Context, ids []gateway.SubjectID, w io.Writer) error {
	found, err := d.byID(ctx, ids)
	var a *archive
	if err == nil {
		a = newArchive(w, found)
		err = d.fill(ctx, a, ids)
	}
	err = d.forKinds(found, err, func(kind string, of []gateway.Subject) error {
		return d.record(ctx, "subject.retrieve", kind, int64(len(of)), eventsOf(of), err)
	})
	if err != nil {
		return fmt.Errorf("retrieve: %w", err)
	}
	return nil
}

// forKinds calls f for each kind among the subjects, and without any for a kind
// that nobody knows, so that also what failed has its line.
func (d *Duties) forKinds(found []gateway.Subject, err error, f func(kind string, of []gateway.Subject) error) error {
	groups := map[gateway.SubjectKind][]gateway.Subject{}
	for _, s := range found {
		groups[s.Kind] = append(groups[s.Kind], s)
	}
	if len(groups) == 0 {
		return f("", nil)
	}
	for _, kind := range []gateway.SubjectKind{gateway.Person, gateway.Machine} {
		if of := groups[kind]; of != nil {
			if err := f(kindNames[kind], of); err != nil {
				return err
			}
		}
	}
	return err
}

func (d *Duties) fill(ctx context.Context, a *archive, ids []gateway.SubjectID) error {
	for st, err := range d.Store.Retrieve(ctx, ids) {
		if err != nil {
			return err
		}
		if err := a.add(st); err != nil {
			return err
		}
	}
	if err := a.writeSubjects(); err != nil {
		return err
	}
	if err := d.writeDevices(ctx, a); err != nil {
		return err
	}
	if err := d.writeIdentities(ctx, a); err != nil {
		return err
	}
	return a.close(d.Retention)
}

// Anonymise takes the names off the subjects for good.
func (d *Duties) Anonymise(ctx context.Context, ids []gateway.SubjectID) (gateway.Erased, error) {
	return d.erase(ctx, "subject.anonymise", ids, d.Store.Anonymise)
}

// Delete removes the subjects and every event that names them.
func (d *Duties) Delete(ctx context.Context, ids []gateway.SubjectID) (gateway.Erased, error) {
	return d.erase(ctx, "subject.delete", ids, d.Store.Delete)
}

func (d *Duties) erase(ctx context.Context, action string, ids []gateway.SubjectID, do func(context.Context, []gateway.SubjectID) (gateway.Erased, error)) (gateway.Erased, error) {
	found, err := d.byID(ctx, ids)
	var sum gateway.Erased
	err = d.forKinds(found, nil, func(kind string, of []gateway.Subject) error {
		var e gateway.Erased
		doErr := err
		if doErr == nil {
			e, doErr = do(ctx, idsOf(of))
			sum.Subjects, sum.Events = sum.Subjects+e.Subjects, sum.Events+e.Events
		}
		return d.record(ctx, action, kind, e.Subjects, e.Events, doErr)
	})
	if err != nil {
		return sum, fmt.Errorf("%s: %w", action, err)
	}
	return sum, nil
}

func idsOf(subjects []gateway.Subject) []gateway.SubjectID {
	out := make([]gateway.SubjectID, len(subjects))
	for i, s := range subjects {
		out[i] = s.ID
	}
	return out
}

// Restrict marks subjects whose data may be kept but not used, or unmarks them.
func (d *Duties) Restrict(ctx context.Context, ids []gateway.SubjectID, on bool) error {
	action := "subject.restrict"
	if !on {
		action = "subject.unrestrict"
	}
	found, err := d.byID(ctx, ids)
	if err == nil {
		err = d.Store.Restrict(ctx, ids, on)
	}
	err = d.forKinds(found, err, func(kind string, of []gateway.Subject) error {
		return d.record(ctx, action, kind, int64(len(of)), eventsOf(of), err)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", action, err)
	}
	return nil
}

// Expire removes every event that happened before t, by whole days.
func (d *Duties) Expire(ctx context.Context, t time.Time) (int64, error) {
	n, err := d.Store.Expire(ctx, t)
	if err := d.record(ctx, "retention.apply", "event", 0, n, err); err != nil {
		return n, fmt.Errorf("expire: %w", err)
	}
	return n, nil
}
