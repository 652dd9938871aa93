// Package tlsrecord decrypts TLS connections with the secrets of a key log.
//
// Its inputs are key logs (the NSS key log format) and the ordered bytes of both directions of a
// TCP connection, with gaps, through a Session. Its outputs are the application data, with gaps,
// through a Receiver, and an Info. Info describes the session and says what could not be
// decrypted, and why. The package verifies only the authenticity of records: no certificate, no
// signature, no transcript. The crypto packages of the standard library do the cryptography. This
// package implements the record layer.
//
// It supports TLS 1.0 to 1.3 and the suites of suites.go. It does not support renegotiation and
// early data (0-RTT), which Kafka clients do not use. Each file has one subject: secrets.go and
// keylog.go the key log, derive.go and cipher.go keys and ciphers, record.go, hello.go and
// handshake.go the wire format, side.go the bytes of one direction, keys.go the keys of each
// phase, wait.go the bytes that wait for keys, session.go the whole.
//
// Decryption continues after a loss. The lost part of a record is reported as a gap, and its other
// bytes are decrypted (patched.go). search.go finds the beginning of the next record. trial.go
// proves it: it decrypts the record with the sequence numbers and keys that are possible there.
// loss.go computes how much was lost. A record that is not proved is never passed on.
//
// Memory: an idle Session holds 1.1 KiB, and a subject of up to maxSubject bytes. It holds an
// incomplete record (at most 16,384 + 2,048 + 5 bytes, RFC 5246 6.2.3). Bytes that wait for
// secrets are bounded by maxWaiting for a direction and maxWaitingTotal for all sessions of one
// Secrets. A Scratch keeps expanded cipher keys for liveCiphers directions. It expands others
// again.
//
// Any number of goroutines may use a Secrets. One goroutine at a time may use a Session. The
// sessions of one goroutine share a Scratch. No error, warning, reason or formatted value contains
// key material or plaintext.
package tlsrecord

import "github.com/kafkavet/kafkavet/capture"

// Info describes a TLS session. It contains no secret. Escape ServerName: it comes from the wire.
type Info struct {
	// Version is the negotiated version ("TLS 1.3"), empty while unknown.
	Version string
	// Suite is the cipher suite's IANA name, empty while unknown.
	Suite string
	// ServerName is the SNI of the ClientHello, empty for none.
	ServerName string
	// ClientRandom is the random of the ClientHello. A key log names the session by it.
	ClientRandom [32]byte
	// Subject is the subject of the client's certificate in the notation of RFC 2253, in the order
	// that brokers use. It is empty without Options.Subjects and without a readable certificate:
	// resumed sessions have none. Escape it: it comes from the wire.
	Subject string
	// Hello describes the library that wrote the ClientHello; nil for none.
	Hello *Hello
	// HasClientRandom reports whether ClientRandom is known.
	HasClientRandom bool
	// Decrypted counts plaintext bytes. Undecrypted counts the bytes of application records that
	// were not decrypted.
	Decrypted, Undecrypted uint64
	// LostRecords counts the records skipped: incomplete in the capture, or not authentic.
	LostRecords uint64
	// Reason says why application data was not decrypted; empty if all was.
	Reason string
	// Alert is the name of the fatal alert that ended the session ("handshake_failure"), empty for
	// none. It ended the handshake if Established is false.
	Alert string
	// AlertFromServer: the server sent Alert.
	AlertFromServer bool
	// Established reports whether the handshake ended. If nothing can be decrypted, it is inferred
	// from the records that followed.
	Established bool
	// Closing: a side announced the end of the connection (close_notify). ClosingToServer and
	// ClosingAt are the direction, as the caller names it, and the packet of the first one.
	Closing, ClosingToServer bool
	ClosingAt                capture.Position
}
