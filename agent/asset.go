package agent

import (
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/discreet-agent/discreet/configs"
	"github.com/discreet-agent/discreet/privacy"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// assetID returns what the policy in force lets leave of the asset id: enrolment
// sends no more than an event would.
func (a *Agent) assetID() string {
	a.mu.Lock()
	l := a.loaded
	a.mu.Unlock()
	f, _, _ := a.newFilter(l) // without its key it drops what it would hash: none of this
	return letsAsset(l, f)
}

// EnrolAsset is the asset id that a foreground enrolment under these settings may
// send.
func EnrolAsset(l *configs.Loaded) string {
	f, _, _ := offlineFilter(l)
	return letsAsset(l, f)
}

func letsAsset(l *configs.Loaded, f *privacy.Filter) string {
	var out eventv1.Event
	c, ok := f.Apply(&eventv1.Event{TimeUnixMs: time.Now().UnixMilli(), Kind: &eventv1.Event_Device{Device: &eventv1.Device{AssetId: l.Settings.Device.AssetID}}})
	if !ok || proto.Unmarshal(c.AppendTo(nil), &out) != nil {
		return ""
	}
	return out.GetDevice().GetAssetId()
}
