package reassembly

import (
	"bytes"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/reassembly/tlsrecord"
)

// conn is one TCP connection with payload. The dispatching goroutine makes it. From its first item
// until it is over (Pool.reclaim), it belongs to its shard.
type conn struct {
	w    *worker
	flow *flow // its flow; belongs to the dispatching goroutine
	info Connection
	half [2]half
	// swapped is 1 if the side that first seemed to be the client is the broker. A raw direction goes
	// by the first packet and never changes: it is item.dir, and the index of half. The direction
	// is raw ^ swapped: it is the index of info.Bytes, and what handlers get.
	swapped   Direction
	mode      connMode
	isWaiting bool // is in worker.waiting
	over      bool
	isEvicted bool // ended to free memory
	// isUnproven: the connection is over unless both sides go on.
	isUnproven bool
	// isTraced: Options.Tracer receives its decisions.
	isTraced  bool
	noPreface bool // the first bytes only looked like a preface
	// serverSpoke: the broker's side sent bytes after the ClientHello. notKafka: the plaintext is
	// another protocol.
	serverSpoke, notKafka bool
	isDescribed           bool           // info.TLS describes the ended TLS session
	turns                 uint32         // segments so far
	place                 uint32         // in worker.open, +1; 0 for none
	finAck                uint32         // acknowledgement number of the first FIN
	resetMark             resetMark      // valid while reset >= 0
	reset                 int32          // tick of the RST; -1 without one
	doubted               *doubts        // segments that wait for confirmation; nil for none
	postponed             *[2]*postponed // by raw direction, as half; nil before the first
	offset                int64          // stream offset behind the bytes being processed; -1 if unknown
	dialogue              dialogue
	tls                   *tlsrecord.Session
	preface               *preface // being read; nil for none
}

// connMode says where a connection's bytes go.
type connMode uint8

const (
	inClear connMode = iota // to the dialogue
	crypted                 // to the TLS session, and its plaintext to the dialogue
	headers                 // to the outline: nothing inside can be decrypted
	ignored                 // nowhere: they are only counted
)

// init makes c the connection of f. c may have been another one before.
func (c *conn) init(w *worker, f *flow) {
	*c = conn{}
	c.w, c.flow, c.reset = w, f, -1
	i := &c.info
	i.Stream, i.Client, i.Broker = f.stream, addrPort(f.a, f.aPort), addrPort(f.b, f.bPort)
	i.First = capture.Position{Frame: f.first, Time: f.firstTime, Capture: f.capture, Stream: f.firstNumber()}
	i.Last, i.Midstream = i.First, !f.synced[ToBroker] && !f.synced[ToClient]
	if f.synced[ToBroker] && f.synced[ToClient] {
		c.info.Initial, c.info.HasInitial = f.base, true
	}
	for d := range f.seen {
		if f.synced[d] || f.isAnswered(Direction(d)) {
			c.half[d].next, c.half[d].synced = f.base[d]+1, true
		}
		c.info.Seen[d] = f.seen[d]
	}
	c.dialogue.init(c.info.Midstream)
	c.trace(w.opt.Tracer)
}

func (c *conn) segment(it *item) {
	if c.over {
		return
	}
	if c.isBehind() {
		c.doubted.before.segment(it)
		return
	}
	c.info.Now = it.at
	if !c.accepts(it) || c.over {
		return
	}
	c.info.Last = it.at
	d := it.dir ^ c.swapped
	c.info.Seen[d] = true
	if c.isTraced && it.flags&(capture.RST|capture.FIN) != 0 {
		kind := "FIN"
		if it.flags&capture.RST != 0 {
			kind = "RST"
		}
		c.w.opt.Tracer.Printf(it.at, "%s %v", kind, d)
	}
	switch {
	case it.flags&capture.RST != 0:
		if d == ToClient && c.turns == 0 && c.half[it.dir.Reverse()].synced && !c.half[it.dir].synced {
			c.info.Refused = true
		}
		c.recordEnd(c.endOf(Reset, d, it))
		c.info.End.Overrun = c.info.End.Overrun || c.info.End.Kind == Closed && c.info.End.By == d
		if c.reset < 0 {
			c.reset = c.w.ticks
			c.resetMark = resetMark{it.dir, it.seq, c.half[it.dir.Reverse()].next}
			c.wait()
		}
	case it.flags&capture.FIN != 0:
		c.fin(d, it)
	}
	if c.mode == ignored {
		c.countOnly(it)
		return
	}
	c.order(it.dir, it)
	if c.info.Refused {
		c.finish(Reset, it.at)
	}
}

func (c *conn) countOnly(it *item) {
	if d := it.dir ^ c.swapped; it.length > 0 {
		c.info.Bytes[d] += uint64(it.length)
		c.info.LastData[d] = it.at
	}
	if it.flags&capture.FIN != 0 {
		c.half[it.dir].ended = true
		if c.half[it.dir.Reverse()].ended {
			c.finish(c.info.End.Kind, it.at)
		}
	}
}

// recordEnd records the first end of the connection.
func (c *conn) recordEnd(e End) {
	if c.info.End.Kind == Cut {
		c.info.End = e
	}
}

// endOf describes the end that a FIN or RST of direction d causes.
func (c *conn) endOf(how EndKind, d Direction, it *item) End {
	e := End{Kind: how, By: d, At: it.at}
	other := it.dir.Reverse()
	if h := &c.half[other]; it.flags&capture.ACK != 0 && h.synced && near(it.ack, h.next) {
		e.Acked, e.HasAcked = max(0, int64(c.info.Bytes[other^c.swapped])+int64(int32(it.ack-h.next))), true
	}
	return e
}

// fin records a FIN of direction d. If it acknowledges the other side's FIN, that one was first,
// even if it was captured later or not at all.
func (c *conn) fin(d Direction, it *item) {
	other := &c.half[it.dir.Reverse()]
	e := &c.info.End
	switch {
	case e.Kind == Closed && e.By != d && int32(c.finAck-it.seq-it.length) > 0:
		*e = c.endOf(Closed, d, it)
	case e.Kind == Cut:
		c.finAck = it.ack
		end := c.endOf(Closed, d, it)
		if it.flags&capture.ACK != 0 && other.synced && other.hole == nil && !c.isPostponing() && it.ack == other.next+1 {
			end = End{Kind: Closed, By: d.Reverse(), At: it.at}
		}
		c.recordEnd(end)
	}
}

// deliver processes the next bytes of a direction in order: p, then the bytes that the snapshot
// length cut off.
func (c *conn) deliver(raw Direction, p []byte, length uint32, at capture.Position) {
	d := raw ^ c.swapped
	c.info.Bytes[d] += uint64(length)
	c.info.LastData[d] = at
	if len(p) > 0 {
		c.offset = int64(c.info.Bytes[d]) - int64(length) + int64(len(p))
		c.bytes(raw, p, at)
	}
	if cut := int64(length) - int64(len(p)); cut > 0 {
		c.countMissing(cut)
		c.gap(raw, cut, at)
	}
}

// lost skips n bytes that the capture lacks. at is the packet behind them.
func (c *conn) lost(raw Direction, n int64, at capture.Position) {
	c.info.Bytes[raw^c.swapped] += uint64(n)
	c.countMissing(n)
	c.reportGap(raw, n, at)
}

// reportGap reports a gap of n bytes.
func (c *conn) reportGap(raw Direction, n int64, at capture.Position) {
	c.w.lostBefore, c.w.isLost = c.half[raw].lostBefore(n, at), true
	c.gap(raw, n, at)
	c.w.isLost = false
}

// countMissing counts a gap of n bytes in the capture.
func (c *conn) countMissing(n int64) {
	odd := c.odd()
	odd.Missing += uint64(n)
	odd.Gaps++
	c.w.missing += uint64(n)
	c.w.gaps++
	if c.isTraced {
		c.w.opt.Tracer.Printf(c.info.Now, "%d bytes are missing in the capture", n)
	}
}

// streamOffset returns the stream offset of a byte, or -1 if unknown. n is the number of bytes
// from it to the end of the bytes being processed.
func (c *conn) streamOffset(n int) int64 {
	if c.tls != nil || c.offset < 0 {
		return c.offset
	}
	return c.offset - int64(n)
}

func (c *conn) bytes(raw Direction, p []byte, at capture.Position) {
	d := raw ^ c.swapped
	switch c.mode {
	case inClear:
		if c.preface != nil {
			c.addPreface(chunk{dir: d, p: bytes.Clone(p), at: at, offset: c.offset})
		} else {
			c.dialogue.data(c, d, p, at)
		}
	case crypted:
		c.records(d, p, at)
	case headers:
		c.info.Outline.Data(d == ToBroker, p, at)
	}
}

func (c *conn) gap(raw Direction, n int64, at capture.Position) {
	d := raw ^ c.swapped
	switch c.mode {
	case inClear:
		if c.preface != nil {
			c.addPreface(chunk{dir: d, gap: n, at: at})
		} else {
			c.dialogue.gap(c, d, n, true, at)
		}
	case crypted:
		if d == ToClient { // its beginning is unknown
			c.serverSpoke, c.dialogue.greeting.n = true, max(c.dialogue.greeting.n, recordHeader)
		}
		if c.info.Outline != nil {
			c.info.Outline.Gap(d == ToBroker, n, c.lostAt(at))
		}
		c.tls.Gap(d == ToBroker, n, at)
	case headers:
		c.info.Outline.Gap(d == ToBroker, n, c.lostAt(at))
	}
}

// lostAt returns the earliest packet known to follow the bytes of a gap. That is at, the next
// packet of the direction, or an earlier one that acknowledges them.
func (c *conn) lostAt(at capture.Position) capture.Position {
	if c.w.isLost && c.w.lostBefore.Before(at) {
		return c.w.lostBefore
	}
	return at
}

// endDirection is called when a direction has delivered all bytes up to its FIN.
func (c *conn) endDirection(raw Direction) {
	if c.mode == crypted {
		c.tls.Close(raw^c.swapped == ToBroker, c.info.Now)
	}
	if c.half[raw.Reverse()].ended {
		c.close(c.info.End.Kind)
	}
}

// close ends the connection. In a live capture it first waits for the secrets of waiting records,
// up to liveWait.
func (c *conn) close(how EndKind) {
	if c.w.opt.Live && c.tls != nil && c.tls.Waiting() {
		since, isClosing := c.w.closing[c]
		if !isClosing {
			since = c.w.ticks
			c.w.closing[c] = since
		}
		if c.w.ticks-since < int32(liveWait/tickInterval*liveTicks) {
			c.wait()
			return
		}
	}
	c.finish(how, c.info.Now)
}

// wait makes the next ticks check the connection, unless it is over.
func (c *conn) wait() {
	if !c.isWaiting && !c.over {
		c.isWaiting = true
		c.w.waiting = append(c.w.waiting, c)
	}
}

// isStillWaiting handles a tick of a connection that waits. It reports whether it still waits.
func (c *conn) isStillWaiting() bool {
	for i := range c.half {
		h := &c.half[i]
		if h.hole != nil && c.w.ticks-h.hole.since >= c.w.waitTicks(h) {
			c.w.reorder.overdue(c, Direction(i))
		}
	}
	c.resume(false)
	still := c.isPostponing()
	for i := range c.half {
		h := &c.half[i]
		c.checkFIN(Direction(i))
		still = still || h.hole != nil || h.finDue > c.w.ticks
	}
	if !c.over && c.tls != nil {
		c.offset = -1
		c.tls.Retry(c.info.Now)
		still = still || c.tls.Waiting()
	}
	if !c.over && c.reset >= 0 {
		still = true
		if c.w.ticks-c.reset >= lingerTicks {
			c.close(Reset)
		}
	}
	if _, isClosing := c.w.closing[c]; isClosing {
		still = true
		c.close(c.info.End.Kind)
	}
	c.isWaiting = still && !c.over
	return c.isWaiting
}

// finish ends the connection. It stops waiting for missing bytes, and calls the handler and the
// shard.
func (c *conn) finish(how EndKind, at capture.Position) {
	if c.over {
		return
	}
	if c.isBehind() {
		c.doubted.before.finish(how, at)
	}
	c.info.Now = at
	client := ToBroker ^ c.swapped
	if c.sidesUnknown() && c.half[client.Reverse()].waitsWithRequest() {
		client = client.Reverse()
	}
	c.w.reorder.end(c, client)
	c.resume(true)
	for i := range c.half {
		c.w.reorder.end(c, Direction(i))
		c.loseEnd(Direction(i))
	}
	if c.info.End.Kind == Cut {
		c.info.End.Kind = how
		c.info.End.At = at
	}
	for c.preface != nil {
		c.lastOfPreface()
	}
	c.over = true
	if q := c.doubted; q != nil && q.after != nil {
		q.after.doubted.before = nil
	}
	c.dropDoubts()
	if c.isUnproven { // it was over before
		c.mode = ignored
		c.leave()
		return
	}
	if c.tls != nil || c.isDescribed {
		c.endTLS()
	}
	c.noteUnacked()
	c.dialogue.end(c)
	if i := &c.info; i.Odd().Spoke == SpokeTLS && i.Protocol == Undecided && i.Confusion == NoConfusion {
		i.Protocol, i.TLS = TLS, &tlsrecord.Info{Reason: "the client's side is not in the capture"}
	}
	c.w.shard.Closed(&c.info)
	if c.isTraced {
		c.traceEnd()
	}
	c.dialogue, c.tls, c.mode = dialogue{}, nil, ignored
	c.leave()
}

// leave removes a connection that is over from those of the worker.
func (c *conn) leave() {
	c.w.forget(c)
	delete(c.w.closing, c)
	if !c.isWaiting { // otherwise the tick adds it
		c.w.ended = append(c.w.ended, c)
	}
}

// noteUnacked notes how many bytes of the client the broker has not acknowledged.
func (c *conn) noteUnacked() {
	h := &c.half[ToBroker^c.swapped]
	if n := int32(h.next - h.acked); h.synced && h.ackSeen && n > 0 {
		c.info.End.Unacked = uint32(n)
	}
}

// loseEnd counts the last bytes of a direction as missing if the other side acknowledged them or
// the FIN follows them.
func (c *conn) loseEnd(raw Direction) {
	h := &c.half[raw]
	if !h.synced || h.ended || !h.ackSeen {
		return
	}
	if h.fin && h.isUnprovedFIN() {
		c.revokeFIN(raw)
	}
	n := int32(h.acked - h.next)
	if h.fin {
		n = int32(h.finSeq - h.next)
	}
	if n > 1 && n <= maxHole { // the acknowledgement of a FIN is one more than the bytes
		c.lost(raw, int64(n), c.info.Now)
	}
}

// swap exchanges the two sides: the one that first seemed to be the client is the broker.
func (c *conn) swap() {
	c.swapped ^= 1
	if c.isTraced {
		c.w.opt.Tracer.Printf(c.info.Now, "the sides are exchanged: %v is the broker", c.info.Client)
	}
	i := &c.info
	i.Client, i.Broker = i.Broker, i.Client
	i.Seen[0], i.Seen[1] = i.Seen[1], i.Seen[0]
	i.Bytes[0], i.Bytes[1] = i.Bytes[1], i.Bytes[0]
	if o := i.Oddities; o != nil {
		i.Domain ^= o.domains
		o.Behind, o.Before = o.Before, o.Behind
		o.Contested[0], o.Contested[1] = o.Contested[1], o.Contested[0]
	}
	i.LastData[0], i.LastData[1] = i.LastData[1], i.LastData[0]
	if i.End.Kind == Closed || i.End.Kind == Reset {
		i.End.By = i.End.By.Reverse()
	}
}
