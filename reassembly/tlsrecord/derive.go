package tlsrecord

import (
	"crypto"
	"crypto/hkdf"
	"crypto/hmac"
	_ "crypto/md5" // the PRF of TLS 1.0 and 1.1
	_ "crypto/sha1"
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/binary"
	"hash"
)

// keys protect the records of one direction.
type keys struct {
	suite   *suite
	version uint16
	etm     bool                // encrypt-then-MAC (RFC 7366), for cbc
	key     [32]byte            // the first suite.key bytes are used
	iv      [16]byte            // fixed part of the nonce, or the first IV of TLS 1.0
	secret  [maxSecretSize]byte // MAC key, or the traffic secret of TLS 1.3
}

// String returns no key material.
func (k *keys) String() string { return "keys" }

// GoString returns no key material.
func (k *keys) GoString() string { return "keys" }

// size13 returns the size of a traffic secret of the suite.
func (s *suite) size13() int { return s.prf.Size() }

// keys13 derives the keys of a traffic secret (RFC 8446 7.3).
func keys13(s *suite, secret []byte) keys {
	k := keys{suite: s, version: versionTLS13}
	copy(k.secret[:], secret)
	expandLabel(s.prf, secret, "key", k.key[:s.key])
	expandLabel(s.prf, secret, "iv", k.iv[:12])
	return k
}

// updated returns the keys after a KeyUpdate (RFC 8446 7.2).
func (k *keys) updated() keys {
	secret := make([]byte, k.suite.size13())
	expandLabel(k.suite.prf, k.secret[:len(secret)], "traffic upd", secret)
	return keys13(k.suite, secret)
}

// expandLabel fills out by HKDF-Expand-Label with an empty context (RFC 8446 7.1). If the
// cryptography library refuses the secret, out stays zero, and nothing can be decrypted.
func expandLabel(h crypto.Hash, secret []byte, label string, out []byte) {
	const prefix = "tls13 "
	info := make([]byte, 0, 32)
	info = binary.BigEndian.AppendUint16(info, uint16(len(out)))
	info = append(info, byte(len(prefix)+len(label)))
	info = append(info, prefix...)
	info = append(info, label...)
	info = append(info, 0)
	okm, _ := hkdf.Expand(h.New, secret, string(info), len(out))
	copy(out, okm)
}

// ivSize returns the length of one direction's IV in the key block.
func (s *suite) ivSize(version uint16) int {
	switch s.bulk {
	case gcm:
		return 4 // RFC 5288 3
	case chacha:
		return 12 // RFC 7905 2
	}
	if version == versionTLS10 {
		return 16 // RFC 2246 6.3: later versions send the IV with each record
	}
	return 0
}

// keys12 derives the keys of both directions from a master secret (RFC 5246 6.3): the client's,
// then the server's.
func keys12(s *suite, version uint16, etm bool, master []byte, client, server *[32]byte) (k [2]keys) {
	mac := 0
	if s.bulk == cbc {
		mac = s.mac.Size()
	}
	iv := s.ivSize(version)
	seed := make([]byte, 0, 13+64)
	seed = append(seed, "key expansion"...)
	seed = append(seed, server[:]...)
	seed = append(seed, client[:]...)
	block := make([]byte, 2*(mac+int(s.key)+iv))
	if version >= versionTLS12 {
		xorPRF(s.prf, master, seed, block)
	} else {
		half := (len(master) + 1) / 2
		xorPRF(crypto.MD5, master[:half], seed, block)
		xorPRF(crypto.SHA1, master[len(master)-half:], seed, block)
	}
	for i := range k {
		k[i] = keys{suite: s, version: version, etm: etm}
		copy(k[i].secret[:], block[i*mac:(i+1)*mac])
	}
	block = block[2*mac:]
	for i := range k {
		copy(k[i].key[:], block[i*int(s.key):(i+1)*int(s.key)])
	}
	block = block[2*int(s.key):]
	for i := range k {
		copy(k[i].iv[:], block[i*iv:(i+1)*iv])
	}
	return k
}

// xorPRF computes P_hash(secret, seed) and XORs it into out (RFC 5246 5).
func xorPRF(h crypto.Hash, secret, seed, out []byte) {
	m := hmac.New(h.New, secret)
	sum := func(parts ...[]byte) []byte {
		m.Reset()
		for _, p := range parts {
			m.Write(p)
		}
		return m.Sum(nil)
	}
	for a := sum(seed); len(out) > 0; a = sum(a) {
		b := sum(a, seed)
		n := min(len(b), len(out))
		for i := range n {
			out[i] ^= b[i]
		}
		out = out[n:]
	}
}

func (k *keys) newMAC() hash.Hash {
	return hmac.New(k.suite.mac.New, k.secret[:k.suite.mac.Size()])
}
