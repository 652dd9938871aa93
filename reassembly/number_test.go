package reassembly

import (
	"encoding/binary"
	"maps"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// oddHeader returns the IP packet of a TCP header from a port, cut to n bytes of TCP, with the
// given data offset.
func oddHeader(port uint16, n int, offset byte) []byte {
	a := netip.AddrPortFrom(client.Addr(), port)
	ip := capturetest.TCP(a, broker, capturetest.TCPHeader{Seq: 1, Ack: 1, Flags: capturetest.ACK}, nil)
	tcp := ip[20:]
	tcp[12] = offset << 4
	return capturetest.IP(a.Addr(), broker.Addr(), capturetest.ProtocolTCP, tcp[:n])
}

// quoted returns an ICMP message of a type that quotes n bytes of a TCP header.
func quoted(kind byte, port uint16, n int) []byte {
	inner := oddHeader(port, 20, 5)
	body := append([]byte{kind, 0, 0, 0, 0, 0, 0, 0}, inner[:20+n]...)
	return capturetest.IP(broker.Addr(), client.Addr(), 1, body)
}

// TestStreamNumbersAreWiresharks: headers that are no segments get the same stream numbers as from
// tshark 4.0.17.
func TestStreamNumbersAreWiresharks(t *testing.T) {
	ipip := append([]byte{3, 1, 0, 0, 0, 0, 0, 0}, capturetest.IP(client.Addr(), broker.Addr(), 4, oddHeader(30014, 20, 5))...)
	fragment := quoted(3, 30015, 20)
	binary.BigEndian.PutUint16(fragment[20+8+6:], 1<<13)
	for _, c := range []struct {
		name  string
		ip    []byte
		snap  int
		takes bool
	}{
		{"data offset 4", oddHeader(30000, 20, 4), 0, true},
		{"data offset 0", oddHeader(30001, 20, 0), 0, true},
		{"data offset beyond the segment", oddHeader(30002, 20, 15), 0, true},
		{"19 bytes of header", oddHeader(30003, 19, 5), 0, true},
		{"16 bytes of header", oddHeader(30004, 16, 5), 0, true},
		{"15 bytes of header", oddHeader(30005, 15, 5), 0, false},
		{"8 bytes of header", oddHeader(30006, 8, 5), 0, false},
		{"snapped to 16 bytes", oddHeader(30007, 20, 5), 36, true},
		{"snapped to 14 bytes", oddHeader(30008, 20, 5), 34, false},
		{"unreachable, 20 bytes", quoted(3, 30009, 20), 0, true},
		{"unreachable, 16 bytes", quoted(3, 30010, 16), 0, true},
		{"unreachable, 8 bytes", quoted(3, 30011, 8), 0, false},
		{"time exceeded", quoted(11, 30012, 20), 0, true},
		{"source quench", quoted(4, 30016, 20), 0, true},
		{"parameter problem", quoted(12, 30017, 20), 0, true},
		{"redirect", quoted(5, 30013, 20), 0, false},
		{"echo", quoted(8, 30018, 20), 0, false},
		{"unreachable, IP in IP", capturetest.IP(broker.Addr(), client.Addr(), 1, ipip), 0, true},
		{"unreachable, a fragment", fragment, 0, false},
	} {
		odd := capturetest.Packet{Link: capturetest.LinkRaw, Data: c.ip}
		if c.snap > 0 {
			odd.Data, odd.OrigLen = c.ip[:c.snap], len(c.ip)
		}
		plain := capturetest.Packet{Link: capturetest.LinkRaw, Data: oddHeader(40000, 20, 5)}
		var got []uint32
		pool := NewPool(Options{
			Dissector: capture.NewDissector(capture.DissectorOptions{}), LooksLikeRequest: looksLike,
			Tap: func(_ uint32, _ *capture.Packet, s *capture.Segment) { got = append(got, s.Stream) },
		}, func() Shard[[]string] { return &log{} }, func([][]string) error { return nil })
		if _, err := pool.Run(t.Context(), &memory{packets: []capturetest.Packet{odd, plain}, batch: 3}); err != nil {
			t.Fatal(err)
		}
		want := uint32(0)
		if c.takes {
			want = 1
		}
		if len(got) == 0 || got[len(got)-1] != want {
			t.Errorf("%s: the next connection has number %v, want %d", c.name, got, want)
		}
	}
}

// TestAMentionedConnectionBeginsWithItsFirstSegment: a quoted packet of the broker does not make
// the broker a client. A forged quotation ends no connection.
func TestAMentionedConnectionBeginsWithItsFirstSegment(t *testing.T) {
	r := capturetest.NewRecorder()
	c := r.Open(client, broker)
	c.Exchange(request(1, 1, 1, 10), response(1, 10))
	c.Close(capturetest.ToBroker)
	other := capturetest.Packet{Link: capturetest.LinkEthernet, Time: r.Packets[0].Time, Data: capturetest.Ethernet(0x0806, make([]byte, 28))}
	mention := capturetest.Packet{Link: capturetest.LinkEthernet, Time: r.Packets[0].Time}
	tcp := capturetest.TCP(broker, client, capturetest.TCPHeader{Seq: 77, Flags: capturetest.SYN}, nil)
	icmp := append([]byte{3, 1, 0, 0, 0, 0, 0, 0}, tcp...)
	mention.Data = capturetest.Ethernet(capturetest.EtherIPv4, capturetest.IP(client.Addr(), broker.Addr(), 1, icmp))
	for at := range r.Packets {
		with := func(p capturetest.Packet) []string {
			return run(t, slices.Insert(slices.Clone(r.Packets), at, p), 3).lines
		}
		if d := cmp.Diff(with(other), with(mention)); d != "" {
			t.Errorf("before packet %d (-want +got):\n%s", at, d)
		}
	}
}

// TestNumbersBehindAnotherSYN: a SYN with another initial sequence number on a connection that goes on
// begins another stream number, as in tshark 4.0.17. The same SYN again, after the connection was
// reset, begins none.
func TestNumbersBehindAnotherSYN(t *testing.T) {
	r := capturetest.NewRecorder()
	c := r.Open(client, broker)
	c.Exchange(request(1, 1, 1, 10), response(1, 10))
	syn := func() {
		r.Record(capturetest.TCP(client, broker, capturetest.TCPHeader{Seq: 77_000_000, Flags: capturetest.SYN}, nil))
	}
	syn()
	syn()
	c.Exchange(request(1, 1, 2, 10), response(2, 10))
	c.Reset(capturetest.ToBroker)
	again := r.Between(client, broker)
	again.Seq[0] = 77_000_000
	again.Syn(capturetest.ToBroker)
	again.Syn(capturetest.ToClient)
	again.Ack(capturetest.ToBroker)
	again.Exchange(request(1, 1, 3, 10), response(3, 10))
	talk(r, netip.AddrPortFrom(client.Addr(), 40001), 1)
	frames := map[uint64]uint32{}
	pool := NewPool(Options{
		Dissector: capture.NewDissector(capture.DissectorOptions{}), LooksLikeRequest: looksLike,
		Tap: func(_ uint32, _ *capture.Packet, s *capture.Segment) {
			if s.Length > 0 {
				frames[s.Frame] = s.Stream
			}
		},
	}, func() Shard[[]string] { return &log{} }, func([][]string) error { return nil })
	if _, err := pool.Run(t.Context(), &memory{packets: r.Packets, batch: 3}); err != nil {
		t.Fatal(err)
	}
	var got []uint32
	for _, f := range slices.Sorted(maps.Keys(frames)) {
		got = append(got, frames[f])
	}
	if want := []uint32{0, 0, 1, 1, 1, 1, 2, 2}; !slices.Equal(got, want) {
		t.Errorf("stream numbers of the segments with payload: %d, want %d", got, want)
	}
}
