package privacy

import (
	"testing"
	"time"
)

var (
	benchTime = time.Date(2026, 6, 1, 10, 20, 30, 0, time.UTC)
	benchSSID = []byte("John’s iPhone")
	benchSum  = make([]byte, 32)
)

// benchRules calls each rule as the filter does, at the level that costs most.
var benchRules = []struct {
	name   string
	system OS
	run    func(r *rules)
}{
	{"username", Windows, func(r *rules) { r.username(Hashed, `CORP\jdoe`, "S-1-5-21-1-2-3-1001") }},
	{"upn", Windows, func(r *rules) { r.upn(Hashed, "jdoe@corp.example.com") }},
	{"userSID", Windows, func(r *rules) { r.userSID(Hashed, "S-1-5-21-1-2-3-1001") }},
	{"deviceName", Windows, func(r *rules) { r.deviceName(Auto, "JDOE-LAPTOP") }},
	{"assetID", Linux, func(r *rules) { r.assetID(Cleartext, "NB-004213") }},
	{"deviceSerial", Linux, func(r *rules) { r.deviceSerial(Hashed, "PF3ABCDE") }},
	{"localAddress", Linux, func(r *rules) { r.localAddress(Scope, "192.168.178.20") }},
	{"programName", Linux, func(r *rules) { r.programName(Generalised, "gnome-terminal-server") }},
	{"programName/id", Linux, func(r *rules) { r.programName(Generalised, "jdoe-notes") }},
	{"programPath/unix", Linux, func(r *rules) { r.programPath(Generalised, "/usr/lib/x86_64-linux-gnu/libexec/gnome-terminal-server") }},
	{"programPath/windows", Windows, func(r *rules) {
		r.programPath(Generalised, `C:\Program Files\Microsoft Office\root\Office16\WINWORD.EXE`)
	}},
	{"programPath/id", Windows, func(r *rules) { r.programPath(Generalised, `C:\Program Files\JDoe Tools\x.exe`) }},
	{"programSHA256", Linux, func(r *rules) { r.programSHA256(Cleartext, benchSum) }},
	{"programSigner", Windows, func(r *rules) { r.programSigner(Generalised, "Microsoft Corporation") }},
	{"software", Linux, func(r *rules) { r.software(Cleartext, "libreoffice-core") }},
	{"destination", Linux, func(r *rules) { r.destination(Cleartext, "203.0.113.77") }},
	{"domain", Linux, func(r *rules) { r.domain(Hashed, "www.shop.example.co.uk") }},
	{"wifiSSID", Linux, func(r *rules) { r.wifiSSID(Hashed, benchSSID) }},
	{"wifiBSSID", Linux, func(r *rules) { r.wifiBSSID(Hashed, "A4:CF:12:34:56:78") }},
	{"bucket", Linux, func(r *rules) { r.bucket(Hour, benchTime) }},
}

// BenchmarkWarm asks for a value that the rule knows.
func BenchmarkWarm(b *testing.B) {
	for _, row := range benchRules {
		b.Run(row.name, func(b *testing.B) {
			r := testRules(b, row.system)
			row.run(r)
			b.ReportAllocs()
			for b.Loop() {
				row.run(r)
			}
		})
	}
}

// BenchmarkCold asks for a value that the rule has not seen.
func BenchmarkCold(b *testing.B) {
	for _, row := range benchRules {
		b.Run(row.name, func(b *testing.B) {
			r := testRules(b, row.system)
			row.run(r)
			b.ReportAllocs()
			for b.Loop() {
				r.forget()
				r.buckets = [numLevels]bucketMemo{}
				row.run(r)
			}
		})
	}
}

// BenchmarkNewRules compiles the rules of one device.
func BenchmarkNewRules(b *testing.B) {
	keys := testKeys(b)
	b.ReportAllocs()
	for b.Loop() {
		newRules(testContext(Windows), keys)
	}
}

// BenchmarkLearnKnown learns a name that is known.
func BenchmarkLearnKnown(b *testing.B) {
	r := testRules(b, Linux)
	for b.Loop() {
		r.learn(`CORP\jdoe`, ofAccount)
	}
}

// BenchmarkScrub finds nothing in a path, as nearly always.
func BenchmarkScrub(b *testing.B) {
	r := testRules(b, Linux)
	path := Canonical("/usr/lib/x86_64-linux-gnu/libexec/gnome-terminal-server")
	b.SetBytes(int64(len(path)))
	for b.Loop() {
		r.tokens.finds(path, false)
	}
}
