package reassembly

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// TestEndSaysWhatWasReceived: a FIN or RST acknowledges the requests that arrived before the
// broker ended the connection, at any place in the capture.
func TestEndSaysWhatWasReceived(t *testing.T) {
	first, second := request(3, 1, 1, 20), request(3, 1, 2, 40)
	answered := func(r *capturetest.Recorder) *capturetest.Conversation {
		c := r.Open(client, broker)
		c.Exchange(first, response(1, 50))
		return c
	}
	aheadFIN := func(c *capturetest.Conversation, distance uint32) {
		seq, silent := c.Seq, c.Silent
		c.Seq[capturetest.ToClient] += distance
		c.Silent = true
		c.Fin(capturetest.ToClient)
		c.Seq, c.Silent = seq, silent
	}
	begin := int64(len(first)) // the second request begins here
	for name, tc := range map[string]struct {
		play func(r *capturetest.Recorder)
		want End
	}{
		"FIN in answer to the second": {func(r *capturetest.Recorder) {
			c := answered(r)
			c.Send(capturetest.ToBroker, second)
			c.Fin(capturetest.ToClient)
		}, End{Kind: Closed, By: ToClient, Acked: begin + int64(len(second)), HasAcked: true}},
		"FIN before the second": {func(r *capturetest.Recorder) {
			c := answered(r)
			c.Fin(capturetest.ToClient)
			c.Send(capturetest.ToBroker, second)
			c.Reset(capturetest.ToClient)
		}, End{Kind: Closed, By: ToClient, Acked: begin, HasAcked: true, Overrun: true}},
		"FIN captured behind the second that crossed it": {func(r *capturetest.Recorder) {
			c := answered(r)
			c.Silent = true
			c.Fin(capturetest.ToClient)
			c.Send(capturetest.ToBroker, second)
			n := len(r.Packets)
			r.Packets[n-1], r.Packets[n-2] = r.Packets[n-2], r.Packets[n-1]
		}, End{Kind: Closed, By: ToClient, Acked: begin, HasAcked: true}},
		"RST in answer to the second": {func(r *capturetest.Recorder) {
			c := answered(r)
			c.Send(capturetest.ToBroker, second)
			c.Reset(capturetest.ToClient)
		}, End{Kind: Reset, By: ToClient, Acked: begin + int64(len(second)), HasAcked: true}},
		"RST that acknowledges what was never sent": {func(r *capturetest.Recorder) {
			c := answered(r)
			c.Seq[capturetest.ToBroker] += 1 << 30
			c.Reset(capturetest.ToClient)
		}, End{Kind: Cut}},
		"FIN far ahead that the client does not acknowledge, and one in order": {func(r *capturetest.Recorder) {
			c := answered(r)
			aheadFIN(c, 777_777)
			c.Send(capturetest.ToBroker, second)
			c.Fin(capturetest.ToClient)
		}, End{Kind: Closed, By: ToClient, Acked: begin + int64(len(second)), HasAcked: true}},
		"FIN far ahead that the client does not acknowledge, and a RST later": {func(r *capturetest.Recorder) {
			c := answered(r)
			aheadFIN(c, 777_777)
			for range 4 {
				r.Wait(time.Second)
				c.Ack(capturetest.ToBroker)
			}
			c.Send(capturetest.ToBroker, second)
			c.Reset(capturetest.ToClient)
		}, End{Kind: Reset, By: ToClient, Acked: begin + int64(len(second)), HasAcked: true}},
		"FIN far ahead, and the capture ends": {func(r *capturetest.Recorder) {
			aheadFIN(answered(r), 777_777)
		}, End{Kind: Cut}},
		"FIN a little ahead that the client does not acknowledge, and the connection goes on": {func(r *capturetest.Recorder) {
			c := answered(r)
			aheadFIN(c, 1000)
			for range 4 {
				r.Wait(time.Second)
				c.Ack(capturetest.ToBroker)
			}
			c.Exchange(second, response(2, 50))
		}, End{Kind: Cut}},
		"joined midstream, FIN": {func(r *capturetest.Recorder) {
			c := r.Join(client, broker)
			c.Exchange(first, response(1, 50))
			c.Fin(capturetest.ToClient)
			c.Send(capturetest.ToBroker, second)
		}, End{Kind: Closed, By: ToClient, Acked: begin, HasAcked: true}},
		"the client ends it, and a request was never acknowledged": {func(r *capturetest.Recorder) {
			c := answered(r)
			c.Segment(capturetest.ToBroker, capturetest.PSH, second)
			c.Fin(capturetest.ToBroker)
		}, End{Kind: Closed, By: ToBroker, Acked: 58, HasAcked: true, Unacked: uint32(len(second))}},
		"the same, and a part was acknowledged": {func(r *capturetest.Recorder) {
			c := answered(r)
			c.Segment(capturetest.ToBroker, 0, second[:20])
			c.Ack(capturetest.ToClient)
			c.Segment(capturetest.ToBroker, capturetest.PSH, second[20:])
			c.Reset(capturetest.ToBroker)
		}, End{Kind: Reset, By: ToBroker, Acked: 58, HasAcked: true, Unacked: uint32(len(second) - 20)}},
		"the client ends it": {func(r *capturetest.Recorder) {
			c := answered(r)
			c.Close(capturetest.ToBroker)
		}, End{Kind: Closed, By: ToBroker, Acked: 58, HasAcked: true}},
	} {
		r := capturetest.NewRecorder()
		tc.play(r)
		got := run(t, r.Packets, 100)
		end := got.conns[0].End
		if n := got.stats.MissingBytes; n != 0 {
			t.Errorf("%s: %d bytes are missing, want 0", name, n)
		}
		tc.want.At = end.At
		if diff := cmp.Diff(tc.want, end); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if want := []int64{0, begin}[:len(got.offsets)]; !slices.Equal(got.offsets, want) {
			t.Errorf("%s: requests at %d, want %d", name, got.offsets, want)
		}
	}
}

// TestOffsetsCountWhatIsMissing: bytes that the capture lacks count in stream offsets.
func TestOffsetsCountWhatIsMissing(t *testing.T) {
	r := capturetest.NewRecorder()
	c := r.Open(client, broker)
	first := request(3, 1, 1, 20)
	c.Exchange(first, response(1, 50))
	c.Miss(capturetest.ToBroker, 1000)
	c.Exchange(append(request(3, 1, 2, 20), request(3, 1, 3, 20)...), response(3, 50))
	n := int64(len(first))
	if got := run(t, r.Packets, 100).offsets; !slices.Equal(got, []int64{0, n + 1000, 2*n + 1000}) {
		t.Errorf("requests at %d", got)
	}
}

// TestRequestCutShort: the last request of a connection is passed on if its header was captured,
// with the number of bytes that it lacks.
func TestRequestCutShort(t *testing.T) {
	whole := request(3, 1, 2, 4000)
	answered := "0: request 3 v1 id 1 size 34 frame 4"
	for name, tc := range map[string]struct {
		play func(c *capturetest.Conversation)
		want []string
	}{
		"only the header, FIN": {func(c *capturetest.Conversation) {
			c.Send(capturetest.ToBroker, whole[:12])
			c.Close(capturetest.ToClient)
		}, []string{"0: request 3 v1 id 2 size 4014 frame 8 lacking 4006"}},
		"part of the body, RST": {func(c *capturetest.Conversation) {
			c.Send(capturetest.ToBroker, whole[:2000])
			c.Reset(capturetest.ToClient)
		}, []string{"0: request 3 v1 id 2 size 4014 frame 9 lacking 2018"}},
		"the capture ends": {func(c *capturetest.Conversation) {
			c.Send(capturetest.ToBroker, whole[:2000])
		}, []string{"0: request 3 v1 id 2 size 4014 frame 9 lacking 2018"}},
		"less than the header": {func(c *capturetest.Conversation) {
			c.Send(capturetest.ToBroker, whole[:11])
			c.Close(capturetest.ToClient)
		}, nil},
		"the rest was received but not captured": {func(c *capturetest.Conversation) {
			c.Send(capturetest.ToBroker, whole[:2000])
			c.Miss(capturetest.ToBroker, len(whole)-2000)
			c.Fin(capturetest.ToClient)
		}, []string{"0: request 3 v1 id 2 size 4014 frame 11"}},
		"the header was not captured": {func(c *capturetest.Conversation) {
			c.Send(capturetest.ToBroker, whole[:4])
			c.Miss(capturetest.ToBroker, 100)
			c.Send(capturetest.ToBroker, whole[104:1000])
			c.Close(capturetest.ToClient)
		}, nil},
		"bytes in the middle were not captured": {func(c *capturetest.Conversation) {
			c.Send(capturetest.ToBroker, whole[:100])
			c.Miss(capturetest.ToBroker, 100)
			c.Send(capturetest.ToBroker, whole[200:1000])
			c.Close(capturetest.ToClient)
		}, []string{"0: request 3 v1 id 2 size 4014 frame 10 lacking 3018"}},
	} {
		r := capturetest.NewRecorder()
		c := r.Open(client, broker)
		c.Exchange(request(3, 1, 1, 20), response(1, 50))
		tc.play(c)
		got := run(t, r.Packets, 100).lines
		if diff := cmp.Diff(append([]string{answered, "0: response 1 size 54"}, tc.want...), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
