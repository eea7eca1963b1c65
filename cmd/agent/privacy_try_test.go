package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/discreet-agent/discreet/privacy"
)

// TestTryLines: one answer a line, in order, whatever the line is.
func TestTryLines(t *testing.T) {
	const ok = `{"field":"program_path","level":"generalised","os":"linux","value":"/home/mary/x"}`
	const answer = `{"field":"program_path","level":"generalised","in":"/home/mary/x","out":"<user>/…/x","dropped":false}`
	const fault = `"out":"","dropped":true}`
	for _, row := range []struct {
		name, in string
		code     int
		want     []string // what each line of the answer has in it
	}{
		{"nothing", "", 0, nil},
		{"no line end", ok, 0, []string{answer}},
		{"byte order mark, CRLF and blank lines", "\ufeff" + ok + "\r\n\r\n  \n" + ok + "\r\n", 0, []string{answer, answer}},
		{"unknown level", strings.Replace(ok, "generalised", "some", 1) + "\n" + ok, 2, []string{fault, answer}},
		{"unknown field", `{"field":"paths","value":"x"}` + "\n" + ok, 2, []string{`{"field":"paths","level":"","in":"x",` + fault, answer}},
		{"unknown system", strings.Replace(ok, "linux", "beos", 1), 2, []string{fault}},
		{"no JSON", "x\n" + ok, 2, []string{`"in":"x",` + fault, answer}},
		{"two objects", ok + ok, 2, []string{fault}},
		{"member that does not exist", strings.Replace(ok, "value", "vlaue", 1), 2, []string{fault}},
		{"both forms of the value", `{"field":"upn","value":"x","value_base64":"eA=="}`, 2, []string{fault}},
		{"neither form", `{"field":"upn"}`, 0, []string{`{"field":"upn","level":"drop","in":"",` + fault}},
		{"base64 as it was given", `{"field":"program_name","os":"linux","value_base64":"Yf8="}`, 0, []string{"\"in\":\"Yf8=\",\"out\":\"a\ufffd\""}},
		{"no base64", `{"field":"upn","value_base64":"*"}`, 2, []string{fault}},
		{"64 KiB", `{"field":"program_name","value":"` + strings.Repeat("x", 64<<10) + `"}`, 0, []string{fault}},
		{"too long", ok + "\n" + strings.Repeat("x", maxTryLine+1), 2, []string{answer}},
	} {
		t.Run(row.name, func(t *testing.T) {
			var out strings.Builder
			err := orUsage((&tryFlags{stdin: true}).run(strings.NewReader(row.in), &out, true))
			code := 0
			var coded *exitError
			if errors.As(err, &coded) {
				code = coded.code
			}
			got := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
			if out.Len() == 0 {
				got = nil
			}
			if code != row.code || len(got) != len(row.want) {
				t.Fatalf("%d answers, exit %d (%v); want %d, exit %d", len(got), code, err, len(row.want), row.code)
			}
			for i, want := range row.want {
				if !json.Valid([]byte(got[i])) || !strings.Contains(got[i], want) {
					t.Errorf("answer %d = %.200q; want %q in it", i+1, got[i], want)
				}
			}
		})
	}
}

// TestTryAnswersAtOnce: whoever waits for an answer before the next question
// gets it.
func TestTryAnswersAtOnce(t *testing.T) {
	trial, err := privacy.NewTrial(privacy.TryContext{})
	if err != nil {
		t.Fatal(err)
	}
	questions, ask := io.Pipe()
	answers, reply := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- (&tryFlags{}).lines(trial, nil, questions, reply)
		reply.Close()
	}()
	scan := bufio.NewScanner(answers)
	for range 3 {
		if _, err := io.WriteString(ask, `{"field":"domains","level":"generalised","value":"www.example.com"}`+"\n"); err != nil {
			t.Fatal(err)
		}
		if !scan.Scan() || !strings.Contains(scan.Text(), `"out":"example.com"`) {
			t.Fatalf("answer = %q; want example.com", scan.Text())
		}
	}
	ask.Close()
	if err := <-done; err != nil {
		t.Errorf("lines = %v; want nil", err)
	}
}

// TestTryFlagsFillLines: what a line leaves out is as the flags say.
func TestTryFlagsFillLines(t *testing.T) {
	var out strings.Builder
	f := tryFlags{stdin: true, field: "program_path", level: "generalised", os: "windows"}
	in := `{"value":"C:\\Users\\mary\\x.exe"}` + "\n" + `{"os":"linux","value":"/home/mary/x"}`
	if err := f.run(strings.NewReader(in), &out, true); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"out":"<user>\\…\\x.exe"`, `"out":"<user>/…/x"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("answers = %s; want %s", out.String(), want)
		}
	}
}
