package decode

import (
	"math"
	"time"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/reassembly"
)

// finish emits the exchange of a request whose outcome is decided, or holds it. A refused
// ApiVersions request waits for its retry. A request without ranges waits for the ApiVersions
// response that is outstanding.
func (h *handler) finish(p pending, outcome Outcome, a answer) {
	if p.key == keyApiVersions {
		h.negotiating--
		if outcome == Unseen {
			h.clearEarly()
			h.release(p.version)
		}
	}
	refused := p.key == keyApiVersions && outcome == Error
	waits := p.key != keyApiVersions && p.ranges == nil && h.waiting()
	e := h.shard.exchanges.get()
	h.fill(e, &p, outcome, &a)
	if p.key == keyApiVersions && !refused && h.aside != nil {
		h.aside.lastRefusal = capture.Position{} // the client asked again
	}
	switch {
	case refused:
		put := h.toAside()
		put.lastRefusal = a.at
		if n := len(put.refused); n > 0 && put.refused[n-1].Version <= p.version {
			h.release(-1) // asked again, but not lower
		}
		if len(put.refused) == maxRefused {
			h.shard.limits.HeldExchanges++
			h.release(-1)
		}
		put.refused = append(put.refused, e)
	case waits:
		put := h.toAside()
		if len(put.held) == maxHeld {
			h.shard.limits.HeldExchanges++
			h.emit(Event{Exchange: put.held[0]})
			put.held = append(put.held[:0], put.held[1:]...)
		}
		put.held = append(put.held, e)
	default:
		h.emit(Event{Exchange: e})
	}
}

// clearEarly is called when an ApiVersions response was not captured. Nothing then shows that
// the requests behind its request were sent before it.
func (h *handler) clearEarly() {
	for i := range h.queue.n {
		h.queue.at(i).early = false
	}
	for _, e := range h.putAside().held {
		e.BeforeNegotiation = false
	}
}

// announcement identifies a request and its ranges: equal values get the same verdict.
type announcement struct {
	ranges       *Ranges
	key, version int16
	any          bool
}

// announce emits an Event for a request outside its range, unless the latest request was the same.
func (h *handler) announce(p *pending) {
	now := announcement{p.ranges, p.key, p.version, true}
	if now == h.announced || p.key == keyApiVersions || p.ranges == nil && h.waiting() {
		return
	}
	h.announced = now
	e := h.shard.exchanges.get()
	h.fill(e, p, CutOff, &answer{at: p.at})
	if e.Verdict == OK {
		h.shard.exchanges.put(e)
		return
	}
	h.emit(Event{OutOfRange: e})
}

// sizeField is the length of the size before a message.
const sizeField = 4

// fill overwrites *e, because its memory is reused. A composite literal would be copied.
func (h *handler) fill(e *Exchange, p *pending, outcome Outcome, a *answer) {
	*e = Exchange{}
	e.Stream, e.Request, e.Decided = h.conn.Stream, p.at, a.at
	e.Client, e.Broker, e.Domain = h.conn.Client, h.conn.Broker, h.conn.Domain
	e.ClientID, e.HasClientID, e.Software, e.Principal = p.clientID, p.hasClientID, h.software, h.principalOf(p.key)
	e.CorrelationID, e.Key, e.Version = p.correlationID, p.key, p.version
	e.Malformed, e.WaitMillis = p.owes == unreadable, p.wait
	if muted := (h.muted - p.at.Time) / int64(time.Millisecond); muted > int64(p.wait) {
		e.WaitMillis = int32(min(muted, math.MaxInt32))
	}
	e.Partial, e.Size, e.Received = p.lacking > 0, int64(p.size), int64(p.size)-int64(p.lacking)
	e.Outcome, e.ErrorCode, e.BeforeNegotiation, e.Asked, e.Negotiated = outcome, a.errorCode, p.early, p.asked, -1
	switch outcome {
	case Answered, Error, ClosedByBroker, ResetByBroker, Left:
		e.Took = time.Duration(max(a.at.Time-p.at.Time, 0))
	}
	if n := int64(h.conn.End.Unacked); outcome == Left && p.offset >= 0 && n > 0 {
		e.Undelivered = p.offset+int64(p.size)+sizeField > int64(h.conn.Bytes[reassembly.ToBroker])-n
	}
	if p.key == keySaslHandshake {
		e.Mechanism, e.Enabled = h.mechanism, a.enabled
	}
	e.WrongRefusal, e.Misshapen, e.SessionLifetime, e.ResponseSize, e.Cluster = a.wrong, a.misshapen, a.lifetime, a.size, a.cluster
	e.Challenge = a.challenge
	lastRefusal := &h.putAside().lastRefusal
	e.NegotiationRefused = h.ranges == nil && *lastRefusal != (capture.Position{}) && lastRefusal.Before(p.at)
	if h.conn.Oddities != nil {
		contested := &h.conn.Oddities.Contested
		e.Contested = contested[reassembly.ToClient].To > 0 ||
			p.offset >= 0 && contested[reassembly.ToBroker].Has(p.offset, int64(p.size)+sizeField)
	}
	e.IsLone = h.conn.Requests == 1 && !h.conn.Seen[reassembly.ToClient]
	e.judge(p.ranges, Observed)
}

// waiting reports whether an ApiVersions response may still come.
func (h *handler) waiting() bool { return h.negotiating > 0 || len(h.putAside().refused) > 0 }

// release emits the refused ApiVersions requests. negotiated is the version of the retry that
// was answered, -1 without one.
func (h *handler) release(negotiated int16) {
	if h.aside == nil {
		return
	}
	for _, e := range h.aside.refused {
		e.Negotiated = negotiated
		h.emit(Event{Exchange: e})
	}
	h.aside.refused = nil
}

// flush emits the held exchanges once no ApiVersions response is outstanding.
func (h *handler) flush() {
	if h.aside == nil || h.waiting() {
		return
	}
	for _, e := range h.takeHeld() {
		h.emit(Event{Exchange: e})
	}
}

// takeHeld returns the held exchanges and holds none any more.
func (h *handler) takeHeld() []*Exchange {
	held := h.putAside().held
	if held != nil {
		h.aside.held = nil
	}
	return held
}

// Lost is called when the capture may lack messages of a direction.
func (h *handler) Lost(d reassembly.Direction, at capture.Position) {
	if d == reassembly.ToClient {
		h.missed = capture.Later(h.missed, at)
	} else {
		h.requestsLost = true
		for _, e := range h.putAside().refused {
			e.RetryUnseen = true
		}
	}
}

// mayHaveLost reports whether the capture may lack the response to a request. A request that was
// sent after the loss cannot lose its response to it. The request's first packet counts, because
// the loss may include its last one.
func (h *handler) mayHaveLost(p *pending) bool {
	return p.owes == mayOwe || p.sent().Before(h.missed)
}

// sent returns a packet that is not after the first one with bytes of the request.
func (p *pending) sent() capture.Position {
	first := p.at
	first.Frame -= min(uint64(p.span), first.Frame)
	return first
}

// span returns an upper bound for the packets of a frame before its last one. It is MaxUint32
// for a frame that begins in another capture file.
func span(f *reassembly.Frame) uint32 {
	if f.First.Capture != f.Last.Capture || f.First.Frame > f.Last.Frame {
		return math.MaxUint32
	}
	return uint32(min(f.Last.Frame-f.First.Frame, math.MaxUint32))
}

// isLate reports whether the broker ended the connection before a request arrived, or refused the
// client's certificate: in TLS 1.3, the client may then already have sent requests. The
// acknowledgement number of the FIN or RST decides: both can cross on the way, so their order in
// the capture proves nothing. Without that number the order in the capture decides.
func (h *handler) isLate(p *pending) bool {
	end, tls := &h.conn.End, h.conn.TLS
	switch {
	case tls != nil && !tls.Established && tls.AlertFromServer:
		return true
	case end.By != reassembly.ToClient || end.Kind != reassembly.Closed && end.Kind != reassembly.Reset:
		return false
	case end.HasAcked && p.offset >= 0:
		return p.offset >= end.Acked
	}
	return end.At.Before(p.sent())
}

// End decides the outcome of every request without a response by how the connection ended.
func (h *handler) End() {
	end := h.conn.End
	for i := range h.queue.n {
		if p := h.queue.at(i); p.key == keyApiVersions && (!h.conn.Seen[reassembly.ToClient] || h.mayHaveLost(p)) {
			h.release(p.version)
		}
	}
	h.release(-1)
	h.unanswered = uint64(h.queue.n)
	for h.queue.n > 0 {
		h.flush()
		p := h.queue.pop()
		outcome, at := CutOff, h.conn.Last
		switch {
		case h.isLate(&p):
			outcome, at = Late, end.At
		case !h.conn.Seen[reassembly.ToClient] || h.mayHaveLost(&p):
			outcome = Unseen
		case end.Kind == reassembly.Closed && end.By == reassembly.ToClient:
			outcome, at = ClosedByBroker, end.At
		case end.Kind == reassembly.Reset && end.By == reassembly.ToClient:
			outcome, at = ResetByBroker, end.At
		case end.Kind == reassembly.Closed || end.Kind == reassembly.Reset:
			outcome, at = Left, end.At
		}
		h.finish(p, outcome, answer{at: at})
	}
	h.flush()
	h.countOutstanding()
	h.shard.ended[h.conn] = h
}

// Drop forgets the connection.
func (h *handler) Drop() {
	h.shard.outstanding -= int(h.counted)
	h.shard.recycle(h)
}

// emit appends an event. The positions of a stream's events never decrease.
func (h *handler) emit(e Event) {
	h.at = capture.Later(h.at, capture.Later(h.conn.Now, h.conn.End.At))
	e.At, e.Stream, e.Order = h.at, h.conn.Stream, h.order
	h.order++
	h.shard.events = append(h.shard.events, e)
}
