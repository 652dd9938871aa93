package reassembly

import (
	"net/netip"
	"testing"
	"time"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// halfway returns a connection whose client has sent the bytes up to number 1000, and whose broker
// those up to 2000.
func halfway(t *testing.T) *conn {
	t.Helper()
	return newConn(newWorker(&Options{LooksLikeRequest: looksLike}, new(log)), &flow{synced: [2]bool{true, true}, seen: [2]bool{true, true}, base: [2]uint32{999, 1999}})
}

func TestWithin(t *testing.T) {
	for _, tc := range []struct {
		a, b uint32
		want bool
	}{{10, 10, true}, {15, 10, true}, {16, 10, false}, {5, 10, true}, {4, 10, false}, {2, 0xffffffff, true}, {0xffffffff, 2, true}, {5, 0xffffffff, false}} {
		if got := within(tc.a, tc.b, 5); got != tc.want {
			t.Errorf("%d and %d differ by at most 5: %v, want %v", tc.a, tc.b, got, tc.want)
		}
	}
}

// TestIsFar: a loss in the capture explains some distance between the numbers of segments, but not
// any.
func TestIsFar(t *testing.T) {
	const ack = capture.ACK
	for _, tc := range []struct {
		name   string
		it     item
		change func(h, r *half) // of the sender and of the other side
		want   bool
	}{
		{"in order", item{seq: 1000, length: 10, ack: 2000, flags: ack}, nil, false},
		{"the most that is waited for", item{seq: 1000 + maxHole, length: 10, ack: 2000, flags: ack}, nil, false},
		{"a byte more", item{seq: 1001 + maxHole, length: 10, ack: 2000, flags: ack}, nil, true},
		{"a FIN a byte more", item{seq: 1001 + maxHole, ack: 2000, flags: ack | capture.FIN}, nil, true},
		{"no bytes", item{seq: 1001 + maxHole, ack: 2000, flags: ack}, nil, false},
		{"behind what its receiver acknowledged", item{seq: 1050 + maxHole, length: 10, ack: 2000, flags: ack}, func(h, _ *half) { h.ackSeen, h.acked = true, 1050 }, false},
		{"a byte more than that", item{seq: 1051 + maxHole, length: 10, ack: 2000, flags: ack}, func(h, _ *half) { h.ackSeen, h.acked = true, 1050 }, true},
		{"its receiver acknowledged less", item{seq: 1000 + maxHole, length: 10, ack: 2000, flags: ack}, func(h, _ *half) { h.ackSeen, h.acked = true, 900 }, false},
		{"no acknowledgement so far", item{seq: 1050 + maxHole, length: 10, ack: 2000, flags: ack}, func(h, _ *half) { h.acked = 1050 }, true},
		{"acknowledges the most", item{seq: 1000, length: 10, ack: 2000 + maxAckDistance, flags: ack}, nil, false},
		{"acknowledges more", item{seq: 1000, length: 10, ack: 2001 + maxAckDistance, flags: ack}, nil, true},
		{"has no acknowledgement", item{seq: 1000, length: 10, ack: 2001 + maxAckDistance, flags: capture.RST}, nil, false},
		{"acknowledges a side that is not captured", item{seq: 1000, length: 10, ack: 2001 + maxAckDistance, flags: ack}, func(_, r *half) { r.synced = false }, false},
		{"the first of its side, far from what was acknowledged", item{seq: 1001 + maxHole, ack: 2000, flags: ack}, func(h, _ *half) { h.synced, h.ackSeen, h.acked = false, true, 1000 }, true},
		{"the first of its side", item{seq: 1000 + maxHole, length: 10, ack: 2000, flags: ack}, func(h, _ *half) { h.synced, h.ackSeen, h.acked = false, true, 1000 }, false},
		{"the first of its side, a SYN", item{seq: 1001 + maxHole, ack: 2000, flags: ack | capture.SYN}, func(h, _ *half) { h.synced, h.ackSeen, h.acked = false, true, 1000 }, false},
		{"the first of the connection", item{seq: 1 << 30, length: 10, ack: 2000, flags: ack}, func(h, _ *half) { h.synced = false }, false},
	} {
		c := halfway(t)
		if tc.change != nil {
			tc.change(&c.half[ToBroker], &c.half[ToClient])
		}
		if got := c.isFar(&tc.it); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

// TestStaleAcknowledgement: no receiver accepts bytes whose acknowledgement is from before its SYN.
func TestStaleAcknowledgement(t *testing.T) {
	const initial = 1999
	for _, tc := range []struct {
		name   string
		ack    uint32
		change func(c *conn, it *item)
		want   bool
	}{
		{"of the SYN", initial + 1, nil, false},
		{"of less", initial, nil, true},
		{"without ACK", initial, func(_ *conn, it *item) { it.flags = capture.PSH }, false},
		{"without bytes", initial, func(_ *conn, it *item) { it.length = 0 }, false},
		{"of an unknown beginning", initial, func(c *conn, _ *item) { c.info.HasInitial = false }, false},
		{"numbers may have wrapped", initial, func(c *conn, _ *item) { c.info.Bytes[ToClient] = maxAckDistance }, false},
	} {
		c, it := halfway(t), &item{seq: 1000, length: 10, ack: tc.ack, flags: capture.ACK}
		if tc.change != nil {
			tc.change(c, it)
		}
		if got := c.isStale(it); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

// TestUnprovedBytes: the receiver's acknowledgements show whether missing bytes were sent.
func TestUnprovedBytes(t *testing.T) {
	for _, tc := range []struct {
		name    string
		h       half
		n       uint32
		bytes   bool
		fin     bool // the same before a FIN
		isEnded bool
	}{
		{"acknowledged to where they begin", half{ackSeen: true, acked: 1000}, 10, false, true, false},
		{"acknowledged in part", half{ackSeen: true, acked: 1005}, 10, false, false, false},
		{"never acknowledged anything", half{}, maxUnproved + 1, false, false, false},
		{"as many as are lost at once", half{ackSeen: true, acked: 1001}, maxUnproved, false, false, false},
		{"more", half{ackSeen: true, acked: 1001}, maxUnproved + 1, true, true, false},
		{"more, acknowledged", half{ackSeen: true, acked: 1001 + maxUnproved}, maxUnproved + 1, false, false, false},
		{"none", half{ackSeen: true, acked: 1000}, 0, false, false, false},
	} {
		tc.h.next, tc.h.finSeq = 1000, 1000+tc.n
		if got := tc.h.isUnproved(tc.n); got != tc.bytes {
			t.Errorf("%s: unproved %v, want %v", tc.name, got, tc.bytes)
		}
		if got := tc.h.isUnprovedFIN(); got != tc.fin {
			t.Errorf("%s, before a FIN: unproved %v, want %v", tc.name, got, tc.fin)
		}
	}
}

// TestBytesBehindAFIN: a side that has sent a FIN sends no bytes behind it.
func TestBytesBehindAFIN(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(h *half, it *item)
		want   bool
	}{
		{"behind it", nil, true},
		{"up to it", func(_ *half, it *item) { it.seq = 990 }, false},
		{"across it", func(_ *half, it *item) { it.seq = 991 }, true},
		{"no bytes", func(_ *half, it *item) { it.length = 0 }, false},
		{"bytes before the FIN are missing", func(h *half, _ *item) { h.ended = false }, false},
		{"no FIN", func(h *half, _ *item) { h.fin = false }, false},
	} {
		c, it := halfway(t), &item{seq: 1000, length: 10, flags: capture.ACK}
		h := &c.half[ToBroker]
		h.fin, h.ended, h.finSeq = true, true, 1000
		if tc.change != nil {
			tc.change(h, it)
		}
		if got := c.isBehindFIN(it); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

// TestChecksumsThatMatter: the checksum of a long segment is verified if a header in it is read.
func TestChecksumsThatMatter(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(c *conn, f *framer)
		want   bool
	}{
		{"inside a frame", nil, false},
		{"to the end of a frame", func(_ *conn, f *framer) { f.size = 96 }, true},
		{"the protocol is unknown", func(c *conn, _ *framer) { c.dialogue.decided = false }, true},
		{"the next frame is searched", func(_ *conn, f *framer) { f.state = searching }, true},
		{"the head of a frame", func(_ *conn, f *framer) { f.hasWant = false }, true},
		{"TLS with a key log", func(c *conn, _ *framer) { c.mode = crypted }, true},
		{"TLS without a key log", func(c *conn, _ *framer) { c.mode = headers }, false},
	} {
		c := halfway(t)
		c.dialogue.decided = true
		f := &c.dialogue.fr[ToBroker]
		*f = framer{hasSize: true, hasWant: true, size: 97}
		if tc.change != nil {
			tc.change(c, f)
		}
		if got := c.readsHeader(&item{length: 100}); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

// TestResetThatIsRevoked: an end system that has sent a RST sends no bytes behind it, and
// acknowledges none that were sent after it.
func TestResetThatIsRevoked(t *testing.T) {
	for _, tc := range []struct {
		name   string
		it     item
		change func(c *conn)
		want   bool
	}{
		{"bytes behind it", item{seq: 2000, length: 1, ack: 1000}, nil, true},
		{"bytes up to it", item{seq: 1990, length: 10, ack: 1000}, nil, false},
		{"no bytes", item{seq: 2001, ack: 1000}, nil, false},
		{"an acknowledgement of later bytes", item{seq: 2000, ack: 1001}, nil, true},
		{"the same without ACK", item{seq: 2000, ack: 1001, flags: capture.RST}, nil, false},
		{"the other side was not captured", item{seq: 2000, ack: 1001}, func(c *conn) { c.half[ToBroker].synced = false }, false},
		{"bytes of the other side", item{dir: ToBroker, seq: 1000, length: 10, ack: 2001}, nil, false},
		{"bytes far behind it", item{seq: 2001 + maxHole, length: 10, ack: 1000}, nil, false},
	} {
		c := halfway(t)
		c.reset, c.resetMark = 3, resetMark{ToClient, 2000, 1000}
		c.info.End = End{Kind: Reset, By: ToClient}
		if tc.change != nil {
			tc.change(c)
		}
		if tc.it.flags == 0 {
			tc.it.flags = capture.ACK
		}
		if tc.it.seq > 1500 {
			tc.it.dir = ToClient
		}
		c.reviveReset(&tc.it)
		if revoked := c.info.End == (End{}); revoked != tc.want || (c.reset == -1) != tc.want {
			t.Errorf("%s: revoked %v, want %v; reset %d", tc.name, revoked, tc.want, c.reset)
		}
	}
	c := halfway(t)
	c.info.End = End{Kind: Closed, By: ToBroker}
	c.revoke(Closed, ToClient)
	c.revoke(Reset, ToBroker)
	if c.info.End.Kind != Closed {
		t.Error("the end by another side was revoked")
	}
}

// TestFINThatIsReplaced: of two FINs, the one in order counts.
func TestFINThatIsReplaced(t *testing.T) {
	for _, tc := range []struct {
		name   string
		it     item
		change func(h *half)
		want   bool
	}{
		{"the next bytes", item{seq: 1000, length: 50}, nil, true},
		{"a copy and nothing else", item{seq: 900, length: 100}, nil, true},
		{"an old copy", item{seq: 900, length: 99}, nil, false},
		{"a byte ahead", item{seq: 1001, length: 50}, nil, false},
		{"the same FIN", item{seq: 1000, length: 100}, nil, false},
		{"no FIN", item{seq: 1000, length: 50, flags: capture.ACK}, nil, false},
		{"no FIN before", item{seq: 1000, length: 50}, func(h *half) { h.fin = false }, false},
		{"the side is over", item{seq: 1000, length: 50}, func(h *half) { h.ended = true }, false},
	} {
		c := halfway(t)
		h := &c.half[ToBroker]
		h.fin, h.finSeq = true, 1100
		if tc.change != nil {
			tc.change(h)
		}
		if tc.it.flags == 0 {
			tc.it.flags = capture.ACK | capture.FIN
		}
		c.replaceFIN(&tc.it)
		if got := c.w.disbelieved == 1; got != tc.want {
			t.Errorf("%s: replaced %v, want %v", tc.name, got, tc.want)
		}
	}
}

// TestSegmentsInDoubt bounds what is kept of them.
func TestSegmentsInDoubt(t *testing.T) {
	bytes := func(n int) item { return item{payload: make([]byte, n), length: uint32(n), flags: capture.ACK} }
	foreign := func(flags capture.TCPFlags, n int) item {
		it := bytes(n)
		it.isForeign, it.flags = true, flags
		return it
	}
	for _, tc := range []struct {
		name  string
		it    item
		in    int // bytes that the shard keeps already
		wants bool
	}{
		{"a short one", bytes(10), 0, true},
		{"the longest", bytes(maxDoubtedBytes), 0, true},
		{"longer", bytes(maxDoubtedBytes + 1), 0, false},
		{"the last that the shard keeps", bytes(10), maxShardDoubted - 10, true},
		{"one more", bytes(10), maxShardDoubted - 9, false},
		{"with foreign timestamps", foreign(capture.ACK, 10), 0, true},
		{"a FIN with foreign timestamps", foreign(capture.ACK|capture.FIN, 0), 0, true},
		{"an acknowledgement with foreign timestamps", foreign(capture.ACK, 0), 0, false},
		{"an acknowledgement", bytes(0), 0, true},
	} {
		c := halfway(t)
		c.w.doubted = tc.in
		c.doubt(&tc.it)
		if kept := len(c.doubts()) == 1; kept != tc.wants || c.w.disbelieved != 1 || kept && c.w.doubted != tc.in+len(tc.it.payload) {
			t.Errorf("%s: kept %v, want %v; %d bytes", tc.name, kept, tc.wants, c.w.doubted)
		}
	}
	c := halfway(t)
	for i := range 2 * maxDoubted {
		it := bytes(i)
		c.doubt(&it)
	}
	if q := c.doubts(); len(q) != maxDoubted || q[0].length != maxDoubted || c.w.doubted != 4+5+6+7 || c.doubted.bytes != c.w.doubted {
		t.Errorf("%d kept with %d bytes, want the last %d", len(q), c.w.doubted, maxDoubted)
	}
}

// TestAcknowledgementOfADoubt: the other side acknowledges a segment that was too far ahead.
func TestAcknowledgementOfADoubt(t *testing.T) {
	const far = 1001 + maxHole
	for _, tc := range []struct {
		name   string
		seq    uint32 // of the segment in doubt, of 28 bytes
		ack    uint32
		change func(c *conn, it, kept *item)
		want   bool
	}{
		{"up to its end", far, far + 28, nil, true},
		{"not to its end", far, far + 27, nil, false},
		{"as much as is lost at once", far, far + 28 + maxHole, nil, true},
		{"more", far, far + 29 + maxHole, nil, false},
		{"without ACK", far, far + 28, func(_ *conn, it, _ *item) { it.flags = capture.RST }, false},
		{"by the same side", far, far + 28, func(_ *conn, it, _ *item) { it.dir = ToBroker }, false},
		{"it was not too far", far - 1, far + 27, nil, false},
		{"the first of its side", far - 1, far + 27, func(c *conn, _, _ *item) { c.half[ToBroker].synced = false }, true},
		{"a foreign one, in order", 1000, 1028, func(_ *conn, _, k *item) { k.isForeign = true }, true},
		{"a foreign one, in part", 1000, 1027, func(_ *conn, _, k *item) { k.isForeign = true }, false},
		{"a foreign one, of bytes that came", 972, 1000, func(_ *conn, _, k *item) { k.isForeign = true }, false},
		{"a foreign FIN, and not the FIN", 1000, 1028, func(_ *conn, _, k *item) { k.isForeign, k.flags = true, k.flags|capture.FIN }, false},
		{"a foreign FIN", 1000, 1029, func(_ *conn, _, k *item) { k.isForeign, k.flags = true, k.flags|capture.FIN }, true},
	} {
		c := halfway(t)
		kept := item{conn: c, seq: tc.seq, ack: 2000, length: 28, flags: capture.ACK, payload: request(3, 1, 1, 10)}
		it := &item{conn: c, dir: ToClient, seq: 2000, ack: tc.ack, flags: capture.ACK}
		if tc.change != nil {
			tc.change(c, it, &kept)
		}
		c.doubt(&kept)
		if got := c.acknowledgeDoubted(it); got != tc.want || (c.info.Requests == 1) != tc.want || len(c.doubts()) == 1 == tc.want || (c.w.disbelieved == 0) != tc.want {
			t.Errorf("%s: %v, want %v; %d requests, %d not believed", tc.name, got, tc.want, c.info.Requests, c.w.disbelieved)
		}
	}
}

// TestOneSideJumps: the capture has one side, and lacks many bytes. Some segments in a row show where
// it goes on. A segment in between that does not belong there confirms nothing.
func TestOneSideJumps(t *testing.T) {
	const lost = 100 << 20
	for _, isForged := range []bool{false, true} {
		r := capturetest.NewRecorder()
		c := r.Join(client, broker)
		c.Silent = true
		for i := range uint32(9) {
			if i == 3 {
				c.Miss(capturetest.ToBroker, lost)
			}
			if i == 4 && isForged {
				pretend(c, 1<<30, func() { c.Send(capturetest.ToBroker, request(3, 1, 90, 10)) })
			}
			c.Send(capturetest.ToBroker, request(3, 1, i+1, 10))
		}
		if got := run(t, r.Packets, 100); count(got.lines, "request") != 9 || count(got.lines, "request 3 v1 id 90") != 0 || got.missing() != lost || got.conns[0].Odd().Gaps != 1 {
			t.Errorf("with a forged segment %v: %d bytes in %d gaps are missing: %q", isForged, got.missing(), got.conns[0].Odd().Gaps, got.lines)
		}
	}
}

// TestBothSidesJump: the capture lacks more of a connection than is waited for.
func TestBothSidesJump(t *testing.T) {
	r := capturetest.NewRecorder()
	c := r.Open(client, broker)
	c.Exchange(request(3, 1, 1, 10), response(1, 20))
	c.Miss(capturetest.ToBroker, 100<<20)
	c.Miss(capturetest.ToClient, 200<<20)
	for i := range uint32(5) {
		c.Exchange(request(3, 1, i+2, 10), response(i+2, 20))
	}
	if got := run(t, r.Packets, 100); count(got.lines, "request") != 6 || count(got.lines, "response") != 6 || got.missing() != 300<<20 {
		t.Errorf("%d bytes are missing: %q", got.missing(), got.lines)
	}
}

// TestTTLThatExpires: a segment with a small TTL does not arrive, unless all of its side have one.
func TestTTLThatExpires(t *testing.T) {
	for _, tc := range []struct {
		own, forged byte
		arrives     bool
	}{
		{64, minTTL - 1, false}, {64, minTTL, true}, {usualTTL, minTTL - 1, false}, {usualTTL - 1, minTTL - 1, true}, {64, 0, true}, {64, 255, true},
	} {
		r := capturetest.NewRecorder()
		c := r.Open(client, broker)
		c.Exchange(request(3, 1, 1, 10), response(1, 20))
		n := len(r.Packets)
		forge(r, c, capturetest.ToBroker, capturetest.ACK, -38, 0, string(request(3, 1, 1, 20)))
		r.Wait(time.Second)
		c.Exchange(request(3, 1, 2, 10), response(2, 20))
		for i, p := range r.Packets {
			p.Data[etherLength+ttlOffset], p.Data[etherLength+10], p.Data[etherLength+11] = tc.own, 0, 0
			if i == n {
				p.Data[etherLength+ttlOffset] = tc.forged
			}
		}
		if got := run(t, r.Packets, 100); (got.stats.Disbelieved == 0) != tc.arrives {
			t.Errorf("TTL %d among %d: %d not believed", tc.forged, tc.own, got.stats.Disbelieved)
		}
	}
}

// TestResetWhileARequestIsInDoubt: segments in doubt are not passed on to a connection that is over.
func TestResetWhileARequestIsInDoubt(t *testing.T) {
	r := capturetest.NewRecorder()
	c := r.Open(client, broker)
	c.Exchange(request(3, 1, 1, 10), response(1, 20))
	pretend(c, 100<<20, func() { c.Send(capturetest.ToBroker, request(3, 1, 2, 10)) })
	c.Reset(capturetest.ToClient)
	other := r.Open(netip.AddrPortFrom(client.Addr(), client.Port()+1), broker)
	for range 5 {
		r.Wait(time.Second)
		other.Ack(capturetest.ToBroker)
	}
	got := run(t, r.Packets, 1)
	if count(got.lines, "request") != 1 || got.conns[0].End.Kind != Reset || got.stats.Disbelieved != 1 {
		t.Errorf("%d not believed, %+v, %q", got.stats.Disbelieved, got.conns[0].End, got.lines)
	}
}
