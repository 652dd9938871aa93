package decode

import (
	"encoding/binary"
	"time"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/reassembly"
)

const (
	// maxEarly bounds the responses of one connection that wait for their request. Packets
	// captured in the wrong order are close together. 16 of 96 bytes are 1.5 KiB.
	maxEarly = 16
	// earlyWindow is how long before its request a response can be captured, in nanoseconds. The
	// packets of several receive queues are ordered at least that well.
	earlyWindow = int64(100 * time.Millisecond)
	// maxHeld bounds the finished exchanges of one connection that wait for its ApiVersions
	// response: 32 of 328 bytes are 10 KiB.
	maxHeld = 32
	// maxRefused bounds the refused ApiVersions requests of one connection that wait for the
	// retry. A client retries once.
	maxRefused = 8
	// unseenAfter is how many requests without a response a connection may have while no packet
	// of the broker was captured. Beyond it, that direction counts as not captured.
	unseenAfter = 16
)

// handler follows one connection. It implements reassembly.Handler.
type handler struct {
	shard *Shard
	conn  *reassembly.Connection
	// queue holds the requests without a response so far.
	queue queue

	// ranges are from the latest ApiVersions response, whose packet is rangesAt. before are the
	// previous ranges.
	ranges, before  *Ranges
	rangesAt        capture.Position
	afterAdvertised uint64

	ids       []clientName
	software  Software
	mechanism string // of the latest SaslHandshake
	principal string // Exchange.Principal

	// aside is nil for most connections.
	aside *aside
	// missed is the last packet up to which the capture may lack responses.
	missed capture.Position

	at    capture.Position // of the latest event
	order uint32
	// counted is the number of requests of the queue included in shard.outstanding.
	counted int32

	lastRequest, lastAnswer capture.Position

	// muted is the time until which the broker reads no request, in nanoseconds (Exchange.WaitMillis).
	muted int64

	unanswered  uint64 // when the connection ended
	texts       uint32 // bytes of client ids and software
	rangesSize  uint32 // bytes of ranges that no earlier connection had, of two Ranges at most
	requests    uint32 // so far
	lastID      int32  // correlation id of the latest request
	negotiating int16  // ApiVersions requests in queue
	latestName  int8   // the place in ids of the latest request's client id
	nullID      bool   // a request had a null client id
	hasLastID   bool
	// strayIDs: the correlation ids of this connection do not count up.
	strayIDs bool
	// tokens: the next messages to the broker may be SASL tokens; answerTokens: those to the
	// client.
	tokens, answerTokens bool
	// nameDue: the next token of the client can hold its user name.
	nameDue bool
	// asked: the client sent an ApiVersions request. requestsLost: the capture lacks bytes of
	// the client.
	asked, requestsLost bool
	// acksNone: the latest Produce request had acks=0.
	acksNone bool
	// announced is the latest request that announce judged.
	announced announcement
}

type aside struct {
	// refused are ApiVersions requests answered with error 35, until the retry is answered.
	refused []*Exchange
	// lastRefusal is the position of the latest ApiVersions response with error 35.
	lastRefusal capture.Position
	// held are finished exchanges that wait for ranges.
	held []*Exchange
	// early are responses captured before their requests.
	early []earlyAnswer
}

var nothingAside aside

// putAside returns h.aside for reading, never nil. Use toAside to change it.
func (h *handler) putAside() *aside {
	if h.aside == nil {
		return &nothingAside
	}
	return h.aside
}

func (h *handler) toAside() *aside {
	if h.aside == nil {
		h.aside = new(aside)
	}
	return h.aside
}

var _ reassembly.Handler = (*handler)(nil)

// answer is the part of a response that an Exchange needs.
type answer struct {
	at        capture.Position
	size      int32 // Exchange.ResponseSize
	errorCode int16
	ranges    *Ranges
	enabled   []string
	lifetime  time.Duration // Exchange.SessionLifetime
	challenge bool          // Exchange.Challenge
	wrong     bool          // Exchange.WrongRefusal
	misshapen bool          // Exchange.Misshapen
	cluster   *Cluster      // Exchange.Cluster
}

// earlyAnswer is a response that was captured before its request.
type earlyAnswer struct {
	answer
	correlationID int32
}

// The bytes of a handler and of the values that it holds.
const (
	handlerBytes  = 384
	pendingBytes  = 88
	nameBytes     = 24
	asideBytes    = 96
	earlyBytes    = 96
	exchangeBytes = 328
)

// Size implements reassembly.Handler. Ranges that connections share count once.
func (h *handler) Size() int {
	n := handlerBytes + len(h.queue.ring)*pendingBytes + cap(h.ids)*nameBytes + int(h.texts+h.rangesSize)
	if a := h.aside; a != nil {
		n += asideBytes + cap(a.early)*earlyBytes + (len(a.held)+len(a.refused))*exchangeBytes
	}
	return n
}

func newHandler(s *Shard, c *reassembly.Connection) *handler {
	return &handler{shard: s, conn: c}
}

// reset prepares an ended handler for another connection. It keeps the allocated memory.
func (h *handler) reset() {
	*h = handler{shard: h.shard, queue: queue{ring: h.queue.ring}, ids: h.ids[:0]}
}

// Message handles a request or a response.
func (h *handler) Message(f *reassembly.Frame) {
	if f.Direction == reassembly.ToBroker {
		h.request(f)
	} else {
		h.response(f)
	}
	h.flush()
	h.countOutstanding()
}

// isCrowded reports whether the limit of requests without a response is reached.
func (h *handler) isCrowded() bool {
	n := h.queue.n
	return n >= maxOutstanding || n >= unseenAfter && !h.conn.Seen[reassembly.ToClient] ||
		n >= freeOutstanding && h.shard.outstanding >= maxShardOutstanding
}

func (h *handler) countOutstanding() {
	h.shard.outstanding += h.queue.n - int(h.counted)
	h.counted = int32(h.queue.n)
}

// request handles a request. The ranges that the broker advertised before its last packet judge
// it.
func (h *handler) request(f *reassembly.Frame) {
	hd, ok := parseRequestHeader(f.Size, f.Head)
	ok = ok && !allZero(f.Head) // evidence has zeros instead of tokens
	if h.tokens && !(ok && h.endsTokens(&hd, f)) {
		h.token(f.Head)
		return
	}
	if !ok || !h.tokens && !h.expects(&hd, f.Size, f.Head) { // the head given to Want may have had no client id
		return
	}
	h.tokens = false
	h.requests++
	h.lastRequest = f.Last
	h.trackID(hd.correlationID)
	if h.isCrowded() {
		h.overflow()
	}
	p := h.queue.push()
	h.queue.identify(p, hd.correlationID)
	p.at, p.key, p.version = f.Last, hd.key, hd.version
	p.clientID, p.hasClientID = h.client(&hd)
	p.span, p.ranges = span(f), h.ranges
	p.offset, p.size, p.lacking = f.Offset, uint32(f.Size), uint32(f.Lacking)
	if f.Last.Before(h.rangesAt) {
		p.ranges = h.before
	}
	p.early = p.ranges == nil && h.negotiating > 0
	p.asked = h.asking()
	if h.ranges != nil && hd.key != keyApiVersions {
		h.afterAdvertised++
	}
	if h.shard.opt.Watch {
		h.announce(p)
	}
	h.byAPI(&hd, f, p)
}

// asking reports whether the client has sent an ApiVersions request.
func (h *handler) asking() Asking {
	switch {
	case h.asked:
		return Asked
	case h.requestsLost || h.conn.Midstream:
		return MaybeAsked
	}
	return NotAsked
}

// byAPI handles the parts of a request that only some APIs have.
func (h *handler) byAPI(hd *requestHeader, f *reassembly.Frame, p *pending) {
	refused := h.putAside().refused
	if n := len(refused); n > 0 && hd.key != keyApiVersions && h.negotiating == 0 && refused[n-1].Decided.Before(f.Last) {
		h.release(-1) // the client continues without a retry
	}
	switch hd.key {
	case keyApiVersions:
		h.negotiating++
		h.asked = true
		if name, version, ok := software(hd.version, hd.body(f.Head)); ok && len(name) > 0 {
			h.software = Software{h.shard.share(name), h.shard.share(version)}
			h.texts = min(h.texts+uint32(len(h.software.Name)+len(h.software.Version)), maxNameBytes)
		}
		if f.Lacking == 0 && hd.version <= layoutOf(hd.key).max && hd.fits(int64(f.Size), f.Head) == misfit {
			p.owes = unreadable
		}
	case keySaslHandshake:
		h.handshake(hd, f)
	case keySaslAuthenticate:
		h.authenticate(hd, f)
	case keyProduce:
		if f.Lacking > 0 {
			break // an incomplete request gets no response
		}
		body := hd.body(f.Head)
		if acks, ok := acks(hd.version, body); ok {
			h.acksNone = acks == 0
			if acks == acksAll {
				p.wait = hd.wait(f)
			}
		} else if hidesAcks(hd.version, body, f) {
			p.owes = mayOwe
		} else {
			p.owes, h.acksNone = unreadable, false
		}
		if h.acksNone {
			h.finish(h.queue.popLast(), NoneExpected, answer{at: f.Last})
			return
		}
	default:
		p.wait = hd.wait(f)
	}
	h.matchEarly(f.Last)
}

// trackID records the correlation id of a request. The next id must follow it.
func (h *handler) trackID(id int32) {
	if isReserved(id) {
		return
	}
	if h.hasLastID && !follows(h.lastID, id) {
		h.strayIDs = true
	}
	h.lastID, h.hasLastID = id, true
}

// overflow finishes the oldest request without a response.
func (h *handler) overflow() {
	outcome := Unseen
	if h.conn.Seen[reassembly.ToClient] {
		h.shard.limits.OutstandingRequests++
		outcome = CutOff
	}
	p := h.queue.pop()
	h.finish(p, outcome, answer{at: h.conn.Last})
}

// response matches a response to the oldest request with its correlation id. A broker responds in
// the order of the requests, so older requests get no response.
func (h *handler) response(f *reassembly.Frame) {
	if len(f.Head) < responseHeader {
		if !h.answerTokens {
			h.Lost(reassembly.ToClient, f.Last)
		}
		return
	}
	id := int32(binary.BigEndian.Uint32(f.Head))
	i := h.queue.find(id)
	if i < 0 {
		h.unmatched(id, f)
		return
	}
	p := h.queue.at(i)
	if p.key != keySaslHandshake {
		h.answerTokens = false
	}
	ms := throttle(p.key, p.version, int64(f.Size)-responseHeader, f.Head[responseHeader:])
	h.answered(i, h.read(p, f))
	if ms > 0 {
		h.muted = max(h.muted, f.Last.Time+int64(ms)*int64(time.Millisecond))
	}
}

// read parses a response as its request demands.
func (h *handler) read(p *pending, f *reassembly.Frame) answer {
	a := answer{at: f.Last, size: int32(f.Size)}
	size, body := f.Size-responseHeader, f.Head[responseHeader:]
	switch p.key {
	case keyApiVersions:
		h.readApiVersions(&a, p.version, size, body)
	case keySaslHandshake:
		a.errorCode, a.enabled = readHandshake(body, h.shard.share)
	case keySaslAuthenticate:
		a.errorCode, a.challenge, a.lifetime = readAuthenticate(p.version, body)
		a.challenge = a.challenge && h.mechanism != mskIAM
	case keyMetadata:
		if a.cluster = h.shard.cluster(p.version, body); a.cluster == nil && size > int64(len(body)) {
			h.shard.limits.Clusters++
		}
		if size <= maxAnswerScan-responseHeader {
			a.errorCode = refusal(p.key, p.version, size, body, h.conn.Broker.Port())
		}
	default:
		a.errorCode = refusal(p.key, p.version, size, body, h.conn.Broker.Port())
	}
	return a
}

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
	a.errorCode, a.wrong, a.misshapen = s.answer.errorCode, s.answer.wrong, s.answer.misshapen
	if len(s.answer.apis) == 0 {
		return
	}
	var added int
	a.ranges, added = s.ranges(&s.answer)
	h.rangesSize = min(h.rangesSize+uint32(added), 2*maxRangesBytes)
	if whole && !s.answer.limited && !a.misshapen {
		s.remember(version, body, a.ranges)
	}
}

// unmatched keeps a response whose request was not captured, or comes later in the capture.
func (h *handler) unmatched(id int32, f *reassembly.Frame) {
	if h.answerTokens {
		return
	}
	a := h.toAside()
	if len(a.early) == maxEarly {
		h.Lost(reassembly.ToClient, a.early[0].at)
		copy(a.early, a.early[1:])
		a.early = a.early[:maxEarly-1]
		h.shard.limits.EarlyAnswers++
	}
	e := earlyAnswer{answer: answer{at: f.Last, size: int32(f.Size)}, correlationID: id}
	if int64(len(f.Head)) == f.Size {
		h.readApiVersions(&e.answer, flexibleApiVersions, f.Size-responseHeader, f.Head[responseHeader:])
		e.misshapen = false // the version of the request is a guess
	}
	a.early = append(a.early, e)
}

// matchEarly finishes the newest request if its response was captured before it.
func (h *handler) matchEarly(at capture.Position) {
	early := h.putAside().early
	if len(early) == 0 {
		return
	}
	i := h.queue.n - 1
	p := h.queue.at(i)
	for j := range early {
		e := early[j]
		if e.correlationID != p.correlationID || at.Time-e.at.Time > earlyWindow {
			continue
		}
		h.aside.early = append(early[:j], early[j+1:]...)
		switch p.key {
		case keyApiVersions:
		case keySaslHandshake, keySaslAuthenticate:
			e.ranges, e.wrong = nil, false
		default:
			e.errorCode, e.ranges, e.wrong = errNone, nil, false
		}
		h.answered(i, e.answer)
		return
	}
}

// answered finishes the i-th request with its response, and all older ones without a response.
func (h *handler) answered(i int, a answer) {
	for range i {
		p := h.queue.pop()
		if h.mayHaveLost(&p) {
			h.finish(p, Unseen, answer{at: a.at})
		} else {
			h.finish(p, Unanswered, answer{at: a.at})
		}
	}
	p := h.queue.pop()
	h.lastAnswer = capture.Later(h.lastAnswer, a.at)
	outcome := Answered
	if a.errorCode == errUnsupportedVersion {
		outcome = Error
	}
	if p.key == keyApiVersions && outcome == Answered && a.errorCode == errNone {
		h.release(p.version)
	}
	h.finish(p, outcome, a)
	if a.ranges != nil {
		h.advertised(&p, a)
	}
}

// advertised sets the ranges of the connection from the packet of an ApiVersions response on.
// They also judge the earlier requests without ranges, because a broker does not change while it
// responds. These requests are marked BeforeNegotiation.
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
	advertisement := h.shard.advertisements.get()
	*advertisement = Advertisement{
		Stream: h.conn.Stream, At: a.at, Client: h.conn.Client, Broker: h.conn.Broker, Domain: h.conn.Domain,
		Version: p.version, Ranges: a.ranges,
	}
	h.emit(Event{Advertisement: advertisement})
	for _, e := range h.takeHeld() {
		e.judge(a.ranges, Observed)
		e.BeforeNegotiation = e.BeforeNegotiation && !a.at.Before(e.Request)
		h.emit(Event{Exchange: e})
	}
}
