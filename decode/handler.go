package decode

import (
	"encoding/binary"
	"time"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/reassembly"
)

const (
	// maxEarly bounds the answers of one connection that are kept until their
	// request comes: packets that were captured in the wrong order are neighbours. 16 of 48 bytes are 768.
	maxEarly = 16
	// earlyWindow is how long before its request an answer can have been
	// captured, in nanoseconds: packets of several receive queues are put in order that well.
	earlyWindow = int64(100 * time.Millisecond)
	// maxHeld bounds the exchanges of one connection that are over and wait for
	// its ApiVersions answer: 32 of some 370 bytes are 12 KiB.
	maxHeld = 32
	// maxRefused bounds the refused ApiVersions requests of one connection that
	// wait for the retry; a client retries once.
	maxRefused = 8
	// unseenAfter is how many requests a connection may have without an answer
	// while no packet of the broker has been seen: that direction was not captured.
	unseenAfter = 16
)

// handler follows one connection. It implements reassembly.Handler.
type handler struct {
	shard *Shard
	conn  *reassembly.Connection
	// queue holds the requests that have no answer so far.
	queue queue

	// ranges are what the latest ApiVersions answer said, which came at rangesAt;
	// before are the ones that it replaced.
	ranges, before  *Ranges
	rangesAt        capture.Position
	afterAdvertised uint64

	ids        []clientName
	idsOmitted uint64
	software   Software
	mechanism  string // of the latest SaslHandshake

	// refused are ApiVersions requests answered with error 35, until the retry is answered.
	refused []*Exchange
	// held are exchanges that are over and wait for ranges.
	held []*Exchange
	// early are answers that came before their requests.
	early []earlyAnswer

	at    capture.Position // of the latest event
	order uint32

	requests    uint64
	losses      uint32 // how often answers may have been missed
	lastID      int32 // correlation id of the latest request
	negotiating int16 // ApiVersions requests in queue
	latestName  int8  // the place in ids of the latest request's client id
	nullID      bool  // a request had a null client id
	hasLastID   bool
	// strayIDs: correlation ids do not count up on this connection.
	strayIDs bool
	// tokens: what follows in direction ToBroker may be SASL tokens, answerTokens: in direction ToClient.
	tokens, answerTokens bool
	// searching: answers may be missed until the next one is taken.
	searching bool
	// acksNone: the latest Produce request had acks=0.
	acksNone bool
}

var _ reassembly.Handler = (*handler)(nil)

// answer is what is taken from a response.
type answer struct {
	at        capture.Position
	errorCode int16
	ranges    *Ranges
	enabled   []string
}

// earlyAnswer is a response that came before its request, as far as it could be read.
type earlyAnswer struct {
	answer
	correlationID int32
}

func newHandler(s *Shard, c *reassembly.Connection) *handler {
	return &handler{shard: s, conn: c}
}

// Message takes a request or a response.
func (h *handler) Message(f *reassembly.Frame) {
	if f.Direction == reassembly.ToBroker {
		h.request(f)
	} else {
		h.response(f)
	}
	h.flush()
}

// request takes a request: it is judged by what the connection had been told by the packet in which it ends.
func (h *handler) request(f *reassembly.Frame) {
	hd, ok := parseRequestHeader(f.Size, f.Head)
	if h.tokens && !(ok && h.endsTokens(&hd, f)) {
		return
	}
	if !ok {
		return
	}
	h.tokens = false
	h.requests++
	h.note(hd.correlationID)
	if h.queue.n >= maxOutstanding || h.queue.n >= unseenAfter && !h.conn.Seen[reassembly.ToClient] {
		h.overflow()
	}
	p := h.queue.push()
	p.at, p.correlationID, p.key, p.version = f.Last, hd.correlationID, hd.key, hd.version
	p.clientID, p.hasClientID = h.client(&hd)
	p.ranges = h.ranges
	if f.Last.Before(h.rangesAt) {
		p.ranges = h.before
	}
	p.early = p.ranges == nil && h.negotiating > 0
	p.lost, p.losses = h.searching, h.losses
	if h.ranges != nil && hd.key != keyApiVersions {
		h.afterAdvertised++
	}
	h.particular(&hd, f, p)
}

// particular does what only some APIs need.
func (h *handler) particular(hd *requestHeader, f *reassembly.Frame, p *pending) {
	switch hd.key {
	case keyApiVersions:
		h.negotiating++
		if name, version, ok := software(hd.version, hd.body(f.Head)); ok {
			h.software = Software{h.shard.share(name), h.shard.share(version)}
		}
	case keySaslHandshake:
		h.handshake(hd, f)
	case keyProduce:
		if acks, ok := acks(hd.version, hd.body(f.Head)); ok {
			h.acksNone = acks == 0
		} else {
			p.lost = true // whether an answer was due is not known
		}
		if h.acksNone {
			h.settle(h.queue.popLast(), NoneExpected, answer{at: f.Last})
			return
		}
	}
	if hd.key != keyApiVersions && len(h.refused) > 0 && h.negotiating == 0 && h.refused[len(h.refused)-1].Settled.Before(f.Last) {
		h.release(-1)
	}
	h.matchEarly(f.Last)
}

// note keeps the correlation id of a request, which tells what the next one can be.
func (h *handler) note(id int32) {
	if reserved(id) {
		return
	}
	if h.hasLastID && !goesOn(h.lastID, id) {
		h.strayIDs = true
	}
	h.lastID, h.hasLastID = id, true
}

// overflow gives up the oldest request.
func (h *handler) overflow() {
	outcome := Unseen
	if h.conn.Seen[reassembly.ToClient] {
		h.shard.limits.OutstandingRequests++
		outcome = CutOff
	}
	p := h.queue.pop()
	h.settle(p, outcome, answer{at: h.conn.Last})
}

// response takes a response: it answers the oldest request with its correlation
// id. Responses come in the order of the requests, so that older ones will get none.
func (h *handler) response(f *reassembly.Frame) {
	if len(f.Head) < responseHeader {
		if !h.answerTokens {
			h.lose()
		}
		return
	}
	id := int32(binary.BigEndian.Uint32(f.Head))
	i := h.queue.find(id)
	if i < 0 {
		h.unmatched(id, f)
		return
	}
	h.searching = false
	p := h.queue.at(i)
	if p.key != keySaslHandshake {
		h.answerTokens = false
	}
	h.answered(i, h.read(p, f))
}

// read takes from a response what its request makes of it.
func (h *handler) read(p *pending, f *reassembly.Frame) answer {
	a := answer{at: f.Last}
	size, body := f.Size-responseHeader, f.Head[responseHeader:]
	switch p.key {
	case keyApiVersions:
		h.readApiVersions(&a, p.version, size, body)
	case keySaslHandshake:
		a.errorCode, a.enabled = readHandshake(body, h.shard.share)
	case keySaslAuthenticate:
		a.errorCode = readAuthenticate(p.version, body)
	default:
		if unsupported(p.key, p.version, size, body) {
			a.errorCode = errUnsupportedVersion
		}
	}
	return a
}

// readApiVersions takes the ranges from an ApiVersions response.
func (h *handler) readApiVersions(a *answer, version int16, size int64, body []byte) {
	s := h.shard
	whole := int64(len(body)) == size
	if whole {
		if a.ranges = s.known(version, body); a.ranges != nil {
			return
		}
	}
	ok := s.answer.parse(version, size, body, s.share)
	if ok && s.answer.limited || size > maxApiVersionsAnswer {
		s.limits.LargeAnswers++
	}
	if !ok {
		return
	}
	a.errorCode = s.answer.errorCode
	if len(s.answer.apis) == 0 {
		return
	}
	a.ranges = s.ranges(&s.answer)
	if whole && !s.answer.limited {
		s.remember(version, body, a.ranges)
	}
}

// unmatched takes a response to a request that was not seen, or not yet.
func (h *handler) unmatched(id int32, f *reassembly.Frame) {
	if h.answerTokens || h.requests == 0 {
		return
	}
	h.searching = false
	if len(h.early) == maxEarly {
		copy(h.early, h.early[1:])
		h.early = h.early[:maxEarly-1]
		h.shard.limits.EarlyAnswers++
	}
	e := earlyAnswer{answer: answer{at: f.Last}, correlationID: id}
	if int64(len(f.Head)) == f.Size {
		h.readApiVersions(&e.answer, flexibleApiVersions, f.Size-responseHeader, f.Head[responseHeader:])
	}
	h.early = append(h.early, e)
}

// matchEarly answers the newest request if its answer has come already.
func (h *handler) matchEarly(at capture.Position) {
	if len(h.early) == 0 {
		return
	}
	i := h.queue.n - 1
	p := h.queue.at(i)
	for j := range h.early {
		e := h.early[j]
		if e.correlationID != p.correlationID || at.Time-e.at.Time > earlyWindow {
			continue
		}
		h.early = append(h.early[:j], h.early[j+1:]...)
		switch p.key {
		case keyApiVersions:
		case keySaslHandshake, keySaslAuthenticate:
			e.ranges = nil
		default:
			e.errorCode, e.ranges = errNone, nil
		}
		h.answered(i, e.answer)
		return
	}
}

// answered settles the i-th request with its answer, and the older ones without.
func (h *handler) answered(i int, a answer) {
	for range i {
		p := h.queue.pop()
		if h.mayHaveLost(&p) {
			h.settle(p, Unseen, answer{at: a.at})
		} else {
			h.settle(p, Unanswered, answer{at: a.at})
		}
	}
	p := h.queue.pop()
	outcome := Answered
	if a.errorCode == errUnsupportedVersion {
		outcome = Error
	}
	if p.key == keyApiVersions && outcome == Answered && a.errorCode == errNone {
		h.release(p.version)
	}
	h.settle(p, outcome, a)
	if a.ranges != nil {
		h.advertised(&p, a)
	}
}

// advertised makes what an ApiVersions answer said the connection's ranges, from the answer's packet on.
// Requests that were sent earlier without knowing any are judged by it too: the broker does not change
// while it answers. They are marked BeforeNegotiation.
func (h *handler) advertised(p *pending, a answer) {
	h.before, h.ranges, h.rangesAt = h.ranges, a.ranges, a.at
	for i := range h.queue.n {
		q := h.queue.at(i)
		if a.at.Before(q.at) {
			q.ranges, q.early = a.ranges, false
		} else if q.ranges == nil {
			q.ranges = a.ranges
		}
	}
	h.emit(Event{Advertisement: &Advertisement{
		Stream: h.conn.Stream, At: a.at, Client: h.conn.Client, Broker: h.conn.Broker, Domain: h.conn.Domain,
		Version: p.version, Ranges: a.ranges,
	}})
	for _, e := range h.held {
		e.judge(a.ranges, Observed)
		e.BeforeNegotiation = e.BeforeNegotiation && !a.at.Before(e.Request)
		h.emit(Event{Exchange: e})
	}
	h.held = nil
}

// settle makes an exchange of a request that is decided, and passes it on
// unless it has to wait: a refused ApiVersions request for its retry, a request of which no
// ranges are known for the ApiVersions answer that is due.
func (h *handler) settle(p pending, outcome Outcome, a answer) {
	if p.key == keyApiVersions {
		h.negotiating--
	}
	refused := p.key == keyApiVersions && outcome == Error
	waits := p.key != keyApiVersions && p.ranges == nil && h.waiting()
	e := h.shard.newExchange()
	h.fill(e, &p, outcome, a)
	switch {
	case refused:
		if len(h.refused) == maxRefused {
			h.release(-1)
		}
		h.refused = append(h.refused, e)
	case waits:
		if len(h.held) == maxHeld {
			h.shard.limits.HeldExchanges++
			h.emit(Event{Exchange: h.held[0]})
			h.held = append(h.held[:0], h.held[1:]...)
		}
		h.held = append(h.held, e)
	default:
		h.emit(Event{Exchange: e})
	}
}

// fill writes an exchange.
func (h *handler) fill(e *Exchange, p *pending, outcome Outcome, a answer) {
	*e = Exchange{
		Stream: h.conn.Stream, Request: p.at, Settled: a.at,
		Client: h.conn.Client, Broker: h.conn.Broker, Domain: h.conn.Domain,
		ClientID: p.clientID, HasClientID: p.hasClientID, Software: h.software,
		CorrelationID: p.correlationID, Key: p.key, Version: p.version,
		Outcome: outcome, ErrorCode: a.errorCode, BeforeNegotiation: p.early, Negotiated: -1,
	}
	switch outcome {
	case Answered, Error, ClosedByBroker, ResetByBroker, Left:
		e.Took = time.Duration(max(a.at.Time-p.at.Time, 0))
	}
	if p.key == keySaslHandshake {
		e.Mechanism, e.Enabled = h.mechanism, a.enabled
	}
	e.judge(p.ranges, Observed)
}

// waiting tells whether an ApiVersions answer may still come.
func (h *handler) waiting() bool { return h.negotiating > 0 || len(h.refused) > 0 }

// release passes on the refused ApiVersions requests; negotiated is the version
// in which the retry was answered, -1 without one.
func (h *handler) release(negotiated int16) {
	for _, e := range h.refused {
		e.Negotiated = negotiated
		h.emit(Event{Exchange: e})
	}
	h.refused = nil
}

// flush passes on what is held when no ApiVersions answer can be waited for.
func (h *handler) flush() {
	if len(h.held) == 0 || h.waiting() {
		return
	}
	for _, e := range h.held {
		h.emit(Event{Exchange: e})
	}
	h.held = nil
}

// Lost tells that messages may have been missed.
func (h *handler) Lost(d reassembly.Direction) {
	if d == reassembly.ToClient {
		h.lose()
	}
}

// lose notes that answers may be missing: to all requests that are outstanding, and
// to those that come until the next answer is taken.
func (h *handler) lose() {
	h.searching = true
	h.losses++
}

// mayHaveLost tells whether the answer to a request may be missing in the capture.
func (h *handler) mayHaveLost(p *pending) bool { return p.lost || p.losses != h.losses }

// End settles what has no answer by how the connection ended.
func (h *handler) End() {
	end := h.conn.End
	h.release(-1)
	for h.queue.n > 0 {
		h.flush()
		p := h.queue.pop()
		outcome, at := CutOff, h.conn.Last
		switch {
		case !h.conn.Seen[reassembly.ToClient] || h.mayHaveLost(&p):
			outcome = Unseen
		case end.Kind == reassembly.Closed && end.By == reassembly.ToClient:
			outcome, at = ClosedByBroker, end.At
		case end.Kind == reassembly.Reset && end.By == reassembly.ToClient:
			outcome, at = ResetByBroker, end.At
		case end.Kind == reassembly.Closed || end.Kind == reassembly.Reset:
			outcome, at = Left, end.At
		}
		h.settle(p, outcome, answer{at: at})
	}
	h.flush()
	h.shard.ended[h.conn] = h
}

// emit passes on an event. Events of one stream never go back in the input.
func (h *handler) emit(e Event) {
	h.at = later(h.at, later(h.conn.Now, h.conn.End.At))
	e.At, e.Stream, e.Order = h.at, h.conn.Stream, h.order
	h.order++
	h.shard.events = append(h.shard.events, e)
}
