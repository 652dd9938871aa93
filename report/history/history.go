// Package history records the events of each broker address. From them it decides why a request
// was not served.
//
// A Book receives all exchanges, ApiVersions answers and connections, in the order of decode.Sink.
// It returns suspects: requests that were closed, reset, ignored, left or refused. Each has a
// Ruling: the likely cause and the packets that show it. Later events can change a ruling, so
// Decide is called at the end of the input, or repeatedly in a live capture.
//
// The time of an address is divided into lives. A restart begins a new life. Its signs are
// connections that the broker ended together, connections that it refused, or another table of
// ranges. The answers of one life prove nothing about the next.
//
// limits.go bounds the memory. Exchange allocates nothing in the steady state: without a new
// address, version, connection or suspect. A Book belongs to the goroutine of report.Builder.
package history

import (
	"slices"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
)

// Book records the history of all broker addresses.
type Book struct {
	addresses   map[decode.Endpoint]*address
	lastAddress *address
	streams     map[uint32]*stream
	// past are the latest connections that are over, as a ring. spare are records for reuse.
	past     []*stream
	nextPast int
	spare    []*stream
	clients  map[clientKey]*client
	suspects []*Suspect
	// early receives the suspects that are decided before the end because there are too many.
	early  func(*Suspect, Ruling)
	limits Limits
	// numbered counts suspects and calls of NextNumber.
	numbered uint64
	// missed counts the unserved connections in all addresses.
	missed int
	// answers counts the records of answered versions of all addresses.
	answers int
	// now is the latest packet time so far, in nanoseconds.
	now int64
	// views are the results of Decide at call number viewed. byAddress are the connections.
	views     map[decode.Endpoint]*view
	viewed    uint64
	byAddress map[decode.Endpoint][]*stream
	// calls counts the calls that can change a ruling.
	calls uint64
}

// New returns an empty Book. It calls early for each suspect that it must decide before the end of
// the input, because there are too many.
func New(early func(*Suspect, Ruling)) *Book {
	return &Book{
		addresses: map[decode.Endpoint]*address{}, streams: map[uint32]*stream{}, clients: map[clientKey]*client{}, early: early,
	}
}

type version struct{ key, version int16 }

// address has the history of one broker address.
type address struct {
	endpoint decode.Endpoint
	// alive are the periods in which it answered requests.
	alive spans
	// opened are the times of the first answer on each connection that began in the capture.
	opened spans
	// answers are the periods in which it answered an API version.
	answers   map[version]*spans
	lastKey   version
	lastSpans *spans
	// adverts are the tables that it advertised, one for each change.
	adverts []advert
	// contradicted are the tables that do not hold, each with the period in which it answered
	// versions outside them.
	contradicted []advert
	// unserved are the times at which it refused a connection, or ended one without a byte.
	unserved spans
	// refused are the unserved times at which nothing listened.
	refused spans
	// missed are the first unserved connections without a byte.
	missed []Missed
	// muted are the times at which it sent no byte after a ClientHello.
	muted spans
	// ends are the connections that it closed or reset.
	ends []brokerEnd
	// largest is the size in bytes of the largest request that it answered.
	largest   int64
	largestAt capture.Position
	// handshake are the first and the latest answered SaslHandshake. open are the same for requests
	// of connections without SASL, except ApiVersions. openers counts these connections.
	handshake, open span
	openers         int
	// sessionAge is the longest time from the authentication to an answered request, on
	// connections without a stated session lifetime.
	sessionAge int64
	// hasLimit: it stated the lifetime of a SASL session.
	hasLimit bool
	// clear is the latest answer to Kafka in plaintext. tls is the beginning of the first
	// connection on which a handshake completed, or that it answered with TLS.
	clear, tls capture.Position
	// foreign: it answered in another protocol. unwraps: it answered a request behind a preface.
	foreign, unwraps bool
}

// advert is a table of ranges that an address advertised in a period.
type advert struct {
	ranges *decode.Ranges
	span
}

// brokerEnd is a connection that the broker closed or reset.
type brokerEnd struct {
	at capture.Position
	// idle: no request was open, and nothing had been sent for idlePause.
	idle   bool
	stream *stream
	// outstanding: a request had no answer.
	outstanding bool
}

// Exchange adds a finished exchange without keeping x, and reports whether it is a suspect.
func (b *Book) Exchange(x *decode.Exchange) (suspected bool) {
	b.calls++
	a := b.address(x.Endpoint())
	if a == nil {
		return false
	}
	b.now = max(b.now, x.Decided.Time, x.Request.Time)
	s := b.stream(x.Stream)
	s.request(b, x)
	switch {
	case x.Outcome == decode.Answered:
		b.answered(a, s, x)
	case x.Outcome == decode.Error:
		b.reply(a, x, x.Decided)
		s.replied(a, x, x.Decided)
	case x.Outcome == decode.Unseen && (x.Key == keySaslHandshake || x.Key == keySaslAuthenticate):
		s.hasSASL, s.authenticated = true, x.Request
	case (x.Outcome == decode.Unseen || x.Outcome == decode.CutOff) && x.Key != keyApiVersions && len(s.client.open) > 0:
		s.client.fallBack(x, x.Request)
	}
	if !isSuspect(x) {
		s.offend(x)
		return false
	}
	b.suspect(s, x)
	return true
}

// answered records an answer without error 35.
func (b *Book) answered(a *address, s *stream, x *decode.Exchange) {
	at := x.Decided
	if at.Time == 0 {
		at = x.Request
	}
	b.reply(a, x, at)
	if x.Verdict.IsOutside() && x.Evidence == decode.Borrowed {
		a.contradict(x.Ranges, at)
	}
	a.contradict(x.Outdid, at)
	s.replied(a, x, at)
	s.answer(a, x, at)
}

// reply records any answer. Even error 35 shows that the broker does not close on the version.
func (b *Book) reply(a *address, x *decode.Exchange, at capture.Position) {
	a.alive.add(at, aliveJoin, maxAlive)
	if list := b.answersOf(a, version{x.Key, x.Version}); list != nil {
		list.add(at, answerJoin, maxAnswerSpans)
	}
	if x.Size > a.largest {
		a.largest, a.largestAt = x.Size, at
	}
}

// answersOf returns the periods with answers to a version. It creates them if necessary; nil at
// the limit.
func (b *Book) answersOf(a *address, v version) *spans {
	if a.lastSpans != nil && a.lastKey == v {
		return a.lastSpans
	}
	list := a.answers[v]
	if list == nil {
		if b.answers >= maxAnswers {
			b.limits.Answers++
			return nil
		}
		if a.answers == nil {
			a.answers = map[version]*spans{}
		}
		b.answers++
		list = &spans{}
		a.answers[v] = list
	}
	a.lastKey, a.lastSpans = v, list
	return list
}

// contradict records a table that does not contain a version that was answered.
func (a *address) contradict(r *decode.Ranges, at capture.Position) {
	if r == nil {
		return
	}
	for i := range a.contradicted {
		if c := &a.contradicted[i]; same(c.ranges, r) {
			c.extend(at)
			return
		}
	}
	if len(a.contradicted) == maxContradicted {
		a.contradicted = slices.Delete(a.contradicted, 0, 1)
	}
	a.contradicted = append(a.contradicted, advert{r, span{from: at, to: at}})
}

// same reports whether two tables have the same ranges. Equal tables mostly share their memory,
// but not if different workers made them.
func same(x, y *decode.Ranges) bool {
	return x == y || x != nil && y != nil && slices.Equal(x.APIs, y.APIs)
}

// Advertisement adds an ApiVersions answer. It keeps its Ranges.
func (b *Book) Advertisement(x *decode.Advertisement) {
	b.calls++
	a := b.address(x.Endpoint())
	if a == nil {
		return
	}
	b.now = max(b.now, x.At.Time)
	if n := len(a.adverts); n > 0 && a.adverts[n-1].ranges.Agrees(x.Ranges) {
		latest := &a.adverts[n-1]
		latest.to = x.At
		if latest.ranges.Partial {
			latest.ranges = x.Ranges
		}
		return
	}
	if len(a.adverts) == maxAdverts {
		b.limits.Tables++
		copy(a.adverts, a.adverts[1:])
		a.adverts = a.adverts[:maxAdverts-1]
	}
	a.adverts = append(a.adverts, advert{x.Ranges, span{from: x.At, to: x.At}})
}

// Connection adds a connection that is over, and reports whether a Kafka address did not serve it:
// it refused it, or ended it before a request arrived. Connection keeps no reference to c.
func (b *Book) Connection(c *decode.Connection) (isUnserved bool) {
	b.calls++
	at := c.Endpoint()
	spoke := c.Protocol == reassembly.Kafka || c.Protocol == reassembly.TLS || c.Confusion != reassembly.NoConfusion
	silent := c.Bytes[reassembly.ToBroker]+c.Bytes[reassembly.ToClient] == 0 && !c.Midstream
	foreign := isForeign(c) && (spoke || b.addresses[at] != nil)
	if !spoke && !silent && !foreign {
		return false
	}
	a := b.address(at)
	if a == nil {
		return false
	}
	b.now = max(b.now, c.Last.Time)
	if c.Protocol == reassembly.Kafka && c.TLS == nil && c.Responses > 0 && c.LastAnswer.Time > a.clear.Time {
		a.clear = c.LastAnswer
	}
	if isTLS := c.TLS != nil && c.TLS.Established || c.Confusion == reassembly.ClearToTLS; isTLS && (a.tls.Time == 0 || c.First.Before(a.tls)) {
		a.tls = c.First
	}
	a.foreign = a.foreign || foreign
	a.unwraps = a.unwraps || len(c.Odd().Prefaces) > 0 && c.Responses > 0
	if silent {
		return b.unserved(a, c)
	}
	if c.Protocol != reassembly.Kafka && c.TLS != nil && c.Seen[reassembly.ToClient] && c.Bytes[reassembly.ToClient] == 0 {
		a.muted.add(c.First, unservedJoin, maxUnserved)
	}
	if c.Protocol != reassembly.Kafka {
		return false
	}
	s := b.stream(c.Stream)
	s.over(c)
	if s.begun {
		a.alive.add(c.LastData[reassembly.ToClient], aliveJoin, maxAlive)
	}
	b.end(s)
	if byBroker(c) {
		b.ended(a, s, c)
		if turnedAway(c) {
			return b.unserved(a, c)
		}
	}
	return false
}

// turnedAway reports whether the broker ended c right after accepting it, before the first
// request.
func turnedAway(c *decode.Connection) bool {
	return !c.Midstream && c.Responses == 0 && c.End.HasAcked && c.End.Acked == 0 && c.End.At.Time-c.First.Time <= prompt
}

func byBroker(c *decode.Connection) bool {
	return (c.End.Kind == reassembly.Closed || c.End.Kind == reassembly.Reset) && c.End.By == reassembly.ToClient
}

// unserved records a connection without any byte, if the broker's side is the cause. It reports
// whether that is so, and the address is Kafka's.
func (b *Book) unserved(a *address, c *decode.Connection) bool {
	waited := c.Last == c.First && c.Now.Time-c.First.Time >= int64(Patience) // only its SYN was captured
	unreachable := !c.Seen[reassembly.ToClient] && (c.End.Kind != reassembly.Cut || waited)
	if !c.Refused && !unreachable && !byBroker(c) {
		return false
	}
	a.unserved.add(c.First, unservedJoin, maxUnserved)
	if c.Refused {
		a.refused.add(c.First, unservedJoin, maxUnserved)
	}
	if c.Protocol == reassembly.Kafka && b.stream(c.Stream).culprit != nil {
		return false // its request counts
	}
	a.unserved.count(c.First.Time)
	if isKafka := a.isKafka(); !isKafka || len(a.missed) == maxMissed || b.missed == maxAllMissed {
		return isKafka
	}
	b.missed++
	a.missed = append(a.missed, Missed{c.First, c.Stream, c.Client})
	return true
}

// isKafka reports whether a is the address of a broker, as far as it is known.
func (a *address) isKafka() bool {
	return len(a.alive)+len(a.adverts) > 0 || decode.IsKafkaPort(a.endpoint.Addr.Port())
}

func (b *Book) ended(a *address, s *stream, c *decode.Connection) {
	if len(a.ends) == maxEnds {
		copy(a.ends, a.ends[maxEnds/2:])
		a.ends = a.ends[:maxEnds-maxEnds/2]
	}
	s.isNeeded = true
	quiet := c.End.At.Time - max(c.LastRequest.Time, c.LastAnswer.Time, c.First.Time)
	a.ends = append(a.ends, brokerEnd{
		at: c.End.At, stream: s, outstanding: c.Unanswered > 0,
		idle: c.Unanswered == 0 && quiet >= idlePause,
	})
}

// address returns the history of an address. It creates it if necessary; nil at the limit.
func (b *Book) address(at decode.Endpoint) *address {
	if b.lastAddress != nil && b.lastAddress.endpoint == at {
		return b.lastAddress
	}
	a := b.addresses[at]
	if a == nil {
		if len(b.addresses) >= maxAddresses {
			b.limits.Addresses++
			return nil
		}
		a = &address{endpoint: at}
		b.addresses[at] = a
	}
	b.lastAddress = a
	return a
}

// WentDown reports whether nothing listened at an address soon after a time, in nanoseconds: it
// refused the next connections.
func (b *Book) WentDown(at decode.Endpoint, moment int64) bool {
	a := b.addresses[at]
	if a == nil {
		return false
	}
	_, ok := a.refused.within(moment, moment+reconnects)
	return ok
}

// WasAway reports whether an address did not serve connections shortly before a time, in
// nanoseconds. The period is the time that a client takes to recover.
func (b *Book) WasAway(at decode.Endpoint, moment int64) bool {
	a := b.addresses[at]
	if a == nil {
		return false
	}
	_, unserved := a.unserved.within(moment-recovers, moment)
	_, muted := a.muted.within(moment-recovers, moment)
	return unserved || muted && a.tls.Time > 0
}

// Answered reports whether an address ever answered a request, in plaintext or inside TLS.
func (b *Book) Answered(at decode.Endpoint) bool {
	a := b.addresses[at]
	return a != nil && len(a.alive) > 0
}

// Works reports whether an address ever answered a request other than ApiVersions.
func (b *Book) Works(at decode.Endpoint) bool {
	if a := b.addresses[at]; a != nil {
		for v := range a.answers {
			if v.key != keyApiVersions {
				return true
			}
		}
	}
	return false
}

// Answers reports whether an address ever answered an API version.
func (b *Book) Answers(at decode.Endpoint, key, number int16) bool {
	a := b.addresses[at]
	return a != nil && a.answers[version{key, number}] != nil
}
