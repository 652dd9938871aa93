package tlsrecord

import (
	"crypto/aes"
	"crypto/cipher"

	"github.com/kafkavet/kafkavet/capture"
	"golang.org/x/crypto/chacha20"
)

// maxPatched bounds the patched records that a direction holds until they are confirmed: 4 of at
// most 18 KiB. If one of 50 packets is lost and a record has 12 packets, 5 in a row are damaged in
// 1 of 2,000 places.
const maxPatched = 4

// hole is a part of a record that the capture lacks.
type hole struct{ from, n int }

// patchedRecord is a record with holes, which patch filled with zeros. It cannot be authenticated.
// But AEAD suites encrypt each byte separately, so its other bytes can be decrypted if its
// sequence number is certain. That needs two facts: the record before it was decrypted, and the
// record behind it has the number that follows. Until then it is held.
type patchedRecord struct {
	rec   []byte // zero in the holes
	holes []hole
	seq   uint64
	at    capture.Position
}

// patchedRecords are the records with holes of a direction. If there are any, nothing else is
// missing.
type patchedRecords struct {
	holes   []hole          // of the incomplete record in the buffer
	records []patchedRecord // complete except for their holes
}

// pending reports whether the incomplete record has holes.
func (t *patchedRecords) pending() bool { return t != nil && len(t.holes) > 0 }

// count returns the number of complete ones.
func (t *patchedRecords) count() int {
	if t == nil {
		return 0
	}
	return len(t.records)
}

// patch fills a gap of n bytes in the incomplete record in the buffer. It returns how many bytes
// are missing behind the record. ok is false if the record is given up.
func (s *Session) patch(d *side, n int64) (left int64, ok bool) {
	h, _ := parseHeader(d.buf)
	if d.gapped || d.opened == 0 || h.kind != typeData || d.phase != phaseTraffic && d.phase != phaseSealed ||
		d.keys.suite.bulk == cbc || d.patched.count() >= maxPatched {
		return n, false
	}
	total := headerSize + h.size
	m := int(min(n, int64(total-len(d.buf))))
	if d.patched == nil {
		d.patched = &patchedRecords{}
	}
	d.patched.holes = append(d.patched.holes, hole{len(d.buf), m})
	var zero [256]byte
	for i := m; i > 0; i -= len(zero) {
		d.buf = s.scratch.grow(d.buf, zero[:min(i, len(zero))])
	}
	if len(d.buf) == total {
		rec := d.buf
		d.buf = nil
		s.holdPatched(d, rec, d.last) // the next packet may come much later
	}
	return n - int64(m), true
}

// holdPatched holds a complete record with holes, and owns its buffer.
func (s *Session) holdPatched(d *side, rec []byte, at capture.Position) {
	t := d.patched
	t.records = append(t.records, patchedRecord{rec, t.holes, d.seq + d.known, at})
	t.holes = nil
	d.missing += int64(len(rec))
	d.known++
	d.records++
	d.loseMessages(rec[0])
}

// dropPatched gives up the patched records, which cannot be confirmed.
func (s *Session) dropPatched(d *side) {
	if d.patched == nil {
		return
	}
	for _, t := range d.patched.records {
		n := len(t.rec) - headerSize
		for _, h := range t.holes {
			n -= h.n
		}
		s.info.Undecrypted += uint64(max(n, 0))
		s.scratch.release(t.rec)
	}
	d.patched = nil
}

// decryptPatched passes on the captured bytes of patched records once they are confirmed.
func (s *Session) decryptPatched(d *side, o *recordCipher) {
	for i := range d.patched.records {
		t := &d.patched.records[i]
		s.decryptOnePatched(d, o, t)
		s.scratch.release(t.rec)
	}
	d.patched = nil
}

func (s *Session) decryptOnePatched(d *side, o *recordCipher, t *patchedRecord) {
	start, end := headerSize+o.explicit, len(t.rec)-o.aead.Overhead()
	exact := !d.padded && (!o.tls13 || d.delivered > 0)
	if start > end {
		return
	}
	if !t.whole(0, start) || !o.decipher(s.scratch, t.rec, t.seq, &d.keys) {
		s.receiver.PlaintextGap(d.index == 0, int64(end-start), exact, t.at)
		return
	}
	if o.tls13 {
		end--
		if t.whole(end, end+1) {
			switch t.rec[end] {
			case typeData:
				exact = true
			case 0: // padding of unknown length
				exact = false
			default:
				return
			}
		}
		if !exact {
			s.receiver.PlaintextGap(d.index == 0, int64(end-start), false, t.at)
			return
		}
	}
	s.deliverPatched(d, t, start, end)
}

// deliverPatched passes on the content of a record from start to end, and its holes.
func (s *Session) deliverPatched(d *side, t *patchedRecord, start, end int) {
	plaintext := func(p []byte) {
		if len(p) > 0 {
			s.info.Decrypted += uint64(len(p))
			s.receiver.Plaintext(d.index == 0, p, t.at)
		}
	}
	d.delivered++
	for _, h := range t.holes {
		from, to := max(h.from, start), min(h.from+h.n, end)
		if from >= to {
			continue
		}
		plaintext(t.rec[start:from])
		s.receiver.PlaintextGap(d.index == 0, int64(to-from), true, t.at)
		start = to
	}
	plaintext(t.rec[start:end])
}

// whole reports whether a part of the record has no hole.
func (t *patchedRecord) whole(from, to int) bool {
	for _, h := range t.holes {
		if h.from < to && h.from+h.n > from {
			return false
		}
	}
	return true
}

// decipher decrypts the content of a record in place, without authentication.
func (o *recordCipher) decipher(sc *Scratch, rec []byte, seq uint64, k *keys) bool {
	nonce := o.nonce(sc, rec, seq)
	content := rec[headerSize+o.explicit : len(rec)-o.aead.Overhead()]
	if k.suite.bulk == chacha {
		c, err := chacha20.NewUnauthenticatedCipher(k.key[:], nonce)
		if err != nil {
			return false
		}
		c.SetCounter(1) // RFC 8439 2.8: 0 makes the key of the MAC
		c.XORKeyStream(content, content)
		return true
	}
	b, err := aes.NewCipher(k.key[:k.suite.key])
	if err != nil {
		return false
	}
	var counter [aes.BlockSize]byte // of the content's first block: SP 800-38D 7.1
	copy(counter[:], nonce)
	counter[15] = 2
	cipher.NewCTR(b, counter[:]).XORKeyStream(content, content)
	return true
}
