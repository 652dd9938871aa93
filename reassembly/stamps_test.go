package reassembly

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// stamped records a connection that uses timestamps. forge is called between its exchanges.
func stamped(tick time.Duration, isJoined bool, forge func(r *capturetest.Recorder, c *capturetest.Conversation, i int)) []capturetest.Packet {
	r := capturetest.NewRecorder()
	c := r.Between(client, broker)
	if isJoined {
		c = r.Join(client, broker)
	}
	c.Tick, c.Origin = tick, [2]uint32{1 << 31, 3 << 30}
	if !isJoined {
		c.Syn(capturetest.ToBroker)
		forge(r, c, 0)
		c.Syn(capturetest.ToClient)
		c.Ack(capturetest.ToBroker)
	}
	for i := range 6 {
		if i > 0 || !isJoined {
			forge(r, c, i+1)
		} else {
			c.Ack(capturetest.ToBroker)
			forge(r, c, 0)
		}
		c.Exchange(request(3, 1, uint32(2*i+1), 10), response(uint32(2*i+1), 0))
		c.Exchange(request(3, 1, uint32(2*i+2), 10), response(uint32(2*i+2), 0))
	}
	c.Fin(capturetest.ToBroker)
	c.Fin(capturetest.ToClient)
	c.Ack(capturetest.ToBroker)
	return r.Packets
}

// TestForgedSegmentsWithoutTheTimestamps: who does not see a connection may guess its sequence
// numbers, but not its timestamps too.
func TestForgedSegmentsWithoutTheTimestamps(t *testing.T) {
	const toBroker, toClient = capturetest.ToBroker, capturetest.ToClient
	junk := []byte(strings.Repeat("junk", 30))
	forgeries := map[string]func(c *capturetest.Conversation){
		"junk":               func(c *capturetest.Conversation) { c.Send(toBroker, junk) },
		"more than all":      func(c *capturetest.Conversation) { c.Send(toBroker, []byte(strings.Repeat("junk", 365))) },
		"junk of the broker": func(c *capturetest.Conversation) { c.Send(toClient, junk) },
		"an alert of it":     func(c *capturetest.Conversation) { c.Send(toClient, []byte{0x15, 3, 3, 0, 2, 2, 40}) },
		"a response of it":   func(c *capturetest.Conversation) { c.Send(toClient, response(1, 0)) },
		"a request":          func(c *capturetest.Conversation) { c.Send(toBroker, request(1, 9, 77, 10)) },
		"a ClientHello": func(c *capturetest.Conversation) {
			c.Send(toBroker, []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"+string(junk)))
		},
		"a FIN":               func(c *capturetest.Conversation) { c.Fin(toClient) },
		"a FIN of the client": func(c *capturetest.Conversation) { c.Fin(toBroker) },
		"an acknowledgement":  func(c *capturetest.Conversation) { c.Seq[toBroker] += 500; c.Ack(toClient) },
		"bytes before and behind": func(c *capturetest.Conversation) {
			c.Seq[toBroker] -= 20
			c.Send(toBroker, junk)
		},
		"bytes a little ahead": func(c *capturetest.Conversation) {
			c.Seq[toClient] += 3
			c.Send(toClient, junk)
		},
	}
	for name, play := range forgeries {
		for _, isJoined := range []bool{false, true} {
			for at := range 7 {
				for _, origin := range []uint32{0, 1 << 28} { // no timestamps, others
					if origin > 0 && isJoined && at == 0 {
						continue // the connection's own are hardly known
					}
					got := run(t, stamped(time.Millisecond, isJoined, func(r *capturetest.Recorder, c *capturetest.Conversation, i int) {
						if i != at {
							return
						}
						forged := r.Join(client, broker)
						if forged.Seq, forged.Silent, forged.Origin = c.Seq, true, [2]uint32{origin, origin}; origin > 0 {
							forged.Tick = c.Tick
						}
						play(forged)
					}), 100)
					want := run(t, stamped(time.Millisecond, isJoined, func(*capturetest.Recorder, *capturetest.Conversation, int) {}), 100)
					if d := cmp.Diff(sorted(withoutFrames(want.lines)), sorted(withoutFrames(got.lines))); d != "" {
						t.Errorf("%s before exchange %d, joined %v (-want +got):\n%s", name, at, isJoined, d)
					}
					if n := got.stats.Disbelieved; n > 2 { // the connection's own segments are believed at once
						t.Errorf("%s before exchange %d, joined %v: %d segments were not believed", name, at, isJoined, n)
					}
					if c := got.conns[0]; c.Odd().Gaps+c.Odd().Conflicts > 0 || c.End.Kind != Closed || c.End.By != ToBroker {
						t.Errorf("%s before exchange %d, joined %v: %+v, %+v", name, at, isJoined, c.End, c.Odd())
					}
				}
			}
		}
	}
}

// TestOddTimestampsHideNothing: what its receiver acknowledges is believed, with any timestamps.
func TestOddTimestampsHideNothing(t *testing.T) {
	plain := run(t, stamped(0, false, func(*capturetest.Recorder, *capturetest.Conversation, int) {}), 100)
	for name, tc := range map[string]struct {
		tick time.Duration
		odd  func(r *capturetest.Recorder, c *capturetest.Conversation, i int)
	}{
		"a unit of 1 µs, and minutes of silence": {time.Microsecond, func(_ *capturetest.Recorder, c *capturetest.Conversation, i int) {
			c.Origin[0] += 300e6
			c.Origin[1] += 300e6
		}},
		"other clocks": {time.Millisecond, func(_ *capturetest.Recorder, c *capturetest.Conversation, _ int) {
			c.Origin[0] += 1 << 31
			c.Origin[1] -= 1 << 29
		}},
		"some without": {time.Millisecond, func(_ *capturetest.Recorder, c *capturetest.Conversation, i int) {
			c.Tick = time.Duration(i%2) * time.Millisecond
		}},
		"none from then on": {time.Millisecond, func(_ *capturetest.Recorder, c *capturetest.Conversation, i int) {
			c.Tick = time.Duration(max(0, 3-i)) * time.Millisecond
		}},
		"some from then on": {0, func(_ *capturetest.Recorder, c *capturetest.Conversation, i int) {
			c.Tick = time.Duration(i/3) * time.Millisecond
		}},
		"only the handshake":   {time.Millisecond, func(_ *capturetest.Recorder, c *capturetest.Conversation, _ int) { c.Tick = 0 }},
		"a clock of each side": {time.Millisecond, func(_ *capturetest.Recorder, c *capturetest.Conversation, i int) { c.Origin[i%2] += 1 << 30 }},
	} {
		got := run(t, stamped(tc.tick, false, tc.odd), 100)
		if d := cmp.Diff(sorted(withoutFrames(plain.lines)), sorted(withoutFrames(got.lines))); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
		if c := got.conns[0]; c.Odd().Gaps > 0 || !slices.Equal(c.Bytes[:], plain.conns[0].Bytes[:]) || c.End.Kind != Closed || c.End.By != ToBroker {
			t.Errorf("%s: %+v, %+v", name, c.End, c.Odd())
		}
	}
}
