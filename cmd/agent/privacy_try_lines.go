package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/discreet-agent/discreet/privacy"
)

// maxTryLine bounds one line of --stdin.
const maxTryLine = 1 << 20

// lines answers a JSON object a line, in order. A line that asks for what does
// not exist is answered as dropped, so that answers and lines stay in step, and
// makes a usage error at the end. What a line leaves out is as the flags say.
func (f *tryFlags) lines(trial *privacy.Trial, policy *privacy.Policy, in io.Reader, out io.Writer) error {
	w := bufio.NewWriter(out)
	defer w.Flush()
	scan := bufio.NewScanner(prompt{in, w})
	scan.Buffer(make([]byte, 64<<10), maxTryLine)
	var first error
	wrong, n := 0, 1
	for ; scan.Scan(); n++ {
		line := scan.Bytes()
		if n == 1 {
			line = bytes.TrimPrefix(line, []byte("\ufeff"))
		}
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		a, err := f.answer(trial, policy, line)
		if err != nil {
			wrong++
			if first == nil {
				first = fmt.Errorf("line %d: %w", n, err)
			}
		}
		if err := writeLine(w, a); err != nil {
			return fail(exitFailure, err)
		}
	}
	switch {
	case errors.Is(scan.Err(), bufio.ErrTooLong):
		return fmt.Errorf("line %d: longer than %d bytes", n, maxTryLine)
	case scan.Err() != nil:
		return fail(exitFailure, scan.Err())
	case wrong > 1:
		return fmt.Errorf("%w\nand %d lines more", first, wrong-1)
	}
	return first
}

// answer is never without what was given, so that it can be told apart.
func (f *tryFlags) answer(trial *privacy.Trial, policy *privacy.Policy, line []byte) (privacy.Answer, error) {
	q, given, err := tryQuery(line)
	if err != nil {
		return privacy.Answer{In: string(line), Dropped: true}, err
	}
	for _, missing := range []struct {
		of   *string
		flag string
	}{{&q.Field, f.field}, {&q.Level, f.level}, {&q.OS, f.os}} {
		if *missing.of == "" {
			*missing.of = missing.flag
		}
	}
	q.Policy = policy
	a, err := trial.Try(q)
	if err != nil {
		return privacy.Answer{Field: q.Field, Level: q.Level, In: given, Dropped: true}, err
	}
	a.In = given
	return a, nil
}

// prompt writes out what was answered before it waits for more lines: whoever
// asks line by line is not kept waiting.
type prompt struct {
	in  io.Reader
	out *bufio.Writer
}

func (p prompt) Read(b []byte) (int, error) {
	if err := p.out.Flush(); err != nil {
		return 0, err
	}
	return p.in.Read(b)
}

// tryQuery reads a line, and returns the value as it was given too.
func tryQuery(line []byte) (q privacy.Query, given string, err error) {
	var v struct {
		Field  string  `json:"field"`
		Level  string  `json:"level"`
		OS     string  `json:"os"`
		Value  *string `json:"value"`
		Base64 *string `json:"value_base64"`
	}
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&v); err != nil {
		return q, "", errors.New("want one JSON object with field, level, os, and value or value_base64")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return q, "", errors.New("want one JSON object, and nothing behind it")
	}
	q = privacy.Query{Field: v.Field, Level: v.Level, OS: v.OS}
	switch {
	case v.Value != nil && v.Base64 != nil:
		return q, "", errors.New("want value or value_base64, not both")
	case v.Value != nil:
		q.Value = *v.Value
		return q, q.Value, nil
	case v.Base64 == nil:
		return q, "", nil // an empty value
	}
	b, err := base64.StdEncoding.DecodeString(*v.Base64)
	if err != nil {
		return q, "", errors.New("value_base64 is not base64")
	}
	q.Value = string(b)
	return q, *v.Base64, nil
}
