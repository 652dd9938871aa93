package tlsrecord

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"encoding/binary"
	"hash"

	"golang.org/x/crypto/chacha20poly1305"
)

// recordCipher decrypts the records of one direction with one key. It holds nothing that is not in
// keys, so it can be made again at any time.
type recordCipher struct {
	suite    *suite
	iv       [16]byte
	aead     aead      // for all but cbc
	block    blockMode // for cbc
	mac      hash.Hash // for cbc
	macSize  int
	tls13    bool
	etm      bool
	chained  bool // the IV is the last block of the previous record (TLS 1.0)
	explicit int  // bytes of nonce or IV at the beginning of each record
}

// aead is the decrypting half of cipher.AEAD.
type aead interface {
	Open(dst, nonce, ciphertext, additionalData []byte) ([]byte, error)
	Overhead() int
}

// blockMode is a CBC decrypter that can be reused for many records.
type blockMode interface {
	cipher.BlockMode
	SetIV([]byte)
}

// newRecordCipher expands keys. ok is false if the cryptography library refuses them.
func newRecordCipher(k *keys) (o *recordCipher, ok bool) {
	o = &recordCipher{suite: k.suite, iv: k.iv, tls13: k.version == versionTLS13, etm: k.etm}
	key := k.key[:k.suite.key]
	var err error
	switch k.suite.bulk {
	case chacha:
		o.aead, err = chacha20poly1305.New(key)
		return o, err == nil
	case gcm, cbc:
	default:
		return nil, false
	}
	b, err := aes.NewCipher(key)
	if err != nil {
		return nil, false
	}
	if !o.tls13 {
		o.explicit = 8
	}
	switch k.suite.bulk {
	case gcm:
		o.aead, err = cipher.NewGCM(b)
	case cbc:
		o.block, ok = cipher.NewCBCDecrypter(b, o.iv[:]).(blockMode)
		o.mac, o.macSize = k.newMAC(), k.suite.mac.Size()
		o.chained = k.version == versionTLS10
		o.explicit = aes.BlockSize
		if o.chained {
			o.explicit = 0
		}
		return o, ok
	}
	return o, err == nil
}

// overhead returns by how much a record's body is longer than its content. exact is false if that
// depends on padding.
func (o *recordCipher) overhead() (n int, exact bool) {
	switch {
	case o.tls13:
		return 1 + o.aead.Overhead(), true
	case o.aead != nil:
		return o.explicit + o.aead.Overhead(), true
	}
	return o.explicit + o.macSize + aes.BlockSize/2, false
}

// smallest returns the size in bytes of the smallest body.
func (o *recordCipher) smallest() int {
	switch {
	case o.aead != nil:
		n, _ := o.overhead()
		return n
	case o.etm:
		return o.explicit + aes.BlockSize + o.macSize
	}
	return o.explicit + (o.macSize+aes.BlockSize)/aes.BlockSize*aes.BlockSize
}

// open decrypts a complete record, including its header, into the scratch's buffer. kind is the
// type of its content. iv is the IV of a chained suite.
func (o *recordCipher) open(sc *Scratch, rec []byte, seq uint64, iv []byte) (content []byte, kind byte, ok bool) {
	if len(rec) < headerSize+o.smallest() || len(rec) > maxRecord {
		return nil, 0, false
	}
	switch {
	case o.tls13:
		return o.open13(sc, rec, seq)
	case o.aead != nil:
		content, ok = o.open12(sc, rec, seq)
	default:
		content, ok = o.openCBC(sc, rec, seq, iv)
	}
	return content, rec[0], ok
}

// open13 decrypts a record of TLS 1.3 (RFC 8446 5.2, 5.3).
func (o *recordCipher) open13(sc *Scratch, rec []byte, seq uint64) (content []byte, kind byte, ok bool) {
	inner, err := o.aead.Open(sc.plain[:0], o.nonce(sc, rec, seq), rec[headerSize:], rec[:headerSize])
	if err != nil {
		return nil, 0, false
	}
	n := len(inner)
	for n > 0 && inner[n-1] == 0 {
		n--
	}
	if n == 0 {
		return nil, 0, true
	}
	return inner[:n-1], inner[n-1], true
}

// open12 decrypts a record of an AEAD suite of TLS 1.2 (RFC 5246 6.2.3.3).
func (o *recordCipher) open12(sc *Scratch, rec []byte, seq uint64) ([]byte, bool) {
	body := rec[headerSize+o.explicit:]
	head := sc.pseudoHeader(rec, seq, len(body)-o.aead.Overhead())
	content, err := o.aead.Open(sc.plain[:0], o.nonce(sc, rec, seq), body, head)
	return content, err == nil
}

// nonce returns the nonce of a record. It is computed from the sequence number (RFC 8446 5.3, RFC
// 7905 2), or partly sent with the record (RFC 5288 3).
func (o *recordCipher) nonce(sc *Scratch, rec []byte, seq uint64) []byte {
	nonce := sc.nonce[:12]
	copy(nonce, o.iv[:12])
	if o.explicit > 0 {
		copy(nonce[4:], rec[headerSize:headerSize+o.explicit])
		return nonce
	}
	binary.BigEndian.PutUint64(nonce[4:], binary.BigEndian.Uint64(nonce[4:])^seq)
	return nonce
}

// pseudoHeader returns what is authenticated with the content before TLS 1.3: sequence number,
// type, version and size.
func (sc *Scratch) pseudoHeader(rec []byte, seq uint64, size int) []byte {
	binary.BigEndian.PutUint64(sc.pseudo[:8], seq)
	copy(sc.pseudo[8:11], rec)
	binary.BigEndian.PutUint16(sc.pseudo[11:], uint16(size))
	return sc.pseudo[:]
}

// openCBC decrypts a record of a CBC suite (RFC 5246 6.2.3.2, RFC 7366 3). No attacker can measure
// its time, so the checks need not be constant-time.
func (o *recordCipher) openCBC(sc *Scratch, rec []byte, seq uint64, iv []byte) ([]byte, bool) {
	body := rec[headerSize:]
	if o.etm {
		sealed := body[:len(body)-o.macSize]
		if !o.authentic(sc, rec, seq, sealed, body[len(sealed):]) {
			return nil, false
		}
		body = sealed
	}
	if !o.chained {
		iv, body = body[:aes.BlockSize], body[aes.BlockSize:]
	}
	if len(iv) != aes.BlockSize || len(body)%aes.BlockSize != 0 {
		return nil, false
	}
	o.block.SetIV(iv)
	plain := sc.plain[:len(body)]
	o.block.CryptBlocks(plain, body)
	pad := int(plain[len(plain)-1])
	n := len(plain) - 1 - pad
	if n < 0 {
		return nil, false
	}
	for _, b := range plain[n:] {
		if int(b) != pad {
			return nil, false
		}
	}
	if o.etm {
		return plain[:n], true
	}
	if n -= o.macSize; n < 0 {
		return nil, false
	}
	return plain[:n], o.authentic(sc, rec, seq, plain[:n], plain[n:n+o.macSize])
}

// authentic verifies the MAC of a record.
func (o *recordCipher) authentic(sc *Scratch, rec []byte, seq uint64, content, mac []byte) bool {
	o.mac.Reset()
	o.mac.Write(sc.pseudoHeader(rec, seq, len(content)))
	o.mac.Write(content)
	return hmac.Equal(o.mac.Sum(sc.sum[:0]), mac)
}

// counter returns the explicit nonce of a record, if there is one. Most implementations increase
// it by one for each record, which helps to find the place after a loss.
func (o *recordCipher) counter(rec []byte) (n uint64, ok bool) {
	if o.aead == nil || o.explicit == 0 || len(rec) < headerSize+8 {
		return 0, false
	}
	return binary.BigEndian.Uint64(rec[headerSize:]), true
}
