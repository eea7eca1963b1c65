package uplink

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/protobuf/encoding/protowire"
)

const (
	// encoderWindow is as far back as the compressor looks. The library's own
	// choice costs 9 MB of heap; batches are rarely larger than this.
	encoderWindow = 64 << 10
	// keptBuffer is how much of a buffer is kept for the next batch.
	keptBuffer = 128 << 10
)

var errPayload = errors.New("payload is not what was encoded")

// encoder builds payloads: zstd over uplink.v1.Records, without a look into the
// records. It is not safe for concurrent use.
type encoder struct {
	z        *zstd.Encoder
	raw, out []byte
}

func newEncoder() (*encoder, error) {
	z, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(encoderWindow),
		zstd.WithLowerEncoderMem(true), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false))
	if err != nil {
		return nil, fmt.Errorf("start compressor: %w", err)
	}
	return &encoder{z: z}, nil
}

// add appends one record to the payload that is being built.
func (e *encoder) add(record []byte) {
	e.raw = protowire.AppendTag(e.raw, 1, protowire.BytesType)
	e.raw = protowire.AppendBytes(e.raw, record)
}

// decoded returns the size of the payload before compression.
func (e *encoder) decoded() int { return len(e.raw) }

// seal returns the payload in memory of its own and starts the next one.
func (e *encoder) seal() []byte {
	e.out = e.z.EncodeAll(e.raw, e.out[:0])
	payload := bytes.Clone(e.out)
	e.raw, e.out = e.raw[:0], e.out[:0]
	if cap(e.raw) > keptBuffer {
		e.raw = nil
	}
	if cap(e.out) > keptBuffer {
		e.out = nil
	}
	return payload
}

func (e *encoder) close() { e.z.Close() }

// open reads a payload of our own again, for a split. That is rare, so the
// decompressor lives no longer than this call.
func open(payload []byte) ([][]byte, error) {
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(16<<20))
	if err != nil {
		return nil, fmt.Errorf("start decompressor: %w", err)
	}
	defer z.Close()
	raw, err := z.DecodeAll(payload, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errPayload, err)
	}
	var records [][]byte
	for len(raw) > 0 {
		num, typ, n := protowire.ConsumeTag(raw)
		if n < 0 || num != 1 || typ != protowire.BytesType {
			return nil, errPayload
		}
		record, m := protowire.ConsumeBytes(raw[n:])
		if m < 0 {
			return nil, errPayload
		}
		records, raw = append(records, record), raw[n+m:]
	}
	return records, nil
}
