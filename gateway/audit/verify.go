package audit

import (
	"bufio"
	"errors"
	"fmt"
	"os"
)

// ErrBroken says that the record is not as it was written.
var ErrBroken = errors.New("audit record is broken")

// Verify reads the whole record and returns ErrBroken with the first line that
// was edited, moved, or is missing.
func (l *Log) Verify() error {
	known, err := l.readHead()
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	last, met := origin, known.Number == 0
	err = l.each(func(n int, ln line, err error) error {
		switch {
		case err != nil:
			return fmt.Errorf("%w: line %d %w", ErrBroken, n, err)
		case ln.Number != last.Number+1 || ln.Prev != last.Hash:
			return fmt.Errorf("%w: line %d does not follow the one before it", ErrBroken, n)
		}
		last = head{ln.Number, ln.Hash}
		met = met || last == known
		return nil
	})
	if err == nil && !met {
		err = fmt.Errorf("%w: its last lines are gone; it once had %d", ErrBroken, known.Number)
	}
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	return nil
}

// Show returns the last n entries, or all for n = 0, oldest first. Lines that
// cannot be read are left out: Verify tells of them.
func (l *Log) Show(n int) ([]Entry, error) {
	var out []Entry
	err := l.each(func(_ int, ln line, err error) error {
		if err == nil {
			out = append(out, ln.Entry)
			if n > 0 && len(out) > n {
				out = out[1:]
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("show audit record: %w", err)
	}
	return out, nil
}

// each calls f for each line, with what is wrong with it by itself.
func (l *Log) each(f func(n int, ln line, err error) error) error {
	file, err := os.Open(l.path)
	if err != nil {
		return err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, maxLine)
	n := 0
	for lines.Scan() {
		n++
		ln, err := decode(lines.Bytes())
		if err := f(n, ln, err); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%w: line %d: %w", ErrBroken, n+1, err)
	}
	return nil
}
