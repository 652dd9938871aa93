package tlsrecord

import (
	"bytes"

	"github.com/kafkavet/kafkavet/capture"
)

const (
	// maxSearch bounds the bytes to search for the next record: the largest record is 18 KiB, so 1
	// MiB contains at least 56 records.
	maxSearch = 1 << 20
	// maxNested bounds searches that begin within the bytes left by another search.
	maxNested = 4
)

// search looks for the next record in the bytes kept and in p. It returns the bytes that it has
// not searched.
func (s *Session) search(d *side, p []byte, at capture.Position) []byte {
	n := min(len(p), maxRecord-len(d.buf))
	b := s.scratch.grow(d.buf, p[:n])
	rest := p[n:]
	d.buf = nil
	i := 0
	for d.searching {
		j := s.nextHeader(b[i:])
		d.skipBytes(b[i : i+j])
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
		case actionWait:
			s.block(d, at, b[i:], rest)
			s.scratch.release(b)
			return nil
		case actionDecrypt:
			i += len(rec)
		case actionGiveUp:
			if d.searching {
				d.skipBytes(b[i : i+1])
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
	s.feedLeft(d, b[i:], at)
	s.scratch.release(b)
	return rest
}

// feedLeft processes the bytes behind a search.
func (s *Session) feedLeft(d *side, left []byte, at capture.Position) {
	if d.depth++; d.depth > maxNested {
		s.giveUpSearch(d, at)
		d.mode = counting
	}
	s.feed(d, left, at)
	d.depth--
}

// skipBytes skips bytes without a record to decrypt.
func (d *side) skipBytes(p []byte) {
	d.missing += int64(len(p))
	d.seen += int64(len(p))
	d.chain.note(p)
}

// nextHeader finds where a record of application data may begin. One of 67,000,000 other positions
// looks like such a header.
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

// candidate tries to decrypt a possible record. It returns actionGiveUp if rec is not a record, or
// nothing can be decrypted any more.
func (s *Session) candidate(d *side, rec []byte, at capture.Position) action {
	if d.phase == phasePlain {
		h, _ := parseHeader(rec)
		s.enterProtected(d, h)
	}
	if !d.keyed {
		if v := s.setKeys(d, rec); v.action != actionDecrypt {
			if v.action == actionGiveUp {
				s.giveUp(d, v.reason, at)
			}
			return v.action
		}
	}
	o := s.scratch.cipher(d)
	if o == nil || d.chain != nil && d.chain.iv(o) == nil {
		return actionGiveUp
	}
	p, ok, exhausted := s.locate(d, o, rec)
	switch {
	case ok:
		d.searching = false
		d.records++
		s.resume(d, &p, rec, at)
		return actionDecrypt
	case exhausted:
		s.giveUpSearch(d, at)
	}
	return actionGiveUp
}
