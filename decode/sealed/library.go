package sealed

import (
	"slices"

	"github.com/kafkavet/kafkavet/reassembly/tlsrecord"
)

// Library is the TLS library of a client, inferred from its ClientHello.
type Library uint8

// The known libraries.
const (
	// UnknownLibrary: none of the others, or no ClientHello.
	UnknownLibrary Library = iota
	// Java is JSSE: kafka-clients and software that uses it.
	Java
	// Go is crypto/tls: sarama, franz-go, segmentio/kafka-go.
	Go
	// OpenSSL: librdkafka and its bindings, Python, Node.js.
	OpenSSL
	// Rustls: clients in Rust without OpenSSL.
	Rustls
)

func (l Library) String() string {
	return [...]string{"unknown", "Java", "Go", "OpenSSL", "rustls"}[l]
}

// Extensions that only one of the libraries sends, in all of its releases
// (https://www.iana.org/assignments/tls-extensiontype-values).
const (
	extStatusRequestV2 = 17 // Java
	extSignedTimestamp = 18 // Go, and browsers
	extEncryptThenMAC  = 22 // OpenSSL
	extStatusRequest   = 5
	extExtendedMaster  = 23
	// suiteRenegotiation is TLS_EMPTY_RENEGOTIATION_INFO_SCSV.
	suiteRenegotiation = 0x00ff
)

// LibraryOf returns the library of a ClientHello.
func LibraryOf(h *tlsrecord.Hello) Library {
	switch {
	case h == nil:
		return UnknownLibrary
	case h.Has(extStatusRequestV2):
		return Java
	case h.Has(extEncryptThenMAC):
		return OpenSSL
	case h.Has(extSignedTimestamp):
		return Go
	case h.Has(extStatusRequest) && h.Has(extExtendedMaster) && slices.Contains(h.Suites, suiteRenegotiation):
		return Rustls
	}
	return UnknownLibrary
}
