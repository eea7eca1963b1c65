package configs

import (
	"strings"
	"testing"
	"time"

	"github.com/discreet-agent/discreet/privacy"
)

// TestS15EnvironmentLoosensNothing: no variable of the environment reaches a key
// of the settings.
func TestS15EnvironmentLoosensNothing(t *testing.T) {
	for _, name := range []string{"DISCREET_PRIVACY_USERNAME", "DISCREET_PRIVACY__USERNAME", "PRIVACY_USERNAME", "PRIVACY.USERNAME", "USERNAME", "DISCREET_USERNAME"} {
		t.Setenv(name, "cleartext")
	}
	t.Setenv("DISCREET_PRIVACY_PRESET", "classic")
	for _, text := range []string{"log: {}", "privacy: {preset: balanced}", "privacy: {username: hashed}"} {
		if got := userLevel(t, loadText(text)); got != "hashed" {
			t.Errorf("level of username with %q = %s; want hashed", text, got)
		}
	}
}

// TestS57S66RewrittenLevels: what other tools make of a level, and what viper
// alone takes for none, is refused; false alone is drop.
func TestS57S66RewrittenLevels(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"typo", "privacy: {usernmae: hashed}", "unknown key"},
		{"null", "privacy: {username: null}", "no value"},
		{"differs in case", "privacy: {username: hashed, Username: cleartext}", "differs"},
		{"true", "privacy: {upn: true}", "want one of"},
		{"bare number of hours", "privacy: {quiet: {hours: 1140}}", "want hours"},
	} {
		l := loadText(tt.text)
		if len(l.Faults) == 0 || !strings.Contains(l.Faults[0].String(), tt.want) {
			t.Errorf("%s: faults = %v; want %q", tt.name, l.Faults, tt.want)
		}
		if got := userLevel(t, l); got != "drop" {
			t.Errorf("%s: level of username = %s; want drop", tt.name, got)
		}
	}
	l := loadText("privacy: {preset: classic, username: false}")
	if got := userLevel(t, l); len(l.Faults) > 0 || got != "drop" {
		t.Errorf("false: %s, faults %v; want drop", got, l.Faults)
	}
}

// TestS38NothingFinerThanAMinute: with focus off, figures of programs could show
// by their course which one was in front. None is summed up over less than a
// minute.
func TestS38NothingFinerThanAMinute(t *testing.T) {
	levels := 0
	for _, level := range []privacy.Level{privacy.Day, privacy.Hour, privacy.QuarterHour, privacy.Minute} {
		if !privacy.SummaryInterval.Allows(level) {
			continue
		}
		levels++
		if got := intervalLength(level); got < time.Minute {
			t.Errorf("summary_interval %s is %v; want a minute at least", level, got)
		}
	}
	if levels != 4 {
		t.Errorf("%d levels of summary_interval; want 4, each looked at here", levels)
	}
}
