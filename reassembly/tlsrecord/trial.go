package tlsrecord

const (
	// maxTrials bounds the sequence numbers to try for one record. A lost burst of 64 KiB can
	// contain 2,978 of the smallest records (22 bytes).
	maxTrials = 4096
	// Trials may take trialBase bytes, plus trialPerByte for each byte decrypted. The slowest
	// suite takes 10 ms for 2 MiB, the most common ones 1 to 4 ms.
	trialBase    = 2 << 20
	trialPerByte = 8
	// trialCost is the fixed cost of a trial, in bytes.
	trialCost = 512
)

// keyMatch is the keys and the sequence number that decrypt a record.
type keyMatch struct {
	cipher  *recordCipher
	keys    keys
	phase   phase
	seq     uint64
	current bool // these are the direction's current keys
	kind    byte
	content []byte
}

// trials is a series of attempts to decrypt one record.
type trials struct {
	s         *Session
	d         *side
	rec       []byte
	iv        []byte
	exhausted bool
}

// open tries one sequence number.
func (t *trials) open(p *keyMatch, seq uint64) bool {
	if t.d.spent > trialBase+trialPerByte*t.d.total {
		t.exhausted = true
		return false
	}
	t.d.spent += trialCost + int64(len(t.rec))
	var ok bool
	p.content, p.kind, ok = p.cipher.open(t.s.scratch, t.rec, seq, t.iv)
	p.seq = seq
	return ok
}

// around tries the numbers of a window, those near its centre first.
func (t *trials) around(p *keyMatch, w window) bool {
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

// window estimates how many records were lost since the last one decrypted, as sequence numbers.
func (d *side) window(o *recordCipher) window {
	if !d.gapped {
		return window{d.seq + d.known, d.seq + d.known, d.seq + d.known}
	}
	missing := uint64(d.missing)
	w := window{lo: d.known, hi: max(missing/uint64(headerSize+o.smallest()), d.known)}
	if d.opened > 0 {
		w.lo = min(max(w.lo, (missing+maxRecord-1)/maxRecord), w.hi)
		w.centre = missing / (d.bytes / d.opened)
	} else {
		// Records of the previous phase may be among them.
		w.lo = 0
	}
	w.centre = min(max(w.centre, w.lo), w.hi)
	return window{d.seq + w.lo, d.seq + w.centre, d.seq + w.hi}
}

// locate finds the place of a record.
func (s *Session) locate(d *side, o *recordCipher, rec []byte) (p keyMatch, ok, exhausted bool) {
	t := trials{s: s, d: d, rec: rec, iv: d.chain.iv(o)}
	p = keyMatch{cipher: o, phase: d.phase, current: true}
	w := d.window(o)
	if n, has := o.counter(rec); has && d.opened > 0 {
		// The explicit nonce counts records in most implementations.
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
	for p.phase, p.keys, ok = s.nextKeys(d, d.phase); ok; p.phase, p.keys, ok = s.nextKeys(d, p.phase) {
		if p.cipher, ok = newRecordCipher(&p.keys); !ok {
			break
		}
		w = window{hi: d.known}
		if d.gapped {
			w.hi = uint64(d.missing) / uint64(headerSize+p.cipher.smallest())
		}
		if t.around(&p, w) {
			return p, true, false
		}
		if p.phase == phaseTraffic {
			break
		}
	}
	return keyMatch{}, false, t.exhausted
}

// otherSuites tries the other suites that a secret's size allows, if the ServerHello was lost.
func (s *Session) otherSuites(t *trials, p *keyMatch, w window) bool {
	for _, id := range guesses {
		g := suiteByID(id)
		if g == t.d.keys.suite || g.prf != t.d.keys.suite.prf {
			continue
		}
		k, ok := keys13(g, t.d.keys.secret[:g.size13()]), false
		if p.cipher, ok = newRecordCipher(&k); ok && t.around(p, w) {
			s.suite, s.suiteID = g, id
			t.d.keys = k
			s.scratch.keep(t.d, p.cipher)
			return true
		}
	}
	return false
}

// nextKeys returns the keys that follow those of a phase, if the message that announced them was
// lost.
func (s *Session) nextKeys(d *side, after phase) (p phase, k keys, ok bool) {
	traffic := labelServerTraffic
	if d == s.client() {
		traffic = labelClientTraffic
	}
	switch after {
	case phaseHandshake:
		k, ok = s.keys13(traffic)
		return phaseTraffic, k, ok
	case phaseTraffic:
		if d.opened > 0 {
			k, ok = d.keys.updated(), true
		}
		return phaseTraffic, k, ok
	}
	return after, k, false
}
