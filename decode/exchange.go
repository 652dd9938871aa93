package decode

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/kafkavet/kafkavet/capture"
)

// Evidence is the source of an advertised range.
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
	// Unknown: no range is known.
	Unknown Verdict = iota
	// OK: the version is inside the advertised range.
	OK
	// AboveMax: the version is above the advertised max.
	AboveMax
	// BelowMin: the version is below the advertised min.
	BelowMin
	// NotAdvertised: the broker did not advertise the API.
	NotAdvertised
	// Exempt: ApiVersions, which clients may send in any version (KIP-511).
	Exempt
)

// HasRange reports whether Exchange.Advertised is meaningful for this verdict.
func (v Verdict) HasRange() bool { return v == OK || v == AboveMax || v == BelowMin }

// IsOutside reports whether a request was outside what the broker advertised.
func (v Verdict) IsOutside() bool { return v == AboveMax || v == BelowMin || v == NotAdvertised }

// Outcome is what happened on the connection after a request.
type Outcome uint8

// The outcomes.
const (
	// Answered: the broker sent a response with the correlation id.
	Answered Outcome = iota
	// Error: the response was UNSUPPORTED_VERSION (35).
	Error
	// ClosedByBroker: the broker sent a FIN and no response.
	ClosedByBroker
	// ResetByBroker: the broker sent a RST and no response.
	ResetByBroker
	// Left: the client closed the connection before a response.
	Left
	// Unanswered: the connection continued without a response to the request.
	Unanswered
	// CutOff: the capture ended, or the analysis of the connection was given up, before a
	// response.
	CutOff
	// Unseen: the broker's direction was not captured, or lacks bytes where the response was
	// due.
	Unseen
	// NoneExpected: Produce with acks=0 has no response.
	NoneExpected
	// Late: the client sent the request after the broker had closed the connection, or refused its
	// certificate. A RST usually follows.
	Late
)

// OutcomeCount is the number of outcomes.
const OutcomeCount = int(Late) + 1

// Asking says whether the client requested the broker's ranges on the same connection before a
// request.
type Asking uint8

// The kinds of asking.
const (
	// NotAsked: the capture has the connection from its start, and no ApiVersions request came
	// before.
	NotAsked Asking = iota
	// MaybeAsked: the capture has no ApiVersions request before, but it lacks some bytes of the
	// client.
	MaybeAsked
	// Asked: an ApiVersions request came before.
	Asked
)

// Software is the client's name and version, as in ApiVersions v3 and later requests (KIP-511).
type Software struct{ Name, Version string }

// Exchange is a request, its response if there is one, and the range known when it was sent.
type Exchange struct {
	// Stream is Wireshark's tcp.stream.
	Stream uint32
	// Request is the packet in which the request ends.
	Request capture.Position
	// Decided is the packet that decided the outcome. Took is the time from Request to it.
	Decided capture.Position
	Took    time.Duration
	// Client and Broker are the two addresses.
	Client, Broker netip.AddrPort
	// Domain distinguishes equal addresses in different networks (reassembly.Connection.Domain).
	Domain uint64
	// ClientID is the client id of the request header. HasClientID is false if it was null or
	// absent.
	ClientID string
	// Software is the client's name and version from an ApiVersions request on this connection.
	Software Software
	// Principal is the user name of the latest SASL authentication (PLAIN or SCRAM) on this
	// connection. It is empty before, and without ShardOptions.Principals. Without SASL, it is the
	// subject of the client's certificate (tlsrecord.Info.Subject), except for ApiVersions.
	Principal string
	// CorrelationID is the correlation id of the request.
	CorrelationID int32
	// Key and Version are the API key and version of the request.
	Key, Version int16
	// Advertised is the broker's range for Key; meaningful for the verdicts OK, AboveMax and
	// BelowMin.
	Advertised Range
	// ResponseSize is the length of the response in bytes, by its size field; 0 without a
	// response.
	ResponseSize int32
	// Ranges are all ranges of the broker that the verdict used, nil for Evidence None.
	Ranges *Ranges
	// Outdid are ranges that the broker's address advertised after it answered this request, which is
	// outside them. They are not those of the broker that answered. nil for most.
	Outdid *Ranges
	// Evidence is the source of Ranges.
	Evidence Evidence
	Verdict  Verdict
	Outcome  Outcome
	// HasClientID: see ClientID. Small fields are together here to share 8 bytes.
	HasClientID bool
	// ErrorCode is the top-level Kafka error code of the response, for the APIs where it is read:
	// SaslHandshake, SaslAuthenticate and ApiVersions (for example 42 for a client name that
	// KIP-511 does not allow). It is also 35 if any error field of a response is
	// UNSUPPORTED_VERSION. It is 43 if one of a Produce, Fetch or ListOffsets response is
	// UNSUPPORTED_FOR_MESSAGE_FORMAT, 76 if it is UNSUPPORTED_COMPRESSION_TYPE. Otherwise it is 0.
	ErrorCode int16
	// WrongRefusal: error 35 in an ApiVersions response whose body has the layout of the requested
	// version. KIP-511 demands a v0 body, and clients cannot read anything else.
	WrongRefusal bool
	// Partial: the connection ended before the last byte of the request was captured or sent. At
	// least its first 8 bytes were captured. Request is then the last packet with bytes of it.
	Partial bool
	// Cluster is the part about the cluster in a Metadata response. It is nil for other APIs, and
	// if it could not be read.
	Cluster *Cluster
	// Size is the length of the request in bytes according to its size field, without the 4 bytes
	// of that field. Received is how many of them arrived before the connection ended: Size unless
	// Partial.
	Size, Received int64
	// SessionLifetime is session_lifetime_ms of a SaslAuthenticate response (v1 and later,
	// KIP-368): the client must authenticate again within that time. 0 means no limit.
	SessionLifetime time.Duration
	// BeforeNegotiation: sent after an ApiVersions request and before its response, on a
	// connection without ranges.
	BeforeNegotiation bool
	// Asked says whether the client requested the ranges before.
	Asked Asking
	// NegotiationRefused: on this connection, the last ApiVersions response before the request
	// was error 35, which has no ranges.
	NegotiationRefused bool
	// Undelivered: the client left, and the broker had acknowledged only a part of the request or
	// nothing of it.
	Undelivered bool
	// Misshapen: an ApiVersions response with ranges that does not have the layout of the requested
	// version, or has bytes behind it. Many clients cannot read it.
	Misshapen bool
	// Challenge: the SaslAuthenticate response contains a token. The authentication continues, or
	// this was the last step of SCRAM or GSSAPI. With OAUTHBEARER it is a refusal (RFC 7628
	// 3.2.2). AWS_MSK_IAM has no challenge.
	Challenge bool
	// IsLone: it is the only request of its connection so far, of which the capture has nothing of the
	// broker's side. That is one packet, which anyone can forge.
	IsLone bool
	// Contested: the capture has two versions of bytes of the request, or of responses on its
	// connection, and does not show which one was received (reassembly.Oddities.Contested).
	Contested bool
	// Negotiated is set for an ApiVersions request with error 35. It is the version of the
	// retry, if the retry succeeded on the same connection or its response was not captured;
	// otherwise -1. RetryUnseen: the capture may lack the retry itself.
	Negotiated  int16
	RetryUnseen bool
	// Malformed: the request does not have the layout of its version. Only ApiVersions, and Produce up
	// to its acks, are compared.
	Malformed bool
	// WaitMillis is how long the request allows the broker to take before it answers, in
	// milliseconds: max_wait_ms of Fetch, timeout_ms of Produce with acks=all and of requests that
	// change the cluster. After a response with a throttle time, the broker reads nothing until
	// that is over (KIP-219). 0 if there is none, or it was not captured.
	WaitMillis int32
	// Mechanism is the SASL mechanism of a SaslHandshake request. Enabled are the mechanisms of
	// its response.
	Mechanism string
	Enabled   []string
}

// IsAnswered reports whether the broker sent a response.
func (x *Exchange) IsAnswered() bool { return x.Outcome == Answered || x.Outcome == Error }

// HasErrorCode reports whether ErrorCode was read from the response. Otherwise it is 0.
func (x *Exchange) HasErrorCode() bool {
	switch x.Key {
	case keyApiVersions, keySaslHandshake, keySaslAuthenticate:
		return x.IsAnswered()
	}
	return x.ErrorCode != errNone
}

// Endpoint is the address of a broker in its network.
type Endpoint struct {
	// Domain distinguishes equal addresses in different networks.
	Domain uint64
	Addr   netip.AddrPort
}

// Endpoint returns the address of the broker.
func (x *Exchange) Endpoint() Endpoint { return Endpoint{x.Domain, x.Broker} }

// Endpoint returns the address of the broker.
func (a *Advertisement) Endpoint() Endpoint { return Endpoint{a.Domain, a.Broker} }

// Endpoint returns the address of the broker.
func (c *Connection) Endpoint() Endpoint { return Endpoint{c.Domain, c.Broker} }

// Advertisement is an ApiVersions response and its connection.
type Advertisement struct {
	Stream         uint32
	At             capture.Position
	Client, Broker netip.AddrPort
	// Domain distinguishes equal addresses in different networks (reassembly.Connection.Domain).
	Domain  uint64
	Version int16
	Ranges  *Ranges
}

// judge compares a request with advertised ranges. known is false if they do not decide: there are
// none, or they are incomplete and lack the API.
//
// A range with a negative min, or a min above its max, is malformed and decides nothing.
func judge(key, version int16, r *Ranges) (v Verdict, advertised Range, known bool) {
	advertised, found := r.Find(key)
	switch {
	case key == keyApiVersions:
		return Exempt, advertised, r != nil
	case r == nil || !found && r.Partial:
		return Unknown, Range{}, false
	case !found:
		return NotAdvertised, Range{}, true
	case advertised.Min < 0 || advertised.Min > advertised.Max:
		return Unknown, Range{}, false
	case version > advertised.Max:
		return AboveMax, advertised, true
	case version < advertised.Min:
		return BelowMin, advertised, true
	}
	return OK, advertised, true
}

// judge sets the verdict of e by the ranges r, and reports whether r decides.
func (e *Exchange) judge(r *Ranges, evidence Evidence) bool {
	v, advertised, known := judge(e.Key, e.Version, r)
	e.Verdict, e.Advertised, e.Ranges, e.Evidence = v, advertised, nil, None
	if known {
		e.Ranges, e.Evidence = r, evidence
	}
	return known
}

var evidenceNames = [...]string{None: "none", Observed: "observed", Borrowed: "borrowed", Supplied: "supplied"}

// String returns "none", "observed", "borrowed" or "supplied".
func (e Evidence) String() string { return enumName(evidenceNames[:], uint8(e), "evidence") }

var verdictNames = [...]string{
	Unknown: "unknown", OK: "ok", AboveMax: "above-max", BelowMin: "below-min",
	NotAdvertised: "not-advertised", Exempt: "exempt",
}

// String returns "unknown", "ok", "above-max", "below-min", "not-advertised" or "exempt".
func (v Verdict) String() string { return enumName(verdictNames[:], uint8(v), "verdict") }

var outcomeNames = [...]string{
	Answered: "answered", Error: "error", ClosedByBroker: "closed", ResetByBroker: "reset", Left: "left",
	Unanswered: "unanswered", CutOff: "cut", Unseen: "unseen", NoneExpected: "none-expected",
	Late: "late",
}

// String returns "answered", "error", "closed", "reset", "left", "unanswered", "cut", "unseen",
// "none-expected" or "late".
func (o Outcome) String() string { return enumName(outcomeNames[:], uint8(o), "outcome") }

// VerdictNames are the names of the verdicts.
func VerdictNames() []string { return slices.Clone(verdictNames[:]) }

// OutcomeNames are the names of the outcomes.
func OutcomeNames() []string { return slices.Clone(outcomeNames[:]) }

// enumName returns the name of value i, "kind(i)" for a value without one.
func enumName(names []string, i uint8, kind string) string {
	if int(i) < len(names) {
		return names[i]
	}
	return fmt.Sprintf("%s(%d)", kind, i)
}
