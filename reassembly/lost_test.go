package reassembly

import (
	"context"
	"testing"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// losses is a Shard and a Handler that keeps the packets given to Lost for the broker's bytes.
type losses struct {
	voice
	frames []uint64
}

func (l *losses) Open(c *Connection) Handler { l.voice = voice{log: new(log), c: c}; return l }
func (l *losses) Closed(*Connection)         {}
func (l *losses) Take(struct{}) struct{}     { return struct{}{} }
func (l *losses) Lost(d Direction, at capture.Position) {
	if d == ToClient {
		l.frames = append(l.frames, at.Frame)
	}
}

// TestLossIsBoundedByAcknowledgement: bytes that the client acknowledges were lost before that
// packet, even if the loss shows later. They cannot contain the response to a later request.
func TestLossIsBoundedByAcknowledgement(t *testing.T) {
	const handshake = 3
	lose := func(c *capturetest.Conversation) { // a response, whose request is in packet 4
		c.Send(capturetest.ToBroker, request(3, 1, 1, 20))
		c.Miss(capturetest.ToClient, len(response(1, 50)))
	}
	answered := func(c *capturetest.Conversation, id uint32) {
		c.Send(capturetest.ToBroker, request(3, 1, id, 20))
		c.Send(capturetest.ToClient, response(id, 50))
	}
	for _, tc := range []struct {
		name string
		play func(c *capturetest.Conversation)
		want []uint64
	}{
		{"at once", func(c *capturetest.Conversation) {
			lose(c)
			c.Ack(capturetest.ToBroker) // 5
			answered(c, 2)
		}, []uint64{handshake + 2}},
		{"by the next request", func(c *capturetest.Conversation) {
			lose(c)
			answered(c, 2)
		}, []uint64{handshake + 2}},
		{"in part", func(c *capturetest.Conversation) {
			lose(c)
			c.Seq[capturetest.ToClient] -= 10
			c.Ack(capturetest.ToBroker)
			c.Seq[capturetest.ToClient] += 10
			c.Send(capturetest.ToClient, response(1, 50)) // 6
		}, []uint64{handshake + 3}},
		{"not before the next segment", func(c *capturetest.Conversation) {
			lose(c)
			c.Send(capturetest.ToClient, response(1, 50)) // 5
			c.Ack(capturetest.ToBroker)
		}, []uint64{handshake + 2}},
		{"twice", func(c *capturetest.Conversation) {
			lose(c)
			c.Ack(capturetest.ToBroker) // 5
			for id := range uint32(ackedWait) {
				answered(c, id+2)
			}
			c.Ack(capturetest.ToBroker) // 6 + 2*ackedWait
			c.Send(capturetest.ToBroker, request(3, 1, 100, 20))
			c.Miss(capturetest.ToClient, len(response(100, 50)))
			c.Ack(capturetest.ToBroker) // 8 + 2*ackedWait
			answered(c, 101)
		}, []uint64{handshake + 2, handshake + 5 + 2*ackedWait}},
	} {
		r := capturetest.NewRecorder()
		c := r.Open(client, broker)
		c.Silent = true
		tc.play(c)
		got := lossesOf(t, r.Packets)
		if len(got) != len(tc.want) {
			t.Errorf("%s: lost before packets %v, want %v", tc.name, got, tc.want)
			continue
		}
		for i := range got {
			if got[i] != tc.want[i] {
				t.Errorf("%s: lost before packets %v, want %v", tc.name, got, tc.want)
			}
		}
	}
}

// TestLossBeforeTheFirstSegment: the broker's side of a joined connection begins with a hole. The
// client's acknowledgements bound it. Nothing counts as missing: the bytes may precede the
// capture.
func TestLossBeforeTheFirstSegment(t *testing.T) {
	r := capturetest.NewRecorder()
	c := r.Join(client, broker)
	c.Silent = true
	c.Send(capturetest.ToBroker, request(3, 1, 1, 20)) // 1
	c.Miss(capturetest.ToClient, 30)
	c.Ack(capturetest.ToBroker) // 2
	c.Miss(capturetest.ToClient, 30)
	c.Ack(capturetest.ToBroker)                        // 3
	c.Ack(capturetest.ToBroker)                        // 4
	c.Send(capturetest.ToBroker, request(3, 1, 2, 20)) // 5
	c.Send(capturetest.ToClient, response(2, 50))      // 6
	if got := lossesOf(t, r.Packets); len(got) != 1 || got[0] != 3 {
		t.Errorf("lost before packets %v, want 3", got)
	}
	if n := run(t, r.Packets, 100).missing(); n != 0 {
		t.Errorf("%d bytes are missing", n)
	}
}

func lossesOf(t *testing.T, packets []capturetest.Packet) (frames []uint64) {
	var all []*losses
	p := NewPool(Options{Dissector: capture.NewDissector(capture.DissectorOptions{}), LooksLikeRequest: looksLike},
		func() Shard[struct{}] {
			all = append(all, new(losses))
			return all[len(all)-1]
		}, func([]struct{}) error { return nil })
	if _, err := p.Run(context.Background(), &memory{packets: packets, batch: 100}); err != nil {
		t.Fatal(err)
	}
	for _, l := range all {
		frames = append(frames, l.frames...)
	}
	return frames
}
