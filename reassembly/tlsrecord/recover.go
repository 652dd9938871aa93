package tlsrecord

import (
	"bytes"
	"fmt"

	"github.com/kafkavet/kafkavet/capture"
)

const (
	// maxTrials bounds the sequence numbers that are tried for one record. A
	// burst of loss of 64 KiB can hold 2,978 of the smallest records (22 bytes).
	maxTrials = 4096
	// Trials may take trialBase bytes, and trialPerByte for each byte that was opened.
	// The slowest suite (CCM) takes 10 ms for 2 MiB, the most common ones 1 to 4 ms.
	trialBase    = 2 << 20
	trialPerByte = 8
	// trialCost is what a trial takes beside the bytes of the record, in bytes.
	trialCost = 512
	// maxFirstFails bounds the records in a row that do not open before one
	// ever did: then the secrets are wrong, and more trials only take time.
	maxFirstFails = 4
	// maxFails bounds the records in a row that do not open later on.
	maxFails = 32
	// maxSearch bounds the bytes in which the next record is searched: the
	// largest record is 18 KiB, so that 1 MiB holds at least 56 records.
	maxSearch = 1 << 20
	// maxNested bounds how often a search can begin within what another one left.
	maxNested = 4
)

// gap takes a gap of n bytes.
func (s *Session) gap(d *direction, n int64, at capture.Position) {
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
	d.chain.cut()
	m := min(n, int64(d.skip))
	d.skip -= int(m)
	if n -= m; n == 0 {
		return
	}
	if !d.searching && len(d.buf) >= headerSize {
		if n = s.damaged(d, n); n == 0 {
			return
		}
	}
	d.missing += int64(len(d.buf)) + n
	s.dropBuffer(d)
	s.loseTrack(d)
}

// damaged gives up the incomplete record in the buffer, of which n bytes or
// all that follow are missing. It returns how many are missing behind it.
func (s *Session) damaged(d *direction, n int64) int64 {
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
		d.loseMessages()
	case h.kind == typeHandshake:
		s.handshake(d, d.buf[headerSize:])
		s.loseHandshake(d)
	default:
		d.gapped = true // the ChangeCipherSpec is not known to have come
	}
	d.records++
	s.dropBuffer(d)
	m := min(n, left)
	d.skip = int(left - m)
	return n - m
}

// loseTrack begins to search the next record.
func (s *Session) loseTrack(d *direction) {
	d.searching, d.gapped = true, true
	if d.phase == phasePlain {
		s.loseHandshake(d)
		if d.chain == nil && (s.serverRound == 0 || s.version == versionTLS10) {
			d.chain = &chain{} // should the keys turn out to need it
		}
	}
	d.loseMessages()
}

// loseMessages tells that handshake bytes may be missing. After the handshake
// each message begins with a record, in all that is known of; within it
// nobody can tell.
func (d *direction) loseMessages() {
	if d.phase == phaseTraffic {
		d.hs.reset()
	} else {
		d.hs.loseTrack()
	}
}

// loseHandshake uses what has come of a hello whose rest is missing.
func (s *Session) loseHandshake(d *direction) {
	switch kind, body := d.hs.partial(); kind {
	case helloClient:
		s.takeClientHello(d, body)
	case helloServer:
		s.takeServerHello(d, body)
	}
	d.hs.loseTrack()
	if d == s.client() && s.clientRound == 0 || d == s.server() && s.serverRound == 0 {
		s.loseHello(d)
	}
}

// place is under which keys and number a record is authentic.
type place struct {
	opener  *opener
	keys    keys
	phase   phase
	seq     uint64
	current bool // the keys are those in force
	kind    byte
	content []byte
}

// trials is a series of attempts to open one record.
type trials struct {
	s         *Session
	d         *direction
	rec       []byte
	iv        []byte
	exhausted bool
}

// open tries one sequence number.
func (t *trials) open(p *place, seq uint64) bool {
	if t.d.spent > trialBase+trialPerByte*t.d.total {
		t.exhausted = true
		return false
	}
	t.d.spent += trialCost + int64(len(t.rec))
	var ok bool
	p.content, p.kind, ok = p.opener.open(t.s.scratch, t.rec, seq, t.iv)
	p.seq = seq
	return ok
}

// around tries the numbers of a window, those near its centre first.
func (t *trials) around(p *place, w window) bool {
	for i := range uint64(maxTrials / 2) {
		up, down := w.centre+i <= w.hi, i > 0 && i <= w.centre-w.lo
		switch {
		case t.exhausted || !up && !down && i > 0:
			return false
		case up && t.open(p, w.centre+i), down && t.open(p, w.centre-i):
			return true
		}
	}
	return false
}

// window is a range of sequence numbers, and the most likely one.
type window struct{ lo, centre, hi uint64 }

// window says how many records were lost since the one opened last, as sequence numbers.
func (d *direction) window(o *opener) window {
	if !d.gapped {
		return window{d.seq + d.known, d.seq + d.known, d.seq + d.known}
	}
	missing := uint64(d.missing)
	w := window{lo: d.known, hi: max(missing/uint64(headerSize+o.smallest()), d.known)}
	if d.opened > 0 {
		w.lo = min(max(w.lo, (missing+maxRecord-1)/maxRecord), w.hi)
		w.centre = missing / (d.bytes / d.opened)
	} else {
		// Records of the phase before may be among them.
		w.lo = 0
	}
	w.centre = min(max(w.centre, w.lo), w.hi)
	return window{d.seq + w.lo, d.seq + w.centre, d.seq + w.hi}
}

// locate finds the place of a record.
func (s *Session) locate(d *direction, o *opener, rec []byte) (p place, ok, exhausted bool) {
	t := trials{s: s, d: d, rec: rec, iv: d.chain.iv(o)}
	p = place{opener: o, phase: d.phase, current: true}
	w := d.window(o)
	if n, has := o.counter(rec); has && d.opened > 0 {
		// Where the explicit nonce counts records, it tells.
		if seq := d.seq - 1 + n - d.counter; seq >= d.seq+d.known && seq <= w.hi && t.open(&p, seq) {
			return p, true, false
		}
	}
	if t.around(&p, w) {
		return p, true, false
	}
	if s.guessed && d.opened == 0 && s.otherSuites(&t, &p, w) {
		return p, true, false
	}
	p.current = false
	if p.phase, p.keys, ok = s.nextKeys(d); ok {
		if p.opener, ok = newOpener(&p.keys); ok {
			w = window{hi: d.known}
			if d.gapped {
				w.hi = uint64(d.missing) / uint64(headerSize+p.opener.smallest())
			}
			if t.around(&p, w) {
				return p, true, false
			}
		}
	}
	return place{}, false, t.exhausted
}

// otherSuites tries the other suites that a secret's size allows, where the
// ServerHello that names it was lost.
func (s *Session) otherSuites(t *trials, p *place, w window) bool {
	for _, id := range guesses {
		g := suiteByID(id)
		if g == t.d.keys.suite || g.prf != t.d.keys.suite.prf {
			continue
		}
		k, ok := keys13(g, t.d.keys.secret[:g.size13()])
		if !ok {
			continue
		}
		if p.opener, ok = newOpener(&k); ok && t.around(p, w) {
			s.suite, s.suiteID = g, id
			t.d.keys = k
			s.scratch.keep(t.d, p.opener)
			return true
		}
	}
	return false
}

// nextKeys are the keys that follow those in force where what announced them was lost.
func (s *Session) nextKeys(d *direction) (p phase, k keys, ok bool) {
	handshake, traffic := labelServerHandshake, labelServerTraffic
	if d == s.client() {
		handshake, traffic = labelClientHandshake, labelClientTraffic
	}
	switch d.phase {
	case phaseEarly:
		k, ok = s.keys13(handshake)
		return phaseHandshake, k, ok
	case phaseHandshake:
		k, ok = s.keys13(traffic)
		return phaseTraffic, k, ok
	case phaseTraffic:
		if d.opened > 0 {
			k, ok = d.keys.updated()
		}
		return phaseTraffic, k, ok
	}
	return d.phase, k, false
}

// rescue takes a record that did not open at once, or that follows a loss.
func (s *Session) rescue(d *direction, rec []byte, at capture.Position) {
	o := s.scratch.opener(d)
	var p place
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
	d.loseMessages()
	s.info.Undecrypted += uint64(len(rec) - headerSize)
	switch {
	case exhausted || d.fails >= maxFails:
		s.giveUpSearch(d, at)
	case d.opened == 0 && !d.gapped && d.fails >= maxFirstFails:
		s.giveUp(d, fmt.Sprintf("record %d could not be authenticated (wrong secrets?)", d.seq), at)
	}
}

func (s *Session) giveUpSearch(d *direction, at capture.Position) {
	s.info.SearchesFailed++
	s.giveUp(d, "the place in the stream was not found again after bytes were missing", at)
}

// resume goes on at a place.
func (s *Session) resume(d *direction, p *place, rec []byte, at capture.Position) {
	lost := p.seq - d.seq
	if !p.current {
		lost = p.seq
	}
	s.info.LostRecords += max(lost, d.known)
	s.reportGap(d, p, lost, at)
	if !p.current {
		s.enter(d, p.phase)
		s.install(d, p.keys)
		s.scratch.keep(d, p.opener)
		if p.phase == phaseTraffic && d == s.server() {
			s.judgeEarlyData(true)
		}
	}
	d.seq = p.seq
	s.opened(d, p.opener, rec, p.kind, p.content, at)
}

// reportGap tells the receiver of lost records between the record opened last and a place.
//
// With AEAD suites each record is longer than its content by the same number
// of bytes, so that the content that was lost can be computed from the bytes and
// the number of records. It is exact where all of them held application data. Others
// come before the first application data of a direction (Finished, session
// tickets), at its end (alerts), or change the keys (KeyUpdate).
func (s *Session) reportGap(d *direction, p *place, lost uint64, at capture.Position) {
	first := d.opened == 0 && d.phase == phaseSealed
	if p.phase != phaseTraffic && p.phase != phaseSealed && p.phase != phaseEarly ||
		lost == 0 || first && lost == 1 {
		return
	}
	over, exact := p.opener.overhead()
	n := d.missing - int64(lost)*int64(headerSize+over)
	exact = exact && n >= 0 && p.current && !first && !d.padded && (d.phase == phaseSealed || d.delivered > 0)
	if n > 0 || !exact {
		s.receiver.PlaintextGap(d.index == 0, max(n, 0), exact, at)
	}
}

// estimate is about how much plaintext is in what is missing.
func (s *Session) estimate(d *direction) int64 {
	over := headerSize
	if d.opener != nil {
		n, _ := d.opener.overhead()
		over += n
	}
	return max(d.missing-int64(d.known)*int64(over), 0)
}

// reportUnresolved tells of a loss behind which nothing was opened any more.
func (s *Session) reportUnresolved(d *direction, at capture.Position) {
	if d.mode != reading || d.missing == 0 || d.phase != phaseTraffic && d.phase != phaseSealed {
		return
	}
	s.info.LostRecords += d.known
	s.receiver.PlaintextGap(d.index == 0, s.estimate(d), false, at)
	d.missing, d.known = 0, 0
}

// search looks for the next record in p behind what was searched before, and
// returns what it has not looked at.
func (s *Session) search(d *direction, p []byte, at capture.Position) []byte {
	n := min(len(p), maxRecord-len(d.buf))
	b := s.scratch.grow(d.buf, p[:n])
	rest := p[n:]
	d.buf = nil
	i := 0
	for d.searching {
		j := s.nextHeader(b[i:])
		d.pass(b[i : i+j])
		i += j
		if len(b)-i < headerSize {
			break
		}
		h, _ := parseHeader(b[i:])
		if len(b)-i < headerSize+h.size {
			break
		}
		rec := b[i : i+headerSize+h.size]
		switch s.candidate(d, rec, at) {
		case stepWait:
			s.block(d, at, b[i:], rest)
			s.scratch.release(b)
			return nil
		case stepGo:
			i += len(rec)
		case stepNever:
			if d.searching {
				d.pass(b[i : i+1])
				i++
			}
		}
	}
	if d.searching && d.seen > maxSearch {
		s.giveUpSearch(d, at)
	}
	if d.searching {
		d.buf = b[:copy(b, b[i:])]
		return rest
	}
	s.leave(d, b[i:], at)
	s.scratch.release(b)
	return rest
}

// leave feeds what a search has left over.
func (s *Session) leave(d *direction, left []byte, at capture.Position) {
	if d.depth++; d.depth > maxNested {
		s.giveUpSearch(d, at)
		d.mode = counting
	}
	s.feed(d, left, at)
	d.depth--
}

// pass steps over bytes that hold no record to be opened.
func (d *direction) pass(p []byte) {
	d.missing += int64(len(p))
	d.seen += int64(len(p))
	d.chain.note(p)
}

// nextHeader finds where a record of application data may begin: one that no
// other kind of bytes would pass for but 1 of 67,000,000.
func (s *Session) nextHeader(b []byte) int {
	minor := byte(3)
	if s.version == versionTLS10 || s.version == versionTLS11 {
		minor = byte(s.version)
	}
	for i := 0; ; i++ {
		j := bytes.IndexByte(b[i:], typeData)
		if j < 0 {
			return len(b)
		}
		i += j
		if len(b)-i < headerSize {
			return i
		}
		if h, ok := parseHeader(b[i:]); ok && b[i+2] == minor && h.size > 0 {
			return i
		}
	}
}

// candidate tries whether a record that was found is one. stepNever: it is
// none, or nothing can be opened any more.
func (s *Session) candidate(d *direction, rec []byte, at capture.Position) step {
	if d.phase == phasePlain {
		h, _ := parseHeader(rec)
		s.enterProtected(d, h)
	}
	if !d.keyed {
		if v := s.ready(d, rec); v.step != stepGo {
			if v.step == stepNever {
				s.giveUp(d, v.reason, at)
			}
			return v.step
		}
	}
	o := s.scratch.opener(d)
	if o == nil || d.chain != nil && d.chain.iv(o) == nil {
		return stepNever
	}
	p, ok, exhausted := s.locate(d, o, rec)
	switch {
	case ok:
		d.searching = false
		d.records++
		s.resume(d, &p, rec, at)
		return stepGo
	case exhausted:
		s.giveUpSearch(d, at)
	}
	return stepNever
}
