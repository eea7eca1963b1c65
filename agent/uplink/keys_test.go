package uplink

import (
	"fmt"
	"strings"
	"testing"

	uplinkv1 "github.com/discreet-agent/discreet/proto/uplink/v1"
)

// TestS29BatchesHaveOneKey: records that differ in nothing but the pseudonym key
// share no batch, however full it could be.
func TestS29BatchesHaveOneKey(t *testing.T) {
	p, c := newPair(t, nil)
	mixed := make(chan string, 100)
	p.gw.onUp = func(up *uplinkv1.Up, _ func(*uplinkv1.Down)) (bool, error) {
		b := up.GetBatch()
		if b == nil {
			return false, nil
		}
		records, err := open(b.Payload)
		if err != nil {
			return false, err
		}
		for _, r := range records {
			if !strings.HasSuffix(string(r), " under "+b.KeyId) {
				mixed <- b.KeyId
			}
		}
		return false, nil
	}
	for i := range 60 {
		stamp := stampOf(0)
		stamp.KeyID = fmt.Sprintf("it12026m%02d", 1+i/7%2)
		p.src.add(record(i)+" under "+stamp.KeyID, stamp)
	}
	stop := start(t, c)
	until(t, "empty source", func() bool { return p.src.left() == 0 })
	stop()
	if n := len(mixed); n != 0 {
		t.Errorf("%d records came in a batch of another key; want none", n)
	}
	if n := p.gw.batchCount(); n < 9 {
		t.Errorf("batches = %d; want at least 9, one for each run of one key", n)
	}
}
