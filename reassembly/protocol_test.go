package reassembly

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/capture/capturetest"
	"github.com/kafkavet/kafkavet/reassembly/tlsrecord"
)

var (
	tlsHello    = []byte("\x16\x03\x01\x00\x40\x01\x00\x00\x3c\x03\x03" + strings.Repeat("r", 58))
	serverHello = []byte("\x16\x03\x03\x00\x40\x02\x00\x00\x3c\x03\x03" + strings.Repeat("r", 58))
)

// dataRecord returns a TLS record of application data.
func dataRecord(n int) []byte {
	return append([]byte{0x17, 3, 3, byte(n >> 8), byte(n)}, make([]byte, n)...)
}

// TestAnswersToAClientHello: a server that answers without TLS is named, however its bytes arrive.
// The records of one that speaks TLS have their directions.
func TestAnswersToAClientHello(t *testing.T) {
	for _, tc := range []struct {
		name, answer string
		confusion    Confusion
		spoke        string
		records      int
	}{
		{"TLS", string(serverHello) + string(dataRecord(40)), NoConfusion, "", 2},
		{"a line of text", "HTTP/1.1 400 Bad Request\r\n", NoConfusion, SpokeHTTP, 0},
		{"a response of Kafka", string(response(1, 20)), TLSToClear, "", 0},
		{"nothing", "", TLSToClear, "", 0},
	} {
		for _, mss := range []int{capturetest.DefaultMSS, 5, 4, 1} {
			r := capturetest.NewRecorder()
			c := r.Open(client, broker)
			c.Send(capturetest.ToBroker, tlsHello)
			c.MSS = mss
			c.Send(capturetest.ToClient, []byte(tc.answer))
			c.MSS = capturetest.DefaultMSS
			if tc.records > 0 {
				c.Send(capturetest.ToBroker, dataRecord(50))
			}
			c.Close(capturetest.ToClient)
			got := run(t, r.Packets, 100).conns[0]
			if got.Protocol != TLS || got.Confusion != tc.confusion || got.Odd().Spoke != tc.spoke {
				t.Errorf("%s, segments of %d bytes: %v, confusion %d, spoke %q", tc.name, mss, got.Protocol, got.Confusion, got.Odd().Spoke)
			}
			if tc.records == 0 {
				if got.Outline != nil && tc.answer != "" {
					t.Errorf("%s, segments of %d bytes: it has an outline", tc.name, mss)
				}
				continue
			}
			var sizes []string
			records, _ := got.Outline.Records()
			for _, k := range records {
				sizes = append(sizes, fmt.Sprint(k.ToServer, k.Size))
			}
			if want := []string{"false 40", "true 50"}; !slices.Equal(sizes, want) {
				t.Errorf("%s, segments of %d bytes: records %v, want %v", tc.name, mss, sizes, want)
			}
		}
	}
}

// TestGapsInTLS: the outline has the direction of missing bytes, also if nothing is decrypted.
func TestGapsInTLS(t *testing.T) {
	for _, isJoined := range []bool{false, true} {
		for _, d := range []capturetest.Direction{capturetest.ToBroker, capturetest.ToClient} {
			r := capturetest.NewRecorder()
			c := r.Join(client, broker)
			if !isJoined {
				c = r.Open(client, broker)
				c.Exchange(tlsHello, serverHello)
			}
			c.Exchange(dataRecord(50), dataRecord(40))
			c.Miss(d, 30_000)
			c.Exchange(dataRecord(51), dataRecord(41))
			c.Exchange(dataRecord(52), dataRecord(42))
			records, _ := run(t, r.Packets, 100).conns[0].Outline.Records()
			missing := slices.IndexFunc(records, func(k tlsrecord.Record) bool { return k.Kind == tlsrecord.MissingRecord })
			if missing != 2 || records[missing].ToServer != (d == capturetest.ToBroker) || records[missing].Size != 30_000 || len(records) != 7 {
				t.Errorf("joined %v, %v: records %+v", isJoined, d, records)
			}
		}
	}
}

// TestAlertInsteadOfAnAnswer: a server that does not speak plaintext answers with an alert.
func TestAlertInsteadOfAnAnswer(t *testing.T) {
	alert := "\x15\x03\x03\x00\x02\x02\x28"
	for _, tc := range []struct {
		name      string
		answer    string
		spoke     string
		confusion Confusion
	}{
		{"behind a request", alert, SpokeTLS, ClearToTLS},
		{"behind an answer", string(response(1, 0)) + alert, "", NoConfusion},
		{"a warning", "\x15\x03\x03\x00\x02\x01\x28", SpokeTLS, ClearToTLS},
	} {
		for _, mss := range []int{capturetest.DefaultMSS, 3, 1} {
			r := capturetest.NewRecorder()
			c := r.Open(client, broker)
			c.Send(capturetest.ToBroker, request(3, 1, 1, 10))
			c.MSS = mss
			c.Send(capturetest.ToClient, []byte(tc.answer))
			c.Close(capturetest.ToClient)
			if got := run(t, r.Packets, 100).conns[0]; got.Odd().Spoke != tc.spoke || got.Confusion != tc.confusion {
				t.Errorf("%s, segments of %d bytes: %q, confusion %d", tc.name, mss, got.Odd().Spoke, got.Confusion)
			}
		}
	}
}

// TestEndOfTLS: the side that first sent close_notify ended the connection, if that came before the
// FIN or RST of the other side.
func TestEndOfTLS(t *testing.T) {
	at := func(n uint64) capture.Position { return capture.Position{Frame: n, Time: int64(n)} }
	closing := func(toServer bool, n uint64) tlsrecord.Info {
		return tlsrecord.Info{Decrypted: 1, Closing: true, ClosingToServer: toServer, ClosingAt: at(n)}
	}
	closed, reset := End{Kind: Closed, By: ToClient, At: at(10)}, End{Kind: Reset, By: ToClient, At: at(10)}
	for _, tc := range []struct {
		name   string
		info   tlsrecord.Info
		end    End
		change func(c *conn)
		want   End
		reason string
		clear  bool
	}{
		{"no close_notify", tlsrecord.Info{Decrypted: 1}, closed, nil, closed, "", false},
		{"of the other side", closing(true, 9), closed, nil, End{Kind: Closed, By: ToBroker, At: at(9)}, "", false},
		{"of the other side, before a RST", closing(true, 9), reset, nil, End{Kind: Closed, By: ToBroker, At: at(9)}, "", false},
		{"of the same side", closing(false, 9), closed, nil, closed, "", false},
		{"later", closing(true, 11), closed, nil, closed, "", false},
		{"the connection expired", closing(true, 9), End{Kind: Expired, At: at(10)}, nil, End{Kind: Expired, At: at(10)}, "", false},
		{"another protocol inside", tlsrecord.Info{Decrypted: 1}, closed, func(c *conn) { c.notKafka = true }, closed, "what is inside is not Kafka", false},
		{"another protocol inside, and a reason", tlsrecord.Info{Decrypted: 1, Reason: "x"}, closed, func(c *conn) { c.notKafka = true }, closed, "x", false},
		{"one side", tlsrecord.Info{Reason: "x"}, closed, func(c *conn) { c.info.Seen[ToClient] = false }, closed, "the broker's side is not in the capture", false},
		{"one side, decrypted", tlsrecord.Info{Decrypted: 1}, closed, func(c *conn) { c.info.Seen[ToClient] = false }, closed, "", false},
		{"both sides, not decrypted", tlsrecord.Info{Reason: "x"}, closed, nil, closed, "x", false},
		{"no byte of the server", tlsrecord.Info{Reason: "x"}, closed, func(c *conn) { c.serverSpoke = false }, closed, "x", true},
		{"no byte of the server, a RST", tlsrecord.Info{Reason: "x"}, reset, func(c *conn) { c.serverSpoke = false }, reset, "x", true},
		{"no byte of the server, the client closed", tlsrecord.Info{Reason: "x"}, End{Kind: Closed, By: ToBroker}, func(c *conn) { c.serverSpoke = false }, End{Kind: Closed, By: ToBroker}, "x", false},
		{"no byte of the server, which was not captured", tlsrecord.Info{Reason: "x"}, closed, func(c *conn) { c.serverSpoke, c.info.Seen[ToClient] = false, false }, closed, "the broker's side is not in the capture", false},
		{"no byte of the server, and the capture ends", tlsrecord.Info{Reason: "x"}, End{Kind: Cut, By: ToClient}, func(c *conn) { c.serverSpoke = false }, End{Kind: Cut, By: ToClient}, "x", false},
	} {
		c := halfway(t)
		c.isDescribed, c.serverSpoke, c.info.TLS, c.info.End = true, true, &tc.info, tc.end
		if tc.change != nil {
			tc.change(c)
		}
		c.endTLS()
		if c.info.End != tc.want || c.info.TLS.Reason != tc.reason || (c.info.Confusion == TLSToClear) != tc.clear {
			t.Errorf("%s: %+v, reason %q, confusion %d", tc.name, c.info.End, c.info.TLS.Reason, c.info.Confusion)
		}
	}
}

// TestFirstBytesOfOtherProtocols: few bytes are not enough to decide.
func TestFirstBytesOfOtherProtocols(t *testing.T) {
	for _, tc := range []struct {
		p    string
		want Protocol
		sure bool
	}{
		{"", Undecided, false}, {"G", Undecided, false}, {"GET", Undecided, false}, {"GET ", HTTP, true}, {"GETX", Undecided, true}, {"X", Undecided, true},
		{string(tlsHello[:1]), Undecided, false}, {string(tlsHello[:5]), Undecided, false}, {string(tlsHello[:6]), TLS, true}, {string(serverHello[:6]), Undecided, true},
	} {
		if got, sure := foreignProtocol([]byte(tc.p)); got != tc.want || sure != tc.sure {
			t.Errorf("%q: %v, sure %v, want %v, %v", tc.p, got, sure, tc.want, tc.sure)
		}
	}
}

// TestPortsShowTheServer: of two ports, a server has one that is not chosen for clients.
func TestPortsShowTheServer(t *testing.T) {
	for _, tc := range []struct {
		from, to uint16
		want     bool
	}{{9093, 40000, true}, {40000, 9093, false}, {ephemeral - 1, ephemeral, true}, {ephemeral, ephemeral - 1, false}, {ephemeral, ephemeral, false}, {9092, 9093, false}} {
		for _, d := range []Direction{ToBroker, ToClient} {
			c := halfway(t)
			ports := [2]uint16{tc.from, tc.to}
			c.info.Client, c.info.Broker = addrPort([16]byte{}, ports[d]), addrPort([16]byte{}, ports[d.Reverse()])
			want := tc.want
			if (tc.from < ephemeral) == (tc.to < ephemeral) {
				want = d == ToClient
			}
			if got := c.isFromServer(d, []byte{0x17}); got != want {
				t.Errorf("%v from port %d to %d: %v, want %v", d, tc.from, tc.to, got, want)
			}
		}
	}
}

// TestGapsInFrames: the size of a frame shows where the next one begins, if the gap ends before.
func TestGapsInFrames(t *testing.T) {
	asked, said := request(3, 1, 1, 186), response(1, 196) // 204 bytes each
	for _, tc := range []struct {
		name    string
		d       Direction
		sent, n int // bytes of the frame, and missing bytes behind them
		found   bool
		lost    int // calls of Lost
		next    bool
		resyncs uint64
	}{
		{"inside the body", ToBroker, 100, 50, true, 0, true, 0},
		{"to the end", ToBroker, 100, 104, true, 0, true, 0},
		{"behind the end", ToBroker, 100, 105, true, 1, true, 1},
		{"all but the header", ToBroker, 12, 192, true, 0, true, 0},
		{"a part of the header", ToBroker, 11, 193, false, 1, true, 0},
		{"all but the size", ToBroker, 4, 200, false, 1, true, 0},
		{"a part of the size", ToBroker, 3, 201, false, 1, true, 1},
		{"all", ToBroker, 0, 204, false, 1, true, 1},
		{"inside a response", ToClient, 100, 50, true, 0, true, 0},
		{"to the end of a response", ToClient, 100, 104, true, 0, true, 0},
		{"behind the end of a response", ToClient, 100, 105, true, 1, true, 1},
		{"all but the header of a response", ToClient, 12, 192, true, 0, true, 0},
		{"a part of the header of a response", ToClient, 11, 193, false, 1, true, 0},
	} {
		l := new(log)
		c := newConn(newWorker(&Options{LooksLikeRequest: looksLike}, l), &flow{synced: [2]bool{true, true}, seen: [2]bool{true, true}})
		lost := 0
		send := func(d Direction, p []byte) { c.deliver(d, p, uint32(len(p)), capture.Position{}) }
		send(ToBroker, request(3, 1, 0, 10))
		c.dialogue.handler = &countLost{voice: c.dialogue.handler.(*voice), n: &lost}
		whole := asked
		if tc.d == ToClient {
			send(ToBroker, request(3, 1, 1, 10))
			whole = said
		}
		before := len(l.lines)
		send(tc.d, whole[:tc.sent])
		c.lost(tc.d, int64(tc.n), capture.Position{Frame: 9})
		send(tc.d, whole[min(tc.sent+tc.n, len(whole)):])
		found := len(l.lines) > before
		if tc.d == ToClient {
			send(ToBroker, request(3, 1, 2, 10))
			send(ToClient, response(2, 10))
		} else {
			send(ToBroker, request(3, 1, 2, 10))
		}
		next := strings.Contains(l.lines[len(l.lines)-1], " 2 ")
		if found != tc.found || lost != tc.lost || next != tc.next || c.info.Odd().Resyncs != tc.resyncs {
			t.Errorf("%s: found %v, want %v; lost %d times, want %d; the next one %v; %d searches, want %d", tc.name, found, tc.found, lost, tc.lost, next, c.info.Odd().Resyncs, tc.resyncs)
		}
	}
}

// countLost is a voice that counts the calls of Lost.
type countLost struct {
	*voice
	n *int
}

func (c *countLost) Lost(Direction, capture.Position) { *c.n++ }

// TestChunksInOrder: those of one direction keep their order.
func TestChunksInOrder(t *testing.T) {
	at := func(d Direction, n uint64) chunk {
		return chunk{dir: d, at: capture.Position{Frame: n, Time: int64(n)}}
	}
	const a, b = ToBroker, ToClient
	for _, tc := range []struct{ chunks, want []chunk }{
		{[]chunk{at(a, 2), at(b, 1)}, []chunk{at(b, 1), at(a, 2)}},
		{[]chunk{at(a, 5), at(a, 3), at(b, 4), at(b, 6)}, []chunk{at(b, 4), at(a, 5), at(a, 3), at(b, 6)}},
		{[]chunk{at(b, 1), at(b, 2)}, []chunk{at(b, 1), at(b, 2)}},
		{[]chunk{at(a, 1), at(b, 1)}, []chunk{at(a, 1), at(b, 1)}},
		{nil, []chunk{}},
	} {
		if d := cmp.Diff(tc.want, inOrder(tc.chunks), cmp.AllowUnexported(chunk{})); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	}
}

// TestOtherProtocolsAreCounted: nothing of them is read, but their bytes and their ends count.
func TestOtherProtocolsAreCounted(t *testing.T) {
	r := capturetest.NewRecorder()
	c := r.Open(client, broker)
	c.Exchange([]byte("GET / HTTP/1.1\r\n\r\n"), []byte("HTTP/1.1 200 OK\r\n\r\n")) // packets 4 to 7
	c.Exchange([]byte("GET / HTTP/1.1\r\n\r\n"), []byte("HTTP/1.1 404 No\r\n\r\n")) // 8 to 11
	c.Close(capturetest.ToClient)                                                   // 12 to 15
	c.Segment(capturetest.ToBroker, capturetest.ACK, nil)
	got := run(t, r.Packets, 100).conns[0]
	if got.Bytes != [2]uint64{36, 38} || got.LastData[0].Frame != 8 || got.LastData[1].Frame != 10 || got.End.Kind != Closed || got.End.By != ToClient || got.Now.Frame != 14 {
		t.Errorf("%d bytes, the last in packets %d and %d; over in packet %d: %+v", got.Bytes, got.LastData[0].Frame, got.LastData[1].Frame, got.Now.Frame, got.End)
	}
}
