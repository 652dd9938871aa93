package reassembly

import (
	"bytes"
	"slices"
	"testing"

	"github.com/kafkavet/kafkavet/capture/capturetest"
)

func TestOneConnectionBeforeAndAfterTranslation(t *testing.T) {
	r := capturetest.NewRecorder()
	talk(r, client, 5)
	got := run(t, capturetest.Translated(r.Packets), 100)
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
	other := capturetest.WrapSequence(behind, 3)
	if got := run(t, capturetest.Merge(r.Packets, other), 100); len(got.conns) != 2 || count(got.lines, "request") != 10 {
		t.Errorf("%d connections and %d requests, want 2 and 10", len(got.conns), count(got.lines, "request"))
	}
}
