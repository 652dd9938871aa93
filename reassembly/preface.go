package reassembly

import (
	"bytes"
	"encoding/binary"
	"hash/fnv"
	"net/netip"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/reassembly/tlsrecord"
)

// maxPrefaces bounds the prefaces of one connection: a load balancer's before a client's, and a
// second request after a proxy demanded a password.
const maxPrefaces = 4

// preface is a preface being read. It holds all bytes of the connection until both sides have
// ended it.
type preface struct {
	Preface

	held undecided
	from Direction // of the side that sends the preface
	// text is what each side sent, up to the first missing byte.
	text   [2][]byte
	hasGap [2]bool // bytes are missing behind text
	// past is the length of the preface in text. read: the first side's preface is complete.
	past [2]int
	read bool
	// isRefused: the proxy refuses, but its reply is not complete.
	isRefused bool
}

// beginPreface starts a preface if the first bytes of a connection can begin one.
func (c *conn) beginPreface(d Direction, p []byte, at capture.Position) bool {
	if c.tls != nil || len(c.info.Odd().Prefaces) >= maxPrefaces || c.noPreface || !mayBePreface(p[0]) || c.isBroker(d) {
		return false
	}
	if _, _, state := parsePreface(p); state == noMatch {
		return false
	}
	c.preface = &preface{from: d}
	c.addPreface(chunk{dir: d, p: bytes.Clone(p), at: at, offset: c.offset})
	return true
}

// addPreface adds bytes, or a gap, to the preface being read.
func (c *conn) addPreface(k chunk) {
	f := c.preface
	f.held.chunks = append(f.held.chunks, k)
	f.held.bytes += len(k.p)
	c.w.pending += len(k.p) + chunkBytes
	if k.gap > 0 {
		f.hasGap[k.dir] = true
	} else if !f.hasGap[k.dir] {
		f.text[k.dir] = append(f.text[k.dir], k.p...)
	}
	state := f.parse()
	full := f.held.isFull(c.w)
	back := f.from.Reverse()
	goesOn := len(f.text[f.from]) > f.past[f.from]
	switch {
	case state == needMore && (f.hasGap[f.from] && !f.read || f.hasGap[back] || f.read && (full || goesOn && !c.info.Seen[back])):
		c.endPreface(parsed) // the capture lacks its end
	case state == needMore && full:
		c.w.limits.Undecided++
		c.endPreface(noMatch)
	case state != needMore:
		c.endPreface(state)
	}
}

// parse continues parsing. It returns parsed when both sides have ended the preface.
func (f *preface) parse() parseState {
	if !f.read {
		p, n, state := parsePreface(f.text[f.from])
		f.Kind = prefaceKind(f.text[f.from])
		if state == needMore || state == noMatch {
			return state
		}
		f.Preface, f.past[f.from], f.read = p, n, true
	}
	back := f.from.Reverse()
	if f.Problem != "" { // Problem is final once the first byte of the reply has arrived
		return answersPreface(f.Kind, f.text[back])
	}
	n, state, problem := parseReply(f.Kind, f.text[back])
	f.past[back] = n
	if f.isRefused = problem != ""; state != needMore {
		f.Problem = problem
	}
	return state
}

// endPreface ends the preface and processes the bytes behind it.
func (c *conn) endPreface(state parseState) {
	f := c.preface
	c.preface = nil
	c.w.pending -= f.held.bytes + len(f.held.chunks)*chunkBytes
	if state == noMatch {
		c.noPreface, f.past = true, [2]int{}
	} else {
		f.giveUp()
		f.makeClient(c)
		c.accept(f)
	}
	if state == notRead && f.Problem != refusal {
		c.giveUp(Other)
		return
	}
	for _, k := range f.held.chunks {
		n := min(f.past[k.dir], len(k.p))
		f.past[k.dir] -= n
		if k.p = k.p[n:]; k.gap > 0 || len(k.p) > 0 {
			c.replayChunk(k)
		}
	}
}

// maxUnknown bounds an unknown preface that is searched for a request at any offset, in bytes.
// maxSkipped bounds the further segments that are searched at their beginning only.
const (
	maxUnknown = 256
	maxSkipped = 64
)

// passUnknown searches for a request, or TLS, behind first bytes that are neither. It holds k, if
// that is the first chunk, and reports whether the connection goes on. TLS must come before the
// broker's side has answered: other protocols, as PostgreSQL, begin TLS after an answer.
func (c *conn) passUnknown(k chunk) bool {
	t := &c.dialogue
	if c.tls != nil || len(c.info.Odd().Prefaces) >= maxPrefaces {
		return false
	}
	if t.pending == nil {
		k.p = bytes.Clone(k.p)
		t.hold(c, k)
	}
	var answer []byte
	if k.dir == ToClient {
		answer = message(k.p)
	}
	first := t.pending.first()
	for n := 1; n <= min(len(first)-sizeBytes-wantBytes, maxUnknown); n++ {
		if tlsrecord.LooksLikeClientHello(first[n:]) && !t.pending.isAnswered(n) {
			c.beginUnknown(n)
			return true
		}
		size := int64(int32(binary.BigEndian.Uint32(first[n:])))
		if size < wantBytes || size > maxMessage {
			continue
		}
		if c.w.opt.LooksLikeRequest(size, clip(first[n+sizeBytes:], size)) == Strong || c.isExchange(message(first[n:]), answer) {
			c.beginUnknown(n)
			return true
		}
	}
	if len(first) > maxUnknown {
		c.keepOpening(first)
		t.takePending(c)
		t.skipped = 1
	}
	return t.pending == nil || !t.pending.isFull(c.w)
}

// skipUnknown passes on p, the next bytes behind a long unknown preface, if they begin a request.
func (t *dialogue) skipUnknown(c *conn, d Direction, p []byte, at capture.Position) {
	if d == ToBroker && (c.isRequest(p) || c.info.Bytes[ToClient] == 0 && tlsrecord.LooksLikeClientHello(p)) {
		c.odd().Opening = nil
		c.accept(&preface{Preface: Preface{Kind: UnknownPreface}})
		t.data(c, d, p, at)
	} else if t.skipped++; t.skipped > maxSkipped {
		c.giveUp(Other)
	}
}

// isAnswered reports whether the broker's side sent bytes before byte n of the client.
func (q *undecided) isAnswered(n int) bool {
	for _, k := range q.chunks {
		if k.dir == ToClient {
			return true
		}
		if n -= len(k.p); n < 0 {
			break
		}
	}
	return false
}

// beginUnknown passes on the pending bytes behind an unknown preface of n bytes. What the broker's
// side sent before them answers the preface.
func (c *conn) beginUnknown(n int) {
	f := &preface{Preface: Preface{Kind: UnknownPreface}, held: *c.dialogue.pending, read: true, past: [2]int{ToBroker: n}}
	c.dialogue.pending = nil
	for _, k := range f.held.chunks {
		if k.dir == ToClient {
			f.past[ToClient] += len(k.p)
		} else if n -= len(k.p); n < 0 {
			break
		}
	}
	c.preface = f
	c.endPreface(parsed)
}

// giveUp skips an incomplete part of the preface before missing bytes.
func (f *preface) giveUp() {
	for d := range f.hasGap {
		if f.hasGap[d] && f.past[d] == 0 {
			f.past[d] = len(f.text[d])
		}
	}
}

// makeClient makes the side that sent the preface the client.
func (f *preface) makeClient(c *conn) {
	if f.from == ToBroker {
		return
	}
	c.swap()
	f.from = ToBroker
	f.past[0], f.past[1] = f.past[1], f.past[0]
	f.hasGap[0], f.hasGap[1] = f.hasGap[1], f.hasGap[0]
	for i := range f.held.chunks {
		f.held.chunks[i].dir = f.held.chunks[i].dir.Reverse()
	}
}

// accept records the preface. The connection gets the addresses that the preface carries.
func (c *conn) accept(f *preface) {
	odd := c.odd()
	odd.Prefaces = append(odd.Prefaces, f.Preface)
	if !f.hasGap[ToBroker] { // the connection begins here
		c.dialogue = dialogue{isFromStart: true}
		for i := range c.dialogue.fr {
			c.dialogue.fr[i].dir = Direction(i) ^ c.swapped
		}
	}
	c.dialogue.answered = true // the end of the proxy's reply proves nothing
	if f.Source.IsValid() {
		c.info.Client = f.Source
	}
	if !f.leads() {
		return
	}
	if broker, err := netip.ParseAddrPort(f.Target); err == nil {
		c.info.Broker = broker
		return
	}
	h := fnv.New64a()
	h.Write([]byte(f.Target))
	c.info.Domain ^= h.Sum64() // host names distinguish the brokers behind one proxy
}

// replayChunk processes a chunk that was held.
func (c *conn) replayChunk(k chunk) {
	if k.gap > 0 {
		c.gap(k.dir^c.swapped, k.gap, k.at)
		return
	}
	c.offset = k.offset
	c.bytes(k.dir^c.swapped, k.p, k.at)
}

// afterConnect reports whether bytes that look like HTTP may be a proxy's reply to a CONNECT that
// the capture lacks. Either they hold the head of a success and nothing else, or the client's
// first bytes are missing.
func (c *conn) afterConnect(k chunk) bool {
	if !bytes.HasPrefix(k.p, []byte("HTTP/1.")) {
		return false
	}
	if !c.info.Midstream {
		return true
	}
	n, state, _ := parseConnectReply(k.p)
	return state == parsed && n == len(k.p) && !bytes.Contains(k.p, []byte("Transfer-Encoding")) && !bytes.Contains(k.p, []byte("Content-Length"))
}

// lastOfPreface ends the preface when no more bytes follow.
func (c *conn) lastOfPreface() {
	switch f := c.preface; {
	case f.isRefused:
		f.Problem = refusal
		c.endPreface(notRead)
	case f.read:
		c.endPreface(parsed)
	default:
		c.endPreface(noMatch)
	}
}
