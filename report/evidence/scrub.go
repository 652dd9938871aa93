package evidence

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
	"github.com/kafkavet/kafkavet/report/redact"
)

// scrubber overwrites confidential bytes in the packets of a connection. It orders the payload and
// parses the Kafka frames or TLS records in it. It keeps only what it recognises. Where the
// position in the stream is unknown, it overwrites everything.
type scrubber struct {
	level decode.Blanking
	// names, if not nil, replaces names.
	names *redact.Pseudonyms
}

// maxScrubbedMessage is the longest accepted Kafka frame, as in decode: 1 GiB.
const maxScrubbedMessage = 1 << 30

// island is a part of one direction without a gap.
type island struct {
	// at is the stream offset of its first byte.
	at    int64
	bytes []byte
	// starts are the offsets in bytes at which the payload of a packet begins.
	starts []int
}

func (i *island) end() int64 { return i.at + int64(len(i.bytes)) }

type piece struct {
	at    int64
	text  []byte
	owner *seen
}

type sideBytes struct {
	pieces  []piece
	islands []*island
	// whole: offset 0 is the first byte of the connection.
	whole bool
}

// connection scrubs the packets of x, and reports whether they are TLS.
func (s *scrubber) connection(x *exhibit) (encrypted bool) {
	dirs := x.directions()
	for d := range dirs {
		dirs[d].assemble()
	}
	packets := dirs
	s.prefaces(&dirs)
	c := conversation{scrubber: s, exhibit: x}
	for d := range dirs {
		way := reassembly.Direction(d)
		switch {
		case len(dirs[d].islands) == 0:
		case dirs[d].speaksTLS():
			encrypted = true
			s.records(&dirs[d])
		case way == reassembly.ToClient && dirs[d].whole && reassembly.BlankSettings(dirs[d].first()):
			dirs[d].clear(1)
		case x.kafka || way == reassembly.ToBroker && dirs[d].asks():
			c.messages(&dirs[d], way)
		case way == reassembly.ToClient && reassembly.BlankGreeting(dirs[d].first()):
			dirs[d].clear(1)
		default:
			dirs[d].clear(0)
		}
	}
	for d := range packets {
		packets[d].writeBack()
	}
	return encrypted
}

// prefaces scrubs the prefaces of the connection, and removes them from dirs.
func (s *scrubber) prefaces(dirs *[2]sideBytes) {
	asked, answered := &dirs[reassembly.ToBroker], &dirs[reassembly.ToClient]
	for n := 0; n == 0 || len(asked.first()) > 0; {
		var kind reassembly.PrefaceKind
		if n, kind = reassembly.BlankPreface(asked.first(), s.names != nil); n == 0 {
			return
		}
		asked.skip(n)
		if len(answered.first()) > 0 {
			answered.skip(reassembly.BlankReply(kind, answered.first(), s.names != nil))
		}
	}
}

// skip removes the first n bytes. The other bytes become a stream of their own in the same memory.
func (d *sideBytes) skip(n int) {
	behind := make([]*island, 0, len(d.islands))
	for i, old := range d.islands {
		c := &island{at: old.at - int64(n), bytes: old.bytes, starts: old.starts}
		if i == 0 {
			c.at, c.bytes, c.starts = 0, old.bytes[n:], []int{0}
			for _, at := range old.starts {
				if at > n {
					c.starts = append(c.starts, at-n)
				}
			}
		}
		behind = append(behind, c)
	}
	d.islands = behind
}

// directions returns the payload of the packets by direction, the client's first.
func (x *exhibit) directions() [2]sideBytes {
	var dirs [2]sideBytes
	client := x.clientIsBack()
	var next [2]uint32
	var offset [2]int64
	var begun [2]bool
	for i := range x.packets {
		p := &x.packets[i]
		d := 0
		if p.back != client {
			d = 1
		}
		seq := p.seq
		if p.flags&capture.SYN != 0 {
			seq++
			if !begun[d] {
				dirs[d].whole = true
			}
		}
		if !begun[d] {
			begun[d], next[d] = true, seq
		}
		offset[d] += int64(int32(seq - next[d]))
		next[d] = seq
		if text := p.text(); len(text) > 0 {
			dirs[d].pieces = append(dirs[d].pieces, piece{offset[d], text, p})
		}
	}
	return dirs
}

// clientIsBack reports whether the client is not the sender of the first packet. The client is the
// sender of the SYN, or else the known client, or else the sender of that packet.
func (x *exhibit) clientIsBack() bool {
	for i := range x.packets {
		switch p := &x.packets[i]; p.flags & (capture.SYN | capture.ACK) {
		case capture.SYN:
			return p.back
		case capture.SYN | capture.ACK:
			return !p.back
		}
	}
	return x.client.IsValid() && x.client != x.initiator
}

// assemble orders the pieces and joins them. Of retransmitted bytes it uses the first copy.
func (d *sideBytes) assemble() {
	order := slices.Clone(d.pieces)
	slices.SortStableFunc(order, func(a, b piece) int { return cmp.Compare(a.at, b.at) })
	var last *island
	for _, p := range order {
		if p.at < 0 && d.whole { // before the connection's first byte: no data (a keep-alive)
			n := min(-p.at, int64(len(p.text)))
			p.at, p.text = p.at+n, p.text[n:]
			if len(p.text) == 0 {
				continue
			}
		}
		if last == nil || p.at > last.end() {
			last = &island{at: p.at}
			d.islands = append(d.islands, last)
		}
		last.starts = append(last.starts, int(p.at-last.at))
		if fresh := last.end() - p.at; fresh < int64(len(p.text)) {
			last.bytes = append(last.bytes, p.text[fresh:]...)
		}
	}
}

func (d *sideBytes) writeBack() {
	for _, p := range d.pieces {
		before := slices.Clone(p.text)
		clear(p.text)
		i, _ := slices.BinarySearchFunc(d.islands, p.at, func(i *island, at int64) int { return cmp.Compare(i.end(), at+1) })
		if i < len(d.islands) { // a piece is in one island, except for bytes before the connection's first
			from, b := p.at-d.islands[i].at, d.islands[i].bytes
			copy(p.text[min(max(0, -from), int64(len(p.text))):], b[min(max(0, from), int64(len(b))):])
		}
		p.owner.changed = p.owner.changed || !bytes.Equal(before, p.text)
	}
}

// clear overwrites all islands from the one with an index on.
func (d *sideBytes) clear(from int) {
	for _, i := range d.islands[from:] {
		clear(i.bytes)
	}
}

// first returns the beginning of the stream; nil if it is missing.
func (d *sideBytes) first() []byte {
	if d.whole && len(d.islands) > 0 && d.islands[0].at == 0 {
		return d.islands[0].bytes
	}
	return nil
}

// asks reports whether the stream begins with a Kafka request.
func (d *sideBytes) asks() bool { return looksLikeRequest(d.first()) }

// conversation scrubs the Kafka frames of a connection.
type conversation struct {
	*scrubber
	exhibit *exhibit
	// asked are the requests without an answer so far.
	asked []decode.RequestHead
	ids   [][]byte
	// tokens: the next frames may be SASL tokens without a header (KIP-43).
	tokens bool
}

func (c *conversation) messages(d *sideBytes, way reassembly.Direction) {
	at := int64(-1) // stream offset of the next frame; -1 if unknown
	if d.whole {
		at = 0
	}
	for _, i := range d.islands {
		if at >= i.end() {
			clear(i.bytes) // all of it belongs to a frame that began before a gap
			continue
		}
		done := 0 // the bytes before it are scrubbed
		for done < len(i.bytes) {
			if at < i.at+int64(done) {
				at = c.anchor(i, done, way)
			}
			if at < 0 {
				clear(i.bytes[done:])
				break
			}
			clear(i.bytes[done : at-i.at])
			from := int(at - i.at)
			at = c.message(i.bytes[from:], at, way)
			done = from + 4
			if at >= 0 {
				done = int(min(at-i.at, int64(len(i.bytes))))
			}
			done = min(done, len(i.bytes))
		}
	}
}

// anchor searches the island for a frame, starting at offset from. It returns the stream offset of
// the frame's size field, or -1 for none.
func (c *conversation) anchor(i *island, from int, way reassembly.Direction) int64 {
	best := -1
	next, _ := slices.BinarySearch(i.starts, from)
	for _, at := range i.starts[next:] {
		if way == reassembly.ToClient && c.answers(i.bytes[at:]) || way == reassembly.ToBroker && looksLikeRequest(i.bytes[at:]) {
			best = at
			break
		}
	}
	if way == reassembly.ToBroker {
		for _, w := range c.exhibit.wanted {
			if at := findRequest(i.bytes, from, w.pattern()); at >= 0 && (best < 0 || at < best) {
				best = at
			}
		}
	}
	if best < 0 {
		return -1
	}
	return i.at + int64(best)
}

// findRequest returns the offset of the request with that pattern at or after from, or -1.
func findRequest(b []byte, from int, pattern []byte) int {
	for at := from; at+4 < len(b); at++ {
		n := bytes.Index(b[at+4:], pattern)
		if n < 0 {
			return -1
		}
		at += n
		size := int64(int32(binary.BigEndian.Uint32(b[at:])))
		body := b[at+4:]
		if _, ok := decode.ReadRequestHead(size, body[:min(int64(len(body)), max(size, 0))]); ok {
			return at
		}
	}
	return -1
}

// answers reports whether b begins with the answer to a known request.
func (c *conversation) answers(b []byte) bool {
	if len(b) < 8 {
		return false
	}
	size, id := int64(int32(binary.BigEndian.Uint32(b))), int32(binary.BigEndian.Uint32(b[4:]))
	return size >= 4 && size <= maxScrubbedMessage &&
		slices.ContainsFunc(c.asked, func(h decode.RequestHead) bool { return h.CorrelationID == id })
}

// looksLikeRequest reports whether b begins with a size field and a plausible Kafka request.
func looksLikeRequest(b []byte) bool {
	if len(b) < 4 {
		return false
	}
	size := int64(int32(binary.BigEndian.Uint32(b)))
	return size > 0 && decode.LooksLikeRequest(size, b[4:min(int64(len(b)), 4+size)]) == reassembly.Strong
}

// message scrubs the available part of the frame at the beginning of b. at is its stream offset.
// It returns the offset of the next frame, or -1 if unknown.
func (c *conversation) message(b []byte, at int64, way reassembly.Direction) int64 {
	if len(b) < 4 {
		clear(b)
		return -1
	}
	size := int64(int32(binary.BigEndian.Uint32(b)))
	if size < 0 || size > maxScrubbedMessage {
		clear(b[:4])
		return -1
	}
	body := b[4:min(int64(len(b)), 4+size)]
	if way == reassembly.ToBroker {
		c.request(size, body)
	} else {
		c.response(size, body)
	}
	return at + 4 + size
}

// request scrubs a request. If the body is no request, it overwrites it.
func (c *conversation) request(size int64, body []byte) {
	head, ok := decode.ReadRequestHead(size, body)
	if !ok || c.tokens && !c.endsTokens(head, size, body) {
		clear(body)
		return
	}
	const saslHandshake = 17
	c.tokens = head.Key == saslHandshake && head.Version == 0
	c.level.Request(size, body)
	c.asked = append(c.asked, head)
	if head.ClientID == nil {
		return
	}
	if !slices.ContainsFunc(c.ids, func(id []byte) bool { return bytes.Equal(id, head.ClientID) }) {
		c.ids = append(c.ids, bytes.Clone(head.ClientID))
	}
	if c.names != nil {
		copy(head.ClientID, c.names.Client(string(head.ClientID)))
	}
}

// endsTokens reports whether a frame after a SaslHandshake v0 is a request again, and not a token.
// A request has a client id of the connection. Without one, or with a new one after a handshake
// without one (as Java's 0.10.2 sends), its body must fit to the last byte.
func (c *conversation) endsTokens(head decode.RequestHead, size int64, body []byte) bool {
	known := slices.ContainsFunc(c.ids, func(id []byte) bool { return bytes.Equal(id, head.ClientID) })
	if known && len(head.ClientID) > 0 {
		return int(head.Key) <= int(decode.MaxKnownKey)
	}
	named := len(c.ids) == 1 && len(c.ids[0]) == 0 && decode.LooksLikeRequest(size, body) == reassembly.Strong
	return (known || named) && decode.FitsRequest(size, body)
}

// response scrubs a response. One without a known request may be a token, and is overwritten.
func (c *conversation) response(size int64, body []byte) {
	if len(body) < 4 {
		clear(body)
		return
	}
	id := int32(binary.BigEndian.Uint32(body))
	for i, h := range c.asked {
		if h.CorrelationID == id {
			c.asked = c.asked[i+1:]
			c.level.Response(h.Key, h.Version, size-4, body[4:])
			return
		}
	}
	clear(body)
}
