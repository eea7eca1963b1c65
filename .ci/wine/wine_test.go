package main

import (
	"bytes"
	"debug/pe"
	"encoding/json"
	"os"
	"testing"
)

// TestStandIn reads the library back with a reader that is not ours.
func TestStandIn(t *testing.T) {
	f, err := pe.NewFile(bytes.NewReader(standIn()))
	if err != nil {
		t.Fatal(err)
	}
	h := f.OptionalHeader.(*pe.OptionalHeader64)
	s := f.Section(".edata")
	if s == nil || f.Machine != pe.IMAGE_FILE_MACHINE_AMD64 || h.DataDirectory[0].VirtualAddress != s.VirtualAddress || h.DataDirectory[0].Size != s.VirtualSize {
		t.Fatalf("headers = %+v; want one section that is the export table", h)
	}
	data, err := s.Data()
	if err != nil || !bytes.Contains(data, []byte("ProcessPrng\x00advapi32.SystemFunction036\x00")) {
		t.Errorf("section = %q, %v; want the forwarder", data, err)
	}
}

func TestWriteOverlay(t *testing.T) {
	name, err := writeOverlay(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var o struct{ Replace map[string]string }
	if err := json.Unmarshal(data, &o); err != nil || len(o.Replace) != 1 {
		t.Fatalf("overlay = %s, %v; want one file", data, err)
	}
	for from, to := range o.Replace {
		old, _ := os.ReadFile(from)
		now, _ := os.ReadFile(to)
		if len(now)-len(old) != len("NTStatus(0xC0000002), ") {
			t.Errorf("%s has %d bytes more; want one more case", to, len(now)-len(old))
		}
	}
}

func TestTakeAndReason(t *testing.T) {
	o := outcome{said: map[string]string{}}
	for _, line := range []string{
		`{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:12: Wine 8.0: none\n"}`,
		`{"Action":"skip","Package":"p","Test":"TestA"}`,
		`{"Action":"pass","Package":"p","Test":"TestB"}`,
		`{"Action":"fail","Package":"p","Test":"TestC"}`,
		`{"Action":"pass","Package":"p"}`,
		`not JSON`,
	} {
		o.take([]byte(line))
	}
	if o.passed != 1 || o.failed != 1 || len(o.skips) != 1 || o.skips[0] != "Wine 8.0: none" {
		t.Errorf("take() = %d passed, %d failed, skips %q; want 1, 1 and the reason", o.passed, o.failed, o.skips)
	}
	if got := reason("=== RUN TestA\n"); got != "no reason given" {
		t.Errorf("reason() of nothing = %q", got)
	}
}
