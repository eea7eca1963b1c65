package configs

import (
	"testing"

	"github.com/spf13/viper"
)

// TestViperConvertsNothing: the stand-in for cast is what viper was built with. A
// value of another type is never read as the wanted one.
func TestViperConvertsNothing(t *testing.T) {
	v := viper.New()
	v.Set("word", "true")
	v.Set("number", 30)
	v.Set("bool", true)
	if v.GetBool("word") {
		t.Error(`GetBool("true") = true; want false: a word is no bool`)
	}
	if got := v.GetDuration("number"); got != 0 {
		t.Errorf("GetDuration(30) = %v; want 0: a bare number is no duration", got)
	}
	if !v.GetBool("bool") {
		t.Error("GetBool(true) = false; want true")
	}
}
