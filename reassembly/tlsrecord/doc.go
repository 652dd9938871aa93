// Package tlsrecord turns the bytes of a TLS connection into plaintext with the
// secrets of a key log.
//
// Secrets go in from key logs (the NSS key log format) and the ordered bytes of
// both directions of a TCP connection, with its gaps, through a Session. Out
// comes the application data, with its gaps, through a Receiver, and an Info
// that says what is known and what could not be decrypted, and why. Nothing is
// checked but the authenticity of records: no certificate, no signature, no
// transcript. The library's crypto packages do the cryptography; the record
// layer is here.
//
// TLS 1.0 to 1.3 are understood, with the suites of suites.go, without renegotiation and early
// data (0-RTT), which Kafka clients do not use. The files are
// one subject each: secrets.go and keylog.go the key log, derive.go and
// opener.go keys and ciphers, record.go, hello.go and handshake.go what is on
// the wire, direction.go the way of the bytes of one direction, keys.go which
// keys are in force when, wait.go what waits for them, session.go the whole.
//
// A lost piece ends nothing. What is lost of a record is reported as a gap, and its
// other bytes are decrypted (torn.go); where the next record begins is searched
// (search.go) and proved by opening it, with the sequence numbers and keys that
// it can have by then (trial.go); loss.go says how much was lost. A record
// that is not proved is never passed on.
//
// Memory: an idle Session holds under 1 KiB, and a subject of up to maxSubject bytes. An incomplete record is held until it
// is complete (at most 16,384 + 2,048 + 5 bytes, RFC 5246 6.2.3), bytes that
// wait for their secrets up to maxWaiting for a direction and maxWaitingTotal
// for all sessions of one Secrets. Expanded cipher keys are kept for the
// liveCiphers directions of a Scratch that were used last, and made again for
// the others when needed.
//
// Secrets may be used by any number of goroutines, a Session by one at a time,
// a Scratch by the sessions of one goroutine. No error, warning, reason or
// formatted value holds key material or plaintext.
package tlsrecord

import "github.com/kafkavet/kafkavet/capture"

// Info describes a TLS session for the report. It holds no secret. ServerName
// came from the wire and is to be escaped before it is shown.
type Info struct {
	// Version is the negotiated version ("TLS 1.3"), empty while unknown.
	Version string
	// Suite is the cipher suite's IANA name, empty while unknown.
	Suite string
	// ServerName is the SNI of the ClientHello, empty without one.
	ServerName string
	// ClientRandom is the random of the ClientHello, by which a key log names the session.
	ClientRandom [32]byte
	// Subject is the subject of the client's certificate as RFC 2253 writes it, in the order in which
	// brokers have it. It is empty without Options.Subjects, and where no certificate could be read:
	// resumed sessions show none. It came from the wire and is to be escaped.
	Subject string
	// Hello is what the ClientHello shows of its library, nil without one.
	Hello *Hello
	// HasClientRandom reports whether a ClientHello was seen.
	HasClientRandom bool
	// Decrypted counts plaintext bytes, Undecrypted the bytes of application records that were
	// not decrypted.
	Decrypted, Undecrypted uint64
	// LostRecords counts the records that were stepped over: incomplete in the
	// capture, or not authentic.
	LostRecords uint64
	// WaitDropped counts bytes that came while secrets were waited for and
	// that were dropped because the bound on such bytes was reached.
	WaitDropped uint64
	// SearchesFailed counts the directions that were given up because their
	// place in the stream was not found again after loss.
	SearchesFailed uint64
	// Reason says why application data was not decrypted, empty when all was.
	Reason string
	// Alert names the fatal alert that ended the session ("handshake_failure"), empty without one.
	// It ended the handshake when Established is false.
	Alert string
	// AlertFromServer: the server sent Alert.
	AlertFromServer bool
	// Established reports whether the handshake came to its end. Where nothing
	// can be decrypted it is concluded from the records that followed.
	Established bool
	// Closing: a side announced the end of the connection
	// (close_notify). ClosingToServer and ClosingAt say which one did so first,
	// by the direction as the caller calls it, and in which packet.
	Closing, ClosingToServer bool
	ClosingAt                capture.Position
}
