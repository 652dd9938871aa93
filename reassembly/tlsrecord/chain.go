package tlsrecord

import "crypto/aes"

// chain provides the IV of the next record of a CBC suite of TLS 1.0: the last block of the
// previous ciphertext. Its methods do nothing on nil, which is used for all other suites.
type chain struct {
	first bool // no record has arrived: the IV is that of the key block
	// tail holds the last n bytes of the stream, without a gap: a block, and with encrypt-then-MAC
	// the largest MAC behind it.
	tail [aes.BlockSize + maxSecretSize]byte
	n    int
}

// reset records that bytes are missing.
func (c *chain) reset() {
	if c != nil {
		c.first, c.n = false, 0
	}
}

func (c *chain) note(p []byte) {
	if c == nil || len(p) == 0 {
		return
	}
	c.first = false
	if len(p) > len(c.tail) {
		p = p[len(p)-len(c.tail):]
	}
	keep := min(c.n, len(c.tail)-len(p))
	copy(c.tail[:], c.tail[c.n-keep:c.n])
	copy(c.tail[keep:], p)
	c.n = keep + len(p)
}

func (c *chain) set(rec []byte) {
	c.reset()
	c.note(rec)
}

// iv returns the IV of the next record. It returns nil if the IV is unknown or not needed.
func (c *chain) iv(o *recordCipher) []byte {
	if c == nil {
		return nil
	}
	if c.first {
		return o.iv[:]
	}
	end := c.n
	if o.etm {
		end -= o.macSize
	}
	if end < aes.BlockSize {
		return nil
	}
	return c.tail[end-aes.BlockSize : end]
}
