package tlsrecord

import (
	"crypto"
	"fmt"
	"sort"
)

// bulk is how a cipher suite protects records.
type bulk uint8

// unsupported suites are listed for their names.
const (
	unsupported bulk = iota
	gcm
	chacha
	cbc
)

type suite struct {
	id   uint16
	bulk bulk
	key  uint8       // size of the key in bytes
	mac  crypto.Hash // of the record's HMAC, for cbc
	prf  crypto.Hash // of the PRF of TLS 1.2, and the key schedule of TLS 1.3
	name string
}

// tls13 reports whether the suite belongs to TLS 1.3, which has its own suites.
func (s *suite) tls13() bool { return s.id>>8 == 0x13 }

// suiteByID returns the suite of a ServerHello, nil for an unknown one.
func suiteByID(id uint16) *suite {
	i := sort.Search(len(suites), func(i int) bool { return suites[i].id >= id })
	if i < len(suites) && suites[i].id == id {
		return &suites[i]
	}
	return nil
}

// suiteName returns the IANA name of a suite, or its number if it is unknown.
func suiteName(id uint16) string {
	if s := suiteByID(id); s != nil {
		return s.name
	}
	return fmt.Sprintf("0x%04X", id)
}

// suites are ordered by id. Source: the TLS Cipher Suites registry,
// https://www.iana.org/assignments/tls-parameters/tls-parameters.xhtml#tls-parameters-4. The
// unsupported ones have a name only: old or small clients support them, but they cannot be
// decrypted (NULL, RC4, 3DES, Camellia, CCM). Other suites have a number only: neither Java nor
// OpenSSL's default list nor Go negotiates them with a certificate (anonymous, pre-shared key,
// static DH, ARIA, SM4). In TLS 1.2 the SHA-1 and SHA-256 suites use the PRF of SHA-256 (RFC 5246
// 5), the _SHA384 suites that of SHA-384 (RFC 5289 3).
var suites = []suite{
	{0x0001, unsupported, 0, 0, 0, "TLS_RSA_WITH_NULL_MD5"},
	{0x0002, unsupported, 0, 0, 0, "TLS_RSA_WITH_NULL_SHA"},
	{0x0004, unsupported, 0, 0, 0, "TLS_RSA_WITH_RC4_128_MD5"},
	{0x0005, unsupported, 0, 0, 0, "TLS_RSA_WITH_RC4_128_SHA"},
	{0x000A, unsupported, 0, 0, 0, "TLS_RSA_WITH_3DES_EDE_CBC_SHA"},
	{0x0016, unsupported, 0, 0, 0, "TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA"},
	{0x002F, cbc, 16, crypto.SHA1, crypto.SHA256, "TLS_RSA_WITH_AES_128_CBC_SHA"},
	{0x0032, cbc, 16, crypto.SHA1, crypto.SHA256, "TLS_DHE_DSS_WITH_AES_128_CBC_SHA"},
	{0x0033, cbc, 16, crypto.SHA1, crypto.SHA256, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA"},
	{0x0035, cbc, 32, crypto.SHA1, crypto.SHA256, "TLS_RSA_WITH_AES_256_CBC_SHA"},
	{0x0038, cbc, 32, crypto.SHA1, crypto.SHA256, "TLS_DHE_DSS_WITH_AES_256_CBC_SHA"},
	{0x0039, cbc, 32, crypto.SHA1, crypto.SHA256, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA"},
	{0x003B, unsupported, 0, 0, 0, "TLS_RSA_WITH_NULL_SHA256"},
	{0x003C, cbc, 16, crypto.SHA256, crypto.SHA256, "TLS_RSA_WITH_AES_128_CBC_SHA256"},
	{0x003D, cbc, 32, crypto.SHA256, crypto.SHA256, "TLS_RSA_WITH_AES_256_CBC_SHA256"},
	{0x0040, cbc, 16, crypto.SHA256, crypto.SHA256, "TLS_DHE_DSS_WITH_AES_128_CBC_SHA256"},
	{0x0041, unsupported, 0, 0, 0, "TLS_RSA_WITH_CAMELLIA_128_CBC_SHA"},
	{0x0045, unsupported, 0, 0, 0, "TLS_DHE_RSA_WITH_CAMELLIA_128_CBC_SHA"},
	{0x0067, cbc, 16, crypto.SHA256, crypto.SHA256, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA256"},
	{0x006A, cbc, 32, crypto.SHA256, crypto.SHA256, "TLS_DHE_DSS_WITH_AES_256_CBC_SHA256"},
	{0x006B, cbc, 32, crypto.SHA256, crypto.SHA256, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256"},
	{0x0084, unsupported, 0, 0, 0, "TLS_RSA_WITH_CAMELLIA_256_CBC_SHA"},
	{0x0088, unsupported, 0, 0, 0, "TLS_DHE_RSA_WITH_CAMELLIA_256_CBC_SHA"},
	{0x009C, gcm, 16, 0, crypto.SHA256, "TLS_RSA_WITH_AES_128_GCM_SHA256"},
	{0x009D, gcm, 32, 0, crypto.SHA384, "TLS_RSA_WITH_AES_256_GCM_SHA384"},
	{0x009E, gcm, 16, 0, crypto.SHA256, "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"},
	{0x009F, gcm, 32, 0, crypto.SHA384, "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384"},
	{0x00A2, gcm, 16, 0, crypto.SHA256, "TLS_DHE_DSS_WITH_AES_128_GCM_SHA256"},
	{0x00A3, gcm, 32, 0, crypto.SHA384, "TLS_DHE_DSS_WITH_AES_256_GCM_SHA384"},
	{0x1301, gcm, 16, 0, crypto.SHA256, "TLS_AES_128_GCM_SHA256"},
	{0x1302, gcm, 32, 0, crypto.SHA384, "TLS_AES_256_GCM_SHA384"},
	{0x1303, chacha, 32, 0, crypto.SHA256, "TLS_CHACHA20_POLY1305_SHA256"},
	{0x1304, unsupported, 0, 0, 0, "TLS_AES_128_CCM_SHA256"},
	{0x1305, unsupported, 0, 0, 0, "TLS_AES_128_CCM_8_SHA256"},
	{0xC004, cbc, 16, crypto.SHA1, crypto.SHA256, "TLS_ECDH_ECDSA_WITH_AES_128_CBC_SHA"},
	{0xC005, cbc, 32, crypto.SHA1, crypto.SHA256, "TLS_ECDH_ECDSA_WITH_AES_256_CBC_SHA"},
	{0xC006, unsupported, 0, 0, 0, "TLS_ECDHE_ECDSA_WITH_NULL_SHA"},
	{0xC007, unsupported, 0, 0, 0, "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA"},
	{0xC008, unsupported, 0, 0, 0, "TLS_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA"},
	{0xC009, cbc, 16, crypto.SHA1, crypto.SHA256, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"},
	{0xC00A, cbc, 32, crypto.SHA1, crypto.SHA256, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA"},
	{0xC00E, cbc, 16, crypto.SHA1, crypto.SHA256, "TLS_ECDH_RSA_WITH_AES_128_CBC_SHA"},
	{0xC00F, cbc, 32, crypto.SHA1, crypto.SHA256, "TLS_ECDH_RSA_WITH_AES_256_CBC_SHA"},
	{0xC010, unsupported, 0, 0, 0, "TLS_ECDHE_RSA_WITH_NULL_SHA"},
	{0xC011, unsupported, 0, 0, 0, "TLS_ECDHE_RSA_WITH_RC4_128_SHA"},
	{0xC012, unsupported, 0, 0, 0, "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA"},
	{0xC013, cbc, 16, crypto.SHA1, crypto.SHA256, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"},
	{0xC014, cbc, 32, crypto.SHA1, crypto.SHA256, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA"},
	{0xC023, cbc, 16, crypto.SHA256, crypto.SHA256, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256"},
	{0xC024, cbc, 32, crypto.SHA384, crypto.SHA384, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384"},
	{0xC025, cbc, 16, crypto.SHA256, crypto.SHA256, "TLS_ECDH_ECDSA_WITH_AES_128_CBC_SHA256"},
	{0xC026, cbc, 32, crypto.SHA384, crypto.SHA384, "TLS_ECDH_ECDSA_WITH_AES_256_CBC_SHA384"},
	{0xC027, cbc, 16, crypto.SHA256, crypto.SHA256, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256"},
	{0xC028, cbc, 32, crypto.SHA384, crypto.SHA384, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384"},
	{0xC029, cbc, 16, crypto.SHA256, crypto.SHA256, "TLS_ECDH_RSA_WITH_AES_128_CBC_SHA256"},
	{0xC02A, cbc, 32, crypto.SHA384, crypto.SHA384, "TLS_ECDH_RSA_WITH_AES_256_CBC_SHA384"},
	{0xC02B, gcm, 16, 0, crypto.SHA256, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"},
	{0xC02C, gcm, 32, 0, crypto.SHA384, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"},
	{0xC02D, gcm, 16, 0, crypto.SHA256, "TLS_ECDH_ECDSA_WITH_AES_128_GCM_SHA256"},
	{0xC02E, gcm, 32, 0, crypto.SHA384, "TLS_ECDH_ECDSA_WITH_AES_256_GCM_SHA384"},
	{0xC02F, gcm, 16, 0, crypto.SHA256, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"},
	{0xC030, gcm, 32, 0, crypto.SHA384, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"},
	{0xC031, gcm, 16, 0, crypto.SHA256, "TLS_ECDH_RSA_WITH_AES_128_GCM_SHA256"},
	{0xC032, gcm, 32, 0, crypto.SHA384, "TLS_ECDH_RSA_WITH_AES_256_GCM_SHA384"},
	{0xC076, unsupported, 0, 0, 0, "TLS_ECDHE_RSA_WITH_CAMELLIA_128_CBC_SHA256"},
	{0xC077, unsupported, 0, 0, 0, "TLS_ECDHE_RSA_WITH_CAMELLIA_256_CBC_SHA384"},
	{0xC09C, unsupported, 0, 0, 0, "TLS_RSA_WITH_AES_128_CCM"},
	{0xC09D, unsupported, 0, 0, 0, "TLS_RSA_WITH_AES_256_CCM"},
	{0xC09E, unsupported, 0, 0, 0, "TLS_DHE_RSA_WITH_AES_128_CCM"},
	{0xC09F, unsupported, 0, 0, 0, "TLS_DHE_RSA_WITH_AES_256_CCM"},
	{0xC0A0, unsupported, 0, 0, 0, "TLS_RSA_WITH_AES_128_CCM_8"},
	{0xC0A1, unsupported, 0, 0, 0, "TLS_RSA_WITH_AES_256_CCM_8"},
	{0xC0A2, unsupported, 0, 0, 0, "TLS_DHE_RSA_WITH_AES_128_CCM_8"},
	{0xC0A3, unsupported, 0, 0, 0, "TLS_DHE_RSA_WITH_AES_256_CCM_8"},
	{0xC0AC, unsupported, 0, 0, 0, "TLS_ECDHE_ECDSA_WITH_AES_128_CCM"},
	{0xC0AD, unsupported, 0, 0, 0, "TLS_ECDHE_ECDSA_WITH_AES_256_CCM"},
	{0xC0AE, unsupported, 0, 0, 0, "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8"},
	{0xC0AF, unsupported, 0, 0, 0, "TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8"},
	{0xCCA8, chacha, 32, 0, crypto.SHA256, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"},
	{0xCCA9, chacha, 32, 0, crypto.SHA256, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"},
	{0xCCAA, chacha, 32, 0, crypto.SHA256, "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256"},
}
