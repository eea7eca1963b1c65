package configs

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// pemKey returns the public half of a key as its file holds it.
func pemKey(t *testing.T, k ed25519.PrivateKey) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(k.Public())
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// pushPaths returns paths on disk with keys 1 and 2 pinned, of which threshold
// must sign.
func pushPaths(t *testing.T, threshold string) AgentPaths {
	t.Helper()
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one.pem"), filepath.Join(dir, "two.pem")
	put(t, one, pemKey(t, testKey(1)))
	put(t, two, pemKey(t, testKey(2)))
	p := AgentPaths{File: filepath.Join(dir, "agent.yaml"), PushFile: filepath.Join(dir, "push.json")}
	put(t, p.File, "privacy: {username: cleartext}\ntrust: {push: {key_files: ['"+one+"', '"+two+"', '"+one+"'], threshold: "+threshold+"}}\n")
	return p
}

// TestPreAuth is the example of DSSE's own text.
func TestPreAuth(t *testing.T) {
	const want = "DSSEv1 29 http://example.com/HelloWorld 11 hello world"
	if got := string(preAuth("http://example.com/HelloWorld", []byte("hello world"))); got != want {
		t.Errorf("preAuth() = %q; want %q", got, want)
	}
}

// TestS49RefusedPush: whatever is wrong with a bundle, it is refused with a fault
// and the last good one stays, over a restart too.
func TestS49RefusedPush(t *testing.T) {
	const drop = "privacy: {username: drop}"
	good5 := seal(payloadOf(5, drop), testKey(1))
	laxer := payloadOf(6, "privacy: {username: cleartext}")
	dated := func(from, to string) []byte {
		p := strings.Replace(laxer, "2020-01-01", from, 1)
		return seal(strings.Replace(p, "2120-01-01", to, 1), testKey(1))
	}
	signed := string(seal(laxer, testKey(1)))
	for _, tt := range []struct {
		name string
		data []byte
		want string
	}{
		{"older", seal(payloadOf(4, "privacy: {username: cleartext}"), testKey(1)), "version 4, older than 5"},
		{"same version, other bytes", seal(payloadOf(5, "privacy: {username: cleartext}"), testKey(1)), "version 5 again"},
		{"expired", dated("2020-01-01", "2021-01-01"), "expired at 2021-01-01"},
		{"not yet", dated("2119-01-01", "2120-01-01"), "not valid before 2119-01-01"},
		{"unsigned", seal(laxer), "0 valid signatures of pinned keys, want 1"},
		{"wrong key", seal(laxer, testKey(3)), "0 valid signatures"},
		{"other type", []byte(strings.Replace(signed, "discreet.policy", "discreet.other", 1)), "signed for another use"},
		{"flipped payload", []byte(strings.Replace(signed, `"payload":"c`, `"payload":"d`, 1)), "0 valid signatures"},
		{"not an envelope", []byte(drop), "not a signed bundle"},
		{"cut off", []byte(signed[:len(signed)-9]), "not a signed bundle"},
		{"two of them", []byte(signed + signed), "more than one"},
		{"empty", nil, "not a signed bundle"},
		{"too large", []byte(signed + strings.Repeat(" ", maxBundle)), "larger than 64 KiB"},
		{"not privacy", seal(payloadOf(6, "gateway: {address: 'x.example:1'}"), testKey(1)), "unknown key"},
		{"pins keys", seal(payloadOf(6, "trust: {push: {key_files: []}}"), testKey(1)), "unknown key"},
		{"wrong level", seal(payloadOf(6, "privacy: {username: sometimes}"), testKey(1)), "want one of"},
		{"no version", seal("settings: {}\nnot_before: 2020-01-01T00:00:00Z\nexpires: 2120-01-01T00:00:00Z\n", testKey(1)), "version: missing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, state := pushPaths(t, "1"), filepath.Join(t.TempDir(), "good")
			l := NewLoader(p, state)
			put(t, p.PushFile, string(good5))
			if got := userLevel(t, good(t, l.Load())); got != "drop" {
				t.Fatalf("signed push: username = %s; want drop", got)
			}
			put(t, p.PushFile, string(tt.data))
			for from, l := range map[string]*Loader{"running": l, "restarted": NewLoader(p, state)} {
				got := l.Load()
				if !got.Degraded || got.OnlyHealth || userLevel(t, got) != "drop" || !strings.Contains(faultTexts(got.Faults), tt.want) {
					t.Errorf("%s: username = %s, only health %v, faults %q; want drop and %q", from, userLevel(t, got), got.OnlyHealth, faultTexts(got.Faults), tt.want)
				}
			}
			put(t, p.PushFile, signed)
			if got := userLevel(t, good(t, l.Load())); got != "cleartext" {
				t.Errorf("newer push: username = %s; want cleartext", got)
			}
		})
	}
}

// TestS50VersionsOnlyGrow: neither a restart nor a push that is taken away opens
// the way back to an older bundle, and a damaged record is no fresh start.
func TestS50VersionsOnlyGrow(t *testing.T) {
	p, state := pushPaths(t, "1"), filepath.Join(t.TempDir(), "good")
	put(t, p.PushFile, string(seal(payloadOf(7, "privacy: {username: drop}"), testKey(1))))
	good(t, NewLoader(p, state).Load())
	if err := os.Remove(p.PushFile); err != nil {
		t.Fatal(err)
	}
	good(t, NewLoader(p, state).Load())
	put(t, p.PushFile, string(seal(payloadOf(6, "privacy: {username: hashed}"), testKey(1))))
	if got := NewLoader(p, state).Load(); !got.OnlyHealth || !strings.Contains(faultTexts(got.Faults), "older than 7") {
		t.Errorf("old bundle after a removal: only health %v, faults %q; want it refused", got.OnlyHealth, faultTexts(got.Faults))
	}
	put(t, filepath.Join(state, versionFile), "0 \n")
	if got := NewLoader(p, state).Load(); !got.OnlyHealth || !strings.Contains(faultTexts(got.Faults), "damaged") {
		t.Errorf("damaged record: only health %v, faults %q; want it refused", got.OnlyHealth, faultTexts(got.Faults))
	}
}

func TestPushSigners(t *testing.T) {
	push := payloadOf(1, "privacy: {username: drop}")
	for _, tt := range []struct {
		name, threshold, yaml string
		keys                  []ed25519.PrivateKey
		want                  string // in the fault; "" none
	}{
		{name: "one of two", threshold: "1", keys: []ed25519.PrivateKey{testKey(2)}},
		{name: "two of two", threshold: "2", keys: []ed25519.PrivateKey{testKey(2), testKey(1)}},
		{name: "one key twice", threshold: "2", keys: []ed25519.PrivateKey{testKey(1), testKey(1)}, want: "1 valid signatures of pinned keys, want 2"},
		{name: "more than keys", threshold: "3", keys: []ed25519.PrivateKey{testKey(1), testKey(2)}, want: "nobody's signature"},
		{name: "none pinned", yaml: "{}", keys: []ed25519.PrivateKey{testKey(1)}, want: "nobody's signature"},
		{name: "relative", yaml: "trust: {push: {key_files: [one.pem]}}", keys: []ed25519.PrivateKey{testKey(1)}, want: "relative path"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := pushPaths(t, tt.threshold)
			if tt.yaml != "" {
				put(t, p.File, tt.yaml)
			}
			put(t, p.PushFile, string(seal(push, tt.keys...)))
			got := LoadAgent(p)
			if tt.want == "" && userLevel(t, good(t, got)) != "drop" || !strings.Contains(faultTexts(got.Faults), tt.want) || got.OnlyHealth != (tt.want != "") {
				t.Errorf("username = %s, faults %q; want %q", userLevel(t, got), faultTexts(got.Faults), tt.want)
			}
		})
	}
}

// TestExpiredPushStays: freezing the device on an old bundle is told, and does
// not bring back what lay under it. Keys that are pinned no longer end it.
func TestExpiredPushStays(t *testing.T) {
	p, state := pushPaths(t, "1"), filepath.Join(t.TempDir(), "good")
	put(t, p.PushFile, string(seal(payloadOf(1, "privacy: {username: drop}"), testKey(1))))
	l := NewLoader(p, state)
	good(t, l.Load())
	l.now = func() time.Time { return time.Date(2120, 1, 1, 0, 0, 0, 0, time.UTC) }
	if got := l.Load(); userLevel(t, got) != "drop" || !got.Degraded || got.OnlyHealth {
		t.Errorf("expired: username = %s, degraded %v, only health %v; want drop, true, false", userLevel(t, got), got.Degraded, got.OnlyHealth)
	}
	put(t, p.File, "{}")
	if got := l.Load(); !got.OnlyHealth {
		t.Error("a bundle of a key that is no longer pinned is in force; want only health")
	}
}

func FuzzBundle(f *testing.F) {
	who := signers{keys: []ed25519.PublicKey{testKey(1).Public().(ed25519.PublicKey)}, threshold: 1}
	f.Add(seal(payloadOf(1, "privacy: {username: drop}"), testKey(1)), true)
	f.Add([]byte("settings: {privacy: {}, privacy_floor: {upn: drop}}\nversion: 1\nversion: 2\n"), false)
	f.Add([]byte("settings: null\nversion: [1]\nexpires: &a 1\nnot_before: *a\n"), false)
	f.Add([]byte(`{"payload":"","payloadType":"","signatures":[{}]}`), true)
	table := agentKeys(LinuxPlaces())
	good := string(seal(payloadOf(1, "privacy: {username: drop}"), testKey(1)))
	f.Fuzz(func(t *testing.T, data []byte, envelope bool) {
		if !envelope { // what a signer's mistake could hold
			data = seal(string(data), testKey(1))
		}
		readFloor(data)
		b := readBundle("f", data, who, table, bundleType)
		if len(b.faults) == 0 && (b.version < 1 || envelope && string(data) != good && !who.vouch(data)) {
			t.Errorf("readBundle(%q) has no fault; want one", data)
		}
	})
}

// vouch reports whether the envelope opens.
func (s signers) vouch(data []byte) bool { _, err := s.open(data, bundleType); return err == nil }

// readFloor reads what a signer's mistake in a floor could hold.
func readFloor(payload []byte) { contents("f", envelope{Payload: payload, PayloadType: floorType}) }
