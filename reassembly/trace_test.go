package reassembly

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// notes is a Tracer of one stream.
type notes struct {
	stream uint32
	lines  []string
}

func (n *notes) Stream() uint32 { return n.stream }
func (n *notes) Printf(at capture.Position, format string, args ...any) {
	n.lines = append(n.lines, fmt.Sprintf("%d: ", at.Frame)+fmt.Sprintf(format, args...))
}

// traced returns the decisions about a stream.
func traced(t *testing.T, packets []capturetest.Packet, stream uint32) []string {
	t.Helper()
	n := &notes{stream: stream}
	p := NewPool(Options{Dissector: capture.NewDissector(capture.DissectorOptions{}), LooksLikeRequest: looksLike, Tracer: n},
		func() Shard[[]string] { return new(log) }, func([][]string) error { return nil })
	if _, err := p.Run(t.Context(), &memory{packets: packets, batch: 100}); err != nil {
		t.Fatal(err)
	}
	return n.lines
}

// TestTrace: the decisions about one connection are printed in words.
func TestTrace(t *testing.T) {
	r := capturetest.NewRecorder()
	r.Open(client, broker).Exchange(request(3, 1, 1, 10), response(1, 10)) // stream 0
	c := r.Between(client, broker)
	c.Syn(capturetest.ToBroker)
	c.Syn(capturetest.ToClient)
	c.Exchange(request(3, 1, 1, 10), response(1, 10))
	c.Seq[0] -= 28
	c.Send(capturetest.ToBroker, request(3, 1, 1, 10))
	c.Miss(capturetest.ToBroker, 100)
	c.Exchange(request(3, 1, 2, 10), response(2, 10))
	c.Fin(capturetest.ToBroker)
	c.Reset(capturetest.ToClient)
	if got := traced(t, r.Packets, 7); len(got) != 0 {
		t.Errorf("another stream: %q", got)
	}
	got := strings.Join(traced(t, r.Packets, 1), "\n")
	for _, want := range []string{
		"8: connection 10.0.0.1:40000 to 10.0.0.2:31313: both sides' SYN seen",
		"message to the broker of 24 bytes\n", "message to the client of 14 bytes\n", "message to the broker of 24 bytes, found by searching",
		"out of order to the broker: 100 bytes before this segment are waited for", "100 bytes are missing in the capture",
		"28 bytes to the broker came again", "FIN to the broker", "RST to the client",
		"connection closed by the client; spoke Kafka, 2 requests, 2 responses, 100 bytes missing in 1 places, found its place again 1 times",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in:\n%s", want, got)
		}
	}
	for name, tc := range map[string]struct {
		play func(r *capturetest.Recorder)
		want []string
	}{
		"the SYN": {func(r *capturetest.Recorder) {
			c := r.Between(client, broker)
			c.Syn(capturetest.ToBroker)
			c.Send(capturetest.ToBroker, request(3, 1, 1, 10))
			c.Reset(capturetest.ToBroker)
		}, []string{"the client's SYN was captured", "connection reset by the client"}},
		"its answer": {func(r *capturetest.Recorder) {
			c := r.Open(client, broker)
			r.Packets = r.Packets[1:]
			c.Send(capturetest.ToBroker, request(3, 1, 1, 10))
			c.Close(capturetest.ToClient)
		}, []string{"only the answer to a SYN was captured", "connection closed by the broker"}},
		"no SYN": {func(r *capturetest.Recorder) {
			r.Join(client, broker).Send(capturetest.ToBroker, request(3, 1, 1, 10))
		}, []string{"joined midstream", "connection open when the capture ended; spoke Kafka"}},
		"other bytes": {func(r *capturetest.Recorder) {
			c := r.Open(client, broker)
			c.MSS = 10
			c.Send(capturetest.ToBroker, unnamed(1, 20)[:20])
		}, []string{"undecided what the connection speaks after 20 bytes"}},
		"TLS": {func(r *capturetest.Recorder) {
			r.Packets = capturetest.MustRead("../testdata/captures/confluent-go-2.6.0_broker-2.1_tls12.pcap")
		}, []string{"a TLS ClientHello", "TLS 1.2 TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: no key was given for client random"}},
	} {
		r := capturetest.NewRecorder()
		tc.play(r)
		got := traced(t, r.Packets, 0)
		for _, want := range tc.want {
			if !slices.ContainsFunc(got, func(l string) bool { return strings.Contains(l, want) }) {
				t.Errorf("%s: %q is not in %q", name, want, got)
			}
		}
	}
}
