package reassembly

import (
	"testing"

	"github.com/kafkavet/kafkavet/capture"
)

// TestWhatAReceiverAccepts: a RST or a FIN that does not fit the numbers of a connection ends nothing.
func TestWhatAReceiverAccepts(t *testing.T) {
	const ack, fin, rst = capture.ACK, capture.FIN, capture.RST
	for _, tc := range []struct {
		name   string
		it     item
		change func(c *conn)
		want   bool
		isFIN  bool // the FIN is still there
	}{
		{"a RST", item{seq: 1000, ack: 2000, flags: ack | rst}, nil, true, false},
		{"a RST without ACK", item{seq: 1000, ack: 1 << 30, flags: rst}, nil, true, false},
		{"a RST ahead", item{seq: 1000 + maxHole, ack: 2000, flags: ack | rst}, nil, true, false},
		{"a RST farther ahead", item{seq: 1001 + maxHole, ack: 2000, flags: ack | rst}, nil, false, false},
		{"a RST of a side that was not captured", item{seq: 1 << 30, ack: 2000, flags: ack | rst}, func(c *conn) { c.half[ToBroker].synced, c.turns = false, 1 }, true, false},
		{"a RST far from what was acknowledged", item{seq: 1 << 30, ack: 2000, flags: ack | rst}, func(c *conn) {
			h := &c.half[ToBroker]
			h.synced, h.ackSeen, h.acked, c.turns = false, true, 1000, 1
		}, false, false},
		{"a RST that acknowledges much", item{seq: 1000, ack: 2000 + maxAckDistance, flags: ack | rst}, nil, true, false},
		{"a RST that acknowledges more", item{seq: 1000, ack: 2001 + maxAckDistance, flags: ack | rst}, nil, false, false},
		{"a RST that acknowledges what was not captured", item{seq: 1000, ack: 1 << 30, flags: ack | rst}, func(c *conn) { c.half[ToClient].synced = false }, true, false},
		{"a refusal", item{seq: 0, ack: 2000, flags: ack | rst}, func(c *conn) { c.half[ToBroker].synced = false }, true, false},
		{"a refusal of something else", item{seq: 0, ack: 2001, flags: ack | rst}, func(c *conn) { c.half[ToBroker].synced = false }, false, false},
		{"a refusal without ACK", item{seq: 0, ack: 2000, flags: rst}, func(c *conn) { c.half[ToBroker].synced = false }, false, false},
		{"a FIN", item{seq: 1000, ack: 2000, flags: ack | fin}, nil, true, true},
		{"a FIN behind bytes in order", item{seq: 990, length: 10, ack: 2000, flags: ack | fin}, nil, true, true},
		{"a FIN behind old bytes", item{seq: 990, length: 9, ack: 2000, flags: ack | fin}, nil, true, false},
		{"the FIN again", item{seq: 990, length: 9, ack: 2000, flags: ack | fin}, func(c *conn) { c.half[ToBroker].fin, c.half[ToBroker].finSeq = true, 999 }, true, true},
		{"a FIN of a side that was not captured", item{seq: 990, length: 9, ack: 2000, flags: ack | fin}, func(c *conn) { c.half[ToBroker].synced = false }, true, true},
		{"anything, if nothing is read", item{seq: 1 << 30, ack: 1 << 30, flags: ack | rst}, func(c *conn) { c.mode = ignored }, true, false},
	} {
		c := halfway(t)
		if tc.change != nil {
			tc.change(c)
		}
		isEnd := tc.it.flags&fin != 0
		got := c.accepts(&tc.it)
		if got != tc.want || tc.it.flags&fin != 0 != tc.isFIN || int(c.w.disbelieved) != map[bool]int{true: 0, false: 1}[got && isEnd == tc.isFIN] {
			t.Errorf("%s: %v, want %v; FIN %v, %d not believed", tc.name, got, tc.want, tc.it.flags&fin != 0, c.w.disbelieved)
		}
	}
}

// TestJumps: a confirmed segment says where a direction goes on. The bytes between are missing.
func TestJumps(t *testing.T) {
	const back = 1 << 27 // more than maxAckDistance
	for _, tc := range []struct {
		name    string
		it      item
		change  func(c *conn)
		missing uint64
		next    [2]uint32
	}{
		{"in order", item{seq: back, ack: 2 * back, flags: capture.ACK}, nil, 0, [2]uint32{back, 2 * back}},
		{"as much as is waited for", item{seq: back + maxHole, ack: 2 * back, flags: capture.ACK}, nil, 0, [2]uint32{back, 2 * back}},
		{"more", item{seq: back + maxHole + 1, ack: 2 * back, flags: capture.ACK}, nil, maxHole + 1, [2]uint32{back + maxHole + 1, 2 * back}},
		{"back", item{seq: back - maxAckDistance, ack: 2 * back, flags: capture.ACK}, nil, 0, [2]uint32{back, 2 * back}},
		{"farther back", item{seq: back - maxAckDistance - 1, ack: 2 * back, flags: capture.ACK}, nil, 1, [2]uint32{back - maxAckDistance - 1, 2 * back}},
		{"a side that was not captured", item{seq: 1, ack: 2 * back, flags: capture.ACK}, func(c *conn) { c.half[ToBroker].synced = false }, 0, [2]uint32{back, 2 * back}},
		{"acknowledges much", item{seq: back, ack: 2*back + maxAckDistance, flags: capture.ACK}, nil, 0, [2]uint32{back, 2 * back}},
		{"acknowledges more", item{seq: back, ack: 2*back + maxAckDistance + 1, flags: capture.ACK}, nil, maxAckDistance + 1, [2]uint32{back, 2*back + maxAckDistance + 1}},
		{"acknowledges far less", item{seq: back, ack: 1, flags: capture.ACK}, nil, 1, [2]uint32{back, 1}},
		{"the same without ACK", item{seq: back, ack: 1, flags: capture.PSH}, nil, 0, [2]uint32{back, 2 * back}},
		{"acknowledges a side that was not captured", item{seq: back, ack: 1, flags: capture.ACK}, func(c *conn) { c.half[ToClient].synced = false }, 0, [2]uint32{back, 2 * back}},
	} {
		c := halfway(t)
		c.half[0].next, c.half[1].next = back, 2*back
		if tc.change != nil {
			tc.change(c)
		}
		c.jump(&tc.it)
		if got := [2]uint32{c.half[0].next, c.half[1].next}; got != tc.next || c.info.Odd().Missing != tc.missing {
			t.Errorf("%s: next %d, want %d; %d bytes missing, want %d", tc.name, got, tc.next, c.info.Odd().Missing, tc.missing)
		}
	}
}

// TestFirstBytesThatAreNoFrame: those of the broker may be the greeting of another protocol. All others
// begin a search.
func TestFirstBytesThatAreNoFrame(t *testing.T) {
	greeting := "HTTP/1.1 400 Bad"
	for _, tc := range []struct {
		name   string
		change func(c *conn, f *framer)
		want   framerState
	}{
		{"of the broker", nil, stopped},
		{"of the client", func(_ *conn, f *framer) { f.dir = ToBroker }, searching},
		{"behind others", func(_ *conn, f *framer) { f.offset = 10 }, searching},
		{"while searching", func(_ *conn, f *framer) { f.state = searching }, searching},
		{"inside TLS", func(c *conn, _ *framer) { c.startTLS(nil, tlsHello[:1], c.info.Now) }, searching},
		{"in a joined connection", func(c *conn, _ *framer) { c.info.Midstream = true }, searching},
		{"a part of them", func(_ *conn, f *framer) { f.passed++ }, searching},
		{"those of Kafka", func(_ *conn, f *framer) { copy(f.buf, response(1, 20)) }, searching},
	} {
		c := halfway(t)
		f := &framer{dir: ToClient, buf: append(c.w.room(nil, headFloor), greeting...), passed: int64(len(greeting))}
		if tc.change != nil {
			tc.change(c, f)
		}
		f.startSearch(c, capture.Position{})
		if f.state != tc.want || (c.info.Odd().Spoke == SpokeHTTP) != (tc.want == stopped) || f.passed != 0 == (tc.want == searching) {
			t.Errorf("%s: state %d, want %d; spoke %q", tc.name, f.state, tc.want, c.info.Odd().Spoke)
		}
	}
	for _, tc := range []struct{ joined, tentative, want bool }{{true, true, true}, {true, false, false}, {false, true, false}} {
		c := halfway(t)
		f := &framer{joined: tc.joined, isTentative: tc.tentative}
		if f.startSearch(c, capture.Position{}); f.joined != tc.want {
			t.Errorf("%+v: joined %v", tc, f.joined)
		}
	}
}

// TestRequestsThatAreCertain: the payload of a segment certainly begins with a request.
func TestRequestsThatAreCertain(t *testing.T) {
	strong := func(int64, []byte) Likelihood { return Strong }
	for _, tc := range []struct {
		name string
		p    []byte
		want bool
	}{
		{"a request", request(3, 1, 1, 10), true}, {"its header", request(3, 1, 1, 10)[:12], true}, {"less", request(3, 1, 1, 10)[:11], false},
		{"the smallest size", append([]byte{0, 0, 0, wantBytes}, make([]byte, 8)...), true}, {"a smaller one", append([]byte{0, 0, 0, wantBytes - 1}, make([]byte, 8)...), false},
	} {
		c := newConn(newWorker(&Options{LooksLikeRequest: strong}, new(log)), &flow{})
		if got := c.isRequest(tc.p); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
	if halfway(t).isRequest(unnamed(1, 20)) {
		t.Error("a request that may be anything is certain")
	}
}
