package identity

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"unicode/utf16"
)

// A token is "dt1." and, in base64url, 32 random bytes, the 32 bytes of the pin
// and 2 bytes of a checksum over both; gateway/access makes it.
const (
	tokenPrefix = "dt1."
	pinAt       = 32
	pinEnd      = pinAt + sha256.Size
	tokenSize   = pinEnd + 2
)

// maxToken bounds what is read in search of a token.
const maxToken = 4 << 10

// token is a token that this device was given. It has no exported field and no
// text form, so that it cannot end up in a log.
type token struct {
	text string
	pin  [sha256.Size]byte
}

// String keeps the token out of anything that is printed.
func (token) String() string { return "token" }

// GoString is String.
func (t token) GoString() string { return t.String() }

// names reports whether the token's pin is the one that is written as "sha256:" and
// hex digits; an empty one is any.
func (t token) names(pin string) bool {
	digits, _ := strings.CutPrefix(strings.ToLower(strings.TrimSpace(pin)), "sha256:")
	return pin == "" || digits == hex.EncodeToString(t.pin[:])
}

// parseToken reads a token as people and their tools put it into files: with
// blanks around it, with a byte order mark, or in the UTF-16 that PowerShell
// writes. The error never quotes it.
func parseToken(data []byte) (token, error) {
	malformed := fmt.Errorf("%w: token malformed (hint: the file must hold one whole token, beginning with %s)", ErrTokenRefused, tokenPrefix)
	data = bytes.TrimSpace(bytes.TrimPrefix(fromUTF16(data), []byte("\ufeff")))
	text, ok := bytes.CutPrefix(data, []byte(tokenPrefix))
	if !ok || len(text) != base64.RawURLEncoding.EncodedLen(tokenSize) {
		return token{}, malformed
	}
	raw, err := base64.RawURLEncoding.Strict().AppendDecode(nil, text)
	if err != nil || len(raw) != tokenSize {
		return token{}, malformed
	}
	sum := sha256.Sum256(raw[:pinEnd])
	if !bytes.Equal(sum[:2], raw[pinEnd:]) {
		return token{}, malformed
	}
	return token{text: string(data), pin: [sha256.Size]byte(raw[pinAt:pinEnd])}, nil
}

// fromUTF16 turns text with the byte order mark of UTF-16 into UTF-8 and leaves
// other text alone.
func fromUTF16(data []byte) []byte {
	if len(data) < 2 {
		return data
	}
	var hi, lo int
	switch {
	case data[0] == 0xff && data[1] == 0xfe:
		hi, lo = 1, 0
	case data[0] == 0xfe && data[1] == 0xff:
		hi, lo = 0, 1
	default:
		return data
	}
	var units []uint16
	for i := 2; i+1 < len(data); i += 2 {
		units = append(units, uint16(data[i+hi])<<8|uint16(data[i+lo]))
	}
	return []byte(string(utf16.Decode(units)))
}

// readToken takes the token from where the request says. A file that others can
// read is taken with a warning: management tools drop files as they do, and the
// file goes away with the enrolment.
func readToken(req Request, log *slog.Logger) (token, error) {
	switch {
	case req.Token != nil:
		return parseToken(req.Token)
	case req.TokenFile == "-":
		if req.Stdin == nil {
			return token{}, fmt.Errorf("read token: no standard input")
		}
		data, err := io.ReadAll(io.LimitReader(req.Stdin, maxToken))
		if err != nil {
			return token{}, fmt.Errorf("read token from standard input: %w", err)
		}
		return parseToken(data)
	case req.TokenFile == "":
		return token{}, fmt.Errorf("read token: none given (hint: --token-file FILE, or - for standard input)")
	}
	// Stat comes first: to open a pipe would wait for its other end.
	info, err := os.Stat(req.TokenFile)
	if err != nil {
		return token{}, fmt.Errorf("read token file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return token{}, fmt.Errorf("read token file %s: not a regular file", req.TokenFile)
	}
	f, err := os.Open(req.TokenFile)
	if err != nil {
		return token{}, fmt.Errorf("read token file: %w", err)
	}
	defer f.Close()
	if open, err := exposed(f); err == nil && open {
		log.Warn("token file is readable by others", "hint", exposedHint(req.TokenFile))
	}
	data, err := io.ReadAll(io.LimitReader(f, maxToken))
	if err != nil {
		return token{}, fmt.Errorf("read token file: %w", err)
	}
	return parseToken(data)
}
