package configs

import (
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"7d": 7 * 24 * time.Hour, "1h30m": 90 * time.Minute, "45s": 45 * time.Second,
		"": 0, "7": 0, "0s": 0, "-7d": 0, "30m1h": 0, "7w": 0, "99999999999d": 0, "100001d": 0,
	} {
		got, err := ParseDuration(in)
		if got != want || (err == nil) != (want > 0) {
			t.Errorf("ParseDuration(%q) = %v, %v; want %v", in, got, err, want)
		}
	}
}
