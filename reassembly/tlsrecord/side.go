package tlsrecord

import (
	"fmt"

	"github.com/kafkavet/kafkavet/capture"
)

// mode says how the bytes of a direction are processed.
type mode uint8

const (
	reading  mode = iota // records are read and decrypted
	watching             // nothing can be decrypted; headers show how the handshake ends
	counting             // bytes are counted
)

// maxWatched bounds the record headers that are read to see whether the handshake ended. A
// handshake takes less than ten records in each direction.
const maxWatched = 256

// phase says which keys protect the records of a direction.
type phase uint8

const (
	phasePlain     phase = iota
	phaseHandshake       // TLS 1.3: after the hellos, up to Finished
	phaseTraffic         // TLS 1.3: application data
	phaseSealed          // TLS 1.2 and older: after ChangeCipherSpec
)

type side struct {
	index      uint8
	mode       mode
	phase      phase
	keyed      bool // keys belong to phase
	searching  bool // the beginning of the next record is unknown
	gapped     bool // the number of lost records is unknown
	blocked    bool // wait must not be read yet
	closed     bool
	helloLost  bool // the hello of this side is missing
	finished   bool // a Finished was seen or inferred
	padded     bool // records of TLS 1.3 had padding
	identified bool // identify was called
	depth      uint8
	buf        []byte           // an incomplete record; while searching, the bytes to search
	last       capture.Position // of the packet with the latest bytes
	wait       *waiting         // what arrived while blocked; nil for nothing
	hs         assembler
	skip       int    // bytes to skip: the body of a record that is not needed
	records    uint64 // headers read

	keys   keys
	cipher *recordCipher // expanded keys; nil until needed
	slot   int           // index in Scratch.live, plus one; 0 for none
	chain  *chain        // for the suites that need it
	seq    uint64        // sequence number of the next record, without those lost

	opened    uint64 // records decrypted with these keys
	delivered uint64 // records of application data passed on, with any keys
	bytes     uint64 // bytes of records decrypted with these keys
	total     int64  // bytes of records decrypted with any keys
	counter   uint64 // explicit nonce of the last record decrypted
	foreign   int    // records that may fail because their keys are not available
	fails     int    // records that failed since the last one decrypted

	missing int64           // bytes lost or not decrypted since the last record decrypted
	known   uint64          // records in missing whose headers were read
	patched *patchedRecords // records with holes; nil for none
	spent   int64           // bytes spent on trials
	seen    int64           // bytes searched since the last record
}

func (s *Session) feed(d *side, p []byte, at capture.Position) {
	d.last = at
	for len(p) > 0 {
		switch {
		case d.blocked:
			s.enqueue(d, p, at)
			return
		case d.mode == counting:
			s.info.Undecrypted += uint64(len(p))
			return
		case d.skip > 0:
			n := min(d.skip, len(p))
			d.chain.note(p[:n])
			d.skip -= n
			p = p[n:]
		case d.searching:
			p = s.search(d, p, at)
		case len(d.buf) > 0:
			p = s.continueRecord(d, p, at)
		default:
			p = s.readRecord(d, p, at)
		}
	}
}

// readRecord reads a record from the beginning of p and returns the bytes behind it.
func (s *Session) readRecord(d *side, p []byte, at capture.Position) []byte {
	if len(p) < headerSize {
		if !beginsLikeHeader(p) {
			return s.handleNonRecord(d, p, at)
		}
		d.buf = s.scratch.grow(d.buf, p)
		return nil
	}
	h, ok := parseHeader(p)
	if !ok {
		return s.handleNonRecord(d, p, at)
	}
	if !s.wants(d, h) {
		d.skip = headerSize + h.size
		return p
	}
	total := headerSize + h.size
	if len(p) < total {
		d.buf = s.scratch.grow(d.buf, p)
		return nil
	}
	if !s.record(d, p[:total], at) {
		s.block(d, at, nil, p)
		return nil
	}
	return p[total:]
}

// continueRecord adds bytes to an incomplete record and returns the bytes behind it.
func (s *Session) continueRecord(d *side, p []byte, at capture.Position) []byte {
	if n := headerSize - len(d.buf); n > 0 {
		n = min(n, len(p))
		d.buf = s.scratch.grow(d.buf, p[:n])
		if p = p[n:]; len(d.buf) < headerSize {
			return p
		}
		h, ok := parseHeader(d.buf)
		if !ok {
			// The search gets the five bytes again, with those that follow.
			var head [headerSize]byte
			copy(head[:], d.buf)
			s.dropBuffer(d)
			if moved := s.handleNonRecord(d, head[:], at); len(moved) > 0 {
				s.feed(d, moved, at)
			}
			return p
		}
		if !s.wants(d, h) {
			s.dropBuffer(d)
			d.skip = h.size
			return p
		}
	}
	h, _ := parseHeader(d.buf)
	total := headerSize + h.size
	n := min(total-len(d.buf), len(p))
	d.buf = s.scratch.grow(d.buf, p[:n])
	if p = p[n:]; len(d.buf) < total {
		return p
	}
	rec := d.buf
	d.buf = nil
	if d.patched.pending() {
		s.holdPatched(d, rec, at)
		return p
	}
	if !s.record(d, rec, at) {
		s.block(d, at, rec, p)
		p = nil
	}
	s.scratch.release(rec)
	return p
}

// wants reports whether the body of a record is needed. If not, it only evaluates the header.
func (s *Session) wants(d *side, h header) bool {
	if d.mode == reading || h.kind == typeAlert && h.size == 2 {
		return true
	}
	s.watch(d, h)
	return false
}

// handleNonRecord handles bytes that are not a record although one should begin there. It returns
// the bytes to read next.
func (s *Session) handleNonRecord(d *side, p []byte, at capture.Position) []byte {
	switch {
	case d.mode == watching:
		d.mode = counting
	case d.records == 0:
		s.giveUp(d, "the bytes are not TLS", at)
		s.loseHello(d)
		d.mode = counting
	default:
		s.loseTrack(d)
	}
	return p
}

// dropBuffer releases the buffer of an incomplete record.
func (s *Session) dropBuffer(d *side) {
	s.scratch.release(d.buf)
	d.buf = nil
	if d.patched != nil {
		d.patched.holes = nil
	}
}

// record processes a complete record, including its header. It returns false, and changes nothing,
// if the record cannot be read yet.
func (s *Session) record(d *side, rec []byte, at capture.Position) bool {
	h, _ := parseHeader(rec)
	if d.mode != reading {
		s.watch(d, h)
		if h.kind == typeAlert {
			s.alert(d, rec[headerSize:], at)
		}
		return true
	}
	if d.records == 0 && h.kind == typeData {
		s.loseHello(d)
	}
	if d.phase == phasePlain && !s.enterProtected(d, h) {
		if h.kind == typeChangeCipher {
			return s.changeCipher(d, h, at)
		}
		d.records++
		s.plainRecord(d, h, rec[headerSize:], at)
		return true
	}
	if s.version == versionTLS13 && h.kind != typeData {
		d.records++
		if h.kind == typeAlert && h.size == 2 {
			s.alert(d, rec[headerSize:], at)
		}
		// Other unprotected records are ChangeCipherSpecs for middleboxes.
		return true
	}
	return s.protected(d, h, rec, at)
}

// enterProtected leaves the plain phase if only a protected record can follow.
func (s *Session) enterProtected(d *side, h header) bool {
	if h.kind != typeData {
		return false
	}
	if s.hasServer && s.version != versionTLS13 {
		s.enter(d, phaseSealed) // its ChangeCipherSpec was lost
	} else {
		s.enter(d, phaseHandshake)
	}
	return true
}

// plainRecord processes the content of an unprotected record.
func (s *Session) plainRecord(d *side, h header, content []byte, at capture.Position) {
	switch h.kind {
	case typeHandshake:
		if d.gapped {
			d.missing += int64(headerSize + len(content)) // it may be an encrypted Finished
		}
		s.handshake(d, content)
	case typeAlert:
		s.alert(d, content, at)
	}
}

// changeCipher processes a ChangeCipherSpec, which matters only before TLS 1.3. It returns false
// if the ServerHello must come first.
func (s *Session) changeCipher(d *side, h header, at capture.Position) bool {
	switch {
	case s.retried || s.hasServer && s.version == versionTLS13:
	case s.hasServer:
		s.enterSealed(d)
	default:
		switch v := s.checkHellos(d, nil); v.action {
		case actionWait:
			return false
		case actionGiveUp:
			s.giveUp(d, v.reason, at)
			s.watch(d, h)
			return true
		}
		if s.version != versionTLS13 {
			s.enterSealed(d)
		}
	}
	d.records++
	return true
}

// enterSealed begins the protected phase at its ChangeCipherSpec. Earlier losses no longer matter.
func (s *Session) enterSealed(d *side) {
	s.enter(d, phaseSealed)
	d.missing, d.gapped = 0, false
}

// protected decrypts a record. It returns false if the record must wait for its keys.
func (s *Session) protected(d *side, h header, rec []byte, at capture.Position) bool {
	if !d.keyed {
		switch v := s.setKeys(d, rec); v.action {
		case actionWait:
			return false
		case actionGiveUp:
			s.giveUp(d, v.reason, at)
			s.watch(d, h)
			return true
		}
	}
	d.records++
	o := s.scratch.cipher(d)
	if o == nil {
		s.giveUp(d, fmt.Sprintf("cipher suite %s: the cryptography library refuses the keys", s.info.Suite), at)
		s.watch(d, h)
		return true
	}
	if d.missing == 0 {
		if content, kind, ok := o.open(s.scratch, rec, d.seq, d.chain.iv(o)); ok {
			s.opened(d, o, rec, kind, content, at)
			return true
		}
	}
	s.rescue(d, rec, at)
	return true
}

func (s *Session) opened(d *side, o *recordCipher, rec []byte, kind byte, content []byte, at capture.Position) {
	d.seq++
	d.opened++
	d.bytes += uint64(len(rec))
	d.total += int64(len(rec))
	d.fails, d.foreign, d.seen = 0, 0, 0
	d.missing, d.known, d.gapped = 0, 0, false
	d.chain.set(rec)
	d.counter, _ = o.counter(rec)
	if s.guessed {
		s.info.Suite = o.suite.name
	}
	if n, exact := o.overhead(); exact && len(rec)-headerSize-n != len(content) {
		d.padded = true
	}
	switch kind {
	case typeData:
		if d.hs.lost {
			d.hs.reset() // application data follows complete messages only
		}
		s.deliver(d, content, at)
	case typeHandshake:
		s.handshake(d, content)
	case typeAlert:
		s.alert(d, content, at)
	case typeChangeCipher:
		if d.phase == phaseSealed {
			s.giveUp(d, "renegotiation is not supported", at)
		}
	}
}

// deliver passes on application data.
func (s *Session) deliver(d *side, content []byte, at capture.Position) {
	if d.phase == phaseHandshake {
		return
	}
	s.info.Established = true
	d.delivered++
	if len(content) > 0 {
		s.info.Decrypted += uint64(len(content))
		s.receiver.Plaintext(d.index == 0, content, at)
	}
}

// watch evaluates a record header if nothing can be decrypted: did the handshake end?
func (s *Session) watch(d *side, h header) {
	d.records++
	if d.records > maxWatched {
		d.mode = counting
	}
	if h.kind == typeData {
		s.info.Undecrypted += uint64(h.size)
	}
	switch {
	case !s.hasClient || !s.hasServer:
		s.info.Established = s.info.Established || h.kind == typeData
	case s.version != versionTLS13:
		d.finished = d.finished || h.kind == typeHandshake && d.phase == phaseSealed
		s.info.Established = s.info.Established || h.kind == typeData || s.dirs[0].finished && s.dirs[1].finished
	case h.kind == typeData && h.size > alertSize13 && !IsAlertSize13(int(h.size)):
		// Of records longer than an alert, the client sends only certificates before its Finished.
		// After its own Finished, the server sends only tickets and data.
		if d == s.client() {
			d.finished = true
		} else if s.client().finished {
			s.info.Established = true
		}
	}
}

// alertSize13 is the size in bytes of an encrypted alert of TLS 1.3: the alert, its type and a tag
// of 16 bytes.
const alertSize13 = 2 + 1 + 16

// PaddingJava is how many zeros Java 17 and 25 add to each record of TLS 1.3.
const PaddingJava = 16

// IsAlertSize13 reports whether an encrypted record of TLS 1.3 of size bytes has the length of an
// alert.
func IsAlertSize13(size int) bool { return size == alertSize13 || size == alertSize13+PaddingJava }
