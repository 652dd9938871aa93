package decode

import (
	"math"
	"time"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/reassembly"
)

// settle makes an exchange of a request that is decided, and passes it on
// unless it has to wait: a refused ApiVersions request for its retry, a request of which no
// ranges are known for the ApiVersions answer that is due.
func (h *handler) settle(p pending, outcome Outcome, a answer) {
	if p.key == keyApiVersions {
		h.negotiating--
		if outcome == Unseen {
			h.forgetEarly()
			h.release(p.version)
		}
	}
	refused := p.key == keyApiVersions && outcome == Error
	waits := p.key != keyApiVersions && p.ranges == nil && h.waiting()
	e := h.shard.newExchange()
	h.fill(e, &p, outcome, a)
	switch {
	case refused:
		h.inVain = a.at
		if n := len(h.refused); n > 0 && h.refused[n-1].Version <= p.version {
			h.release(-1) // asked again, but not lower
		}
		if len(h.refused) == maxRefused {
			h.shard.limits.HeldExchanges++
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

// forgetEarly is called when an ApiVersions answer was not captured: whether what was sent after its
// request was sent too early is not known.
func (h *handler) forgetEarly() {
	for i := range h.queue.n {
		h.queue.at(i).early = false
	}
	for _, e := range h.held {
		e.BeforeNegotiation = false
	}
}

// sighting is what a request is judged by.
type sighting struct {
	ranges       *Ranges
	key, version int16
	any          bool
}

// sight makes an Event of a request that is not inside a range, unless the one before was the same.
func (h *handler) sight(p *pending) {
	now := sighting{p.ranges, p.key, p.version, true}
	if now == h.looked || p.key == keyApiVersions || p.ranges == nil && h.waiting() {
		return
	}
	h.looked = now
	e := h.shard.newExchange()
	h.fill(e, p, CutOff, answer{at: p.at})
	if e.Verdict == OK {
		h.shard.free = append(h.shard.free, e)
		return
	}
	h.emit(Event{Sighted: e})
}

// fill writes an exchange.
func (h *handler) fill(e *Exchange, p *pending, outcome Outcome, a answer) {
	*e = Exchange{
		Stream: h.conn.Stream, Request: p.at, Settled: a.at,
		Client: h.conn.Client, Broker: h.conn.Broker, Domain: h.conn.Domain,
		ClientID: p.clientID, HasClientID: p.hasClientID, Software: h.software,
		CorrelationID: p.correlationID, Key: p.key, Version: p.version,
		Partial: p.lacking > 0, Size: int64(p.size), Received: int64(p.size) - int64(p.lacking),
		Outcome: outcome, ErrorCode: a.errorCode, BeforeNegotiation: p.early, Asked: p.asked, Negotiated: -1,
	}
	switch outcome {
	case Answered, Error, ClosedByBroker, ResetByBroker, Left:
		e.Took = time.Duration(max(a.at.Time-p.at.Time, 0))
	}
	if p.key == keySaslHandshake {
		e.Mechanism, e.Enabled = h.mechanism, a.enabled
	}
	e.WrongRefusal, e.SessionLifetime = a.wrong, a.lifetime
	e.AskedInVain = h.ranges == nil && h.inVain != (capture.Position{}) && h.inVain.Before(p.at)
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
func (h *handler) Lost(d reassembly.Direction, at capture.Position) {
	if d == reassembly.ToClient {
		h.missed = later(h.missed, at)
	} else {
		h.torn = true
		for _, e := range h.refused {
			e.RetryUnseen = true
		}
	}
}

// mayHaveLost tells whether the answer to a request may be missing in the
// capture. It cannot where the request was sent after what is missing, even if that is known only by now. It
// counts from the request's first packet: the last one may be missing too.
func (h *handler) mayHaveLost(p *pending) bool {
	return p.lost || p.sent().Before(h.missed)
}

// sent returns a packet that is not after the first one with bytes of the request.
func (p *pending) sent() capture.Position {
	first := p.at
	first.Frame -= min(uint64(p.span), first.Frame)
	return first
}

// span is how many packets a frame takes beside the last, at most: all of them where it began in another capture.
func span(f *reassembly.Frame) uint32 {
	if f.First.Capture != f.Last.Capture || f.First.Frame > f.Last.Frame {
		return math.MaxUint32
	}
	return uint32(min(f.Last.Frame-f.First.Frame, math.MaxUint32))
}

// isLate reports whether the broker had ended the connection before a request arrived. The FIN or RST tells by what it
// acknowledges: in the capture a request can stand before it and still have crossed it on the way. Where that
// is unknown, the order in the capture counts.
func (h *handler) isLate(p *pending) bool {
	end := &h.conn.End
	switch {
	case end.By != reassembly.ToClient || end.Kind != reassembly.Closed && end.Kind != reassembly.Reset:
		return false
	case end.HasAcked && p.offset >= 0:
		return p.offset >= end.Acked
	}
	return end.At.Before(p.sent())
}

// End settles what has no answer by how the connection ended.
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
		h.settle(p, outcome, answer{at: at})
	}
	h.flush()
	h.countOutstanding()
	h.shard.ended[h.conn] = h
}

// emit passes on an event. Events of one stream never go back in the input.
func (h *handler) emit(e Event) {
	h.at = later(h.at, later(h.conn.Now, h.conn.End.At))
	e.At, e.Stream, e.Order = h.at, h.conn.Stream, h.order
	h.order++
	h.shard.events = append(h.shard.events, e)
}
