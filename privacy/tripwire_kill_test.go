package privacy

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
)

// TestKillTripwirePlaces: a name is found at each place of a text, up to its
// last byte, as a word or, from eight letters on, within one.
func TestKillTripwirePlaces(t *testing.T) {
	f := NewFilter(preset(t, "balanced"), Context{OS: Linux, Host: "h", Identities: []string{"ann", "wilhelmi", "анна", "john.dorian"}}, testKeys(t))
	for before := range 20 {
		for _, row := range []struct {
			fill, name string
			want       bool
		}{
			{" ", "ann", true}, {"x", "ann", before == 0}, {" ", "aNn", true},
			{" ", "wilhelmi", true}, {"x", "wilhelmi", true}, {"X", "WILHELMI", true},
			{"x", "johndo~0", true}, {"x", "JohnDo~5", true}, {"x", "johndo~9", true}, {"x", "johndo~", false},
			{" ", "анна", true}, {"x", "анна", before == 0}, {"…", "ann", true}, {"é ", "ann", true},
		} {
			for _, after := range []string{"", " ", ".x", " and more of it", "/…/x", "é"} {
				v := strings.Repeat(row.fill, before) + row.name + after
				want := row.want && (after != "é" || len(row.name) == 8 && row.name[0] < 0x80)
				if got := f.trip.finds([]byte(v), tripLook{}); got != want {
					t.Errorf("finds(%q) = %v; want %v", v, got, want)
				}
			}
		}
	}
}

// TestKillTripwireLooks: what is no name in one look may be one in the next,
// also where a text with rare letters was clean of late.
func TestKillTripwireLooks(t *testing.T) {
	f := NewFilter(preset(t, "balanced"), Context{OS: Linux, Host: "büro-12", Identities: []string{"ubuntu"}}, testKeys(t))
	for range 2 {
		for _, row := range []struct {
			text string
			look tripLook
			want bool
		}{
			{"ubuntu é", tripLook{plain: true}, false},
			{"ubuntu é", tripLook{}, true},
			{"on BÜRO-12", tripLook{people: true}, false},
			{"on BÜRO-12", tripLook{}, true},
			{"on büro", tripLook{people: true}, false},
			{"on büro", tripLook{}, true},
		} {
			if got := f.trip.finds([]byte(row.text), row.look); got != row.want {
				t.Errorf("finds(%q, %+v) = %v; want %v", row.text, row.look, got, row.want)
			}
		}
	}
	if f.trip.finds([]byte("on zoë"), tripLook{}) {
		t.Error("finds(zoë) = true before the name is known; want false")
	}
	f.rules.learn("zoë", ofAccount)
	if !f.trip.finds([]byte("on zoë"), tripLook{}) {
		t.Error("finds(zoë) = false once the name is known; want true")
	}
	f.rules.relearn()
	if f.trip.finds([]byte("on zoë"), tripLook{}) {
		t.Error("finds(zoë) = true once the name is forgotten; want false")
	}
	f.rules.learn("zoë", ofAccount)
	if !f.trip.finds([]byte("on zoë"), tripLook{}) {
		t.Error("finds(zoë) = false once the name is known anew; want true")
	}
}

// TestKillTripwireForms: what counts as a name, by its length, what stands
// around it, and its 8.3 form.
func TestKillTripwireForms(t *testing.T) {
	f := NewFilter(preset(t, "balanced"), Context{OS: Linux, Host: "h", Identities: []string{"doe", "john", "smith", "wilhelm", "li", "li-wu", "john.dorian", "zoë k"}}, testKeys(t))
	for _, in := range []string{
		"doe", "doe's", "x doe", "doe.", "doe\n", "\tdoe", "johns", "JOHNS", "johns x", "smiths", "wilhelms ",
		"johndo~1", "JOHNDO~0", "johndo~9", "xjohndo~12", "xjohndo~1", "smith~1", "zoë\x01k", "doe~1", "doe~1.exe", "li~1", "zoe\u0308 k", "zoë\u00a0k",
		"  zoë k  ", "zo\u200bë k", "x\x01john", "john\x01é",
		"jo\x7fhn", "…j\x01ohn", "…\x01john", "j\x1fohn", "…é…john",
	} {
		if !f.trip.finds([]byte(in), tripLook{}) {
			t.Errorf("finds(%q) = false; want true", in)
		}
	}
	for _, in := range []string{
		"", "d", "do", "does", "doex", "xdoe", "1doe", "doe1", "édoe", "doeé", "johnsx", "johns1", "johnss", "johnt", "xjohns", "wilhelmx", "xwilhelm",
		"johndo~", "x johndo~ x", "li-xx", "johndo~x", "johndo~/", "johndo~:", "xsmith~1", "xdoe~1", "xli~1", "li", "li~", "/li/", "zoek",
	} {
		if f.trip.finds([]byte(in), tripLook{}) {
			t.Errorf("finds(%q) = true; want false", in)
		}
	}
}

// TestKillTripwireMarks: a mark that a rule wrote is no name, whoever is called
// so; the same word elsewhere is one.
func TestKillTripwireMarks(t *testing.T) {
	for _, word := range []string{"user", "other", "unc", "person"} {
		f := NewFilter(preset(t, "balanced"), Context{OS: Linux, Host: "h", Identities: []string{word}}, testKeys(t))
		for in, want := range map[string]bool{
			"<" + word + ">": false, "<" + word + ">/…/x": false, "x <" + word + ">": false,
			word: true, word + ">": true, "<" + word: true, "x" + "<" + word + " >": true, "(" + word + ")": true, "<" + word + "> " + word: true,
		} {
			if got := f.trip.finds([]byte(in), tripLook{}); got != want {
				t.Errorf("finds(%q) = %v; want %v", in, got, want)
			}
		}
	}
}

// TestKillSystemWords: in PLAIN text each word by which systems and makers call
// themselves is no name; elsewhere it is.
func TestKillSystemWords(t *testing.T) {
	for _, word := range strings.Fields(`linux debian ubuntu fedora centos rocky alma almalinux redhat opensuse suse
		arch archlinux manjaro gentoo alpine kali mint amazon oracle generic
		windows microsoft darwin macos macbook imac apple azure google intel amd arm
		lenovo thinkpad dell latitude hewlett packard acer asus toshiba fujitsu samsung
		qemu kvm vmware virtualbox xen virtual laptop notebook desktop tablet server
		workstation surface precision standard common core xeon ryzen epyc max ultra other user default
		process connection domain focus activity wifi logon device software`) {
		f := NewFilter(preset(t, "balanced"), Context{OS: Linux, Host: "h", Identities: []string{word}}, testKeys(t))
		if f.trip.finds([]byte("6.1 "+word), tripLook{plain: true}) {
			t.Errorf("finds(%q) in PLAIN text = true; want false", word)
		}
		if !f.trip.finds([]byte("6.1 "+word), tripLook{}) {
			t.Errorf("finds(%q) elsewhere = false; want true", word)
		}
	}
}

// TestKillGivenAway asks each class of values and each level: at cleartext these
// leave as they are, and no other.
func TestKillGivenAway(t *testing.T) {
	away := map[Key]bool{
		Username: true, UPN: true, DeviceName: true, AssetID: true, DeviceSerial: true, ProgramName: true,
		ProgramPath: true, ProgramSigner: true, Domains: true, WifiSSID: true,
	}
	for k := range NumKeys + 1 {
		for l := range numLevels {
			if got, want := givenAway(k, l), away[k] && l == Cleartext; got != want {
				t.Errorf("givenAway(%s, %s) = %v; want %v", k, l, got, want)
			}
		}
	}
}

// TestKillTripwireBytes: bytes that are no message are not clean, and a field
// just behind those of the schema is looked at.
func TestKillTripwireBytes(t *testing.T) {
	f := newSampleFilter(t, preset(t, "balanced"))
	long := append(bytes.Repeat([]byte{0xff}, 11), "x"...) // no number has 11 bytes
	for name, b := range map[string][]byte{
		"tag without an end": long, "length without an end": append([]byte{0x0a}, long...), "number without an end": append([]byte{0x08}, long...),
	} {
		if f.trip.clean(kindDevice, b) {
			t.Errorf("clean(%s) = true; want false", name)
		}
	}
	next := byte(len(f.trip.kinds[kindDevice].inner.of))
	for text, want := range map[string]bool{"jdoe": false, "6.1": true} {
		b := append(binary.AppendUvarint(nil, uint64(next)<<3|2), byte(len(text)))
		if got := f.trip.clean(kindDevice, append(b, text...)); got != want {
			t.Errorf("clean(field %d with %q) = %v; want %v", next, text, got, want)
		}
	}
	for b, want := range map[string]bool{"": true, "\x08\x00": true, "\x0a\x00": true, "\x0a\x03" + "6.1": true, "\x0a\x04" + "6.1": false} {
		if got := f.trip.clean(kindDevice, []byte(b)); got != want {
			t.Errorf("clean(%q) = %v; want %v", b, got, want)
		}
	}
}

// TestKillEightBytes: a text that is shorter is read with blanks behind it.
func TestKillEightBytes(t *testing.T) {
	const text = "abcdefghij"
	for n := range len(text) + 1 {
		want := binary.LittleEndian.Uint64([]byte(text[:n] + "        "))
		if got := eightBytes([]byte(text[:n])); got != want {
			t.Errorf("eightBytes(%q) = %x; want %x", text[:n], got, want)
		}
	}
}
