package privacy

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
)

var update = flag.Bool("update", false, "write the golden file anew")

// TestGolden compares what leaves of each sample under each preset with
// testdata/filter.golden. Read its changes as an employee would.
func TestGolden(t *testing.T) {
	const file = "testdata/filter.golden"
	var got bytes.Buffer
	samples := sampleEvents()
	for _, kind := range kindFields() {
		list := samples[string(kind.Name())]
		if len(list) == 0 {
			t.Errorf("no sample of %s", kind.Name())
		}
		for i, ev := range list {
			fmt.Fprintf(&got, "%s %d\n", kind.Name(), i)
			for _, name := range []string{"strict", "balanced", "classic"} {
				fmt.Fprintf(&got, "  %s: ", name)
				c, ok := newSampleFilter(t, preset(t, name)).Apply(ev)
				if !ok {
					got.WriteString("nothing\n")
					continue
				}
				// protojson spreads its blanks at random, so that nobody
				// compares them.
				text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(decode(t, c))
				if err != nil {
					t.Fatal(err)
				}
				if err := json.Compact(&got, text); err != nil {
					t.Fatal(err)
				}
				got.WriteByte('\n')
			}
		}
	}
	if *update {
		if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	haveLines, wantLines := bytes.Split(got.Bytes(), []byte("\n")), bytes.Split(want, []byte("\n"))
	if len(haveLines) != len(wantLines) {
		t.Errorf("%d lines; want %d", len(haveLines), len(wantLines))
	}
	for i := range min(len(haveLines), len(wantLines)) {
		if !bytes.Equal(haveLines[i], wantLines[i]) {
			t.Errorf("%s:%d:\n got %s\nwant %s", file, i+1, haveLines[i], wantLines[i])
		}
	}
}
