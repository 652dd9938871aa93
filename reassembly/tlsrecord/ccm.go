package tlsrecord

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"errors"
)

// ccmOpener opens AES-CCM (RFC 3610) with a nonce of 12 bytes, hence lengths
// of 3 bytes, which the standard library does not have.
type ccmOpener struct {
	block cipher.Block
	tag   int
	// Working memory: counter block, key stream, and MAC.
	counter, stream, mac [aes.BlockSize]byte
}

var errCCM = errors.New("message authentication failed")

func newCCM(b cipher.Block, tag int) *ccmOpener { return &ccmOpener{block: b, tag: tag} }

// Overhead is the size of the tag in bytes.
func (c *ccmOpener) Overhead() int { return c.tag }

// Open decrypts and authenticates, and appends the plaintext to dst, whose spare capacity must
// not overlap the ciphertext. The plaintext is below 64 KiB, the additional data below 65,280 bytes.
func (c *ccmOpener) Open(dst, nonce, ciphertext, additional []byte) ([]byte, error) {
	n := len(ciphertext) - c.tag
	if n < 0 || n > 1<<16-1 || len(nonce) != 12 || len(additional) >= 0xff00 {
		return nil, errCCM
	}
	start := len(dst)
	dst = append(dst, ciphertext[:n]...)
	plain := dst[start:]
	c.setCounter(nonce)
	for p := plain; len(p) > 0; {
		c.next()
		m := subtle.XORBytes(p, p, c.stream[:])
		p = p[m:]
	}
	c.authenticate(nonce, plain, additional)
	c.setCounter(nonce)
	c.block.Encrypt(c.stream[:], c.counter[:])
	subtle.XORBytes(c.mac[:], c.mac[:], c.stream[:])
	if subtle.ConstantTimeCompare(c.mac[:c.tag], ciphertext[n:]) != 1 {
		clear(plain)
		return nil, errCCM
	}
	return dst, nil
}

// setCounter sets the counter block to zero (RFC 3610 2.3).
func (c *ccmOpener) setCounter(nonce []byte) {
	c.counter = [aes.BlockSize]byte{2}
	copy(c.counter[1:], nonce)
}

// next counts up and makes the next block of the key stream.
func (c *ccmOpener) next() {
	n := binary.BigEndian.Uint16(c.counter[14:]) + 1
	binary.BigEndian.PutUint16(c.counter[14:], n)
	c.block.Encrypt(c.stream[:], c.counter[:])
}

// authenticate makes the CBC-MAC of the additional data and the plaintext (RFC 3610 2.2).
func (c *ccmOpener) authenticate(nonce, plain, additional []byte) {
	c.mac = [aes.BlockSize]byte{byte((c.tag-2)/2)<<3 | 2}
	if len(additional) > 0 {
		c.mac[0] |= 1 << 6
	}
	copy(c.mac[1:], nonce)
	binary.BigEndian.PutUint16(c.mac[14:], uint16(len(plain)))
	c.block.Encrypt(c.mac[:], c.mac[:])
	if len(additional) > 0 {
		var size [2]byte
		binary.BigEndian.PutUint16(size[:], uint16(len(additional)))
		c.mac[0] ^= size[0]
		c.mac[1] ^= size[1]
		m := subtle.XORBytes(c.mac[2:], c.mac[2:], additional)
		c.block.Encrypt(c.mac[:], c.mac[:])
		c.absorb(additional[m:])
	}
	c.absorb(plain)
}

func (c *ccmOpener) absorb(p []byte) {
	for len(p) > 0 {
		m := subtle.XORBytes(c.mac[:], c.mac[:], p)
		c.block.Encrypt(c.mac[:], c.mac[:])
		p = p[m:]
	}
}
