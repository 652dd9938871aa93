package reassembly

import (
	"net/netip"
	"testing"

	"github.com/kafkavet/kafkavet/capture"
)

// TestEndsOfAConnection: a FIN or RST says what its sender has received, and who was first.
func TestEndsOfAConnection(t *testing.T) {
	const ack, fin, rst = capture.ACK, capture.FIN, capture.RST
	for _, tc := range []struct {
		name   string
		it     item
		change func(c *conn)
		want   End
	}{
		{"acknowledges all", item{dir: ToClient, seq: 2000, ack: 1000, flags: ack | rst}, nil, End{Kind: Reset, By: ToClient, Acked: 500, HasAcked: true}},
		{"acknowledges less", item{dir: ToClient, seq: 2000, ack: 900, flags: ack | rst}, nil, End{Kind: Reset, By: ToClient, Acked: 400, HasAcked: true}},
		{"acknowledges more", item{dir: ToClient, seq: 2000, ack: 1010, flags: ack | rst}, nil, End{Kind: Reset, By: ToClient, Acked: 510, HasAcked: true}},
		{"acknowledges what came before the capture", item{dir: ToClient, seq: 2000, ack: 400, flags: ack | rst}, nil, End{Kind: Reset, By: ToClient, HasAcked: true}},
		{"acknowledges nothing", item{dir: ToClient, seq: 2000, ack: 1000, flags: rst}, nil, End{Kind: Reset, By: ToClient}},
		{"acknowledges a side that was not captured", item{dir: ToClient, seq: 2000, ack: 1000, flags: ack | rst}, func(c *conn) { c.half[ToBroker].synced = false }, End{Kind: Reset, By: ToClient}},
		{"acknowledges something far", item{dir: ToClient, seq: 2000, ack: 1000 + sameFlowWindow, flags: ack | rst}, nil, End{Kind: Reset, By: ToClient}},
	} {
		c := halfway(t)
		c.info.Bytes[ToBroker] = 500
		if tc.change != nil {
			tc.change(c)
		}
		if got := c.endOf(Reset, ToClient, &tc.it); got != tc.want {
			t.Errorf("%s: %+v, want %+v", tc.name, got, tc.want)
		}
	}
	first := func(c *conn) { c.fin(ToClient, &item{dir: ToClient, seq: 2000, ack: 1000, flags: ack | fin}) }
	for _, tc := range []struct {
		name   string
		it     item // of the client
		before func(c *conn)
		want   Direction
	}{
		{"the first FIN", item{seq: 1000, ack: 2000, flags: ack | fin}, nil, ToBroker},
		{"it acknowledges the other side's, which was not captured", item{seq: 1000, ack: 2001, flags: ack | fin}, nil, ToClient},
		{"the same without ACK", item{seq: 1000, ack: 2001, flags: fin}, nil, ToBroker},
		{"the other side was not captured", item{seq: 1000, ack: 2001, flags: ack | fin}, func(c *conn) { c.half[ToClient].synced = false }, ToBroker},
		{"the other side's bytes are missing", item{seq: 1000, ack: 2001, flags: ack | fin}, func(c *conn) { c.half[ToClient].hole = new(disorder) }, ToBroker},
		{"the other side's bytes wait", item{seq: 1000, ack: 2001, flags: ack | fin}, func(c *conn) { c.postponed = &[2]*postponed{ToClient: new(postponed)} }, ToBroker},
		{"the second FIN", item{seq: 1000, ack: 2001, flags: ack | fin}, first, ToClient},
		{"the second one, which the first acknowledges", item{seq: 900, length: 99, ack: 2000, flags: ack | fin}, first, ToBroker},
		{"the second one, which the first does not acknowledge", item{seq: 900, length: 100, ack: 2000, flags: ack | fin}, first, ToClient},
		{"the same again", item{dir: ToClient, seq: 1000, ack: 1000, flags: ack | fin}, first, ToClient},
	} {
		c := halfway(t)
		if tc.before != nil {
			tc.before(c)
		}
		if c.fin(tc.it.dir, &tc.it); c.info.End.Kind != Closed || c.info.End.By != tc.want {
			t.Errorf("%s: %+v, want by %v", tc.name, c.info.End, tc.want)
		}
	}
}

// TestMissingEnd: at the end of a connection, acknowledged bytes and those before a FIN are missing.
func TestMissingEnd(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(h *half)
		want   uint64
	}{
		{"all came", func(h *half) { h.acked = 1000 }, 0},
		{"the acknowledgement of a FIN", func(h *half) { h.acked = 1001 }, 0},
		{"two bytes", func(h *half) { h.acked = 1002 }, 2},
		{"the most", func(h *half) { h.acked = 1000 + maxHole }, maxHole},
		{"more", func(h *half) { h.acked = 1001 + maxHole }, 0},
		{"nothing was acknowledged", func(h *half) { h.acked, h.ackSeen = 1010, false }, 0},
		{"the side is over", func(h *half) { h.acked, h.ended = 1010, true }, 0},
		{"the side was not captured", func(h *half) { h.acked, h.synced = 1010, false }, 0},
		{"before a FIN", func(h *half) { h.acked, h.fin, h.finSeq = 1005, true, 1010 }, 10},
		{"before a FIN that the receiver does not acknowledge", func(h *half) { h.acked, h.fin, h.finSeq = 1000, true, 1010 }, 0},
	} {
		c := halfway(t)
		h := &c.half[ToBroker]
		h.ackSeen = true
		tc.change(h)
		if c.loseEnd(ToBroker); c.info.Odd().Missing != tc.want {
			t.Errorf("%s: %d bytes are missing, want %d", tc.name, c.info.Odd().Missing, tc.want)
		}
	}
	for _, tc := range []struct {
		h    half
		want uint32
	}{
		{half{synced: true, ackSeen: true, next: 1000, acked: 990}, 10}, {half{synced: true, ackSeen: true, next: 1000, acked: 1000}, 0}, {half{synced: true, ackSeen: true, next: 1000, acked: 1001}, 0},
		{half{synced: true, next: 1000, acked: 990}, 0}, {half{ackSeen: true, next: 1000, acked: 990}, 0},
	} {
		c := halfway(t)
		c.half[ToBroker] = tc.h
		if c.noteUnacked(); c.info.End.Unacked != tc.want {
			t.Errorf("%+v: %d bytes are not acknowledged, want %d", tc.h, c.info.End.Unacked, tc.want)
		}
	}
}

// TestWaitsOfAConnection: how many ticks a connection waits after a RST, before a FIN, and for a missing
// segment.
func TestWaitsOfAConnection(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(c *conn)
		ticks  int32
		isOver bool // then; otherwise it goes on
	}{
		{"a RST", func(c *conn) { c.reset = 0 }, lingerTicks, true},
		{"bytes before a FIN", func(c *conn) {
			h := &c.half[ToBroker]
			h.fin, h.finSeq, h.ackSeen, h.acked = true, 1010, true, 1005
			c.checkFIN(ToBroker)
		}, lingerTicks, false},
		{"a missing segment", func(c *conn) {
			c.payload(ToBroker, &c.half[ToBroker], 1010, &item{seq: 1010, length: 10, payload: make([]byte, 10)})
		}, holeTicks, false},
	} {
		c := halfway(t)
		c.mode = ignored
		tc.change(c)
		for i := int32(1); i < tc.ticks; i++ {
			if c.w.ticks = i; !c.isStillWaiting() || c.over || c.info.Odd().Missing > 0 {
				t.Errorf("%s: it does not wait after %d ticks", tc.name, i)
			}
		}
		if c.w.ticks = tc.ticks; c.isStillWaiting() || c.over != tc.isOver || !tc.isOver && c.info.Odd().Missing != 10 {
			t.Errorf("%s: over %v after %d ticks, %d bytes are missing", tc.name, c.over, tc.ticks, c.info.Odd().Missing)
		}
	}
}

// TestProofOfAnotherSYN: a SYN on a live connection began another one if its sender goes on behind it, or
// the other side answers it.
func TestProofOfAnotherSYN(t *testing.T) {
	const ack, syn, rst = capture.ACK, capture.SYN, capture.RST
	const seq = 500_000_000
	for _, tc := range []struct {
		name string
		s    *capture.Segment
		want bool
	}{
		{"the next byte of its sender", segmentOf(ToBroker, ack, seq+1, 7000, 10), true},
		{"another byte", segmentOf(ToBroker, ack, seq+2, 7000, 10), false},
		{"the SYN again", segmentOf(ToBroker, syn, seq, 0, 0), false},
		{"a RST of its sender", segmentOf(ToBroker, ack|rst, seq+1, 7000, 0), false},
		{"without ACK", segmentOf(ToBroker, 0, seq+1, 7000, 10), false},
		{"the answer", segmentOf(ToClient, ack|syn, 7000, seq+1, 0), true},
		{"the answer to another SYN", segmentOf(ToClient, ack|syn, 7000, seq+2, 0), false},
		{"an acknowledgement", segmentOf(ToClient, ack, 7000, seq+1, 0), false},
		{"a SYN of the other side", segmentOf(ToClient, syn, seq+1, 0, 0), false},
	} {
		for _, samePorts := range []bool{false, true} {
			for _, sameHost := range []bool{false, true} {
				if samePorts && sameHost {
					continue
				}
				change := func(s *capture.Segment) *capture.Segment {
					c := *s
					if samePorts {
						c.SrcPort, c.DstPort = 9092, 9092
					}
					if sameHost {
						c.Src, c.Dst = client.Addr().As16(), client.Addr().As16()
					}
					return &c
				}
				table, _, _ := tableOf(0)
				first := change(segmentOf(ToBroker, ack, 1000, 2000, 10))
				f := table.insert(first, table.hash(first))
				table.note(f, first, ToBroker)
				table.note(f, change(segmentOf(ToClient, ack, 2000, 1010, 10)), ToClient)
				table.challenge(f, change(segmentOf(ToBroker, syn, seq, 0, 0)))
				s := change(tc.s)
				d, _ := f.rawDirection(s)
				if g := table.replaced(f, s, d); (g != nil) != tc.want || f.isChallenged == tc.want || table.disbelieved > 0 == tc.want {
					t.Errorf("%s, same ports %v, same host %v: proved %v", tc.name, samePorts, sameHost, g != nil)
				}
			}
		}
	}
	table, _, _ := tableOf(0) // the numbers fit the old connection, too
	first := segmentOf(ToBroker, ack, seq-10, 2000, 10)
	f := table.insert(first, table.hash(first))
	table.note(f, first, ToBroker)
	table.note(f, segmentOf(ToClient, ack, 2000, seq, 10), ToClient)
	table.challenge(f, segmentOf(ToBroker, syn, seq, 0, 0))
	if table.replaced(f, segmentOf(ToBroker, ack, seq+1, 2010, 10), ToBroker) != nil {
		t.Error("a segment that fits the old connection proves a new one")
	}
}

// TestNumbersWithinCaptures: a connection has a number in each capture, and keeps it when the captures
// alternate.
func TestNumbersWithinCaptures(t *testing.T) {
	table, _, _ := tableOf(0)
	flows := make([]*flow, 2)
	for i := range flows {
		s := segmentOf(ToBroker, capture.SYN, 1, 0, 0)
		s.SrcPort = uint16(i)
		flows[i], _, _ = table.lookup(s)
	}
	for _, step := range []struct {
		flow          int
		capture, want uint32
	}{{0, 0, 0}, {1, 0, 1}, {1, 1, 0}, {0, 1, 1}, {0, 0, 0}, {1, 0, 1}, {0, 1, 1}, {1, 1, 0}, {0, 2, 0}, {0, 0, 0}, {0, 2, 0}} {
		if got := table.number(flows[step.flow], step.capture); got != step.want {
			t.Errorf("connection %d in capture %d: number %d, want %d", step.flow, step.capture, got, step.want)
		}
	}
	if got := [2]uint32{flows[0].firstNumber(), flows[1].firstNumber()}; got != [2]uint32{0, 1} {
		t.Errorf("first numbers %d", got)
	}
	for c := uint32(3); c < 20; c++ {
		table.number(flows[0], c)
	}
	if n := len(*flows[0].elsewhere); n != maxElsewhere {
		t.Errorf("%d numbers are kept, want %d", n, maxElsewhere)
	}
}

// TestReplyToAnUnseenConnect: what looks like HTTP may be a proxy's reply, if nothing follows its head.
func TestReplyToAnUnseenConnect(t *testing.T) {
	for p, want := range map[string]bool{
		"HTTP/1.1 200 OK\r\n\r\n": true, "HTTP/1.1 200 OK\r\nVia: x\r\n\r\n": true, "HTTP/1.1 200 OK\r\n\r\nbody": false, "HTTP/1.1 200 OK\r\n": false,
		"HTTP/1.1 404 No\r\n\r\n": false, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n": false, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n": false,
		"GET / HTTP/1.1\r\n\r\n": false,
	} {
		c := halfway(t)
		c.info.Midstream = true
		if got := c.afterConnect(chunk{dir: ToClient, p: []byte(p)}); got != want {
			t.Errorf("%q: %v, want %v", p, got, want)
		}
		c.info.Midstream = false
		if got := c.afterConnect(chunk{dir: ToClient, p: []byte(p)}); got != (p[0] == 'H') {
			t.Errorf("%q, the client's first bytes are missing: %v", p, got)
		}
	}
}

// TestRepliesAreBlanked: addresses in the reply of a proxy are overwritten on request only.
func TestRepliesAreBlanked(t *testing.T) {
	for _, tc := range []struct {
		kind            PrefaceKind
		reply, redacted string
	}{
		{SOCKS4, "\x00\x5a\x23\x84\x0a\x00\x00\x01", "\x00\x5a\x00\x00\x00\x00\x00\x00"},
		{SOCKS5, "\x05\x00\x05\x00\x00\x01\x0a\x00\x00\x01\x23\x84", "\x05\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"},
		{SOCKS5, "\x05\xff", "\x05\xff"},
		{ProxyV2, "", ""},
	} {
		for addresses, want := range map[bool]string{false: tc.reply, true: tc.redacted} {
			b := []byte(tc.reply)
			if n := BlankReply(tc.kind, b, addresses); n != len(b) || string(b) != want {
				t.Errorf("%v, addresses %v: %d bytes, %q, want %q", tc.kind, addresses, n, b, want)
			}
		}
	}
	b := []byte("\x05\x00\x05")
	if n := BlankReply(SOCKS5, b, true); n != 0 || string(b) != "\x05\x00\x05" {
		t.Errorf("a part of a reply: %d, %q", n, b)
	}
}

// TestAnchorsThatAreHeld: a frame that was not recognized may be there.
func TestAnchorsThatAreHeld(t *testing.T) {
	for _, tc := range []struct {
		name    string
		awaited int
		b       []byte
		want    bool
	}{
		{"no response is awaited", 0, response(7, 20), false}, {"the response", 1, response(0, 20), true}, {"another one", 1, response(9, 20), false},
		{"one of many", maxAnchors, response(7, 20), true}, {"none of many", maxAnchors, response(99, 20), false}, {"too many to look for", maxAnchors + 1, response(99, 20), true},
	} {
		c := halfway(t)
		v := &voice{log: new(log), c: &c.info}
		for i := range tc.awaited {
			v.awaited = append(v.awaited, []byte{0, 0, 0, byte(i)})
		}
		c.dialogue.handler = v
		if got := (&framer{dir: ToClient}).holdsAnchor(c, tc.b); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

// TestAddressesInSwap: the sides are exchanged with all that belongs to them.
func TestAddressesInSwap(t *testing.T) {
	for kind, want := range map[EndKind]Direction{Cut: ToBroker, Closed: ToClient, Reset: ToClient, Expired: ToBroker} {
		c := halfway(t)
		a, b := netip.MustParseAddrPort("10.0.0.1:1"), netip.MustParseAddrPort("10.0.0.2:2")
		c.info.Client, c.info.Broker, c.info.Bytes, c.info.Seen = a, b, [2]uint64{1, 2}, [2]bool{true, false}
		c.info.End = End{Kind: kind, By: ToBroker}
		c.odd().Contested = [2]Span{{1, 2}, {3, 4}}
		c.swap()
		if i := &c.info; i.Client != b || i.Broker != a || i.Bytes != [2]uint64{2, 1} || i.Seen != [2]bool{false, true} || i.End.By != want || i.Odd().Contested != [2]Span{{3, 4}, {1, 2}} {
			t.Errorf("end %v: %+v", kind, i)
		}
	}
}
