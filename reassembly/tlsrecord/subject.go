package tlsrecord

import (
	"crypto/x509/pkix"
	"encoding/asn1"
)

// maxSubject bounds a subject, in bytes. Its attributes have up to 64 characters each (RFC 5280
// A.1), and names in ACLs use some of them. A longer subject is left out.
const maxSubject = 1024

// subject returns the subject of the first certificate of a Certificate message (RFC 8446 4.4.2,
// RFC 5246 7.4.2) in the notation of RFC 2253. It returns "" if there is none. It reads nothing
// else of the certificate, and verifies nothing.
func subject(body []byte, version uint16) string {
	r := helloReader(body)
	if version == versionTLS13 {
		r.bytes(r.uint8()) // context
	}
	r.bytes(3) // size of the list
	size := r.uint8()<<16 | r.uint16()
	var c struct {
		Signed struct { // RFC 5280 4.1; fields behind the subject are not read
			Version                             int `asn1:"optional,explicit,default:0,tag:0"`
			Serial, Algorithm, Issuer, Validity asn1.RawValue
			Subject                             pkix.RDNSequence
		}
	}
	if _, err := asn1.Unmarshal(r.bytes(size), &c); err != nil {
		return ""
	}
	if name := c.Signed.Subject.String(); len(name) <= maxSubject {
		return name
	}
	return ""
}
