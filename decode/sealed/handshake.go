package sealed

import (
	"slices"
	"strings"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly/tlsrecord"
)

// overhead is how much longer the records of one direction are than their content, in bytes.
type overhead struct {
	// least is the smallest overhead, slack how many bytes it may be more.
	least, slack int
}

// size returns the largest content of a record of n bytes.
func (o overhead) size(n int) int { return n - o.least }

const recordHeader = 5

// Overheads of records, in bytes.
const (
	// TLS 1.3: the type of the content and a tag (RFC 8446 5.2).
	overhead13 = 1 + 16
	padding13  = tlsrecord.PaddingJava
	// finished12 is the Finished message of TLS 1.2: header and 12 bytes (RFC 5246 7.4.9).
	finished12 = 4 + 12
	// blockSize is that of AES. With CBC, 1 to 16 bytes of padding fill the last block.
	blockSize = 16
)

// finished13 are the sizes of the Finished message of TLS 1.3: header and hash (RFC 8446 4.4.4).
var finished13 = [...]int{4 + 32, 4 + 48}

// byFinished are the overheads of TLS 1.2 by the size of the record with Finished.
var byFinished = map[int]overhead{
	finished12 + 8 + 16: {least: 8 + 16}, // AES-GCM: explicit nonce and tag (RFC 5288 3)
	finished12 + 16:     {least: 16},     // ChaCha20-Poly1305: tag (RFC 7905 2)
	64:                  cbc(20),         // initialization vector, 48 = Finished, HMAC-SHA-1 and padding
	80:                  cbc(32),         // HMAC-SHA-256; with encrypt-then-MAC the same size
	96:                  cbc(48),         // HMAC-SHA-384
	68:                  cbc(20),         // encrypt-then-MAC (RFC 7366), HMAC-SHA-1
}

// cbc returns the overhead of TLS 1.1 and 1.2 with CBC: initialization vector, MAC, padding.
func cbc(mac int) overhead { return overhead{least: blockSize + mac + 1, slack: blockSize - 1} }

// handshake is what the records of a handshake show.
type handshake struct {
	over [2]overhead // by direction; 0 is to the server
	// first is the index of the first record after the client's Finished.
	first int
	// tls13: session tickets of the server may follow.
	tls13 bool
	// fromClient: the client's Finished was found.
	fromClient bool
	// together: the server's Finished shares a record, so its overhead is unknown.
	together bool
	// certificate is OfClient or NoCertificate if the broker requested one, in TLS 1.3.
	certificate Certificate
}

// Certificate says whose certificate the other side did not accept.
type Certificate uint8

// The values of Certificate. NoCertificate: the broker requested one, and the client has none.
const (
	NotRefused Certificate = iota
	OfBroker
	OfClient
	NoCertificate
)

// RefusedCertificate reports whether a handshake of TLS 1.3 ended on a certificate, without a key.
// A client sends an alert instead of its Finished. A broker sends an alert after that of a client
// with a certificate, and nothing else. It can also close on the client's first request. But Java
// sends a session ticket before it reads that, and of others the alert must come before it.
func RefusedCertificate(c *decode.Connection) Certificate {
	if c.Outline == nil || c.TLS == nil || c.TLS.Version != versionTLS13 || c.Midstream {
		return NotRefused
	}
	records, _ := c.Outline.Records()
	h, ok := readHandshake13(records, c.TLS)
	if !ok {
		fromClient := slices.DeleteFunc(records, func(r tlsrecord.Record) bool { return !r.ToServer })
		if len(fromClient) == 1 && isAlert13(&fromClient[0]) {
			return OfBroker
		}
		return NotRefused
	}
	isAsked := false
	for i := h.first; i < len(records); i++ {
		r := &records[i]
		switch {
		case r.ToServer && r.Kind == tlsrecord.DataRecord:
			isAsked = true
		case r.ToServer || !isAlert13(r):
			return NotRefused
		case !isAsked || h.certificate == NoCertificate || r.Size > alertSize+overhead13 && c.TLS.Hello.Has(extPSKModes):
			return h.certificate
		default:
			return NotRefused
		}
	}
	return NotRefused
}

// isAlert13 reports whether a record has the size of an alert of TLS 1.3.
func isAlert13(r *tlsrecord.Record) bool {
	return r.Kind == tlsrecord.DataRecord && !r.Guessed && tlsrecord.IsAlertSize13(r.Size)
}

const versionTLS13 = "TLS 1.3"

// serverOverheads returns the possible overheads of the server's records.
func (h *handshake) serverOverheads() []overhead {
	if h.together {
		return []overhead{{least: overhead13 + padding13}, {least: overhead13}}
	}
	return []overhead{h.over[1]}
}

// readHandshake finds the end of the handshake in the records of a connection captured from its
// beginning. ok is false if it is missing.
func readHandshake(records []tlsrecord.Record, info *tlsrecord.Info) (h handshake, ok bool) {
	for i := range records {
		// In TLS 1.3, it is a hello after a HelloRetryRequest: ChangeCipherSpec precedes it (RFC
		// 8446 D.4).
		if records[i].Kind == tlsrecord.HandshakeRecord && info.Version != versionTLS13 {
			return readHandshake12(records)
		}
		if records[i].Kind == tlsrecord.DataRecord && !records[i].Guessed {
			break
		}
	}
	if info.Version == "" || info.Version == "TLS 1.2" {
		// A short snapshot length cuts all headers after the first one of each segment.
		if h, ok := readHandshake12(records); ok && h.fromClient {
			return h, true
		}
	}
	return readHandshake13(records, info)
}

// changeCipherRecord is the size of a ChangeCipherSpec, including its header.
const changeCipherRecord = 5 + 1

// finishedSize returns the size of a TLS 1.2 record with Finished, if r can be one. r can also be
// ChangeCipherSpec and Finished together, with cut headers.
func finishedSize(r *tlsrecord.Record) (size int, can bool) {
	switch {
	case r.Kind == tlsrecord.HandshakeRecord:
		return r.Size, true
	case r.Kind == tlsrecord.DataRecord && r.Guessed:
		return r.Size, byFinished[r.Size].least > 0
	case r.Kind == tlsrecord.MissingRecord:
		size = r.Size - changeCipherRecord - recordHeader
		return size, byFinished[size].least > 0
	}
	return 0, false
}

// readHandshake12 is for TLS 1.2 and older, where Finished is in a handshake record.
func readHandshake12(records []tlsrecord.Record) (h handshake, ok bool) {
	var seen [2]bool
	for i := range records {
		r := &records[i]
		size, can := finishedSize(r)
		if !can {
			if r.Kind == tlsrecord.DataRecord {
				break
			}
			continue
		}
		d := directionIndex(r.ToServer)
		if seen[d] {
			continue
		}
		over, known := byFinished[size]
		if !known {
			return h, false
		}
		seen[d], h.over[d], h.first = true, over, i+1
	}
	h.fromClient = seen[0]
	// If the capture lacks one, its suite is that of the other.
	switch {
	case seen[0] && !seen[1]:
		h.over[1] = h.over[0]
	case seen[1] && !seen[0]:
		h.over[0] = h.over[1]
	}
	return h, seen[0] || seen[1]
}

const (
	// emptyCertificate is the size of a Certificate message without a certificate (RFC 8446 4.4.2).
	emptyCertificate = 4 + 1 + 3
	// certificateAndFinished is the size of the smallest record with Certificate and Finished: Java
	// sends all messages of a flight in one record.
	certificateAndFinished = emptyCertificate + 4 + 32 + overhead13 + padding13
)

// maxFlight bounds the encrypted records of one side's handshake: EncryptedExtensions,
// CertificateRequest, Certificate in up to 4 records, CertificateVerify, Finished.
const maxFlight = 10

// readHandshake13 is for TLS 1.3, where the size of Finished shows hash and padding.
func readHandshake13(records []tlsrecord.Record, info *tlsrecord.Info) (h handshake, ok bool) {
	h.tls13 = true
	hashes := finished13[:]
	switch {
	case strings.HasSuffix(info.Suite, "_SHA384"):
		hashes = finished13[1:]
	case strings.HasSuffix(info.Suite, "_SHA256"):
		hashes = finished13[:1]
	}
	client := -1
	n := 0
	for i := range records {
		r := &records[i]
		if !r.ToServer || r.Kind != tlsrecord.DataRecord {
			continue
		}
		if n++; n > maxFlight {
			break
		}
		if over, is := isFinished(r.Size, hashes); is {
			client, h.over[0], h.first = i, over, i+1
			break
		}
		if n > 1 {
			continue
		}
		content := r.Size - overhead13
		if LibraryOf(info.Hello) == Java && r.Size >= certificateAndFinished {
			client, h.over[0], h.first = i, overhead{least: overhead13 + padding13}, i+1
			content -= padding13
		}
		h.certificate = OfClient
		if content == emptyCertificate || content == emptyCertificate+finished13[0] || content == emptyCertificate+finished13[1] {
			h.certificate = NoCertificate
		}
		if client >= 0 {
			break
		}
	}
	if client < 0 {
		return h, false
	}
	server := false
	for i := range records[:client] {
		r := &records[i]
		if r.ToServer || r.Kind != tlsrecord.DataRecord {
			continue
		}
		// Certificate and CertificateVerify are longer, EncryptedExtensions is shorter.
		if over, is := isFinished(r.Size, hashes); is {
			server, h.over[1] = true, over
		}
	}
	h.together = !server
	return h, true
}

// byAlert are the overheads of TLS 1.2 by the size of the record with an alert.
var byAlert = map[int]overhead{
	alertSize + 24: {least: 24},
	alertSize + 16: {least: 16},
	48:             cbc(20), // 32 = alert, HMAC-SHA-1 and padding
	64:             cbc(32),
	80:             cbc(48),
	52:             cbc(20), // encrypt-then-MAC
}

// readMidstream finds the overheads of a connection whose handshake the capture lacks, by the
// alerts at its end. ok is false if the broker sent none.
func readMidstream(records []tlsrecord.Record) (h handshake, ok bool) {
	var last [2]*tlsrecord.Record
	for i := range records {
		r := &records[i]
		d := directionIndex(r.ToServer)
		if last[d] == nil || last[d].Kind != tlsrecord.AlertRecord {
			last[d] = r
		}
	}
	var known [2]bool
	for d, r := range last {
		switch {
		case r == nil || r.Guessed:
		case r.Kind == tlsrecord.AlertRecord:
			h.over[d], known[d] = byAlert[r.Size], byAlert[r.Size].least > 0
		case r.Kind == tlsrecord.DataRecord && tlsrecord.IsAlertSize13(r.Size):
			h.over[d], known[d], h.tls13 = overhead{least: r.Size - alertSize}, true, true
		}
	}
	if !known[1] {
		return h, false
	}
	if !known[0] {
		h.over[0] = h.over[1]
		if h.tls13 { // the client may be Java or not
			h.over[0] = overhead{least: overhead13, slack: padding13}
		}
	}
	return h, true
}

// isFinished reports whether a record can contain Finished with one of the hashes, and returns the
// overhead of the record.
func isFinished(n int, hashes []int) (overhead, bool) {
	for _, padding := range [...]int{0, padding13} {
		for _, size := range hashes {
			if n == size+overhead13+padding {
				return overhead{least: overhead13 + padding}, true
			}
		}
	}
	return overhead{}, false
}

func directionIndex(toServer bool) int {
	if toServer {
		return 0
	}
	return 1
}
