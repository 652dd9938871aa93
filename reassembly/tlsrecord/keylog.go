package tlsrecord

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

const (
	// maxLine bounds a line of a key log, in bytes: the longest that is used has a label of 31
	// letters, a random of 64 hex digits, a secret of 96 and two spaces, 193
	// in all. Labels of other tools can be longer.
	maxLine = 1024
	// maxWarnings bounds the malformed lines of one key log that are reported
	// one by one: a file that is no key log at all must not flood the terminal.
	maxWarnings = 20
)

// keyLogLabels are the labels whose secrets are used.
var keyLogLabels = map[string]label{
	"CLIENT_RANDOM":                   labelMaster,
	"CLIENT_HANDSHAKE_TRAFFIC_SECRET": labelClientHandshake,
	"SERVER_HANDSHAKE_TRAFFIC_SECRET": labelServerHandshake,
	"CLIENT_TRAFFIC_SECRET_0":         labelClientTraffic,
	"SERVER_TRAFFIC_SECRET_0":         labelServerTraffic,
}

// How lines begin, behind the word RSA, and go on that name a session by its id, padded with zeros
// here. OpenSSL's s_client and agents for Java write them.
const (
	sessionPrefix = "Session-ID:"
	masterPrefix  = "Master-Key:"
)

// What can be wrong with a line. None of these quotes the line: it may hold a
// key with a slip in it.
var (
	errLineLong   = fmt.Errorf("line longer than %d bytes", maxLine)
	errLineForm   = errors.New("not a key log line (LABEL RANDOM SECRET)")
	errLineRandom = errors.New("the client random is not 64 hex digits")
	errLineMaster = errors.New("the master secret is not 96 hex digits")
	errLineID     = errors.New("the session id is not 2 to 64 hex digits")
	errLineSecret = errors.New("the secret is not 64 or 96 hex digits")
	errLineRSA    = errors.New("it holds RSA premaster secrets and no CLIENT_RANDOM lines: sessions of TLS 1.2 and older cannot be decrypted with it")
	errLineMany   = errors.New("too many malformed lines; further ones are left out without a word")
)

// ReadKeyLog adds the secrets of a key log in the NSS format, read from r to
// its end. name is for messages. A malformed line is given to warn
// ("name:line: cause", never with its text) and left out. RSA premaster
// secrets are not used: where there is nothing else, warn is called. Labels that
// are of no use here (EXPORTER_SECRET) are left out silently. The error is r's. warn may be nil.
func (s *Secrets) ReadKeyLog(r io.Reader, name string, warn func(error)) error {
	l := lineReader{secrets: s, name: name, warn: warn}
	buf := make([]byte, 32<<10)
	for {
		n, err := r.Read(buf)
		l.write(buf[:n])
		if err == io.EOF {
			l.end()
			l.judgeRSA()
			return nil
		}
		if err != nil {
			l.end()
			return fmt.Errorf("read key log %s: %w", name, err)
		}
	}
}

// lineReader cuts a key log into lines and puts them into a store.
type lineReader struct {
	secrets   *Secrets
	name      string
	warn      func(error)
	line      int    // lines begun
	partial   []byte // a line whose end has not come, at most maxLine bytes
	open      bool   // a line has begun
	tooLong   bool   // the line is skipped up to its end
	malformed int
	rsaLines  bool // RSA premaster lines were left out
	masters   bool // a CLIENT_RANDOM line was used
}

func (l *lineReader) write(p []byte) {
	for len(p) > 0 {
		if !l.open {
			l.open = true
			l.line++
		}
		i := bytes.IndexByte(p, '\n')
		piece, ended := p, i >= 0
		if ended {
			piece, p = p[:i], p[i+1:]
		} else {
			p = nil
		}
		switch {
		case l.tooLong:
		case len(l.partial)+len(piece) > maxLine:
			l.tooLong = true
			l.partial = l.partial[:0]
			l.bad(errLineLong)
		case ended && len(l.partial) == 0:
			l.put(piece)
		default:
			l.partial = append(l.partial, piece...)
		}
		if ended {
			l.end()
		}
	}
}

func (l *lineReader) end() {
	if len(l.partial) > 0 {
		l.put(l.partial)
	}
	l.partial, l.open, l.tooLong = l.partial[:0], false, false
}

// restart drops a line that was begun and counts from line 1 again.
func (l *lineReader) restart() {
	l.partial, l.open, l.tooLong, l.line = l.partial[:0], false, false, 0
}

func (l *lineReader) put(line []byte) {
	if l.line == 1 {
		line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
	}
	line = bytes.TrimSpace(line)
	if len(line) == 0 || line[0] == '#' {
		return
	}
	word, rest, _ := bytes.Cut(line, []byte(" "))
	kind, known := keyLogLabels[string(word)]
	switch {
	case known:
		l.masters = l.masters || kind == labelMaster
		if err := l.secrets.putLine(kind, rest); err != nil {
			l.bad(err)
		}
	case string(word) == "RSA" && bytes.HasPrefix(rest, []byte(sessionPrefix)):
		l.masters = true
		if err := l.secrets.putSession(rest); err != nil {
			l.bad(err)
		}
	case string(word) == "RSA" || string(word) == "PMS_CLIENT_RANDOM":
		l.rsaLines = true
	case !isLabel(word) || len(bytes.TrimSpace(rest)) == 0:
		l.bad(errLineForm)
	}
}

func (l *lineReader) bad(err error) {
	if l.malformed++; l.malformed == maxWarnings+1 {
		err = errLineMany
	} else if l.malformed > maxWarnings {
		return
	}
	if l.warn != nil {
		l.warn(fmt.Errorf("%s:%d: %w", l.name, l.line, err))
	}
}

// judgeRSA warns of a key log that names sessions by RSA premaster secrets
// only. OpenSSL writes such lines beside the CLIENT_RANDOM lines that are enough.
func (l *lineReader) judgeRSA() {
	if l.rsaLines && !l.masters && l.warn != nil {
		l.warn(fmt.Errorf("%s: %w", l.name, errLineRSA))
	}
	l.rsaLines = l.rsaLines && l.masters
}

// putLine stores what follows the label of a line.
func (s *Secrets) putLine(l label, rest []byte) error {
	first, second, _ := bytes.Cut(bytes.TrimLeft(rest, " "), []byte(" "))
	var random [32]byte
	if !unhex(random[:], first) {
		return errLineRandom
	}
	second = bytes.TrimLeft(second, " ")
	var value [maxSecretSize]byte
	switch {
	case len(second) == 2*48 && unhex(value[:48], second):
		s.put(&random, l, value[:48])
	case l == labelMaster:
		return errLineMaster
	case len(second) == 2*32 && unhex(value[:32], second):
		s.put(&random, l, value[:32])
	default:
		return errLineSecret
	}
	return nil
}

// putSession stores what follows RSA in a line that names a session by its id.
func (s *Secrets) putSession(rest []byte) error {
	first, second, _ := bytes.Cut(bytes.TrimPrefix(rest, []byte(sessionPrefix)), []byte(" "))
	var id [32]byte
	if n := len(first) / 2; n == 0 || n > len(id) || !unhex(id[:n], first) {
		return errLineID
	}
	second, named := bytes.CutPrefix(bytes.TrimLeft(second, " "), []byte(masterPrefix))
	var value [maxSecretSize]byte
	if !named || !unhex(value[:], second) {
		return errLineMaster
	}
	s.put(&id, labelSession, value[:])
	return nil
}

func isLabel(word []byte) bool {
	if len(word) == 0 {
		return false
	}
	for _, c := range word {
		if (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}

// unhex fills dst from exactly as many hex digits.
func unhex(dst, src []byte) bool {
	if len(src) != 2*len(dst) {
		return false
	}
	_, err := hex.Decode(dst, src)
	return err == nil
}
