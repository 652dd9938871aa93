package tlsrecord

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/kafkavet/kafkavet/capture"
)

// gapNoter counts the gaps, and the exact ones.
type gapNoter struct{ gaps, exact int }

func (g *gapNoter) Plaintext(bool, []byte, capture.Position) {}
func (g *gapNoter) PlaintextGap(_ bool, _ int64, exact bool, _ capture.Position) {
	g.gaps++
	if exact {
		g.exact++
	}
}

// dropper loses one segment of the server.
type dropper struct {
	session *Session
	lose    int // which one, from 1
	seen    int
}

func (d *dropper) data(toServer bool, p []byte, at capture.Position) {
	if !toServer {
		if d.seen++; d.seen == d.lose {
			d.session.Gap(false, int64(len(p)), at)
			return
		}
	}
	d.session.Data(toServer, p, at)
}

// TestGapOfPaddedRecordsIsAnEstimate: Java pads the records of TLS 1.3, so the lost content cannot
// be computed from their size.
func TestGapOfPaddedRecordsIsAnEstimate(t *testing.T) {
	base := filepath.Join("..", "..", "testdata", "captures", "lab_franz-go-1.22.3_kafka-4.0.0_tls")
	keys, err := os.Open(base + ".keys")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = keys.Close() }()
	secrets := NewSecrets()
	if _, err := secrets.ReadKeyLog(keys, base, nil); err != nil {
		t.Fatal(err)
	}
	gaps := 0
	for lose := 4; lose < 10; lose++ {
		for _, c := range readCapture(t, base+".pcap", nil) {
			noter := &gapNoter{}
			d := &dropper{session: NewSession(secrets, noter, nil), lose: lose}
			for i, s := range c.pieces {
				d.data(s.toServer, s.data, frame(i+1))
			}
			d.session.End(frame(len(c.pieces) + 1))
			gaps += noter.gaps
			if noter.exact > 0 {
				t.Errorf("without segment %d of the server: %d of %d gaps are exact", lose, noter.exact, noter.gaps)
			}
		}
	}
	if gaps == 0 {
		t.Error("nothing was lost")
	}
}
