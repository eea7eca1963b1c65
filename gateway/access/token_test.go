package access

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func testToken(t testing.TB) string {
	t.Helper()
	now := time.Now()
	secret, _, err := NewToken("sha256:"+strings.Repeat("ab", 32), TokenOptions{Group: "g", Uses: 1, Now: now, Expires: now.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

func TestNewToken(t *testing.T) {
	now := time.Now()
	good := TokenOptions{Group: "berlin.laptops_1-a", Uses: 5, Now: now, Expires: now.Add(time.Hour)}
	pin := "sha256:" + strings.Repeat("ab", 32)
	tests := []struct {
		name   string
		pin    string
		change func(*TokenOptions)
		ok     bool
	}{
		{"good", pin, func(*TokenOptions) {}, true},
		{"no group", pin, func(o *TokenOptions) { o.Group = "" }, false},
		{"group with a blank", pin, func(o *TokenOptions) { o.Group = "a b" }, false},
		{"group with a line", pin, func(o *TokenOptions) { o.Group = "a\n" }, false},
		{"group too long", pin, func(o *TokenOptions) { o.Group = strings.Repeat("a", 65) }, false},
		{"no uses", pin, func(o *TokenOptions) { o.Uses = 0 }, false},
		{"too many uses", pin, func(o *TokenOptions) { o.Uses = maxUses + 1 }, false},
		{"expired", pin, func(o *TokenOptions) { o.Expires = now }, false},
		{"for ever", pin, func(o *TokenOptions) { o.Expires = now.AddDate(5, 0, 0) }, false},
		{"no pin", "", func(*TokenOptions) {}, false},
		{"short pin", "sha256:ab", func(*TokenOptions) {}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := good
			tt.change(&o)
			secret, rec, err := NewToken(tt.pin, o)
			if (err == nil) != tt.ok {
				t.Fatalf("NewToken() = %v; want ok %v", err, tt.ok)
			}
			if !tt.ok {
				return
			}
			tok, err := ParseToken(secret)
			if err != nil || tok.Pin != pin || tok.Hash != rec.Hash {
				t.Errorf("ParseToken(NewToken()) = %v, %v", tok, err)
			}
			if s := fmt.Sprintf("%+v %+v", rec, tok); strings.Contains(s, secret[4:20]) {
				t.Error("the record holds the token")
			}
		})
	}
	if one, other := testToken(t), testToken(t); one == other {
		t.Error("two tokens are equal")
	}
}

func FuzzParseToken(f *testing.F) {
	f.Add(testToken(f))
	f.Add("dt1.")
	f.Add("dt1." + strings.Repeat("A", 88))
	f.Fuzz(func(t *testing.T, s string) {
		tok, err := ParseToken(s)
		if err == nil && (len(tok.Pin) != 71 || len(s) != 92) {
			t.Errorf("ParseToken(%d bytes) = pin %s", len(s), tok.Pin)
		}
	})
}

func FuzzParseDeviceURI(f *testing.F) {
	f.Add("corp.example", "spiffe://corp.example/device/0b8a3c1e-5d2f-4a6b-9c7d-1e2f3a4b5c6d")
	f.Add("corp.example", "spiffe://other.example/device/0b8a3c1e-5d2f-4a6b-9c7d-1e2f3a4b5c6d")
	f.Add("", "spiffe:///device/")
	f.Fuzz(func(t *testing.T, domain, s string) {
		dev, err := ParseDeviceURI(domain, s)
		if err == nil && s != "spiffe://"+domain+"/device/"+string(dev) {
			t.Errorf("ParseDeviceURI(%q, %q) = %q", domain, s, dev)
		}
	})
}

func TestNewDevice(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		dev, err := newDevice()
		if err != nil || !isUUID(string(dev)) || seen[string(dev)] {
			t.Fatalf("newDevice() = %q, %v; want a new UUID", dev, err)
		}
		seen[string(dev)] = true
	}
}

func TestLimiterIsBounded(t *testing.T) {
	l := newLimiter(pace{1, 1e9}, pace{1, 2})
	now := time.Now()
	for i := range 3 * maxConns {
		l.allow(fmt.Sprint(i), now)
		if len(l.conns) > maxConns {
			t.Fatalf("%d connections are remembered; want at most %d", len(l.conns), maxConns)
		}
	}
	later := now.Add(time.Minute)
	l.forget(later)
	if len(l.conns) != 0 {
		t.Errorf("%d connections are remembered a minute later; want 0", len(l.conns))
	}
}

func TestRecentIsBounded(t *testing.T) {
	r := recent{byKey: map[recentKey]recentEntry{}}
	now := time.Now()
	for i := range maxRecent + 10 {
		r.add(recentKey{token: [32]byte{byte(i), byte(i >> 8)}}, nil, "", now)
	}
	if len(r.byKey) != maxRecent {
		t.Errorf("%d enrolments are remembered; want %d", len(r.byKey), maxRecent)
	}
	r.add(recentKey{token: [32]byte{31: 1}}, nil, "", now.Add(recentLife+1))
	if len(r.byKey) != 1 {
		t.Errorf("%d enrolments are remembered after their time; want 1", len(r.byKey))
	}
}
