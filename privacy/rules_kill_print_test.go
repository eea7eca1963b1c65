package privacy

import (
	"encoding/json"
	"fmt"
	"testing"
)

// TestKillPrint: what holds names shows one fixed word, in a log as in JSON, and
// valid JSON at that.
func TestKillPrint(t *testing.T) {
	ctx := testContext(Linux)
	if got := fmt.Sprint(ctx); got != "<redacted>" {
		t.Errorf("Sprint(Context) = %q; want <redacted>", got)
	}
	got, err := ctx.MarshalJSON()
	if err != nil || string(got) != `"<redacted>"` || !json.Valid(got) {
		t.Errorf("MarshalJSON() = %s, %v; want \"<redacted>\"", got, err)
	}
}

// TestKillPaddedKey: a key file in base64 may end with its padding, or without.
func TestKillPaddedKey(t *testing.T) {
	const bare = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
	for _, text := range []string{bare, bare + "=", bare + "=\n"} {
		key, err := decodeKey([]byte(text))
		if err != nil || len(key) != secretSize || key[1] != 1 || key[31] != 31 {
			t.Errorf("decodeKey(%q) = %x, %v; want 00 01 … 1f", text, key, err)
		}
	}
	if _, err := decodeKey([]byte(bare + "m")); err == nil {
		t.Error("decodeKey took a key with a letter too many")
	}
}
