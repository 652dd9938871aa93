package tlsrecord

import (
	"encoding/binary"

	"github.com/kafkavet/kafkavet/capture"
)

// maxMessage bounds the handshake messages that span several records, in bytes. A ClientHello with
// post-quantum key shares and tickets takes about 3 KiB. Only the first bytes of longer messages
// are used.
const maxMessage = 16 << 10

// assembler assembles the handshake messages of one direction from the contents of records. It
// does not hold messages that are not needed.
type assembler struct {
	held []byte // header and body of an incomplete message that is needed
	head [4]byte
	have uint8 // bytes of head so far
	kind byte
	need int  // bytes of the message that are still to come
	lost bool // the beginning of the next message is unknown
	// takesCertificate: the body of a Certificate message is needed.
	takesCertificate bool
}

// needs reports whether the body of a message is needed.
func (a *assembler) needs(kind byte) bool {
	switch kind {
	case helloClient, helloServer:
		return true
	case certificate:
		return a.takesCertificate
	}
	return false
}

func (a *assembler) reset() { *a = assembler{} }

// loseTrack records that an unknown number of handshake bytes is missing.
func (a *assembler) loseTrack() { *a = assembler{lost: true} }

// next reads handshake bytes from the front of p and returns the others. done says that a message
// ended. body is nil if it is not needed, and is valid until the next call.
func (a *assembler) next(p []byte) (rest []byte, kind byte, body []byte, done bool) {
	if a.lost {
		return nil, 0, nil, false
	}
	if a.have < uint8(len(a.head)) {
		n := copy(a.head[a.have:], p)
		a.have += uint8(n)
		p = p[n:]
		if a.have < uint8(len(a.head)) {
			return p, 0, nil, false
		}
		size := binary.BigEndian.Uint32(a.head[:])
		a.kind, a.need = byte(size>>24), int(size&0xffffff)
		a.held = nil
	}
	n := min(a.need, len(p))
	piece := p[:n]
	p = p[n:]
	a.need -= n
	if a.needs(a.kind) && (a.need > 0 || a.held != nil) {
		a.held = append(a.held, piece[:min(n, maxMessage-len(a.held))]...)
		piece = a.held
	}
	if a.need > 0 {
		return p, 0, nil, false
	}
	a.have, a.held = 0, nil
	if !a.needs(a.kind) {
		piece = nil
	}
	return p, a.kind, piece, true
}

// partial returns the incomplete message so far; kind 0 for none.
func (a *assembler) partial() (kind byte, body []byte) {
	if a.lost || a.have < uint8(len(a.head)) {
		return 0, nil
	}
	return a.kind, a.held
}

func (s *Session) handshake(d *side, p []byte) {
	d.hs.takesCertificate = s.options.Subjects && d == s.client()
	for len(p) > 0 {
		rest, kind, body, done := d.hs.next(p)
		p = rest
		if done {
			s.message(d, kind, body)
		}
	}
}

// message processes a handshake message. body is nil if it is not needed.
func (s *Session) message(d *side, kind byte, body []byte) {
	switch kind {
	case helloClient:
		s.takeClientHello(d, body)
	case helloServer:
		s.takeServerHello(d, body)
	case certificate:
		s.info.Subject = subject(body, s.version)
	case helloDone:
		s.fullHandshake = true
	case finished:
		s.takeFinished(d)
	case keyUpdate:
		if d.phase == phaseTraffic {
			s.install(d, d.keys.updated())
		}
	}
}

// takeClientHello stores the values of a ClientHello. The second ClientHello after a
// HelloRetryRequest repeats them.
func (s *Session) takeClientHello(d *side, body []byte) {
	h, ok := parseClientHello(body)
	if !ok || s.hasClient || d.phase != phasePlain {
		return
	}
	s.clientIndex = d.index
	s.earlyData = h.earlyData
	if h.serverName != nil {
		s.info.ServerName = string(h.serverName)
	}
	s.info.ClientRandom, s.info.HasClientRandom = h.random, true
	s.info.Hello = h.traits
	s.hasClient = true
	s.progress++
}

func (s *Session) takeServerHello(d *side, body []byte) {
	h, ok := parseServerHello(body)
	if !ok || s.hasServer || d.phase != phasePlain {
		return
	}
	if !s.hasClient {
		s.clientIndex = d.index ^ 1
	}
	if d != s.server() {
		return
	}
	s.version, s.suiteID, s.etm = h.version, h.suite, h.etm
	s.suite = suiteByID(h.suite)
	s.info.Version, s.info.Suite = versionName(h.version), suiteName(h.suite)
	s.progress++
	if h.retry {
		s.retried = true
		return
	}
	s.serverRandom, s.sessionID, s.hasServer = h.random, h.session, true
}

// takeFinished ends the handshake in one direction.
func (s *Session) takeFinished(d *side) {
	switch d.phase {
	case phaseHandshake:
		s.enter(d, phaseTraffic)
		if d == s.client() {
			s.info.Established = true
		}
	case phaseSealed:
		d.finished = true
		if s.dirs[d.index^1].finished {
			s.info.Established = true
		}
	}
}

// alert processes the content of an alert record (RFC 8446 6, RFC 5246 7.2).
func (s *Session) alert(d *side, p []byte, at capture.Position) {
	if len(p) < 2 {
		return
	}
	level, description := p[0], p[1]
	if i := &s.info; description == alertCloseNotify && (!i.Closing || at.Before(i.ClosingAt)) {
		i.Closing, i.ClosingToServer, i.ClosingAt = true, d.index == 0, at
	}
	if s.info.Alert != "" {
		return
	}
	if description == alertCloseNotify || description == alertUserCanceled {
		return
	}
	if level != alertFatal && s.version != versionTLS13 {
		return
	}
	s.info.Alert, s.info.AlertFromServer = alertName(description), d == s.server()
}
