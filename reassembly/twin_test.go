package reassembly

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"

	"github.com/kafkavet/kafkavet/capture/capturetest"
)

func TestOneConnectionBeforeAndAfterTranslation(t *testing.T) {
	r := capturetest.NewRecorder()
	talk(r, client, 5)
	got := run(t, capturetest.Translated(capturetest.Randomize(r.Packets, 1)), 100)
	if n := count(got.lines, "request"); n != 5 || len(got.conns) != 1 {
		t.Fatalf("%d requests on %d connections, want 5 on 1", n, len(got.conns))
	}
	if c := got.conns[0]; c.Broker != broker || len(c.Behind) != 1 || c.Behind[0].Port() != 30092 {
		t.Errorf("broker %s behind %v", c.Broker, c.Behind)
	}
}

// Two connections are told apart by the initial sequence number of either side.
func TestOtherSequenceNumbersAreAnotherConnection(t *testing.T) {
	r := capturetest.NewRecorder()
	talk(r, client, 5)
	behind := slices.DeleteFunc(capturetest.Translated(r.Packets), func(p capturetest.Packet) bool {
		return !bytes.Contains(p.Data, []byte{30092 >> 8, 30092 & 0xff})
	})
	if len(behind) != len(r.Packets) {
		t.Fatalf("%d packets behind the translation, want %d", len(behind), len(r.Packets))
	}
	other := capturetest.Randomize(behind, 3)
	if got := run(t, capturetest.Merge(r.Packets, other), 100); len(got.conns) != 2 || count(got.lines, "request") != 10 {
		t.Errorf("%d connections and %d requests, want 2 and 10", len(got.conns), count(got.lines, "request"))
	}
}

// Captures that were made up have the same small sequence numbers, or the same ones everywhere: clients that say
// something else are others.
func TestEqualSequenceNumbersAloneAreNoTwins(t *testing.T) {
	r := capturetest.NewRecorder()
	talk(r, client, 5)
	if got := run(t, capturetest.Translated(r.Packets), 100); len(got.conns) != 2 {
		t.Errorf("small sequence numbers: %d connections, want 2", len(got.conns))
	}
	r = capturetest.NewRecorder()
	r.Open(client, broker).Exchange(request(3, 1, 7, 10), response(7, 50))
	other := capturetest.NewRecorder()
	other.Open(netip.AddrPortFrom(client.Addr(), client.Port()+1), broker).Exchange(request(3, 1, 8, 10), response(8, 50))
	both := capturetest.Merge(capturetest.Randomize(r.Packets, 1), capturetest.Randomize(other.Packets, 1))
	if got := run(t, both, 100); len(got.conns) != 2 || count(got.lines, "request") != 2 {
		t.Errorf("other requests: %d connections and %d requests, want 2 and 2", len(got.conns), count(got.lines, "request"))
	}
}
