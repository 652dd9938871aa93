package reassembly

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// unnamed returns a request with an empty client id, which looksLike rates Weak.
func unnamed(id uint32, n int) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(10+n))
	b = binary.BigEndian.AppendUint32(b, 3<<16|1)
	b = binary.BigEndian.AppendUint32(b, id)
	b = append(b, 0, 0)
	return append(b, bytes.Repeat([]byte{0xa5}, n)...)
}

// looksLikeExchange is a simple replacement for the function of package decode.
func looksLikeExchange(request, response []byte) bool {
	return len(response) > 20 && bytes.Equal(request[4:8], response[:4])
}

// TestDoubtfulRequestMidstream: in a connection joined midstream, a request that could be anything
// is accepted because of its response.
func TestDoubtfulRequestMidstream(t *testing.T) {
	found := []string{"0: request 3 v1 id 1 size 30", "0: response 1 size 54", "0: request 3 v1 id 2 size 30", "0: response 2 size 54"}
	second := found[2:]
	unanswered := []string{found[0], found[2], found[3]}
	for name, tc := range map[string]struct {
		say  func(c *capturetest.Conversation)
		want []string
	}{
		"answered": {func(c *capturetest.Conversation) { c.Exchange(unnamed(1, 20), response(1, 50)) }, found},
		"the answer first": {func(c *capturetest.Conversation) {
			c.Send(capturetest.ToClient, response(0, 50))
			c.Exchange(unnamed(1, 20), response(1, 50))
		}, found},
		"another answer":       {func(c *capturetest.Conversation) { c.Exchange(unnamed(1, 20), response(7, 50)) }, unanswered},
		"no telling answer":    {func(c *capturetest.Conversation) { c.Exchange(unnamed(1, 20), response(1, 10)) }, []string{found[0], "0: response 1 size 14", found[2], found[3]}},
		"answer of half":       {func(c *capturetest.Conversation) { c.Exchange(unnamed(1, 20), response(1, 50)[:40]) }, []string{found[0], found[2]}},
		"longer than its size": {func(c *capturetest.Conversation) { c.Exchange(append(unnamed(1, 20), 0), response(1, 50)) }, second},
		"too long":             {func(c *capturetest.Conversation) { c.Exchange(unnamed(1, maxPending), response(1, 50)) }, second},
		"something missing in between, which is waited for to the end": {func(c *capturetest.Conversation) {
			c.Send(capturetest.ToBroker, unnamed(1, 20))
			c.Send(capturetest.ToClient, []byte{1})
			c.Miss(capturetest.ToClient, 60)
			c.Send(capturetest.ToClient, response(1, 50))
		}, found},
	} {
		r := capturetest.NewRecorder()
		c := r.Join(client, broker)
		tc.say(c)
		c.Exchange(unnamed(2, 20), response(2, 50))
		c.Close(capturetest.ToBroker)
		got := run(t, r.Packets, 100)
		if diff := cmp.Diff(tc.want, withoutFrames(got.lines)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if got.conns[0].Client != client || got.conns[0].Broker != broker {
			t.Errorf("%s: client %v, broker %v", name, got.conns[0].Client, got.conns[0].Broker)
		}
	}
}

// TestJoinHoldsLittle: what is held of joined connections is bounded for each and for all. It is
// released, however the connection continues.
func TestJoinHoldsLittle(t *testing.T) {
	w := newWorker(&Options{LooksLikeRequest: looksLike, LooksLikeExchange: looksLikeExchange}, new(log))
	conns := make([]*conn, 2*maxShardPending/maxPending)
	for i := range conns {
		conns[i] = newConn(w, &flow{})
		before := w.pending
		for range 9 {
			conns[i].bytes(ToBroker, unnamed(1, maxPending/4-sizeBytes-10), conns[i].info.Now)
		}
		if n := w.pending - before; n > maxPending+maxPendingChunks*chunkBytes || w.pending > maxShardPending {
			t.Fatalf("connection %d holds %d of %d bytes", i+1, n, w.pending)
		}
	}
	if w.pending < maxShardPending/2 {
		t.Errorf("only %d bytes are held", w.pending)
	}
	if w.limits.HeldBytes == 0 {
		t.Error("the limit was not counted")
	}
	ways := []func(c *conn){
		func(c *conn) { c.bytes(ToClient, response(1, 50), c.info.Now) },
		func(c *conn) { c.bytes(ToBroker, request(3, 1, 2, 20), c.info.Now) },
		func(c *conn) { c.bytes(ToBroker, []byte("GET / HTTP/1.1\r\n\r\n"), c.info.Now) },
		func(c *conn) { c.finish(Cut, c.info.Now) },
	}
	for i, c := range conns {
		ways[i%len(ways)](c)
	}
	for _, c := range conns { // those whose request was dropped
		c.finish(Cut, c.info.Now)
	}
	if w.pending != 0 {
		t.Errorf("%d bytes are still counted as held", w.pending)
	}
	if !slices.ContainsFunc(conns, func(c *conn) bool { return c.info.Protocol == Kafka }) {
		t.Error("no connection was believed")
	}
}

// TestJoinedInALargeFrame: a capture that begins inside a frame of many segments has the requests
// behind it, which are long, too.
func TestJoinedInALargeFrame(t *testing.T) {
	for _, d := range []capturetest.Direction{capturetest.ToBroker, capturetest.ToClient} {
		for _, segments := range []int{maxTries - 2, maxTries + 2, 5 * maxTries} {
			r := capturetest.NewRecorder()
			c := r.Join(client, broker)
			c.Send(d, bytes.Repeat([]byte{0x5a}, segments*c.MSS-100))
			c.Send(d.Reverse(), bytes.Repeat([]byte{0x5a}, segments*c.MSS-100))
			for i := range uint32(4) {
				c.Exchange(request(0, 3, i+1, 9*c.MSS), response(i+1, 50))
			}
			c.Close(capturetest.ToBroker)
			got := run(t, r.Packets, 100)
			if n := count(got.lines, "request"); n != 4 || count(got.lines, "response") != 4 {
				t.Errorf("%v, %d segments: %d requests and %d responses, want 4 and 4", d, segments, n, count(got.lines, "response"))
			}
		}
	}
}

// TestRequestHeldToTheEnd: a segment held that is exactly a likely request is one.
func TestRequestHeldToTheEnd(t *testing.T) {
	for _, tc := range []struct {
		name string
		p    []byte
		how  Likelihood
		isBy Direction
		want bool
	}{
		{"a likely request", request(3, 1, 1, 10), Likely, ToBroker, true},
		{"of the broker's side", request(3, 1, 1, 10), Likely, ToClient, false},
		{"one that only fits", request(3, 1, 1, 10), Fits, ToBroker, false},
		{"the smallest", append([]byte{0, 0, 0, wantBytes}, make([]byte, wantBytes)...), Likely, ToBroker, true},
		{"a smaller one", append([]byte{0, 0, 0, wantBytes - 1}, make([]byte, wantBytes-1)...), Likely, ToBroker, false},
		{"two in a segment", append(request(3, 1, 1, 10), request(3, 1, 2, 10)...), Likely, ToBroker, false},
		{"a part of one", request(3, 1, 1, 10)[:20], Likely, ToBroker, false},
	} {
		c := newConn(newWorker(&Options{LooksLikeRequest: func(int64, []byte) Likelihood { return tc.how }}, new(log)), &flow{synced: [2]bool{true, true}})
		if c.dialogue.holdsLoneRequest(c) {
			t.Error("nothing is held")
		}
		c.dialogue.pending = &undecided{chunks: []chunk{{dir: ToBroker, p: []byte("other bytes")}, {dir: tc.isBy, p: tc.p}}}
		if got := c.dialogue.holdsLoneRequest(c); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

// TestExchange: a request and its response have the same correlation id.
func TestExchange(t *testing.T) {
	asked, said := request(3, 1, 7, 10)[sizeBytes:], response(7, 30)[sizeBytes:]
	for _, tc := range []struct {
		name        string
		asked, said []byte
		how         Likelihood
		certain     bool
		want        bool
	}{
		{"a likely request", asked, said, Likely, false, true},
		{"one that fits", asked, said, Fits, false, false},
		{"one that fits, and a certain response", asked, said, Fits, true, true},
		{"another response", asked, response(8, 30)[sizeBytes:], Likely, true, false},
		{"the smallest", asked[:wantBytes], said[:4], Likely, false, true},
		{"a smaller request", asked[:wantBytes-1], said, Likely, true, false},
		{"a smaller response", asked, said[:3], Likely, true, false},
	} {
		opt := &Options{LooksLikeRequest: func(int64, []byte) Likelihood { return tc.how }, LooksLikeExchange: func(_, _ []byte) bool { return tc.certain }}
		c := newConn(newWorker(opt, new(log)), &flow{})
		if got := c.isExchange(tc.asked, tc.said); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

// TestNoFrameIsThatLong: a connection of some other protocol is given up once its bytes are more
// than one frame has.
func TestNoFrameIsThatLong(t *testing.T) {
	w := newWorker(&Options{LooksLikeRequest: looksLike, LooksLikeExchange: looksLikeExchange}, new(log))
	c := newConn(w, &flow{})
	p := bytes.Repeat([]byte{0x5a}, 1<<20)
	for n := 0; n < maxMessage+maxTries<<20; n += len(p) {
		for _, d := range []Direction{ToBroker, ToClient} {
			c.deliver(d, p, uint32(len(p)), c.info.Now)
		}
	}
	if c.mode != ignored || w.pending != 0 || w.limits.Undecided != 1 {
		t.Errorf("mode %v, %d bytes held, limit counted %d times, want a connection that is ignored", c.mode, w.pending, w.limits.Undecided)
	}
}

// TestSidesWithoutHandshake: a connection of TLS or HTTP is joined midstream with bytes of the server.
// The bytes or the ports show which side it is.
func TestSidesWithoutHandshake(t *testing.T) {
	record := []byte("\x17\x03\x03\x00\x20" + strings.Repeat("r", 32))
	serverHello := []byte("\x16\x03\x03\x00\x40\x02\x00\x00\x3c\x03\x03" + strings.Repeat("r", 58))
	clientHello := []byte("\x16\x03\x03\x00\x40\x01\x00\x00\x3c\x03\x03" + strings.Repeat("r", 58))
	at := func(host byte, port uint16) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, host}), port)
	}
	for _, tc := range []struct {
		name           string
		client, server uint16
		isFromServer   bool
		first          []byte
	}{
		{"a record of the server", 40000, 9093, true, record},
		{"a record of the client", 40000, 9093, false, record},
		{"a record of the client, two high ports", 50000, 50001, false, record},
		{"the server's hello", 50000, 50001, true, serverHello},
		{"the server's hello, its port is higher", 9093, 50001, true, serverHello},
		{"the client's hello, its port is lower", 9093, 50001, false, clientHello},
		{"an answer of HTTP", 50000, 50001, true, []byte("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")},
		{"a request of HTTP", 9093, 50001, false, []byte("GET / HTTP/1.1\r\n\r\n")},
	} {
		r := capturetest.NewRecorder()
		c := r.Join(at(1, tc.client), at(2, tc.server))
		d := capturetest.ToBroker
		if tc.isFromServer {
			d = capturetest.ToClient
		}
		c.Send(d, tc.first)
		c.Send(d.Reverse(), record)
		got := run(t, r.Packets, 100).conns[0]
		if got.Client != at(1, tc.client) || got.Protocol != TLS && got.Protocol != HTTP {
			t.Errorf("%s: client %v, protocol %v", tc.name, got.Client, got.Protocol)
		}
	}
}
