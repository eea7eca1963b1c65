package privacy

import (
	"bytes"
	"fmt"
	"testing"

	"golang.org/x/text/unicode/norm"
)

// twentyPeople is a device with twenty accounts, as a shared one has.
func twentyPeople() Context {
	ctx := testContext(Linux)
	ctx.Identities = nil
	for i, first := range []string{"maria", "jonas", "peter", "lena"} {
		for j, last := range []string{"rossi", "lindqvist", "okafor", "hartmann", "dupont"} {
			name := first[:1] + last
			if (i+j)%2 == 0 {
				name = first + "." + last
			}
			ctx.Identities = append(ctx.Identities, name)
		}
	}
	return ctx
}

// BenchmarkTripwire shows ns per byte: of a long text, of the records of each
// kind, seen before and new, and of text with letters beyond ASCII, new each
// time.
func BenchmarkTripwire(b *testing.B) {
	perByte := func(b *testing.B, n int) {
		if n == 0 { // a record of nothing but numbers
			return
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/byte")
	}
	f := NewFilter(preset(b, "classic"), twentyPeople(), testKeys(b))
	text := bytes.Repeat([]byte("/usr/lib/x86_64-linux-gnu/libexec/gnome-terminal-server 3.52.1 The GNOME Project "), 1+64<<10/80)[:64<<10]
	b.Run("64KiB", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if f.trip.finds(text, tripLook{}) {
				b.Fatal("hit")
			}
		}
		perByte(b, len(text))
	})
	for _, name := range []string{"balanced", "laxest"} {
		p := laxest()
		if name != "laxest" {
			p = preset(b, name)
		}
		for _, kind := range kindFields() {
			f := NewFilter(p, twentyPeople(), testKeys(b))
			if !f.construct(sampleEvents()[string(kind.Name())][0]) {
				continue
			}
			body := bytes.Clone(f.buf[f.head:f.tail])
			b.Run(fmt.Sprintf("%s/%s", name, kind.Name()), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if !f.trip.clean(f.kind, body) {
						b.Fatal("hit")
					}
				}
				perByte(b, len(body))
			})
			b.Run(fmt.Sprintf("%s/%s/new", name, kind.Name()), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					f.trip.age++ // as if a name had been learned
					if !f.trip.clean(f.kind, body) {
						b.Fatal("hit")
					}
				}
				perByte(b, len(body))
			})
		}
	}
	for name, text := range map[string]string{
		"wide":       "/usr/share/приложения/Графический редактор",
		"decomposed": norm.NFD.String("/usr/share/Ångström-Zubehör/Übersicht der Geräte"),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f.trip.finds([]byte(text), tripLook{})
			}
			perByte(b, len(text))
		})
	}
}
