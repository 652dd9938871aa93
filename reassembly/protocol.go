package reassembly

import (
	"bytes"
	"encoding/binary"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/reassembly/tlsrecord"
)

// httpBeginnings are the first bytes of an HTTP client or server: the methods of RFC 9110 and RFC
// 5789, the preface of HTTP/2 (RFC 9113 3.4), and a status line.
var httpBeginnings = [][]byte{
	[]byte("GET "), []byte("PUT "), []byte("HEAD "), []byte("POST "), []byte("PATCH "), []byte("DELETE "),
	[]byte("OPTIONS "), []byte("CONNECT "), []byte("TRACE "), []byte("PRI * HTTP/2"), []byte("HTTP/1."),
}

// foreignProtocol reports whether a connection with these first bytes is TLS or HTTP. sure is
// false if there are too few bytes.
func foreignProtocol(p []byte) (_ Protocol, sure bool) {
	for _, b := range httpBeginnings {
		n := min(len(p), len(b))
		if bytes.Equal(p[:n], b[:n]) {
			if n < len(b) {
				return Undecided, false
			}
			return HTTP, true
		}
	}
	if p[0] == 0x16 { // a Kafka frame would be over 352 MiB
		if len(p) < 6 {
			return Undecided, false
		}
		if tlsrecord.LooksLikeClientHello(p) {
			return TLS, true
		}
	}
	return Undecided, true
}

// giveUp ends the analysis of a connection that speaks p.
func (c *conn) giveUp(p Protocol) {
	c.dialogue.decided = true
	c.dialogue.takePending(c)
	if c.isTraced {
		c.w.opt.Tracer.Printf(c.info.Now, "given up: the connection speaks %v", p)
	}
	if c.tls == nil {
		c.info.Protocol = p
	} else {
		c.notKafka = true
	}
	c.mode, c.info.Outline = ignored, nil
}

// foreign gives up a connection joined midstream if its next bytes are TLS or HTTP.
func (c *conn) foreign(d Direction, p []byte, at capture.Position) bool {
	if c.tls != nil {
		return false
	}
	kind, sure := foreignProtocol(p)
	isTLS := sure && kind == TLS || len(p) >= 5 && tlsrecord.LooksLikeRecord(p)
	if (isTLS || sure && kind == HTTP) && c.info.Midstream && c.isFromServer(d, p) != (d == ToClient) {
		c.swap()
		d = d.Reverse()
	}
	switch {
	case sure && kind == HTTP:
		c.giveUp(HTTP)
	case isTLS:
		c.giveUp(TLS)
		c.info.TLS = &tlsrecord.Info{Reason: "the handshake is not in the capture"}
		c.mode, c.info.Outline = headers, tlsrecord.NewOutline(true)
		c.info.Outline.Data(d == ToBroker, p, at)
	default:
		return false
	}
	return true
}

// ephemeral is the first port that Linux chooses for clients (net.ipv4.ip_local_port_range). Others
// choose from 49152 on (RFC 6335 6).
const ephemeral = 32768

// isFromServer reports whether bytes of TLS or HTTP in direction d of a connection joined midstream
// are the server's. If they do not show it, the ports do, or the direction.
func (c *conn) isFromServer(d Direction, p []byte) bool {
	switch {
	case tlsrecord.LooksLikeServerHello(p), bytes.HasPrefix(p, []byte("HTTP/")):
		return true
	case tlsrecord.LooksLikeClientHello(p), p[0] >= 'A': // a method of HTTP
		return false
	}
	from, to := c.info.Client.Port(), c.info.Broker.Port()
	if d == ToClient {
		from, to = to, from
	}
	if (from < ephemeral) != (to < ephemeral) {
		return from < ephemeral
	}
	return d == ToClient
}

const recordHeader = 5

// greeting holds the first bytes from the broker's side: the length of a TLS alert.
type greeting struct {
	b [7]byte
	n uint8
}

// stopIfForeign reports whether the broker's side speaks another protocol, for example with a TLS
// alert. It then stops reading that side.
func (c *conn) stopIfForeign(p []byte) bool {
	if c.info.Odd().Spoke != "" && c.endsBanner(p) {
		return false
	}
	if !c.alerts(p) && !(c.isFirstAnswer() || c.info.Odd().Spoke != "") || !c.noteGreeting(p) {
		return false
	}
	c.framer(ToClient).state = stopped
	return true
}

// endsBanner reports whether p begins with a response, behind bytes of the broker's side that are
// none. Those bytes are an unknown preface then: the banner of a proxy.
func (c *conn) endsBanner(p []byte) bool {
	if c.info.Responses > 0 || c.info.Midstream || !c.isResponse(p) {
		return false
	}
	odd := c.odd()
	if odd.Spoke, odd.Greeting = "", nil; len(odd.Prefaces) == 0 { // otherwise it answers the client's
		odd.Prefaces = append(odd.Prefaces, Preface{Kind: UnknownPreface})
	}
	f := c.framer(ToClient)
	f.drop(c)
	*f = framer{dir: ToClient}
	return true
}

// isResponse reports whether p begins with the response to an outstanding request.
func (c *conn) isResponse(p []byte) bool {
	if c.dialogue.handler == nil || len(p) < sizeBytes+minMessage {
		return false
	}
	size := int64(int32(binary.BigEndian.Uint32(p)))
	return size >= minMessage && c.dialogue.handler.Plausible(ToClient, size, clip(p[sizeBytes:], size))
}

// isFirstAnswer reports whether the next bytes of the broker's side are its first ones.
func (c *conn) isFirstAnswer() bool {
	f := c.framer(ToClient)
	return !c.info.Midstream && c.info.Responses == 0 && f.state == reading && f.passed == 0
}

// alerts reports whether the broker answers plaintext Kafka with a TLS alert.
func (c *conn) alerts(p []byte) bool {
	g := &c.dialogue.greeting
	if int(g.n) == len(g.b) || c.tls != nil {
		return false
	}
	g.n += uint8(copy(g.b[g.n:], p))
	if int(g.n) < len(g.b) || !tlsrecord.LooksLikeAlert(g.b[:]) {
		return false
	}
	c.odd().Spoke = SpokeTLS
	if c.info.Bytes[ToBroker] > 0 {
		c.info.Confusion = ClearToTLS
	}
	return true
}

func (c *conn) framer(d Direction) *framer { return &c.dialogue.fr[d^c.swapped] }

// liveWait is how long records wait for their secrets in a live capture, in nanoseconds. The
// reader of the key log may be some seconds late.
const liveWait = 10e9

// startTLS decrypts the connection from its first byte on.
func (c *conn) startTLS(held *undecided, p []byte, at capture.Position) {
	c.info.Protocol = TLS
	c.mode = crypted
	if c.isTraced {
		c.w.opt.Tracer.Printf(at, "a TLS ClientHello: the connection is decrypted if there is a key for it")
	}
	c.tls = tlsrecord.NewSession(c.w.opt.Secrets, c, &c.w.tls)
	c.info.Outline = tlsrecord.NewOutline(false)
	c.dialogue = dialogue{}
	c.dialogue.init(false)
	if held == nil {
		c.records(ToBroker, p, at)
		return
	}
	for _, k := range held.chunks {
		if k.gap > 0 {
			c.gap(k.dir^c.swapped, k.gap, k.at)
		} else {
			c.offset = k.offset
			c.records(k.dir, k.p, k.at)
		}
	}
}

func (c *conn) records(d Direction, p []byte, at capture.Position) {
	if g := &c.dialogue.greeting; d == ToClient && (!c.serverSpoke || 0 < g.n && g.n < recordHeader) {
		c.serverSpoke = true
		old := g.n
		if g.n += uint8(copy(g.b[g.n:recordHeader], p)); g.n < recordHeader {
			return
		}
		if old > 0 {
			p = append(bytes.Clone(g.b[:old]), p...)
		}
		if !tlsrecord.LooksLikeRecord(p) {
			if !c.noteGreeting(p) { // a broker's response could be Kafka, a line of text could not
				c.info.Confusion = TLSToClear
			}
			c.mode, c.info.Outline = ignored, nil
			return
		}
	}
	if c.info.Outline != nil {
		c.info.Outline.Data(d == ToBroker, p, at)
	}
	c.offset -= int64(len(p))
	if c.tls.Waiting() {
		c.offset = -1
	}
	c.tls.Data(d == ToBroker, p, at)
	if c.tls.Waiting() {
		c.wait()
	}
	if c.tls.Done() && c.mode == crypted {
		c.mode = headers
		if c.info.Outline == nil {
			c.mode = ignored
			return
		}
		c.endSession() // its memory is not needed
	}
}

// Plaintext implements tlsrecord.Receiver.
func (c *conn) Plaintext(toServer bool, p []byte, at capture.Position) {
	if c.isTraced && c.info.Outline != nil {
		c.w.opt.Tracer.Printf(at, "TLS is decrypted from here on")
	}
	c.info.Outline = nil
	if c.mode == crypted {
		c.dialogue.data(c, towards(toServer), p, at)
	}
}

// PlaintextGap implements tlsrecord.Receiver.
func (c *conn) PlaintextGap(toServer bool, n int64, exact bool, at capture.Position) {
	if c.mode == crypted {
		c.dialogue.gap(c, towards(toServer), n, exact, at)
	}
}

func towards(server bool) Direction {
	if server {
		return ToBroker
	}
	return ToClient
}

// endSession describes the TLS session in c.info.
func (c *conn) endSession() {
	c.offset = -1
	c.tls.End(c.info.Now)
	info := c.tls.Info()
	c.info.TLS, c.tls, c.isDescribed = &info, nil, true
}

// endTLS completes the description of the TLS session when the connection is over.
func (c *conn) endTLS() {
	if c.tls != nil {
		c.endSession()
	}
	info := c.info.TLS
	switch {
	case c.notKafka && info.Reason == "":
		info.Reason = "what is inside is not Kafka"
	case info.Decrypted == 0 && !c.info.Seen[ToClient]:
		info.Reason = "the broker's side is not in the capture"
	}
	// The side that first sent a TLS close_notify ended the connection, even if the other side
	// closed TCP first.
	if e, by := &c.info.End, towards(info.ClosingToServer); info.Closing && (e.Kind == Closed || e.Kind == Reset) &&
		e.By != by && info.ClosingAt.Before(e.At) {
		*e = End{Kind: Closed, By: by, At: info.ClosingAt}
	}
	if !c.serverSpoke && c.info.Seen[ToClient] && c.info.End.By == ToClient && (c.info.End.Kind == Closed || c.info.End.Kind == Reset) {
		c.info.Confusion = TLSToClear
	}
}
