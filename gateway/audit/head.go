package audit

import (
	"encoding/json"
	"errors"
	"os"
)

// writeHead replaces the head. The caller holds the lock of the record.
func (l *Log) writeHead(h head) error {
	b, err := json.Marshal(h)
	if err != nil {
		return err
	}
	part := l.path + ".head.part"
	f, err := os.OpenFile(part, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err = f.Write(append(b, '\n')); err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	// A crash before the next line may bring the older head back. That does no
	// harm: it names a line that is there.
	return os.Rename(part, l.path+".head")
}
