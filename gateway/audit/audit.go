// Package audit keeps the record of what was done with the data of people: who
// did what to what kind of thing, when, and to how many. It records no values:
// an action, a kind and an outcome come from closed sets, and the rest is
// numbers.
//
// The record is a file of JSON lines. Each line holds the hash of the one
// before, so that an edited, removed or reordered line shows; the number and the
// hash of the last line also stand in a file beside it, so that a cut tail shows
// too. Whoever can write both files can forge both: copy the head elsewhere to
// be safe from that.
package audit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode"
)

// Outcome says how an action ended.
type Outcome string

// The outcomes.
const (
	OK      Outcome = "ok"
	Failed  Outcome = "failed"
	Refused Outcome = "refused"
)

// Ingest is who acts where no person does.
const Ingest = "ingest"

// codes gives each action its number. Numbers are never used again for
// something else.
var codes = map[string]int{
	"subject.find": 101, "subject.retrieve": 102, "subject.anonymise": 103, "subject.delete": 104,
	"subject.restrict": 105, "subject.unrestrict": 106,
	"retention.apply": 201, "events.export": 202,
	"device.enrol": 301, "device.renew": 302, "device.revoke": 303, "device.delete": 304, "device.supersede": 305,
	"token.create": 401, "token.revoke": 402,
	"policy.sign": 501, "policy.push": 502, "policy.stop": 503,
	"ca.init": 601, "key.rotate": 602,
	"batch.refuse": 701,
}

var kinds = map[string]bool{"": true, "person": true, "machine": true, "token": true, "policy": true, "certificate": true, "event": true}

// Entry is one line. When is set by Record where it is zero; Number and Code
// always.
type Entry struct {
	Number   int64     `json:"n"`
	When     time.Time `json:"when"`
	Who      string    `json:"who"` // the user of the system who ran the command, or Ingest
	Code     int       `json:"code"`
	Action   string    `json:"action"`
	Kind     string    `json:"kind,omitempty"`
	Outcome  Outcome   `json:"outcome"`
	Subjects int64     `json:"subjects"`
	Events   int64     `json:"events"`
}

// line is an entry as it is written. Hash is that of the line before it and of
// all that stands in front of it.
type line struct {
	Entry
	Prev string `json:"prev"`
	Hash string `json:"hash,omitempty"`
}

// head names the last line.
type head struct {
	Number int64  `json:"n"`
	Hash   string `json:"hash"`
}

const maxLine = 2048

var origin = head{0, hex.EncodeToString(make([]byte, sha256.Size))}

// Log is an audit record. It is safe for concurrent use, by several processes
// too.
type Log struct {
	path string
	mu   sync.Mutex // one writer in this process; others wait at the file
}

// Open opens the record at path and makes it where there is none. It refuses a
// file that others may read or write.
func Open(path string) (*Log, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open audit record: %w", err)
	}
	info, err := f.Stat()
	if err == nil {
		err = ownerOnly(path, info)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("open audit record: %w", err)
	}
	return &Log{path: path}, nil
}

// check refuses what is not in the closed sets. It does not show what it
// refuses: that could be a value.
func (e Entry) check() error {
	switch {
	case codes[e.Action] == 0:
		return errors.New("unknown action")
	case !kinds[e.Kind]:
		return errors.New("unknown kind")
	case e.Outcome != OK && e.Outcome != Failed && e.Outcome != Refused:
		return errors.New("unknown outcome")
	case e.Who == "" || len(e.Who) > 128 || strings.ContainsFunc(e.Who, unicode.IsControl):
		return errors.New("who: want a user name of at most 128 bytes")
	case e.Subjects < 0 || e.Events < 0:
		return errors.New("a count is negative")
	}
	return nil
}

// Record appends e and returns when it is on the disk.
func (l *Log) Record(ctx context.Context, e Entry) (err error) {
	if err := e.check(); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	// Closing also ends the lock.
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := lockFile(ctx, f); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	if err := l.append(f, e); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	return nil
}

// append writes one line and then the head.
func (l *Log) append(f *os.File, e Entry) error {
	last, end, err := lastLine(f)
	if err != nil {
		return err
	}
	known, err := l.readHead()
	if err != nil {
		return err
	}
	// Where a line was cut off, the next one goes on from the one that is gone, so
	// that the break stays to be seen.
	if known.Number > last.Number || known.Number == last.Number && known.Hash != last.Hash {
		last = known
	}
	if e.When.IsZero() {
		e.When = time.Now()
	}
	e.When, e.Number, e.Code = e.When.UTC(), last.Number+1, codes[e.Action]
	text, hash, err := encode(e, last.Hash)
	if err != nil {
		return err
	}
	// What stands behind the last whole line is the rest of a write that a crash
	// cut off, and that was never confirmed.
	if err := f.Truncate(end); err != nil {
		return err
	}
	if _, err = f.Write(text); err == nil {
		err = f.Sync()
	}
	if err != nil {
		return errors.Join(err, f.Truncate(end))
	}
	return l.writeHead(head{e.Number, hash})
}

// encode returns the line of e and its hash.
func encode(e Entry, prev string) ([]byte, string, error) {
	b, err := json.Marshal(line{Entry: e, Prev: prev})
	if err != nil {
		return nil, "", err
	}
	b = b[:len(b)-1] // without the brace
	sum := sha256.Sum256(b)
	hash := hex.EncodeToString(sum[:])
	return append(b, hashMark+hash+"\"}\n"...), hash, nil
}

const hashMark = `,"hash":"`

// decode checks one line, without its newline, by itself.
func decode(text []byte) (line, error) {
	i := bytes.LastIndex(text, []byte(hashMark))
	if i < 0 {
		return line{}, errors.New("has no hash")
	}
	var l line
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil || d.InputOffset() != int64(len(text)) {
		return line{}, errors.New("is no line of an audit record")
	}
	sum := sha256.Sum256(text[:i])
	if l.Hash != hex.EncodeToString(sum[:]) || string(text[i:]) != hashMark+l.Hash+`"}` {
		return line{}, errors.New("was edited")
	}
	return l, nil
}

// lastLine returns the head that the last whole line makes, and where it ends.
// A last line that does not decode counts with its number alone, as Verify will
// find it.
func lastLine(f *os.File) (head, int64, error) {
	info, err := f.Stat()
	if err != nil {
		return head{}, 0, err
	}
	from := max(0, info.Size()-2*maxLine)
	b := make([]byte, info.Size()-from)
	if _, err := io.ReadFull(io.NewSectionReader(f, from, int64(len(b))), b); err != nil {
		return head{}, 0, err
	}
	end := bytes.LastIndexByte(b, '\n') + 1
	if end == 0 {
		return origin, from, nil
	}
	text := b[:end-1]
	text = text[bytes.LastIndexByte(text, '\n')+1:]
	l, err := decode(text)
	if err != nil {
		return origin, from + int64(end), nil
	}
	return head{l.Number, l.Hash}, from + int64(end), nil
}

func (l *Log) readHead() (head, error) {
	b, err := os.ReadFile(l.path + ".head")
	if errors.Is(err, os.ErrNotExist) {
		return origin, nil
	}
	h := head{}
	if err == nil {
		err = json.Unmarshal(b, &h)
	}
	if err != nil {
		return head{}, fmt.Errorf("read the head: %w", err)
	}
	return h, nil
}
