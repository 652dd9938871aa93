package decode

import (
	"net/netip"
	"time"

	"github.com/kafkavet/kafkavet/capture"
)

// Evidence says where an advertised range came from.
type Evidence uint8

// The kinds of evidence.
const (
	// None: no range is known.
	None Evidence = iota
	// Observed in an ApiVersions response on the same connection.
	Observed
	// Borrowed from another connection to the same broker address in the same input.
	Borrowed
	// Supplied by the user.
	Supplied
)

// Verdict is the judgement on a request.
type Verdict uint8

// The verdicts.
const (
	// Unknown: no range is known to judge by.
	Unknown Verdict = iota
	// OK: inside the advertised range.
	OK
	// AboveMax: the version is above the advertised max.
	AboveMax
	// BelowMin: the version is below the advertised min.
	BelowMin
	// NotAdvertised: the broker advertised no such API.
	NotAdvertised
	// Exempt: ApiVersions, which may be sent in any version (KIP-511).
	Exempt
)

// HasRange tells whether Exchange.Advertised is meaningful for this verdict.
func (v Verdict) HasRange() bool { return v == OK || v == AboveMax || v == BelowMin }

// Outcome says how the connection went on after a request.
type Outcome uint8

// The outcomes.
const (
	// Answered: a response with the correlation id came.
	Answered Outcome = iota
	// Error: the response was UNSUPPORTED_VERSION (35).
	Error
	// ClosedByBroker: a FIN from the broker came instead.
	ClosedByBroker
	// ResetByBroker: a RST from the broker came instead.
	ResetByBroker
	// Left: the client closed the connection before an answer.
	Left
	// Unanswered: the connection went on without an answer to it.
	Unanswered
	// CutOff: the capture ended, or the connection was given up, before an answer.
	CutOff
	// Unseen: the broker's side was not captured, or bytes of it are missing where the answer was due.
	Unseen
	// NoneExpected: Produce with acks=0 has no response.
	NoneExpected
	// Late: sent into a connection that the broker had already closed. A RST usually follows.
	Late
)

// OutcomeCount is the number of outcomes.
const OutcomeCount = int(Late) + 1

// Asking says whether a client asked for the broker's ranges before a request, on the connection of that request.
type Asking uint8

// The kinds of asking.
const (
	// NotAsked: the connection was seen from its start, and no ApiVersions request came before.
	NotAsked Asking = iota
	// MaybeAsked: none was seen, but what the client sent before is not all there.
	MaybeAsked
	// Asked: an ApiVersions request came before.
	Asked
)

// Range is a range of API versions, both ends included.
type Range struct{ Min, Max int16 }

// Software is what a client says of itself in ApiVersions v3 and up (KIP-511).
type Software struct{ Name, Version string }

// Exchange is a request, the response that answers it (if any), and what was
// known when it was sent.
type Exchange struct {
	// Stream is Wireshark's tcp.stream.
	Stream uint32
	// Request is the packet in which the request ends.
	Request capture.Position
	// Settled is the packet that decided the outcome, Took the time from Request to it.
	Settled capture.Position
	Took    time.Duration
	// Client and Broker are the two addresses.
	Client, Broker netip.AddrPort
	// Domain tells equal addresses in different networks apart (reassembly.Connection.Domain).
	Domain uint64
	// ClientID is the client id of the request header; HasClientID is false where it was null or absent.
	ClientID    string
	HasClientID bool
	// Software is what the client announced on this connection.
	Software Software
	// CorrelationID is the request's.
	CorrelationID int32
	// Key and Version are the API key and version of the request.
	Key, Version int16
	// Advertised is the broker's range for Key; meaningful for the verdicts OK, AboveMax and BelowMin.
	Advertised Range
	// ResponseSize is the length of the response in bytes, as its size field states it; 0 without a response.
	ResponseSize int32
	// Ranges is the whole table that the verdict was reached by, nil for Evidence None.
	Ranges *Ranges
	// Evidence says where Ranges came from.
	Evidence Evidence
	Verdict  Verdict
	Outcome  Outcome
	// ErrorCode is the top-level Kafka error code of the response for the APIs where it is read
	// (ApiVersions, among others 42 for a client name that KIP-511 does not allow; SaslHandshake;
	// SaslAuthenticate). It is also 35 where any error field of a response is UNSUPPORTED_VERSION,
	// and 43 where one of a Produce, Fetch or ListOffsets response is
	// UNSUPPORTED_FOR_MESSAGE_FORMAT. Otherwise it is 0.
	ErrorCode int16
	// WrongRefusal: error 35 in an ApiVersions response whose body has the layout of the requested
	// version. KIP-511 demands a v0 body, and clients cannot read anything else.
	WrongRefusal bool
	// Partial: the connection ended before the last byte of the request was captured or sent. At
	// least its first 8 bytes were captured. Request is then the last packet with bytes of it.
	Partial bool
	// Size is the length of the request in bytes, as its size field states it; the 4 bytes of that
	// field are not counted. Received is how many of them came before the connection ended: Size
	// unless Partial.
	Size, Received int64
	// SessionLifetime is session_lifetime_ms of a SaslAuthenticate response (v1 and up, KIP-368): the
	// client must authenticate again within that time. 0 is no limit.
	SessionLifetime time.Duration
	// BeforeNegotiation: sent after an ApiVersions request whose response had not come yet, on a
	// connection without ranges.
	BeforeNegotiation bool
	// Asked says whether the client asked for the ranges first.
	Asked Asking
	// AskedInVain: the client had asked for the ranges on this connection, and the last answer before the
	// request was error 35, which holds none.
	AskedInVain bool
	// Negotiated is, for an ApiVersions request answered with error 35, the version of the
	// retry that was then answered without error on the same connection, or of which the answer was not
	// captured; -1 otherwise. RetryUnseen: a retry itself may not have been captured.
	Negotiated  int16
	RetryUnseen bool
	// Mechanism is the SASL mechanism asked for by a SaslHandshake; Enabled those that its answer named.
	Mechanism string
	Enabled   []string
}

// IsAnswered reports whether a response came.
func (x *Exchange) IsAnswered() bool { return x.Outcome == Answered || x.Outcome == Error }

// HasErrorCode reports whether ErrorCode is what the response says: it is 0 also where no error code was read.
func (x *Exchange) HasErrorCode() bool {
	switch x.Key {
	case keyApiVersions, keySaslHandshake, keySaslAuthenticate:
		return x.IsAnswered()
	}
	return x.ErrorCode != errNone
}

// Ranges is one ApiVersions answer: what a broker advertised. Equal answers
// share one Ranges within a Shard; it must not be changed.
type Ranges struct {
	// APIs are the advertised ranges by API key, in ascending order of Key.
	APIs []API
	// Features are the broker's supported features (ApiVersions v3 and up), by name.
	Features []Feature
	// Partial: the end of the answer is missing in the capture. What is listed was
	// advertised, and so may be what is not.
	Partial bool
}

// API is the advertised range of one API key.
type API struct {
	Key int16
	Range
}

// Feature is a supported feature of a broker (KIP-584).
type Feature struct {
	Name string
	Range
}

// Advertisement is an ApiVersions answer with the connection on which it came.
type Advertisement struct {
	Stream         uint32
	At             capture.Position
	Client, Broker netip.AddrPort
	// Domain tells equal addresses in different networks apart (reassembly.Connection.Domain).
	Domain  uint64
	Version int16
	Ranges  *Ranges
}
