package privacy

import "time"

// rules turns a raw value into what may leave of it, by VALUE_RULES. Each
// method takes the level that the policy gives and returns "" for dropped. The
// results of the dear ones are kept, in bounded memos, so that a value seen
// again costs no allocation.
type rules struct {
	ctx  Context
	keys *Pseudonyms
}

// newRules compiles the rules for one device. keys may be nil: then whatever
// would be hashed is dropped.
func newRules(ctx Context, keys *Pseudonyms) *rules {
	return &rules{ctx: ctx, keys: keys}
}

// username takes the account's SID too (on Unix its uid, in digits): it tells a
// system account from a person.
func (r *rules) username(l Level, name, sid string) string { return "" }
func (r *rules) upn(l Level, v string) string              { return "" }
func (r *rules) userSID(l Level, v string) string          { return "" }
func (r *rules) deviceName(l Level, v string) string       { return "" }
func (r *rules) assetID(l Level, v string) string          { return "" }
func (r *rules) deviceSerial(l Level, v string) string     { return "" }
func (r *rules) localAddress(l Level, v string) string     { return "" }
func (r *rules) programName(l Level, v string) string      { return "" }
func (r *rules) programPath(l Level, v string) string      { return "" }
func (r *rules) programSHA256(l Level, v []byte) []byte    { return nil }
func (r *rules) programSigner(l Level, v string) string    { return "" }
func (r *rules) software(l Level, v string) string         { return "" }
func (r *rules) destination(l Level, v string) string      { return "" }
func (r *rules) domain(l Level, v string) string           { return "" }
func (r *rules) wifiSSID(l Level, v []byte) string         { return "" }
func (r *rules) wifiBSSID(l Level, v string) string        { return "" }

// bucket returns the start and the length of the bucket of device-local time in
// which t lies. At Full, and at levels that are no grain of time, the length is
// 0 and start is t.
func (r *rules) bucket(l Level, t time.Time) (start time.Time, length time.Duration) {
	return t, 0
}
