// Package sealed infers Kafka requests and responses from the record headers of TLS connections,
// without any key. Sizes, directions, times, order and endings are in plaintext.
//
// The input is connections that are over, with their Outline. Read makes a Reading of each. A Book
// collects the readings of all connections. At the end of the input it decides, for each broker
// address, which requests look refused. It compares the sizes of ApiVersions responses with the
// release tables of package decode. No result is certain. If two explanations fit, the harmless
// one wins.
//
// Memory: a Reading is not kept. A Book holds up to maxAddresses addresses with up to maxSizes
// request sizes and maxLives connections each.
package sealed

import (
	"slices"
	"time"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
	"github.com/kafkavet/kafkavet/reassembly/tlsrecord"
)

// Likeness says why a connection counts as Kafka.
type Likeness uint8

// The reasons, from weak to strong.
const (
	// NotKafka: there is no sign of Kafka, or a sign against it.
	NotKafka Likeness = iota
	// ByPort: only the port is a sign of Kafka.
	ByPort
	// ByForm: the first response has the size of an ApiVersions response with some number of APIs.
	ByForm
	// BySASL: SaslHandshake v0 and its tokens came first, and the last token is empty.
	BySASL
	// ByTable: the first response has the size of a known release's ApiVersions response.
	ByTable
	// ByRetry: the first response has the size of an ApiVersions response with error 35. The next
	// request is shorter, and its response has the size of an ApiVersions response.
	ByRetry
)

// Authentication says whether SASL came before the first ordinary request.
type Authentication uint8

// The values of Authentication.
const (
	// NoSASL: the exchange after ApiVersions cannot be a SaslHandshake.
	NoSASL Authentication = iota
	// MaybeSASL: it can be one, or there is none.
	MaybeSASL
	// SASLDone: a SaslHandshake and the tokens after it got responses.
	SASLDone
	// SASLOpen: a SaslHandshake got a response, and the exchange of tokens did not end.
	SASLOpen
)

// Reading is what the records of one connection show.
type Reading struct {
	Established    bool
	Likeness       Likeness
	Answer         *Answer // of ApiVersions, nil if none is recognized
	ClientID       int     // length of the client id in bytes, -1 if unknown
	Software       int     // length of software name and version together, -1 if unknown
	Authentication Authentication
	// Served is the least number of requests after ApiVersions and authentication that got a
	// response.
	Served int
	// Opening: no request of any kind got a response.
	Opening bool
	// Unnegotiated: the broker refused the version of the ApiVersions request, and the client
	// continued without a retry.
	Unnegotiated bool
	// Refused is the request on which the broker closed the connection, nil for none.
	Refused *Request

	answered []message // the requests that got a response
	ignored  []message // those that got none, and the connection went on
	end      end
	alerted  bool // the broker sent a record with the size of an alert
	opening  int  // size of the first request
	prefixes int  // records of the broker with only the size field of a frame
	torn     bool // bytes are missing around the last request
	missing  bool // bytes are missing anywhere behind the handshake
	// displaced: a guessed message can have another place in the order.
	displaced bool
	// framed: the first two requests are a SaslHandshake and a SaslAuthenticate that succeeded.
	framed bool
}

// Request is a request without a response from the broker.
type Request struct {
	// Size is the size of the frame in bytes, including its size field. Slack is how much less it
	// may be (CBC).
	Size, Slack int
	// At is the packet in which it ends.
	At capture.Position
	// Closed is the packet with which the broker closes. Delay is the time until then.
	Closed capture.Position
	Delay  time.Duration
	// Slow: Delay is longer than a close after a request usually takes.
	Slow bool
	// Notified: the broker announced the close (close_notify). Reset: it sent a RST.
	Notified, Reset bool
	// Paused: there was no response for a while before, and no sign that the broker itself closed.
	// A load balancer or firewall that drops idle connections refuses the next request, whatever
	// it is.
	Paused bool
}

const (
	// promptly bounds the time between a request and a close because of it. A broker closes within
	// milliseconds; the network and a busy host need some time.
	promptly = 250 * time.Millisecond
	// slowAnswers limits that time for a slow broker, as a multiple of its fastest response.
	slowAnswers = 4
	// maxPromptly bounds both.
	maxPromptly = 2 * time.Second
	// pauseBefore is the silence after which a close without close_notify need not be because of
	// the request. The shortest idle timeouts of load balancers are seconds. After idleBefore, no
	// close counts.
	pauseBefore = 4 * time.Second
	idleBefore  = 50 * time.Second
	// maxRefused bounds the size of a request refused for its version. A larger one can be too
	// large for the broker (socket.request.max.bytes).
	maxRefused = 8 << 10
	// maxOutstanding bounds the requests that wait for a response when one is refused. More look
	// like Produce with acks=0, which has no responses.
	maxOutstanding = 8
)

// Read reads the outline of a connection that is over. If one direction is missing, the Reading
// is empty.
func Read(c *decode.Connection) Reading {
	best := Reading{ClientID: -1, Software: -1}
	if c.Outline == nil || c.TLS == nil || !c.Seen[reassembly.ToBroker] || !c.Seen[reassembly.ToClient] {
		return best
	}
	records, omitted := c.Outline.Records()
	h, ok := handshake{}, false
	if c.Midstream {
		h, ok = readMidstream(records)
	} else {
		h, ok = readHandshake(records, c.TLS)
	}
	if !ok {
		return best
	}
	for i, over := range h.serverOverheads() {
		h.over[1] = over
		if r := readWith(c, records, omitted, h); i == 0 || r.fitsBetter(&best) {
			best = r
		}
	}
	return best
}

// fitsBetter reports whether the overhead of r explains the records better than that of best.
// Records with the size of an alert at the end, or of a frame's size field, prove more than the
// size of one response.
func (r *Reading) fitsBetter(best *Reading) bool {
	switch {
	case r.alerted != best.alerted:
		return r.alerted
	case r.prefixes != best.prefixes:
		return r.prefixes > best.prefixes
	}
	return r.Likeness > best.Likeness && r.Likeness >= ByTable
}

func readWith(c *decode.Connection, records []tlsrecord.Record, omitted uint64, h handshake) Reading {
	r := Reading{ClientID: -1, Software: -1}
	whole := len(records)
	if omitted > 0 {
		whole = min(c.Outline.FirstRecords(), whole)
	}
	head, tail := messageJoiner{over: h.over}, messageJoiner{over: h.over}
	for i := h.first; i < whole; i++ {
		head.record(&records[i])
	}
	for i := max(whole, h.first); i < len(records); i++ {
		tail.record(&records[i])
	}
	all := turns(head.messages)
	r.Established = !h.tls13 || c.Midstream
	for i := range head.messages {
		r.Established = r.Established || !head.messages[i].toServer
	}
	all = trimTickets(all, h.tls13 && !c.Midstream, c.TLS.Hello)
	rest := all
	if !c.Midstream {
		rest = r.readOpening(all)
	}
	if r.Likeness == NotKafka && decode.IsKafkaPort(c.Broker.Port()) && !outsideKafka(all) {
		r.Likeness = ByPort
	}
	r.ignored = ignored(all)
	if later := turns(tail.messages); len(later) > 1 { // the first one is cut
		r.ignored = append(r.ignored, ignored(later[1:])...)
		all, rest = append(all, later[1:]...), append(rest, later[1:]...)
	}
	end := head.end
	if !end.alert {
		end = tail.end
	}
	// After a FIN without an alert, the other side can still send one.
	isFirst := !end.alert || c.End.At.Before(end.at)
	if isFirst && (c.End.Kind == reassembly.Closed || c.End.Kind == reassembly.Reset) {
		end.alert, end.byServer, end.at = false, c.End.By == reassembly.ToClient, c.End.At
	}
	r.end, r.alerted, r.prefixes = end, head.alerted || tail.alerted, head.prefixes+tail.prefixes
	r.displaced = head.displaced || tail.displaced
	r.finish(c, all, rest, end)
	return r
}

// outsideKafka reports whether a message is smaller than any Kafka message.
func outsideKafka(all []turn) bool {
	isOutside := func(run []message, least int) bool { // a message of a longer run may be a part
		return len(run) == 1 && run[0].size < least && !run[0].guessed
	}
	return slices.ContainsFunc(all, func(t turn) bool {
		return isOutside(t.requests, minRequest) || isOutside(t.answers, minMessage)
	})
}

// extPSKModes is psk_key_exchange_modes (RFC 8446 4.2.9). A server sends session tickets of TLS
// 1.3 only to clients that have it.
const extPSKModes = 45

// trimTickets removes the session tickets from the responses to the first request.
func trimTickets(all []turn, tls13 bool, hello *tlsrecord.Hello) []turn {
	ticketed := false
	if len(all) > 0 && len(all[0].requests) == 0 {
		all, ticketed = all[1:], true
	}
	if len(all) == 0 || !tls13 {
		return all
	}
	t := &all[0]
	if surplus := len(t.answers) - len(t.requests); surplus > 0 {
		t.answers = t.answers[surplus:]
	} else if !ticketed && len(all) == 1 && len(t.answers) == 1 && hello.Has(extPSKModes) && !isAnswer(&t.answers[0]) {
		t.answers = nil
	}
	return all
}

// readOpening reads the beginning of a connection, ApiVersions and SASL, and returns what follows.
func (r *Reading) readOpening(all []turn) (rest []turn) {
	n := r.readApiVersions(all)
	if n == 0 {
		// Some clients authenticate first (sarama).
		if k := r.readSASL(all); r.Authentication == SASLDone {
			if n = r.readApiVersions(all[k:]); n > 0 {
				return all[k+n:]
			}
			switch last := &all[k-1].answers[0]; {
			case last.isEmptyToken():
				r.Likeness = BySASL
				return all[k:]
			case k == 2 && last.isSmallToken():
				r.framed = true
				return all[k:]
			}
		}
		r.Authentication = NoSASL
		if len(all) > 0 {
			if can, _ := r.isHandshake(&all[0]); can {
				r.Authentication = MaybeSASL
			}
		}
		return all
	}
	all = all[n:]
	n = r.readSASL(all)
	return all[n:]
}

// finish reads the ordinary requests and the end. all are all turns, rest those after ApiVersions
// and authentication.
func (r *Reading) finish(c *decode.Connection, all, rest []turn, e end) {
	for i := range rest {
		t := &rest[i]
		if len(t.answers) == 0 || len(t.requests) == 0 {
			continue
		}
		r.Served++
	}
	for i := range all {
		t := &all[i]
		for j := range t.requests {
			if len(t.answers) > 0 && (j < len(t.answers) || i < len(all)-1) {
				r.answered = append(r.answered, t.requests[j])
			}
		}
	}
	r.Opening = len(all) == 1 && len(all[0].answers) == 0 && !c.Midstream
	for i := range all {
		t := &all[i]
		r.missing = r.missing || t.isTorn()
		r.torn = t.isTorn() || len(t.answers) == 0 && t.hasGuess()
	}
	// A RST behind the close answers bytes that the broker did not read: an alert of the client, or
	// the rest of a large request, which the capture lacks.
	isOverrun := c.End.Overrun && c.End.By == reassembly.ToClient && !lastRequest(all).Before(c.LastData[reassembly.ToBroker])
	r.missing, r.torn = r.missing || isOverrun, r.torn || isOverrun
	if r.missing || r.displaced {
		r.ignored = nil // a response can be among the missing bytes
	}
	if len(rest) > 0 && e.byServer && !isOverrun {
		r.refused(c, all, &rest[len(rest)-1], e)
	}
}

// refused decides whether the end of the connection looks like the refusal of its last request.
func (r *Reading) refused(c *decode.Connection, all []turn, last *turn, e end) {
	if len(r.ignored) > 0 {
		return // a broker also closes on Produce with acks=0 that fails
	}
	open := last.requests
	if len(last.answers) > 0 {
		isUneven := func(t turn) bool { return len(t.requests) != len(t.answers) }
		isGuess := func(m message) bool { return m.guessed } // more than one request, perhaps
		if len(last.answers) >= len(open) || slices.ContainsFunc(all[:len(all)-1], isUneven) || slices.ContainsFunc(open, isGuess) {
			return
		}
		open = open[len(last.answers):]
	}
	if len(open) == 0 || len(open) > maxOutstanding {
		return
	}
	if _, missing := c.Outline.Unfinished(true); missing > 0 {
		return
	}
	// A broker reads the next request after it has answered the previous one. So the first one
	// without a response is the refused one.
	first := &open[0]
	q := Request{
		Size: first.size, Slack: first.slack, At: first.at,
		Closed: e.at, Notified: e.alert, Reset: !e.alert && c.End.Kind == reassembly.Reset,
	}
	total := 0 // the messages after it may be its other parts
	for i := range open {
		total += open[i].size
	}
	if first.guessed || first.size-first.slack < minRequest || total > maxRefused {
		return
	}
	since := q.At
	for i := range last.answers {
		if last.answers[i].guessed {
			return
		}
		since = capture.Later(since, last.answers[i].at)
	}
	q.Delay = time.Duration(e.at.Time - since.Time)
	if e.at.Before(open[len(open)-1].first) || q.Delay > maxPromptly {
		return
	}
	q.Slow = q.Delay > closeLimit(all)
	if before := lastAnswer(all, first.first); before > 0 {
		pause := time.Duration(first.first.Time - before)
		if pause > idleBefore {
			return
		}
		q.Paused = pause >= pauseBefore && !q.Notified
	}
	r.Refused = &q
}

// splitRecord is the size from which on the next record can continue a message: Go begins a
// connection with records that fit into a TCP segment of some 1,200 bytes.
const splitRecord = 1000

// ignored returns the requests before the last turn that got no response, as Produce with acks=0.
// Pipelined requests get theirs in a later turn.
func ignored(all []turn) (out []message) {
	whole := func(all []message) (out []message) {
		for i := range all {
			if i == 0 || all[i-1].size < splitRecord {
				out = append(out, all[i])
			}
		}
		return out
	}
	for i := range len(all) - 1 {
		q, n := whole(all[i].requests), len(whole(all[i].answers))
		if len(q) > n {
			out = append(out, q[:len(q)-n]...)
		} else {
			out = out[:max(0, len(out)-(n-len(q)))]
		}
	}
	return out
}

// closeLimit returns the longest time between a request and a close because of it.
func closeLimit(all []turn) time.Duration {
	fastest := maxPromptly
	for i := range all {
		t := &all[i]
		if len(t.requests) == 0 || len(t.answers) == 0 {
			continue
		}
		fastest = min(fastest, max(0, time.Duration(t.answers[0].first.Time-t.requests[len(t.requests)-1].at.Time)))
	}
	if fastest == maxPromptly {
		fastest = 0
	}
	return min(max(promptly, slowAnswers*fastest), maxPromptly)
}

// lastRequest returns the packet in which the last request ends.
func lastRequest(all []turn) (at capture.Position) {
	for i := range all {
		for j := range all[i].requests {
			at = all[i].requests[j].at
		}
	}
	return at
}

// lastAnswer returns the time of the last response before a request, 0 for none.
func lastAnswer(all []turn, before capture.Position) (at int64) {
	for i := range all {
		for j := range all[i].answers {
			if a := all[i].answers[j].at; a.Before(before) {
				at = a.Time
			}
		}
	}
	return at
}
