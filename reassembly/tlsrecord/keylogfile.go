package tlsrecord

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// maxPoll bounds the bytes that one Poll reads: Poll must return even if the key log grows faster
// than it is read. 64 MiB are some 350,000 lines.
const maxPoll = 64 << 20

// KeyLogFile reads a key log that grows. One goroutine at a time may use it.
type KeyLogFile struct {
	lines lineReader
	file  *os.File
	read  int64 // bytes read from file
	buf   []byte
}

// FollowKeyLog returns a KeyLogFile for the file name, which need not exist yet. Nothing is read
// before the first Poll. warn is used as in Secrets.ReadKeyLog.
func FollowKeyLog(name string, s *Secrets, warn func(error)) *KeyLogFile {
	return &KeyLogFile{lines: lineReader{secrets: s, name: name, warn: warn}}
}

// Poll reads the bytes added since the last call and returns their number. It keeps an incomplete
// line until its end is written. If the file was replaced, it reads the old file to its end, then
// the new one. If the file became shorter, it reads it again from the beginning. If errors.Is(err,
// fs.ErrNotExist), the file does not exist (yet): poll again.
func (k *KeyLogFile) Poll() (added int64, err error) {
	now, statErr := os.Stat(k.lines.name)
	if k.file != nil {
		n, replaced, err := k.added(now)
		added += n
		if err != nil || !replaced {
			return added, err
		}
		if err := k.Close(); err != nil {
			return added, fmt.Errorf("follow key log %s: %w", k.lines.name, err)
		}
		k.lines.end()
		k.lines.restart()
	}
	if statErr != nil {
		return added, fmt.Errorf("follow key log: %w", statErr)
	}
	if k.file, err = os.Open(k.lines.name); err != nil {
		k.file = nil
		return added, fmt.Errorf("follow key log: %w", err)
	}
	k.read = 0
	n, err := k.grown()
	return added + n, err
}

// added reads what was added to the open file. now describes the file at name; nil for none.
// replaced reports that it is another file.
func (k *KeyLogFile) added(now os.FileInfo) (n int64, replaced bool, err error) {
	opened, err := k.file.Stat()
	if err != nil {
		return 0, false, fmt.Errorf("follow key log %s: %w", k.lines.name, err)
	}
	if opened.Size() < k.read {
		k.lines.restart()
		k.read = 0
	}
	if n, err = k.grown(); err != nil {
		return n, false, err
	}
	return n, now == nil || !os.SameFile(now, opened), nil
}

// grown reads the open file from its last position to its end.
func (k *KeyLogFile) grown() (total int64, err error) {
	if k.buf == nil {
		k.buf = make([]byte, 32<<10)
	}
	for total < maxPoll {
		n, err := k.file.ReadAt(k.buf, k.read)
		k.read += int64(n)
		total += int64(n)
		k.lines.write(k.buf[:n])
		if errors.Is(err, io.EOF) {
			if total == 0 {
				k.lines.warnRSAOnly() // the writer is idle
			}
			return total, nil
		}
		if err != nil {
			return total, fmt.Errorf("follow key log %s: %w", k.lines.name, err)
		}
	}
	return total, nil
}

// Close closes the file. A later Poll reads it from the beginning.
func (k *KeyLogFile) Close() error {
	if k.file == nil {
		return nil
	}
	err := k.file.Close()
	k.file = nil
	return err
}
