package history

import (
	"slices"
	"strings"
	"time"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
)

// Cause is the likely reason why a request was not served.
type Cause uint8

// The causes.
const (
	// Unexplained: nothing in the input explains it. Nobody is blamed.
	Unexplained Cause = iota
	// Behind: the broker ended the connection because of an earlier request, or did not serve it.
	Behind
	// Expected: it is a probe whose refusal the client expects.
	Expected
	// Outside: the version is outside the range that the address advertises on other connections.
	Outside
	// Refused: the broker does not support the version.
	Refused
	// Dropped: the version is inside the advertised range, and the address never answers it.
	Dropped
	// NoSASL: the listener requires SASL, and the client does not begin with it.
	NoSASL
	// Authentication: the broker ended the connection during the authentication.
	Authentication
	// NotKafka: the address never answered a Kafka request, or none behind a preface.
	NotKafka
	// Foreign: the other side answered in another protocol. The finding about its connection names
	// it.
	Foreign
	// Away: the address was restarting, hanging or had no backend.
	Away
	// SessionOver: the SASL session had expired.
	SessionOver
	// TooLarge: the broker ended the connection inside the request.
	TooLarge
	// Unsupported: error 35 inside the advertised range.
	Unsupported
	// Fallback: the same, and the client continued in another way, as designed.
	Fallback
	// Downgraded: error 35 to ApiVersions, and a retry with a lower version on another connection.
	Downgraded
)

// Suspect is a request that was not served.
type Suspect struct {
	Exchange decode.Exchange
	// Number is the number of the suspect in its Book, from 1.
	Number uint64
	// Instead is the answer to the request that the client sent in place of one refused with error
	// 35; the zero value for none. InsteadKey and InsteadVersion are its API and version.
	Instead                    capture.Position
	InsteadKey, InsteadVersion int16
	// insteadUnseen: the client sent such a request, and the capture lacks its answer.
	insteadUnseen bool
	// next is the answer to the first request after the refusal on the same connection that is no
	// such request; the zero value for none.
	next   capture.Position
	stream *stream
	// isExonerated caches view.isExonerated of a culprit.
	isExonerated bool
}

func (k *Suspect) version() version { return version{k.Exchange.Key, k.Exchange.Version} }

// Ruling is the decision about a suspect.
type Ruling struct {
	Cause Cause
	// From and To are the period in which the address was away. To is the zero value if it did not
	// return. Last is the last sign of the outage: between Last and To there may have been no
	// request.
	From, Last, To capture.Position
	// Earlier is an answer to the version in an earlier life; the zero value for none.
	Earlier capture.Position
	// Others: the address served others meanwhile.
	Others bool
	// Elsewhere: the address answers the version on other connections of the same life.
	Elsewhere bool
	// WithoutRange: the borrowed range of the request does not hold for it.
	WithoutRange bool
	// Idle: the connection was so quiet before that a load balancer or NAT may have dropped it.
	Idle bool
	// Certain: nothing else in the input explains it.
	Certain bool
}

// waiting are the APIs whose answer may take as long as the client allows: Fetch, ShareFetch.
// rebalancing are the APIs whose answer waits for other clients: JoinGroup, SyncGroup.
var (
	waiting     = [...]int16{keyFetch, 78}
	rebalancing = [...]int16{keyJoinGroup, keySyncGroup}
)

// leastPatience is how long a client must have waited at least. Below Patience its leaving counts
// only if it happens again.
const leastPatience = 3 * time.Second

// probePatience is the same for kafka-python's probes. It is half of api_version_auto_timeout_ms,
// 2 s by default: Metadata follows each probe, and the connection is closed some time after both.
const probePatience = time.Second

// longPoll is how long a client must have waited for an answer to Fetch before its leaving counts
// as the broker's silence. Brokers answer within fetch.max.wait.ms: 500 ms by default in most
// clients, 5 s in franz-go and kafkajs.
const longPoll = 5500 * time.Millisecond

// IsRefused reports whether the broker closed, reset or ignored a request.
func IsRefused(x *decode.Exchange) bool {
	switch x.Outcome {
	case decode.ClosedByBroker, decode.ResetByBroker, decode.Unanswered:
		return true
	case decode.Left:
		switch {
		case mayWait(x):
			return false
		case slices.Contains(rebalancing[:], x.Key):
			return false
		case slices.Contains(waiting[:], x.Key):
			return x.Took >= longPoll
		}
		return x.Took >= leastPatience || x.Took >= probePatience && IsProbe(x)
	}
	return false
}

// IsUnserved reports whether a request was refused, or the client left after longPoll although the
// broker may still have waited: for other clients, or for as long as the request allows.
func IsUnserved(x *decode.Exchange) bool {
	return IsRefused(x) || x.Outcome == decode.Left && x.Took >= longPoll
}

// mayWait reports whether the time that a request allows the broker for its answer was not over.
func mayWait(x *decode.Exchange) bool {
	return x.Took < time.Duration(x.WaitMillis)*time.Millisecond
}

// isSuspect reports whether only the whole input can decide about x. A request outside the range
// of its own connection is decided at once, elsewhere.
func isSuspect(x *decode.Exchange) bool {
	switch {
	case x.Verdict.IsOutside():
		return x.Evidence == decode.Borrowed && x.Outcome != decode.Answered
	case x.Outcome == decode.Error:
		return !x.WrongRefusal && (x.Key != keyApiVersions || x.Negotiated < 0 && !x.RetryUnseen)
	}
	_, isPhantom := PhantomMin(x)
	return !isPhantom && IsUnserved(x)
}

// PhantomMin reports whether a request is in the part of the advertised range that is known to be
// refused, and returns the lowest version that is not.
func PhantomMin(x *decode.Exchange) (lowest int16, isPhantom bool) {
	if x.Verdict == decode.OK {
		lowest, isPhantom = x.Ranges.PhantomMin(x.Key)
	}
	return lowest, isPhantom && x.Version < lowest
}

// suspect keeps a copy of x until it is decided.
func (b *Book) suspect(s *stream, x *decode.Exchange) {
	if len(b.suspects) >= maxSuspects {
		b.decideEarly()
	}
	k := &Suspect{Exchange: *x, Number: b.NextNumber(), stream: s}
	b.suspects = append(b.suspects, k)
	s.isNeeded = true
	if x.Outcome == decode.Error {
		if len(s.client.open) == maxOpen {
			copy(s.client.open, s.client.open[1:])
			s.client.open = s.client.open[:maxOpen-1]
		}
		s.client.open = append(s.client.open, k)
		if x.Key != keyApiVersions { // its next request is on the same connection
			s.client.continued(k)
		}
		return
	}
	if x.Outcome != decode.Unanswered && (s.culprit == nil || x.Request.Before(s.culprit.Exchange.Request)) {
		s.culprit = k
	}
}

// decideEarly decides the older half of the suspects by the input so far.
func (b *Book) decideEarly() {
	b.limits.Suspects++
	rulings := b.Decide().Rulings
	half := len(b.suspects) / 2
	for i := range half {
		b.early(b.suspects[i], rulings[i])
	}
	b.suspects = slices.Delete(b.suspects, 0, half)
}

// Suspects returns the suspects that wait for a decision, in the order of Decide.
func (b *Book) Suspects() []*Suspect { return b.suspects }

// Numbered returns the latest number of a suspect or of NextNumber.
func (b *Book) Numbered() uint64 { return b.numbered }

// NextNumber returns a number for something that waits for a decision like a suspect.
func (b *Book) NextNumber() uint64 {
	b.numbered++
	return b.numbered
}

// Sample returns a copy of x for Explanations. Exchange must have received x before.
func (b *Book) Sample(x *decode.Exchange) *Suspect {
	s := b.stream(x.Stream)
	s.isNeeded = true
	return &Suspect{Exchange: *x, stream: s}
}

// Limits returns how often each limit was exceeded.
func (b *Book) Limits() Limits { return b.limits }

// probePrefix is the beginning of kafka-python's default client id. Its releases before 2.1 probe
// a broker with requests that they expect to be closed. Metadata v0 follows each of them
// (kafka-python, BrokerConnection.check_version).
const probePrefix = "kafka-python"

// probeKeys are the APIs of kafka-python's probes, all in version 0: ApiVersions, ListGroups,
// FindCoordinator, OffsetFetch, Metadata.
var probeKeys = [...]int16{keyApiVersions, 16, keyFindCoordinator, 9, keyMetadata}

// IsProbe reports whether x belongs to a probe whose refusal its client expects.
func IsProbe(x *decode.Exchange) bool {
	return x.Version == 0 && strings.HasPrefix(x.ClientID, probePrefix) && slices.Contains(probeKeys[:], x.Key)
}

// UsesSASL reports whether the connection of a suspect began with SASL.
func (s *Suspect) UsesSASL() bool { return s.stream.hasSASL }

// LacksHandshake reports whether the connection of a suspect is complete, and no SaslHandshake was
// answered on it.
func (s *Suspect) LacksHandshake() bool {
	return !s.stream.hasSASL && !s.stream.midstream && s.stream.missing == 0
}

// InClear reports whether a suspect is known to be in clear text.
func (s *Suspect) InClear() bool { return s.stream.inClear }

// Preface returns what went before the first request on the connection of a suspect.
func (s *Suspect) Preface() reassembly.PrefaceKind { return s.stream.preface }

// Missing returns the number of bytes that the connection of a suspect lacks.
func (s *Suspect) Missing() uint64 { return s.stream.missing }

// Missing returns the number of bytes that a connection lacks, as far as it is known.
func (b *Book) Missing(stream uint32) uint64 {
	if known := b.streams[stream]; known != nil {
		return known.missing
	}
	return 0
}

// LowestAsked returns the lowest ApiVersions version that the client of s sent on any connection.
func (s *Suspect) LowestAsked() int16 { return s.stream.client.lowest }

// SessionAge returns the time from the authentication to a suspect, and the lifetime of the
// session; 0 if the broker did not state it.
func (s *Suspect) SessionAge() (age, lifetime time.Duration) {
	return time.Duration(s.Exchange.Request.Time - s.stream.authenticated.Time), s.stream.lifetime
}

// causeNames are the names of the causes, for tests and debugging.
var causeNames = [...]string{
	Unexplained: "unexplained", Behind: "behind", Expected: "expected", Outside: "outside", Refused: "refused", Dropped: "dropped",
	NoSASL: "no SASL", Authentication: "authentication", NotKafka: "not Kafka", Foreign: "foreign", Away: "away", SessionOver: "session over", TooLarge: "too large",
	Unsupported: "unsupported", Fallback: "fallback", Downgraded: "downgraded",
}

// String returns the name of c.
func (c Cause) String() string { return causeNames[c] }
