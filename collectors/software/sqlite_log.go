package software

import (
	"encoding/binary"
	"fmt"
)

// maxFrames bounds how much of a log is read: rpm empties it when it closes.
const maxFrames = 1 << 16

// readLog finds the pages that a write-ahead log holds, up to its last complete
// transaction. What follows is of one that is under way or was broken off, and
// does not count.
func (s *sqlite) readLog(size int64) error {
	var head [32]byte
	if size < int64(len(head)) {
		return nil
	}
	if _, err := s.wal.ReadAt(head[:], 0); err != nil {
		return fmt.Errorf("read the log: %w", err)
	}
	var order binary.ByteOrder = binary.LittleEndian
	switch magic := binary.BigEndian.Uint32(head[:]); {
	case magic == 0x377f0683:
		order = binary.BigEndian
	case magic != 0x377f0682:
		return fmt.Errorf("the log's head: %w", errSQLite)
	}
	if int(binary.BigEndian.Uint32(head[8:])) != s.size {
		return nil // left by another file
	}
	sum := checksum(order, [2]uint32{}, head[:24])
	frame, pending := make([]byte, 24+s.size), map[uint32]int64{}
	s.frames = map[uint32]int64{}
	at := int64(len(head))
	for range maxFrames {
		if at+int64(len(frame)) > size {
			break
		}
		if _, err := s.wal.ReadAt(frame, at); err != nil {
			return fmt.Errorf("read the log: %w", err)
		}
		sum = checksum(order, checksum(order, sum, frame[:8]), frame[24:])
		if string(frame[8:16]) != string(head[16:24]) ||
			binary.BigEndian.Uint32(frame[16:]) != sum[0] || binary.BigEndian.Uint32(frame[20:]) != sum[1] {
			break
		}
		pending[binary.BigEndian.Uint32(frame)] = at + 24
		if pages := binary.BigEndian.Uint32(frame[4:]); pages > 0 { // a transaction ends
			for n, where := range pending {
				s.frames[n] = where
			}
			clear(pending)
			s.pages = min(pages, maxPages)
		}
		at += int64(len(frame))
	}
	return nil
}

// checksum goes on with the sum of the log's format over b, a multiple of eight
// bytes.
func checksum(order binary.ByteOrder, s [2]uint32, b []byte) [2]uint32 {
	for ; len(b) >= 8; b = b[8:] {
		s[0] += order.Uint32(b) + s[1]
		s[1] += order.Uint32(b[4:]) + s[0]
	}
	return s
}
