package tlsrecord

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

const (
	// maxLine bounds a line of a key log, in bytes. The longest one in use has 193: a label of 31
	// letters, a random of 64 hex digits, a secret of 96 and two spaces. Other tools may have
	// longer labels.
	maxLine = 1024
	// maxWarnings bounds the warnings about malformed lines of one key log. A file that is not a
	// key log must not flood the terminal.
	maxWarnings = 20
)

// keyLogLabels are the labels in use.
var keyLogLabels = map[string]label{
	"CLIENT_RANDOM":                   labelMaster,
	"CLIENT_HANDSHAKE_TRAFFIC_SECRET": labelClientHandshake,
	"SERVER_HANDSHAKE_TRAFFIC_SECRET": labelServerHandshake,
	"CLIENT_TRAFFIC_SECRET_0":         labelClientTraffic,
	"SERVER_TRAFFIC_SECRET_0":         labelServerTraffic,
}

// These prefixes follow the word RSA in lines that name a session by its id. Here the id is padded
// with zeros. OpenSSL's s_client and agents for Java write such lines.
const (
	sessionPrefix = "Session-ID:"
	masterPrefix  = "Master-Key:"
)

// The errors of a line. None quotes the line: it may contain a mistyped key.
var (
	errLineLong   = fmt.Errorf("line longer than %d bytes", maxLine)
	errLineForm   = errors.New("not a key log line (LABEL RANDOM SECRET)")
	errLineRandom = errors.New("the client random is not 64 hex digits")
	errLineMaster = errors.New("the master secret is not 96 hex digits")
	errLineID     = errors.New("the session id is not 2 to 64 hex digits")
	errLineSecret = errors.New("the secret is not 64 or 96 hex digits")
	errLineRSA    = errors.New("it holds RSA premaster secrets and no CLIENT_RANDOM lines: sessions of TLS 1.2 and older cannot be decrypted with it")
	errLineMany   = errors.New("too many malformed lines: no further ones are reported")
)

// ReadKeyLog reads a key log in the NSS format from r to its end and adds its secrets. name is for
// messages. For a malformed line it calls warn ("name:line: cause", never with the text of the
// line) and skips it. It does not use RSA premaster secrets; if there is nothing else, it calls
// warn. It silently skips labels that are not needed (EXPORTER_SECRET). It returns the number of
// lines and the error of r. warn may be nil.
func (s *Secrets) ReadKeyLog(r io.Reader, name string, warn func(error)) (lines int, err error) {
	l := lineReader{secrets: s, name: name, warn: warn}
	buf := make([]byte, 32<<10)
	for {
		n, err := r.Read(buf)
		l.write(buf[:n])
		if err == io.EOF {
			l.end()
			l.warnRSAOnly()
			return l.line, nil
		}
		if err != nil {
			l.end()
			return l.line, fmt.Errorf("read key log %s: %w", name, err)
		}
	}
}

// lineReader splits a key log into lines and stores their secrets.
type lineReader struct {
	secrets   *Secrets
	name      string
	warn      func(error)
	line      int    // lines begun
	partial   []byte // an incomplete line, at most maxLine bytes
	open      bool   // a line has begun
	tooLong   bool   // the line is skipped up to its end
	malformed int
	rsaLines  bool // RSA premaster lines were skipped
	masters   bool // a line with a master secret was used
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
			l.warnMalformed(errLineLong)
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

// restart drops an incomplete line and counts from line 1 again.
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
			l.warnMalformed(err)
		}
	case string(word) == "RSA" && bytes.HasPrefix(rest, []byte(sessionPrefix)):
		l.masters = true
		if err := l.secrets.putSession(rest); err != nil {
			l.warnMalformed(err)
		}
	case string(word) == "RSA" || string(word) == "PMS_CLIENT_RANDOM":
		l.rsaLines = true
	case !isLabel(word) || len(bytes.TrimSpace(rest)) == 0:
		l.warnMalformed(errLineForm)
	}
}

func (l *lineReader) warnMalformed(err error) {
	if l.malformed++; l.malformed == maxWarnings+1 {
		err = errLineMany
	} else if l.malformed > maxWarnings {
		return
	}
	if l.warn != nil {
		l.warn(fmt.Errorf("%s:%d: %w", l.name, l.line, err))
	}
}

// warnRSAOnly warns about a key log that has only RSA premaster secrets. OpenSSL writes such lines
// together with CLIENT_RANDOM lines, which are sufficient.
func (l *lineReader) warnRSAOnly() {
	if l.rsaLines && !l.masters && l.warn != nil {
		l.warn(fmt.Errorf("%s: %w", l.name, errLineRSA))
	}
	l.rsaLines = l.rsaLines && l.masters
}

// putLine stores the secret of a line, given without its label.
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

// putSession stores the secret of a line that names a session by its id, given without RSA.
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

// unhex decodes exactly len(dst) bytes of hex digits.
func unhex(dst, src []byte) bool {
	if len(src) != 2*len(dst) {
		return false
	}
	_, err := hex.Decode(dst, src)
	return err == nil
}
