package privacy

import (
	"fmt"
	"io"
	"log/slog"
)

// redactedText is all that a log, an error or a panic may show of a value that
// holds names of people or a secret.
const redactedText = "<redacted>"

// Format prints that there is something, whatever the verb.
func (r *rules) Format(f fmt.State, _ rune) { io.WriteString(f, redactedText) }

// LogValue is what a log shows.
func (r *rules) LogValue() slog.Value { return slog.StringValue(redactedText) }

// Format prints that there is something, whatever the verb.
func (c Context) Format(f fmt.State, _ rune) { io.WriteString(f, redactedText) }

// LogValue is what a log shows.
func (c Context) LogValue() slog.Value { return slog.StringValue(redactedText) }

// MarshalJSON writes that there is something: a Context is not for files.
func (c Context) MarshalJSON() ([]byte, error) { return []byte(`"` + redactedText + `"`), nil }

// Format prints that there is something, whatever the verb.
func (p *Pseudonyms) Format(f fmt.State, _ rune) { io.WriteString(f, redactedText) }

// LogValue is what a log shows.
func (p *Pseudonyms) LogValue() slog.Value { return slog.StringValue(redactedText) }

// Format prints that there is something, whatever the verb.
func (c TryContext) Format(f fmt.State, _ rune) { io.WriteString(f, redactedText) }

// LogValue is what a log shows.
func (c TryContext) LogValue() slog.Value { return slog.StringValue(redactedText) }

// Format prints that there is something, whatever the verb.
func (t *Trial) Format(f fmt.State, _ rune) { io.WriteString(f, redactedText) }

// LogValue is what a log shows.
func (t *Trial) LogValue() slog.Value { return slog.StringValue(redactedText) }
