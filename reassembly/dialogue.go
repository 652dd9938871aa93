package reassembly

import (
	"bytes"
	"encoding/binary"

	"github.com/kafkavet/kafkavet/capture"
)

const (
	// maxPending and maxPendingChunks bound what is held of a connection until its protocol is
	// known. 16 KiB hold the largest head of a first request. 512 chunks, 72 bytes each without
	// their bytes, hold one that arrives byte by byte.
	maxPending       = 16 << 10
	maxPendingChunks = 512
	chunkBytes       = 72
	// maxShardPending bounds that for all connections of a shard: 2 MiB; 4 shards make 8 MiB.
	maxShardPending = 2 << 20
)

// dialogue is the byte stream inside a connection, in plaintext or decrypted. It first decides
// whether it is Kafka, then splits it into frames.
type dialogue struct {
	decided     bool
	isFromStart bool // the first byte to the broker is the first of the connection
	answered    bool // the broker's side sent something
	found       bool // not isFromStart: a request was found, in direction requestDir
	requestDir  Direction
	skipped     uint8 // segments behind a long unknown preface, whose bytes are not held
	greeting    greeting
	pending     *undecided
	fr          [2]framer // by raw direction, as conn.half
	handler     Handler
}

// undecided are the bytes of an undecided connection.
type undecided struct {
	chunks  []chunk
	bytes   int
	dropped capture.Position // of the latest chunk dropped; the zero value for none
}

// chunk is the bytes of one segment, or a gap.
type chunk struct {
	dir    Direction
	exact  bool // gap is not an estimate
	p      []byte
	gap    int64
	at     capture.Position
	offset int64 // conn.offset
}

func (t *dialogue) init(midstream bool) {
	t.isFromStart = !midstream
	t.fr[0].dir, t.fr[1].dir = ToBroker, ToClient
	if midstream {
		t.fr[0].state, t.fr[1].state = searching, searching
		t.fr[0].joined, t.fr[1].joined = true, true
	}
}

// data processes the next bytes of direction d.
func (t *dialogue) data(c *conn, d Direction, p []byte, at capture.Position) {
	switch {
	case t.decided:
		if d == ToClient && (t.holdAnswer(c, p, at) || c.stopIfForeign(p)) {
			return
		}
		t.fr[d^c.swapped].data(c, p, at)
	case t.pending == nil && len(p) > 0 && c.beginPreface(d, p, at):
	case t.skipped > 0:
		t.skipUnknown(c, d, p, at)
	case t.isFromStart:
		t.decide(c, d, p, at)
	default:
		t.join(c, chunk{dir: d, p: p, at: at, offset: c.offset})
	}
}

// gap skips n missing bytes.
func (t *dialogue) gap(c *conn, d Direction, n int64, exact bool, at capture.Position) {
	if t.skipped > 0 {
		return
	}
	if !t.decided {
		k := chunk{dir: d, gap: n, exact: exact, at: at}
		if t.isFromStart {
			t.hold(c, k)
			if d == ToBroker && len(t.pending.first()) < sizeBytes+wantBytes {
				t.continueMidstream(c)
			}
			return
		}
		t.keep(c, k)
	}
	if t.decided && t.pending != nil {
		t.flush(c)
	}
	t.fr[d^c.swapped].gap(c, n, exact, at)
	if t.found && !t.decided {
		t.start(c, chunk{dir: d, at: at})
	}
}

// holdAnswer holds the first bytes of the broker's side until they are enough to decide whether
// they can be Kafka.
func (t *dialogue) holdAnswer(c *conn, p []byte, at capture.Position) bool {
	if t.pending == nil && (!c.isFirstAnswer() || !needsMore(p)) {
		return false
	}
	t.hold(c, chunk{dir: ToClient, p: bytes.Clone(p), at: at, offset: c.offset})
	if !needsMore(t.pending.answer()) {
		t.flush(c)
	}
	return true
}

// flush passes on the bytes held by holdAnswer.
func (t *dialogue) flush(c *conn) {
	answer := t.pending.answer()
	held := t.takePending(c)
	if n := len(held.chunks) - 1; n > 0 && !c.isResponse(answer) && c.endsBanner(held.chunks[n].p) {
		held.chunks = held.chunks[n:]
	} else if c.stopIfForeign(answer) {
		return
	}
	for _, k := range held.chunks {
		c.offset = k.offset
		t.fr[k.dir^c.swapped].data(c, k.p, k.at)
	}
}

// decide checks the first bytes of a connection captured from its beginning.
func (t *dialogue) decide(c *conn, d Direction, p []byte, at capture.Position) {
	first, answer := p, []byte(nil)
	if t.pending != nil || d == ToClient {
		t.hold(c, chunk{dir: d, p: bytes.Clone(p), at: at, offset: c.offset})
		first, answer = t.pending.first(), t.pending.answer()
	}
	if len(first) == 0 && c.info.Odd().Spoke == "" && needsMore(answer) && len(t.pending.chunks) < http2Header {
		return
	}
	if len(first) == 0 { // the broker's side sends first, or the first bytes are missing
		if c.noteGreeting(answer) {
			t.takePending(c)
			return
		}
		t.continueMidstream(c)
		return
	}
	switch kind, sure := c.judge(first, answer); {
	case !sure && t.pending == nil:
		t.hold(c, chunk{dir: d, p: bytes.Clone(p), at: at, offset: c.offset})
	case !sure && t.pending.isFull(c.w):
		c.w.limits.Undecided++
		c.giveUp(Other)
	case !sure:
		if c.isTraced {
			c.w.opt.Tracer.Printf(at, "undecided what the connection speaks after %d bytes", len(first)+len(answer))
		}
	case kind == Kafka:
		t.open(c)
		t.replay(c, p, d, at)
	case kind == TLS:
		c.startTLS(t.takePending(c), p, at)
	case kind == Other && c.passUnknown(chunk{dir: d, p: p, at: at, offset: c.offset}):
	default:
		c.keepOpening(first)
		c.giveUp(kind)
	}
}

func (t *dialogue) hold(c *conn, k chunk) {
	if t.pending == nil {
		t.pending = new(undecided)
	}
	t.pending.chunks = append(t.pending.chunks, k)
	t.pending.bytes += len(k.p)
	c.w.pending += len(k.p) + chunkBytes
}

// takePending returns what was held and removes it.
func (t *dialogue) takePending(c *conn) *undecided {
	held := t.pending
	if held != nil {
		c.w.pending -= held.bytes + len(held.chunks)*chunkBytes
	}
	t.pending = nil
	return held
}

// isFull reports whether more is held than for one connection, or for all of w.
func (p *undecided) isFull(w *worker) bool {
	return p.bytes > maxPending || len(p.chunks) > maxPendingChunks || w.pending > maxShardPending
}

// first returns the first bytes sent to the broker, up to the first gap.
func (p *undecided) first() []byte { return p.run(ToBroker) }

// answer returns the first bytes sent to the client.
func (p *undecided) answer() []byte { return p.run(ToClient) }

func (p *undecided) run(d Direction) []byte {
	var b []byte
	for _, k := range p.chunks {
		if k.dir != d {
			continue
		}
		if k.gap > 0 || len(b) >= carryBytes {
			break
		}
		b = append(b, k.p...)
	}
	return b
}

// replay passes what was pending, or else p, to the framers.
func (t *dialogue) replay(c *conn, p []byte, d Direction, at capture.Position) {
	held := t.takePending(c)
	if held == nil {
		t.data(c, d, p, at)
		return
	}
	for _, k := range held.chunks {
		t.replayChunk(c, k)
	}
}

// replayChunk processes a chunk that was held.
func (t *dialogue) replayChunk(c *conn, k chunk) {
	if k.gap > 0 {
		t.gap(c, k.dir, k.gap, k.exact, k.at)
		return
	}
	c.offset = k.offset
	t.data(c, k.dir, k.p, k.at)
}

// continueMidstream continues as if the connection had been joined midstream: its first bytes are
// missing, or not the client's.
func (t *dialogue) continueMidstream(c *conn) {
	t.isFromStart = false
	t.fr[0].state, t.fr[1].state = searching, searching
	if c.isTraced {
		c.w.opt.Tracer.Printf(c.info.Now, "the client's first bytes are not there: requests are searched for")
	}
	t.replay(c, nil, ToBroker, c.info.Now)
}

// open creates the handler of a Kafka connection.
func (t *dialogue) open(c *conn) {
	t.decided = true
	c.info.Protocol = Kafka
	if c.isTraced {
		c.w.opt.Tracer.Printf(c.info.Now, "the connection speaks Kafka: %v is the broker", c.info.Broker)
	}
	if c.tls != nil && c.w.opt.Subjects {
		sofar := c.tls.Info()
		c.info.TLS = &sofar
	}
	t.handler = c.w.shard.Open(&c.info)
}

// end ends the connection's handler.
func (t *dialogue) end(c *conn) {
	if t.decided && t.pending != nil {
		t.flush(c)
	}
	c.endGreeting()
	if !t.decided && t.isFromStart && t.pending != nil && c.isLoneRequest(t.pending) {
		t.open(c)
		t.replay(c, nil, ToBroker, c.info.Now)
	}
	if !t.decided && !t.isFromStart {
		t.finish(c)
	}
	if held := t.takePending(c); held != nil && t.isFromStart {
		c.keepOpening(held.first())
		if p, sure := c.judge(held.first(), held.answer()); sure && p == Other {
			c.info.Protocol = Other
		}
	}
	if t.skipped > 0 {
		c.info.Protocol = Other
	}
	for i := range t.fr {
		if t.fr[i].dir == ToBroker && t.handler != nil && t.fr[i].open() {
			c.odd().Incomplete++
			if t.fr[i].hasWant {
				t.fr[i].passOn(c, c.info.LastData[ToBroker])
			}
		}
		t.fr[i].drop(c)
	}
	if t.handler != nil {
		t.handler.End()
	}
}

// The framers call the methods below.

func (c *conn) want(d Direction, size int64, head []byte) (n int, ok bool) {
	if h := c.dialogue.handler; h != nil {
		return h.Want(d, size, head)
	}
	return plausibleBytes, true // Plausible found the frame; its end will confirm it
}

func (c *conn) plausible(d Direction, size int64, head []byte) bool {
	if h := c.dialogue.handler; h != nil {
		return h.Plausible(d, size, head)
	}
	if c.isBroker(d) {
		return false
	}
	// Otherwise the first request found decides.
	return size >= wantBytes && c.w.opt.LooksLikeRequest(size, head) == Strong
}

// isBroker reports whether the handshake proves that the sender of direction d is the broker.
func (c *conn) isBroker(d Direction) bool { return d == ToClient && !c.info.Midstream }

func (c *conn) anchor(d Direction) ([][]byte, int) {
	if h := c.dialogue.handler; h != nil {
		return h.Anchor(d)
	}
	return nil, 0
}

func (c *conn) message(f *Frame) {
	t := &c.dialogue
	if t.handler == nil { // start frames it again, with the bytes before it
		if !t.found {
			t.noteRequest(c, f.Direction, f.Size, f.Head)
		}
		return
	}
	if f.Resynced {
		c.odd().Resyncs++
	}
	if c.isTraced {
		c.traceMessage(f)
	}
	if f.Direction == ToBroker {
		c.info.Requests++
	} else {
		c.info.Responses++
	}
	t.handler.Message(f)
}

func (c *conn) reportLost(d Direction, at capture.Position) {
	if c.w.isLost && c.tls == nil && c.w.lostBefore.Before(at) { // a TLS record may continue behind the lost segment
		at = c.w.lostBefore
	}
	if c.dialogue.handler != nil {
		c.dialogue.handler.Lost(d, at)
	}
}

// judge returns the protocol of a connection that begins with first and answer. sure is false if
// more bytes are needed.
func (c *conn) judge(first, answer []byte) (p Protocol, sure bool) {
	if c.tls == nil {
		if p, sure := foreignProtocol(first); p != Undecided || !sure {
			return p, sure
		}
	}
	if len(first) < sizeBytes {
		return Undecided, false
	}
	size := int64(int32(binary.BigEndian.Uint32(first)))
	if size < wantBytes || size > maxMessage {
		return Other, true
	}
	head := clip(first[sizeBytes:], size)
	if len(head) < wantBytes {
		return Undecided, false
	}
	how := c.w.opt.LooksLikeRequest(size, head)
	switch {
	case how == Strong, how >= Fits && foreignGreeting(answer) != "": // a request, whatever server answers
		return Kafka, true
	case how == No:
		if int64(len(head)) < min(size, plausibleBytes) && len(answer) == 0 {
			return Undecided, false // the header may not be complete
		}
		return Other, true
	}
	if next := first[min(int64(len(first)), sizeBytes+size):]; len(next) >= sizeBytes+wantBytes && c.follows(head, next) {
		return Kafka, true
	}
	if len(answer) < sizeBytes+4 {
		return Undecided, false
	}
	n := int64(int32(binary.BigEndian.Uint32(answer)))
	if n >= minMessage && n <= maxMessage && [4]byte(answer[4:8]) == [4]byte(head[4:8]) {
		return Kafka, true
	}
	return Other, true
}

// isLoneRequest reports whether the connection carried one request only, or the beginning of one:
// the broker closed the connection after it, or never answered.
func (c *conn) isLoneRequest(held *undecided) bool {
	for _, k := range held.chunks {
		if k.dir == ToClient || k.gap > 0 {
			return false
		}
	}
	first := held.first()
	if len(first) < sizeBytes+wantBytes {
		return false
	}
	size := int64(int32(binary.BigEndian.Uint32(first)))
	how := c.w.opt.LooksLikeRequest(size, clip(first[sizeBytes:], size))
	missing := sizeBytes + size - int64(held.bytes)
	return missing == 0 && how >= Fits || missing > 0 && how >= Likely
}

// follows reports whether next begins the request after the one that begins with head.
func (c *conn) follows(head, next []byte) bool {
	size := int64(int32(binary.BigEndian.Uint32(next)))
	after := clip(next[sizeBytes:], size)
	return len(after) >= wantBytes && binary.BigEndian.Uint32(after[4:])-binary.BigEndian.Uint32(head[4:]) == 1 &&
		c.w.opt.LooksLikeRequest(size, after) != No
}
