package tlsrecord

const (
	// liveCiphers is how many directions keep expanded cipher keys: 1,024 of about 900 bytes
	// (AES-GCM) are 0.9 MB. Expanding again takes about a microsecond.
	liveCiphers = 1024
	// maxFree bounds the spare buffers of each size: 32 of 1, 4 and 18 KiB are 740 KiB.
	maxFree = 32
)

// bufferSizes are the sizes in bytes of the buffers for an incomplete record. A buffer grows with
// the bytes that arrive, not with the size in the record's header.
var bufferSizes = [...]int{1 << 10, 4 << 10, maxRecord}

// Scratch is working memory shared by the sessions of one goroutine. A Receiver must not call the
// session of another one.
type Scratch struct {
	plain  [maxBody]byte // content of the last record decrypted
	nonce  [12]byte
	pseudo [13]byte
	sum    [64]byte
	free   [len(bufferSizes)][][]byte
	live   [liveCiphers]*side
	hand   int
}

// NewScratch returns empty working memory of about 30 KiB.
func NewScratch() *Scratch { return &Scratch{} }

// grow appends p to b and returns the result, in a larger buffer if necessary. len(b)+len(p) is at
// most maxRecord.
func (sc *Scratch) grow(b, p []byte) []byte {
	if len(b)+len(p) <= cap(b) {
		return append(b, p...)
	}
	var next []byte
	for i, size := range bufferSizes {
		if len(b)+len(p) > size {
			continue
		}
		if f := sc.free[i]; len(f) > 0 {
			next, sc.free[i] = f[len(f)-1], f[:len(f)-1]
		} else {
			next = make([]byte, 0, size)
		}
		break
	}
	next = append(append(next[:0], b...), p...)
	sc.release(b)
	return next
}

// release takes back a buffer of grow.
func (sc *Scratch) release(b []byte) {
	for i, size := range bufferSizes {
		if cap(b) == size && len(sc.free[i]) < maxFree {
			sc.free[i] = append(sc.free[i], b[:0])
			return
		}
	}
}

// cipher returns the expanded keys of a direction, or nil if the cryptography library refuses
// them. It may evict those of another direction.
func (sc *Scratch) cipher(d *side) *recordCipher {
	if d.cipher == nil {
		o, ok := newRecordCipher(&d.keys)
		if !ok {
			return nil
		}
		sc.keep(d, o)
	}
	return d.cipher
}

func (sc *Scratch) keep(d *side, o *recordCipher) {
	sc.drop(d)
	if old := sc.live[sc.hand]; old != nil {
		old.cipher, old.slot = nil, 0
	}
	sc.live[sc.hand] = d
	d.cipher, d.slot = o, sc.hand+1
	sc.hand = (sc.hand + 1) % liveCiphers
}

func (sc *Scratch) drop(d *side) {
	if d.slot > 0 {
		sc.live[d.slot-1] = nil
	}
	d.cipher, d.slot = nil, 0
}
