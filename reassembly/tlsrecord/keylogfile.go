package tlsrecord

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// maxPoll bounds the bytes that one Poll reads, so that a key log that is
// written faster than it is read does not keep Poll from returning: 64 MiB are
// some 350,000 lines.
const maxPoll = 64 << 20

// KeyLogFile is a key log that is followed as it grows. It is used by one
// goroutine at a time.
type KeyLogFile struct {
	lines lineReader
	file  *os.File
	read  int64 // bytes of file that were read
	buf   []byte
}

// FollowKeyLog returns a follower of the file name, which need not exist yet.
// Nothing is read before the first Poll. warn is as for Secrets.ReadKeyLog.
func FollowKeyLog(name string, s *Secrets, warn func(error)) *KeyLogFile {
	return &KeyLogFile{lines: lineReader{secrets: s, name: name, warn: warn}}
}

// Poll reads what was added since the last call, and returns how many bytes
// that were. A line without its end is kept until its end comes. Where the file
// was replaced, the end of the old one is read, then the new one from its beginning;
// where it became shorter it is read again from the beginning. An error for
// which errors.Is(err, fs.ErrNotExist) holds means that the file is not there
// (yet): poll again.
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

// added reads what was added to the open file; now is what name leads to, nil
// for nothing. replaced: it is another file.
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

// grown reads the open file from where it was left to its end.
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
				k.lines.judgeRSA() // nothing more is being written
			}
			return total, nil
		}
		if err != nil {
			return total, fmt.Errorf("follow key log %s: %w", k.lines.name, err)
		}
	}
	return total, nil
}

// Close closes the file. Poll may be called again and begins anew.
func (k *KeyLogFile) Close() error {
	if k.file == nil {
		return nil
	}
	err := k.file.Close()
	k.file = nil
	return err
}
