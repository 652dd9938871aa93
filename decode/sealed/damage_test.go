package sealed

import (
	"bytes"
	"context"
	"io"
	"path/filepath"
	"slices"
	"testing"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/capture/capturetest"
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
)

type packets struct {
	all []capturetest.Packet
	at  int
}

func (m *packets) Next(b *capture.Batch) error {
	b.Packets = b.Packets[:0]
	if m.at == len(m.all) {
		return io.EOF
	}
	for len(b.Packets) < 64 && m.at < len(m.all) {
		p := &m.all[m.at]
		m.at++
		b.Packets = append(b.Packets, capture.Packet{
			Position: capture.Position{Frame: uint64(m.at), Time: p.Time},
			Data:     bytes.Clone(p.Data), Length: uint32(p.Length()), Link: capture.LinkType(p.Link),
		})
	}
	return nil
}

func (m *packets) Captures() []capture.Info { return nil }
func (m *packets) Close() error             { return nil }

type bookSink struct{ *Book }

func (bookSink) Exchange(*decode.Exchange)           {}
func (bookSink) Advertisement(*decode.Advertisement) {}
func (s bookSink) Connection(c *decode.Connection)   { s.Book.Connection(c) }

func bookOf(t *testing.T, all []capturetest.Packet) *Book {
	t.Helper()
	book := NewBook(neverDown)
	correlator := decode.NewCorrelator(nil, bookSink{book})
	pool := reassembly.NewPool(reassembly.Options{
		Dissector: capture.NewDissector(capture.DissectorOptions{}), LooksLikeRequest: decode.LooksLikeRequest,
		LooksLikeExchange: decode.LooksLikeExchange, IdleTimeout: reassembly.DefaultIdleTimeout,
	}, func() reassembly.Shard[[]decode.Event] { return decode.NewShard(decode.ShardOptions{}) },
		func(parts [][]decode.Event) error { correlator.Add(parts); return nil })
	if _, err := pool.Run(context.Background(), &packets{all: all}); err != nil {
		t.Fatal(err)
	}
	correlator.Finish()
	return book
}

// namedIn returns the streams with a request that looks refused.
func namedIn(b *Book) map[uint32]bool {
	named := map[uint32]bool{}
	for _, r := range b.Refusals() {
		for _, c := range r.Cases {
			named[c.Stream] = true
		}
	}
	return named
}

// TestDamagedCaptures: after a loss in recorded connections, fewer requests look refused, and no
// others.
func TestDamagedCaptures(t *testing.T) {
	snapped := 0
	for name, refused := range map[string]int{
		"confluent-go-2.6.0_broker-2.1_tls12":                   6,
		"confluent-go-2.6.0_broker-2.1_tls13":                   6,
		"lab_confluent-go-2.6.0_kafka-2.1.1_tls_sasl-plain":     6,
		"lab_confluent-go-2.6.0_kafka-2.6.1_tls":                7,
		"lab_confluent-go-2.6.1_kafka-4.0.0_tls_sasl-scram-512": 0,
		"lab_franz-go-1.22.3_kafka-4.0.0_tls":                   0,
		"lab_java-2.1.0_kafka-2.1.1_tls_sasl-plain":             0,
		"kv9004-fires-client-certificate":                       0,
	} {
		all := capturetest.MustRead(filepath.Join("../../testdata/captures", name+".pcap"))
		whole := namedIn(bookOf(t, all))
		if len(whole) != refused {
			t.Errorf("%s: %d connections with a refused request, want %d", name, len(whole), refused)
		}
		for way, damaged := range map[string][]capturetest.Packet{
			"snapped":      capturetest.Snap(all, 96),
			"snapped, 80":  capturetest.Snap(all, 80),
			"to broker":    capturetest.OneWay(all, capturetest.ToBroker),
			"to client":    capturetest.OneWay(all, capturetest.ToClient),
			"5 % lost":     capturetest.Lose(all, 1, 0.05),
			"20 % lost":    capturetest.Lose(all, 2, 0.2),
			"out of order": capturetest.Reorder(all, 3, 4),
			"twice":        capturetest.Duplicate(all),
		} {
			named := namedIn(bookOf(t, damaged))
			for stream := range named {
				if !whole[stream] {
					t.Errorf("%s, %s: stream %d named", name, way, stream)
				}
			}
			switch want := len(whole); {
			case (way == "to broker" || way == "to client") && len(named) > 0:
				t.Errorf("%s, %s: %d named from one direction", name, way, len(named))
			case way == "twice" && len(named) != want:
				t.Errorf("%s, %s: %d named of %d", name, way, len(named), want)
			case way == "snapped" || way == "snapped, 80":
				snapped += len(named)
			}
		}
	}
	if snapped < 42 {
		t.Errorf("%d connections with a refused request in captures of 80 and 96 bytes a packet", snapped)
	}
}

// TestOneLostPacket: a lost packet only affects the results of its own connection.
func TestOneLostPacket(t *testing.T) {
	for _, name := range []string{"confluent-go-2.6.0_broker-2.1_tls12", "confluent-go-2.6.0_broker-2.1_tls13", "lab_confluent-go-2.6.0_kafka-2.6.1_tls"} {
		all := capturetest.MustRead(filepath.Join("../../testdata/captures", name+".pcap"))
		whole := namedIn(bookOf(t, all))
		for i := range all {
			named := namedIn(bookOf(t, slices.Delete(slices.Clone(all), i, i+1)))
			silenced := 0
			for stream := range whole {
				if !named[stream] {
					silenced++
				}
			}
			if silenced > 1 || len(named)+silenced > len(whole) {
				t.Errorf("%s without packet %d: named %v, want %v but for its connection", name, i+1, named, whole)
			}
		}
	}
}
