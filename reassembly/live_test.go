package reassembly

import (
	"bytes"
	"context"
	"io"
	"net/netip"
	"os"
	"slices"
	"testing"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/capture/capturetest"
	"github.com/kafkavet/kafkavet/reassembly/tlsrecord"
)

// quiet is a live source: the first batch has all packets, the next ones have none.
type quiet struct {
	memory
	batches int
	time    int64 // of the clock
}

func (q *quiet) Next(b *capture.Batch) error {
	q.time += 100e6
	if q.batches--; q.batches < 0 {
		return io.EOF
	}
	if q.memory.Next(b) != nil {
		b.Packets = b.Packets[:0]
	}
	return nil
}

// live runs packets through a pool of a live capture. It returns after how much time each
// connection was over.
func live(t *testing.T, packets []capturetest.Packet, batches int) (after []int64, stats []Stats) {
	t.Helper()
	q := &quiet{memory: memory{packets: packets, batch: len(packets)}, batches: batches}
	var p *Pool[[]string]
	var now int64
	p = NewPool(Options{
		Dissector: capture.NewDissector(capture.DissectorOptions{}), LooksLikeRequest: looksLike,
		Live: true, Clock: func() int64 { return q.time },
	}, func() Shard[[]string] {
		return &ends{log: new(log)}
	}, func(parts [][]string) error {
		now += 100e6
		stats = append(stats, p.Stats())
		for _, part := range parts {
			for _, line := range part {
				if line == over {
					after = append(after, now)
				}
			}
		}
		return nil
	})
	if _, err := p.Run(context.Background(), q); err != nil {
		t.Fatal(err)
	}
	return after, stats
}

// over is the line that ends writes for a connection that is over.
const over = "over"

// ends is a log with an extra line for every connection that is over.
type ends struct {
	*log
	seen int
}

func (e *ends) Take(old []string) []string {
	lines := e.log.Take(old)
	for ; e.seen < len(e.conns); e.seen++ {
		lines = append(lines, over)
	}
	return lines
}

func TestTimePassesWhileNoPacketsCome(t *testing.T) {
	r := capturetest.NewRecorder()
	c := r.Open(client, broker)
	c.Exchange(request(3, 1, 7, 10), response(7, 50))
	c.Reset(capturetest.ToClient)
	if after, _ := live(t, r.Packets, 50); len(after) != 1 || after[0] > 1e9 {
		t.Errorf("a reset connection was over after %v ns, want less than a second", after)
	}
}

func TestMissingSegmentsAreGivenUpWhileNoPacketsCome(t *testing.T) {
	r := capturetest.NewRecorder()
	c := r.Open(client, broker)
	c.Exchange(request(3, 1, 7, 10), response(7, 50))
	c.Silent = true
	c.Miss(capturetest.ToBroker, 100)
	c.Send(capturetest.ToBroker, request(3, 1, 8, 10))
	_, stats := live(t, r.Packets, 100)
	for i, s := range stats {
		if s.Gaps == 0 {
			continue
		}
		if at := int64(i+1) * 100e6; at < holeTicks*tickInterval || at > (holeTicks+1)*tickInterval || s.MissingBytes != 100 {
			t.Errorf("given up after %d ns with %d bytes", at, s.MissingBytes)
		}
		return
	}
	t.Error("never given up")
}

func TestStatsWhileItRuns(t *testing.T) {
	r := capturetest.NewRecorder()
	r.Open(client, broker).Exchange(request(3, 1, 7, 10), response(7, 50))
	_, stats := live(t, r.Packets, 10)
	for i, s := range stats[:10] {
		if s.Streams != 1 || s.Open != 1 {
			t.Errorf("batch %d: %+v", i+1, s)
		}
	}
}

// TestOpenConnectionsAreThoseNotClosed ends connections in every way.
func TestOpenConnectionsAreThoseNotClosed(t *testing.T) {
	r := capturetest.NewRecorder()
	for i := range 4 {
		c := r.Open(netip.AddrPortFrom(client.Addr(), uint16(3000+i)), broker)
		c.Exchange(request(3, 1, 7, 10), response(7, 50))
		switch i {
		case 1:
			c.Close(capturetest.ToBroker)
		case 2:
			c.Reset(capturetest.ToClient)
		case 3:
			c.Close(capturetest.ToBroker)
			r.Open(netip.AddrPortFrom(client.Addr(), 3003), broker) // the port is reused
		}
	}
	_, stats := live(t, r.Packets, 1000)
	if s := stats[0]; s.Streams != 5 || s.Open != 2 {
		t.Errorf("%+v, want 5 connections of which 2 are open", s)
	}
}

// TestLossIsNoticedWhileTrafficGoesOn: segments behind a missing one do not extend the wait for
// it.
func TestLossIsNoticedWhileTrafficGoesOn(t *testing.T) {
	r := capturetest.NewRecorder()
	c := r.Open(client, broker)
	c.Exchange(request(3, 1, 7, 10), response(7, 50))
	c.Miss(capturetest.ToClient, 100)
	lost := len(r.Packets)
	for i := range uint32(200) {
		c.Exchange(request(3, 1, 8+i, 10), response(8+i, 50))
	}
	var p *Pool[[]string]
	packets, noticed := 0, 0
	p = NewPool(Options{Dissector: capture.NewDissector(capture.DissectorOptions{}), LooksLikeRequest: looksLike},
		func() Shard[[]string] { return new(log) },
		func([][]string) error {
			packets++
			if noticed == 0 && p.Stats().Gaps > 0 {
				noticed = packets
			}
			return nil
		})
	if _, err := p.Run(context.Background(), &memory{packets: r.Packets, batch: 1}); err != nil {
		t.Fatal(err)
	}
	if after := noticed - lost; after < ackedWait || after > ackedWait+10 {
		t.Errorf("noticed %d packets after the loss, of %d", after, packets-lost)
	}
}

// TestSecretsComeAfterTheEnd: a short connection is decrypted if its secrets arrive some seconds
// after its end. It ends also if they never arrive.
func TestSecretsComeAfterTheEnd(t *testing.T) {
	const name = "../testdata/captures/kv2004-fires-over-tls"
	keys, err := os.ReadFile(name + ".keys")
	if err != nil {
		t.Fatal(err)
	}
	packets := capturetest.MustRead(name + ".pcap")
	const never = 1 << 30
	for _, come := range []int{1, 30, 90, never} { // number of the batch that brings the secrets; one each 100 ms
		q := &quiet{memory: memory{packets: packets, batch: len(packets)}, batches: 150}
		secrets := tlsrecord.NewSecrets()
		var logs []*log
		batch, ended := 0, 0
		p := NewPool(Options{
			Dissector: capture.NewDissector(capture.DissectorOptions{}), LooksLikeRequest: looksLike,
			Live: true, Clock: func() int64 { return q.time }, Secrets: secrets,
		}, func() Shard[[]string] {
			l := new(log)
			logs = append(logs, l)
			return &ends{log: l}
		}, func(parts [][]string) error {
			if batch++; batch == come {
				_, _ = secrets.ReadKeyLog(bytes.NewReader(keys), "keys", nil)
			}
			if ended == 0 && slices.Contains(slices.Concat(parts...), over) {
				ended = batch
			}
			return nil
		})
		if _, err := p.Run(t.Context(), q); err != nil {
			t.Fatal(err)
		}
		var conns []Connection
		for _, l := range logs {
			conns = append(conns, l.conns...)
		}
		if len(conns) != 1 {
			t.Fatalf("%d connections", len(conns))
		}
		c := &conns[0]
		switch {
		case come == never:
			if c.TLS.Reason == "" || ended < 100 || ended > 115 {
				t.Errorf("without secrets: over with batch %d, reason %q", ended, c.TLS.Reason)
			}
		case c.Protocol != Kafka || c.TLS.Reason != "" || ended < come || ended > come+10:
			t.Errorf("secrets with batch %d: over with %d, %v, reason %q", come, ended, c.Protocol, c.TLS.Reason)
		}
	}
}
