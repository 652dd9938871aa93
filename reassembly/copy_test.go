package reassembly

import (
	"bytes"
	"testing"

	"github.com/kafkavet/kafkavet/capture"
)

// TestCopiesOfSegments: all bytes of a short segment are compared with a copy, of a long one the first.
func TestCopiesOfSegments(t *testing.T) {
	for _, tc := range []struct {
		name     string
		n        int // bytes of the segment
		at, of   int // the copy: its first byte, and how many it has
		changed  int // the byte of the segment that is another one; -1 for none
		conflict uint32
	}{
		{"the same", 100, 0, 100, -1, 0},
		{"the last byte", 100, 0, 100, 99, 100},
		{"the last byte of the longest short one", recentBytes, 0, recentBytes, recentBytes - 1, recentBytes},
		{"the last byte of a long one", recentBytes + 1, 0, recentBytes + 1, recentBytes, 0},
		{"the first byte of a long one", recentBytes + 1, 0, recentBytes + 1, 0, recentBytes + 1},
		{"the last of the first bytes", 1000, 0, 1000, headBytes - 1, 1000},
		{"the next byte", 1000, 0, 1000, headBytes, 0},
		{"a part of a short one", 100, 0, 99, 0, 99},
		{"a part of a short one, behind the first bytes", 100, 0, 99, headBytes, 0},
		{"as few bytes as are compared", 100, 0, headBytes, 0, headBytes},
		{"fewer", 100, 0, headBytes - 1, 0, 0},
		{"the segment has as few bytes", headBytes, 0, headBytes, 0, headBytes},
		{"the segment has fewer", headBytes - 1, 0, headBytes - 1, 0, headBytes - 1},
		{"a part of a segment of fewer bytes", headBytes - 1, 0, headBytes - 2, 0, 0},
		{"bytes before it, too", 100, -20, 120, 99, 100},
		{"bytes before it only", 100, -20, 20, -1, 0},
		{"bytes before it, and its first one", 100, -20, 21, 0, 0},
		{"bytes before it, and its first ones", 100, -20, 20 + headBytes, 0, headBytes},
		{"inside it", 100, 10, 50, 20, 0},
	} {
		c := halfway(t)
		h := &c.half[ToBroker]
		p := bytes.Repeat([]byte("abcdefgh"), 200)[:tc.n]
		h.remember(1000, p)
		h.next = 1000 + uint32(tc.n)
		c.info.Bytes[ToBroker] = 500 + uint64(tc.n)
		whole := append(bytes.Repeat([]byte("x"), 20), p...)
		if tc.changed >= 0 {
			whole[20+tc.changed] ^= 1
		}
		again := whole[20+tc.at:][:tc.of]
		seq := uint32(1000 + tc.at)
		c.overlap(ToBroker, seq, uint32(tc.of), &item{seq: seq, length: uint32(tc.of), payload: again, flags: capture.ACK})
		want := Span{}
		if tc.conflict > 0 {
			want = Span{500, 500 + int64(tc.conflict)}
		}
		if o := c.info.Odd(); o.Conflicts != uint64(tc.conflict) || o.Contested[ToBroker] != want {
			t.Errorf("%s: %d conflicts at %v, want %d at %v", tc.name, o.Conflicts, o.Contested[ToBroker], tc.conflict, want)
		}
	}
}

// TestOldCopies: the last segments are compared, not those before them. What the receiver acknowledged
// before the copy is certain.
func TestOldCopies(t *testing.T) {
	for back := range recentSegments + 1 {
		c := halfway(t)
		h := &c.half[ToBroker]
		for i := range uint32(recentSegments + 1) {
			h.remember(1000+10*i, []byte("0123456789"))
		}
		h.next = 1000 + 10*(recentSegments+1)
		seq := h.next - 10*uint32(back+1)
		c.overlap(ToBroker, seq, 10, &item{seq: seq, length: 10, payload: []byte("0123456789")[:9:9]})
		c.overlap(ToBroker, seq, 10, &item{seq: seq, length: 10, payload: []byte("012345678x")})
		if isKnown := c.info.Odd().Conflicts == 10; isKnown != (back < recentSegments) {
			t.Errorf("the copy of the segment %d before the last: %d conflicts", back, c.info.Odd().Conflicts)
		}
	}
	for acked, want := range map[uint32]Span{1009: {500, 510}, 1010: {}, 1011: {}} {
		for _, isSeen := range []bool{true, false} {
			c := halfway(t)
			h := &c.half[ToBroker]
			h.next, h.acked, h.ackSeen = 1010, acked, isSeen
			c.info.Bytes[ToBroker] = 510
			if !isSeen {
				want = Span{500, 510}
			}
			if c.contest(ToBroker, 1000, 10); c.info.Odd().Contested[ToBroker] != want {
				t.Errorf("acknowledged up to %d, %v: contested %v, want %v", acked, isSeen, c.info.Odd().Contested[ToBroker], want)
			}
		}
	}
	c := halfway(t)
	c.half[ToBroker].next, c.info.Bytes[ToBroker] = 1100, 600
	for _, seq := range []uint32{1040, 1020, 1030} {
		c.contest(ToBroker, seq, 10)
	}
	if got := c.info.Odd().Contested[ToBroker]; got != (Span{520, 550}) {
		t.Errorf("several ranges: %v", got)
	}
}

// TestQueuedBytesThatAreOverruled: a segment in order replaces bytes that came early, if the receiver
// cannot have had the missing ones before.
func TestQueuedBytesThatAreOverruled(t *testing.T) {
	for _, tc := range []struct {
		name   string
		acked  uint32 // 0 for none
		seq    uint32 // of the part that came early, of 10 bytes
		length int    // of the segment in order
		want   string
	}{
		{"all of it", 0, 1005, 30, "fghijklmno"},
		{"a part", 0, 1005, 10, "fghij"},
		{"up to it", 0, 1010, 10, ""},
		{"one byte", 0, 1009, 10, "j"},
		{"nothing of the segment was acknowledged", 1000, 1005, 30, "fghijklmno"},
		{"a part of it was acknowledged", 1001, 1005, 30, ""},
	} {
		c := halfway(t)
		h := &c.half[ToBroker]
		h.ackSeen, h.acked = tc.acked > 0, tc.acked
		h.hole = &disorder{queued: []queuedPart{{seq: tc.seq, length: 10}, {seq: tc.seq + 100, length: 10}}}
		p := []byte("abcdefghijklmnopqrstuvwxyzABCD")[:tc.length]
		c.overrule(h, 1000, uint32(tc.length), p, capture.Position{Frame: 9})
		e := &h.hole.queued[0]
		if string(e.instead) != tc.want || (e.at.Frame == 9) != (tc.want != "") || h.hole.queued[1].instead != nil {
			t.Errorf("%s: %q, want %q", tc.name, e.instead, tc.want)
		}
	}
}

// TestAlerts: the first seven bytes of a broker that answers plaintext with an alert, in any parts.
func TestAlerts(t *testing.T) {
	const alert = "\x15\x03\x03\x00\x02\x02\x28"
	for _, tc := range []struct {
		name   string
		parts  []string
		change func(c *conn)
		want   bool
	}{
		{"at once", []string{alert}, nil, true},
		{"in two parts", []string{alert[:6], alert[6:]}, nil, true},
		{"and more", []string{alert + "more"}, nil, true},
		{"too few bytes", []string{alert[:6]}, nil, false},
		{"behind other bytes", []string{"other bytes", alert}, nil, false},
		{"a byte before", []string{"x" + alert}, nil, false},
		{"inside TLS", []string{alert}, func(c *conn) { c.startTLS(nil, tlsHello[:1], c.info.Now) }, false},
	} {
		for sent, confusion := range map[uint64]Confusion{0: NoConfusion, 1: ClearToTLS} {
			c := halfway(t)
			c.info.Bytes[ToBroker] = sent
			if tc.change != nil {
				tc.change(c)
			}
			got := false
			for _, p := range tc.parts {
				got = c.alerts([]byte(p))
			}
			if !tc.want {
				confusion = NoConfusion
			}
			if got != tc.want || (c.info.Odd().Spoke == SpokeTLS) != tc.want || c.info.Confusion != confusion {
				t.Errorf("%s, behind %d bytes: %v, want %v; confusion %d", tc.name, sent, got, tc.want, c.info.Confusion)
			}
		}
	}
}
