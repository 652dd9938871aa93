package tlsrecord

import (
	"fmt"

	"github.com/kafkavet/kafkavet/capture"
)

const (
	// maxFirstFails bounds the records in a row that fail before the first one is decrypted. The
	// secrets are then wrong, and more trials only take time.
	maxFirstFails = 4
	// maxFails bounds the records in a row that fail later.
	maxFails = 32
)

func (s *Session) gap(d *side, n int64, at capture.Position) {
	switch {
	case d.blocked:
		d.enqueueGap(n, at)
		return
	case d.mode == counting:
		return
	case d.mode == watching:
		if n > int64(d.skip) {
			s.dropBuffer(d)
			d.mode, n = counting, int64(d.skip)
		}
		d.skip -= int(n)
		return
	}
	d.chain.reset()
	m := min(n, int64(d.skip))
	d.skip -= int(m)
	if n -= m; n == 0 {
		return
	}
	if !d.searching && len(d.buf) >= headerSize {
		left, ok := s.patch(d, n)
		if !ok {
			left = s.giveUpRecord(d, n)
		}
		if n = left; n == 0 {
			return
		}
	}
	d.missing += int64(len(d.buf)) + n
	s.dropBuffer(d)
	s.loseTrack(d)
}

// giveUpRecord gives up the incomplete record in the buffer: n bytes of it, or all its remaining
// bytes, are missing. It returns how many bytes are missing behind it.
func (s *Session) giveUpRecord(d *side, n int64) int64 {
	h, _ := parseHeader(d.buf)
	left := int64(headerSize + h.size - len(d.buf))
	if d.phase == phasePlain {
		s.enterProtected(d, h)
	}
	switch {
	case d.phase != phasePlain && s.version == versionTLS13 && h.kind != typeData:
	case d.phase != phasePlain:
		d.missing += int64(headerSize + h.size)
		d.known++
		s.info.Undecrypted += uint64(len(d.buf) - headerSize)
		d.loseMessages(h.kind)
	case h.kind == typeHandshake:
		s.handshake(d, d.buf[headerSize:])
		s.loseHandshake(d)
	default:
		d.gapped = true // the ChangeCipherSpec may have arrived or not
	}
	d.records++
	s.dropBuffer(d)
	m := min(n, left)
	d.skip = int(left - m)
	return n - m
}

// loseTrack begins the search for the next record.
func (s *Session) loseTrack(d *side) {
	d.searching, d.gapped = true, true
	s.dropPatched(d)
	if d.phase == phasePlain {
		s.loseHandshake(d)
		if d.chain == nil && (!s.hasServer || s.version == versionTLS10) {
			d.chain = &chain{} // the keys may need it
		}
	}
	d.loseMessages(typeHandshake)
}

// loseMessages records that a record is missing, perhaps with handshake bytes; kind is from its
// header. After the handshake of TLS 1.3, each message begins with a record in all known
// implementations. Otherwise only application data shows it: it never lies inside a message.
func (d *side) loseMessages(kind byte) {
	switch {
	case d.phase == phaseTraffic:
		d.hs.reset()
	case d.phase != phaseSealed || kind == typeHandshake:
		d.hs.loseTrack()
	}
}

// loseHandshake uses the beginning of an incomplete hello.
func (s *Session) loseHandshake(d *side) {
	switch kind, body := d.hs.partial(); kind {
	case helloClient:
		s.takeClientHello(d, body)
	case helloServer:
		s.takeServerHello(d, body)
	}
	d.hs.loseTrack()
	if d == s.client() && !s.hasClient || d == s.server() && !s.hasServer {
		s.loseHello(d)
	}
}

// rescue decrypts a record that failed at first or follows a loss.
func (s *Session) rescue(d *side, rec []byte, at capture.Position) {
	o := s.scratch.cipher(d)
	var p keyMatch
	var ok, exhausted bool
	if d.chain == nil || d.chain.iv(o) != nil {
		p, ok, exhausted = s.locate(d, o, rec)
	}
	if ok {
		s.resume(d, &p, rec, at)
		return
	}
	d.chain.set(rec)
	if d.foreign > 0 && d.opened == 0 {
		d.foreign--
		if d.gapped {
			d.missing += int64(len(rec))
		}
		return
	}
	d.missing += int64(len(rec))
	d.known++
	d.fails++
	d.loseMessages(rec[0])
	s.info.Undecrypted += uint64(len(rec) - headerSize)
	switch {
	case exhausted || d.fails >= maxFails:
		s.giveUpSearch(d, at)
	case d.opened == 0 && !d.gapped && d.fails >= maxFirstFails:
		s.giveUp(d, fmt.Sprintf("record %d could not be authenticated (wrong secrets?)", d.seq), at)
	}
}

func (s *Session) giveUpSearch(d *side, at capture.Position) {
	s.giveUp(d, "the place in the stream was not found again after bytes were missing", at)
}

// resume continues with a record that was decrypted at a place.
func (s *Session) resume(d *side, p *keyMatch, rec []byte, at capture.Position) {
	lost := p.seq - d.seq
	if !p.current {
		lost = p.seq
	}
	s.info.LostRecords += max(lost, d.known)
	if p.current && !d.gapped && lost > 0 && lost == uint64(d.patched.count()) {
		s.decryptPatched(d, p.cipher)
	} else {
		s.dropPatched(d)
		s.reportGap(d, p, lost, at)
	}
	if !p.current {
		s.enter(d, p.phase)
		s.install(d, p.keys)
		s.scratch.keep(d, p.cipher)
	}
	d.seq = p.seq
	s.opened(d, p.cipher, rec, p.kind, p.content, at)
}

// reportGap reports the records lost between the last one decrypted and a place.
//
// With AEAD suites, each record is longer than its content by the same number of bytes. So the
// lost content can be computed from the bytes and the number of records. It is exact if all of
// them held application data. Other records come before the first application data of a direction
// (Finished, session tickets) and at its end (alerts), or change the keys (KeyUpdate).
func (s *Session) reportGap(d *side, p *keyMatch, lost uint64, at capture.Position) {
	first := d.opened == 0 && d.phase == phaseSealed
	if p.phase != phaseTraffic && p.phase != phaseSealed || lost == 0 || first && lost == 1 {
		return
	}
	over, exact := p.cipher.overhead()
	n := d.missing - int64(lost)*int64(headerSize+over)
	exact = exact && n >= 0 && p.current && !first && !d.padded && (d.phase == phaseSealed || d.delivered > 0)
	if n > 0 || !exact {
		s.receiver.PlaintextGap(d.index == 0, max(n, 0), exact, at)
	}
}

// estimate returns about how much plaintext is missing.
func (s *Session) estimate(d *side) int64 {
	over := headerSize
	if d.cipher != nil {
		n, _ := d.cipher.overhead()
		over += n
	}
	return max(d.missing-int64(d.known)*int64(over), 0)
}

// reportUnresolved reports a loss after which nothing was decrypted.
func (s *Session) reportUnresolved(d *side, at capture.Position) {
	s.dropPatched(d)
	if d.mode != reading || d.missing == 0 || d.phase == phasePlain {
		return
	}
	s.info.LostRecords += d.known
	s.receiver.PlaintextGap(d.index == 0, s.estimate(d), false, at)
	d.missing, d.known = 0, 0
}
