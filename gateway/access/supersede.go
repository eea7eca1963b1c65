package access

import (
	"context"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/discreet-agent/discreet/gateway"
)

// put notes a device that has just paid with its token. Where it brings an asset id
// it takes the place of the records of its group that have it: the laptop was set up
// anew. This is the one call that can do that. A device that is enrolled may say of
// itself what it likes, also another's asset id: it takes nobody's place by it.
func (e *enrollment) put(ctx context.Context, d gateway.DeviceRecord) error {
	if e.o.Lineage == nil {
		return e.reg.PutDevice(ctx, d)
	}
	old, err := e.o.Lineage.EnrolDevice(ctx, d, e.o.Connected)
	if err != nil || len(old) == 0 {
		return err
	}
	for _, dev := range old {
		e.log.Info("device superseded", "device", string(dev), "by", string(d.Device))
	}
	if e.o.Superseded != nil {
		e.o.Superseded(ctx, len(old))
	}
	return nil
}

// maxAsset is what the agent's settings allow.
const maxAsset = 128

// cleanAsset keeps what can be an asset id: it comes from outside and ends in lists.
func cleanAsset(s string) string {
	if len(s) > maxAsset || !utf8.ValidString(s) || strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) >= 0 {
		return ""
	}
	return s
}
