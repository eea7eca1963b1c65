package spool

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"time"

	"github.com/discreet-agent/discreet/privacy"
	eventv1 "github.com/discreet-agent/discreet/proto/event/v1"
)

// A segment is a file: its header twice, so that one flipped bit does not cost
// all of its records, then records. All numbers are little-endian.
//
//	header: magic 4, version 2, key id length 2, levels length 4, length of both
//	        headers 4, epoch 16, first number 8, created (Unix ms) 8, digest 32,
//	        key id, levels, CRC-32C 4 of all before
//	record: magic 3, flags 1, length 4, number 8, CRC-32C 4, payload
//
// A record's CRC begins with that of the epoch, which is random: bytes inside an
// event cannot pass for a record, and a record of another epoch neither.
const (
	segmentMagic   = 0x4c504453 // "SDPL"
	segmentVersion = 1
	headerFixed    = 80
	maxLevels      = 16 << 10
	maxKeyID       = 1 << 10
	maxNumber      = 1 << 62
	maxHeader      = 2 * (headerFixed + maxLevels + maxKeyID + 4)

	recordHead = 20
	maxRecord  = 1 << 20
	gapBytes   = 44
)

// What a record is. No flag: an event.
const (
	flagGap byte = 1 // the payload is a Gap
	flagEnd byte = 2 // a clean stop: the epoch has no number from this one on
)

var (
	castagnoli  = crc32.MakeTable(crc32.Castagnoli)
	recordMagic = []byte{0xd5, 0x1e, 0xc7}
)

type header struct {
	epoch   Epoch
	first   uint64
	created time.Time
	stamp   privacy.Stamp
}

// encode returns the header, twice.
func (h header) encode() []byte {
	le := binary.LittleEndian
	n := headerFixed + len(h.stamp.KeyID) + len(h.stamp.Levels) + 4
	b := make([]byte, 0, 2*n)
	b = le.AppendUint32(b, segmentMagic)
	b = le.AppendUint16(b, segmentVersion)
	b = le.AppendUint16(b, uint16(len(h.stamp.KeyID)))
	b = le.AppendUint32(b, uint32(len(h.stamp.Levels)))
	b = le.AppendUint32(b, uint32(2*n))
	b = append(b, h.epoch[:]...)
	b = le.AppendUint64(b, h.first)
	b = le.AppendUint64(b, uint64(h.created.UnixMilli()))
	b = append(b, h.stamp.Digest[:]...)
	b = append(b, h.stamp.KeyID...)
	b = append(b, h.stamp.Levels...)
	b = le.AppendUint32(b, crc32.Checksum(b, castagnoli))
	return append(b, b...)
}

// parseHeader reads the first good header of b, the beginning of a segment, and
// returns where its records begin.
func parseHeader(b []byte) (h header, data int64, ok bool) {
	var magic [4]byte
	binary.LittleEndian.PutUint32(magic[:], segmentMagic)
	for at := 0; at <= len(b); {
		i := bytes.Index(b[at:], magic[:])
		if i < 0 {
			break
		}
		if h, n, ok := parseOneHeader(b[at+i:]); ok && (at+i == 0 || at+i == n) {
			return h, int64(2 * n), true
		}
		at += i + 1
	}
	return header{}, 0, false
}

// parseOneHeader reads one header at the beginning of b and returns its length.
func parseOneHeader(b []byte) (h header, n int, ok bool) {
	le := binary.LittleEndian
	if len(b) < headerFixed || le.Uint16(b[4:]) != segmentVersion {
		return h, 0, false
	}
	key, levels := int(le.Uint16(b[6:])), le.Uint32(b[8:])
	if key > maxKeyID || levels > maxLevels {
		return h, 0, false
	}
	n = headerFixed + key + int(levels) + 4
	if len(b) < n || int(le.Uint32(b[12:])) != 2*n ||
		crc32.Checksum(b[:n-4], castagnoli) != le.Uint32(b[n-4:]) {
		return h, 0, false
	}
	copy(h.epoch[:], b[16:])
	h.first = le.Uint64(b[32:])
	h.created = time.UnixMilli(int64(le.Uint64(b[40:])))
	copy(h.stamp.Digest[:], b[48:])
	h.stamp.KeyID = string(b[headerFixed : headerFixed+key])
	h.stamp.Levels = string(b[headerFixed+key : n-4])
	return h, n, h.first > 0 && h.first < maxNumber
}

// epochSeed returns what the CRC of each record of the epoch begins with.
func epochSeed(e Epoch) uint32 { return crc32.Checksum(e[:], castagnoli) }

// appendRecord appends a record to b.
func appendRecord(b []byte, seed uint32, flags byte, seq uint64, payload []byte) []byte {
	at := len(b)
	b = append(b, recordMagic[0], recordMagic[1], recordMagic[2], flags)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(payload)))
	b = binary.LittleEndian.AppendUint64(b, seq)
	crc := crc32.Update(crc32.Update(seed, castagnoli, b[at:]), castagnoli, payload)
	b = binary.LittleEndian.AppendUint32(b, crc)
	return append(b, payload...)
}

// record is one record as it was read; the payload belongs to the reader.
type record struct {
	seq     uint64
	flags   byte
	payload []byte
}

func (r record) size() int64 { return recordHead + int64(len(r.payload)) }

// parseRecord reads the record at the beginning of b. Where b ends too early to
// say, need is the number of bytes that it takes.
func parseRecord(b []byte, seed uint32) (r record, need int, ok bool) {
	if len(b) < recordHead {
		return r, recordHead, false
	}
	n := binary.LittleEndian.Uint32(b[4:])
	if !bytes.Equal(b[:3], recordMagic) || b[3] > flagEnd || n > maxRecord {
		return r, 0, false
	}
	size := recordHead + int(n)
	if len(b) < size {
		return r, size, false
	}
	crc := crc32.Update(crc32.Update(seed, castagnoli, b[:16]), castagnoli, b[recordHead:size])
	if crc != binary.LittleEndian.Uint32(b[16:]) {
		return r, 0, false
	}
	r = record{binary.LittleEndian.Uint64(b[8:]), b[3], b[recordHead:size]}
	return r, 0, r.flags != flagGap || n == gapBytes
}

// through returns the last number that the gap with number seq stands for in its
// own place; where it does not stand in place of what is missing, seq.
func (g Gap) through(e Epoch, seq uint64) uint64 {
	if g.Lost == e && g.First == seq {
		return max(g.Last, seq)
	}
	return seq
}

// last returns the last number that a record of e takes: a gap in place of what
// was dropped takes all of theirs.
func (r record) last(e Epoch) uint64 {
	if r.flags != flagGap {
		return r.seq
	}
	return decodeGap(r.payload).through(e, r.seq)
}

func (g Gap) encode() []byte {
	b := make([]byte, 0, gapBytes)
	b = append(b, g.Lost[:]...)
	b = binary.LittleEndian.AppendUint64(b, g.First)
	b = binary.LittleEndian.AppendUint64(b, g.Last)
	b = binary.LittleEndian.AppendUint64(b, g.Count)
	return binary.LittleEndian.AppendUint32(b, uint32(g.Reason))
}

// decodeGap reads what encode wrote; b has gapBytes bytes.
func decodeGap(b []byte) (g Gap) {
	copy(g.Lost[:], b)
	g.First = binary.LittleEndian.Uint64(b[16:])
	g.Last = binary.LittleEndian.Uint64(b[24:])
	g.Count = binary.LittleEndian.Uint64(b[32:])
	g.Reason = eventv1.LossReason(binary.LittleEndian.Uint32(b[40:]))
	return g
}
