package ingest

import (
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/discreet-agent/discreet/privacy"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

var (
	errTooLarge  = errors.New("over the limit after decompression")
	errMalformed = errors.New("malformed")
	errUnknown   = errors.New("a field that the schema does not know")
)

// blockSlack is how far the decompressor writes before it looks at the limit: a
// block (RFC 8878 3.1.1.2.4), and what it allocates beyond one.
const blockSlack = 128<<10 + 64

// hands is what one batch needs while it is decoded. A fixed number of them
// bounds the memory for all streams together. Its buffer has the size of the
// limit and a little, comes with the first use, and never grows.
type hands struct {
	limit  int
	z      *zstd.Decoder
	buf    []byte
	events []*eventv1.Event
}

// records decompresses a payload and splits it. The records lie in the buffer
// of h. It fails with errTooLarge or errMalformed.
func (h *hands) records(payload []byte, count int) ([][]byte, error) {
	if h.z == nil {
		z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxMemory(uint64(h.limit)), zstd.WithDecoderMaxWindow(uint64(max(h.limit, zstd.MinWindowSize))))
		if err != nil {
			return nil, fmt.Errorf("start decompressor: %w", err)
		}
		h.z, h.buf = z, make([]byte, 0, h.limit+blockSlack)
	}
	raw, err := h.z.DecodeAll(payload, h.buf)
	switch {
	case errors.Is(err, zstd.ErrDecoderSizeExceeded), errors.Is(err, zstd.ErrWindowSizeExceeded):
		return nil, errTooLarge
	case err != nil:
		return nil, errMalformed
	}
	return split(raw, count)
}

// split reads a Records message. It must hold exactly count records and nothing
// else.
func split(raw []byte, count int) ([][]byte, error) {
	if count > len(raw) { // each record takes two bytes or more
		return nil, errMalformed
	}
	records := make([][]byte, 0, count)
	for len(raw) > 0 {
		num, typ, n := protowire.ConsumeTag(raw)
		if n < 0 || num != 1 || typ != protowire.BytesType || len(records) == count {
			return nil, errMalformed
		}
		record, m := protowire.ConsumeBytes(raw[n:])
		if m < 0 {
			return nil, errMalformed
		}
		records, raw = append(records, record), raw[n+m:]
	}
	if len(records) != count {
		return nil, errMalformed
	}
	return records, nil
}

// decode reads one event. Unknown fields are kept, so that the second look sees
// them.
func decode(record []byte) (*eventv1.Event, error) {
	ev := &eventv1.Event{}
	if err := (proto.UnmarshalOptions{DiscardUnknown: false}).Unmarshal(record, ev); err != nil {
		return nil, errMalformed // the library's text may quote the record
	}
	return ev, nil
}

// known is the second look where none is given: it refuses what the schema does
// not know, and an event that says nothing.
func known(_ privacy.Policy, ev *eventv1.Event) error {
	if ev.GetKind() == nil || hasUnknown(ev.ProtoReflect()) {
		return errUnknown
	}
	return nil
}

func hasUnknown(m protoreflect.Message) bool {
	if len(m.GetUnknown()) > 0 {
		return true
	}
	found := false
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if fd.Kind() != protoreflect.MessageKind {
			return true
		}
		if !fd.IsList() {
			found = hasUnknown(v.Message())
			return !found
		}
		for i := range v.List().Len() {
			if found = hasUnknown(v.List().Get(i).Message()); found {
				return false
			}
		}
		return true
	})
	return found
}
