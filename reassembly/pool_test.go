package reassembly

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/capture/capturetest"
)

var (
	client = netip.MustParseAddrPort("10.0.0.1:40000")
	broker = netip.MustParseAddrPort("10.0.0.2:31313")
)

// request returns a request with its size field and a body of n bytes.
func request(key, version uint16, id uint32, n int) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(14+n))
	b = binary.BigEndian.AppendUint16(b, key)
	b = binary.BigEndian.AppendUint16(b, version)
	b = binary.BigEndian.AppendUint32(b, id)
	b = append(b, 0, 4, 't', 'e', 's', 't')
	return append(b, bytes.Repeat([]byte{0xa5}, n)...)
}

// response returns a response with its size field and a body of n bytes.
func response(id uint32, n int) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(4+n))
	b = binary.BigEndian.AppendUint32(b, id)
	return append(b, bytes.Repeat([]byte{0x5a}, n)...)
}

// talk sends n exchanges, some with frames over many segments.
func talk(r *capturetest.Recorder, from netip.AddrPort, n int) {
	c := r.Open(from, broker)
	converse(c, 1, n)
	c.Close(capturetest.ToClient)
}

func converse(c *capturetest.Conversation, first, n int) {
	for i := first; i < first+n; i++ {
		req, resp := 20, 100
		switch i % 5 {
		case 3:
			req = 5000
		case 4:
			resp = 20000
		}
		c.Exchange(request(uint16(i%4), 3, uint32(i), req), response(uint32(i), resp))
	}
}

// withoutFrames removes the frame numbers, which rewriting changes.
func withoutFrames(lines []string) []string {
	frame := regexp.MustCompile(` frame \d+`)
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = frame.ReplaceAllString(l, "")
	}
	return out
}

func TestConversationIsFramed(t *testing.T) {
	r := capturetest.NewRecorder()
	c := r.Open(client, broker)
	c.Exchange(request(3, 1, 7, 10), response(7, 50))
	c.Send(capturetest.ToBroker, request(0, 9, 8, 4000))
	c.Close(capturetest.ToBroker)
	got := run(t, r.Packets, 3)
	want := []string{
		"0: request 3 v1 id 7 size 24 frame 4",
		"0: response 7 size 54",
		"0: request 0 v9 id 8 size 4014 frame 10",
	}
	if d := cmp.Diff(want, got.lines); d != "" {
		t.Error(d)
	}
	if len(got.conns) != 1 || got.conns[0].Protocol != Kafka || got.conns[0].Client != client || got.conns[0].Broker != broker {
		t.Errorf("connections: %+v", got.conns)
	}
	if e := got.conns[0].End; e.Kind != Closed || e.By != ToBroker {
		t.Errorf("end: %+v", e)
	}
}

func TestBatchSizeChangesNothing(t *testing.T) {
	var packets []capturetest.Packet
	for i := range 6 {
		r := capturetest.NewRecorder()
		r.Now += int64(i) * 1000
		talk(r, netip.AddrPortFrom(client.Addr(), uint16(1000+i)), 20)
		packets = capturetest.Merge(packets, r.Packets)
	}
	want := run(t, packets, len(packets))
	for _, n := range []int{1, 2, 7, 100} {
		got := run(t, packets, n)
		if d := cmp.Diff(want.lines, got.lines); d != "" {
			t.Errorf("batches of %d: %s", n, d)
		}
	}
}

// TestRewrittenCaptures compares each way to deliver the same traffic with the original capture.
func TestRewrittenCaptures(t *testing.T) {
	captures, err := filepath.Glob("../testdata/captures/*_broker-2.1.pcap")
	if err != nil || len(captures) < 4 {
		t.Fatalf("captures: %v %v", captures, err)
	}
	sources := map[string][]capturetest.Packet{}
	for _, name := range captures {
		sources[filepath.Base(name)] = capturetest.MustRead(name)
	}
	r := capturetest.NewRecorder()
	talk(r, client, 40)
	sources["made"] = r.Packets
	for name, packets := range sources {
		plain := withoutFrames(run(t, packets, 100).lines)
		if len(plain) == 0 {
			t.Fatalf("%s: nothing was found", name)
		}
		for _, v := range capturetest.Variants() {
			t.Run(name+"/"+v.Name, func(t *testing.T) {
				plain := plain
				if v.Keeps&capturetest.KeepsOutcomes == 0 { // the responses may be missing
					plain = slices.DeleteFunc(slices.Clone(plain), func(l string) bool { return strings.HasPrefix(bare(l), "response") })
				}
				for seed := range uint64(3) {
					got := withoutFrames(run(t, v.Rewrite(packets, seed), 100).lines)
					if v.Keeps&capturetest.KeepsOutcomes == 0 {
						got = slices.DeleteFunc(got, func(l string) bool { return strings.HasPrefix(bare(l), "response") })
					}
					if v.Keeps&capturetest.KeepsRequests != 0 {
						if d := cmp.Diff(sorted(plain), sorted(got)); d != "" {
							t.Fatalf("seed %d (-plain +rewritten): %s", seed, d)
						}
						continue
					}
					for _, line := range got {
						if line = bare(line); strings.HasPrefix(line, "request") && !slices.ContainsFunc(plain, func(p string) bool { return bare(p) == line }) {
							t.Fatalf("seed %d: invented: %s", seed, line)
						}
					}
				}
			})
		}
	}
}

// bare removes the stream number, which depends on the first packets.
func bare(line string) string {
	_, rest, _ := strings.Cut(line, ": ")
	return rest
}

func sorted(lines []string) []string {
	out := make([]string, len(lines))
	for i := range lines {
		out[i] = bare(lines[i])
	}
	slices.Sort(out)
	return out
}

// TestRecallUnderLoss guards the goal: at 2 % loss, find at least 95 % of the requests.
func TestRecallUnderLoss(t *testing.T) {
	r := capturetest.NewRecorder()
	for i := range 10 {
		c := r.Open(netip.AddrPortFrom(client.Addr(), uint16(2000+i)), broker)
		converse(c, 1, 100)
		c.Close(capturetest.ToBroker)
	}
	total := count(run(t, r.Packets, 1000).lines, "request")
	if total != 1000 {
		t.Fatalf("%d requests in the undamaged capture", total)
	}
	for _, loss := range []float64{0.001, 0.01, 0.02, 0.05} {
		got := run(t, capturetest.Lose(r.Packets, 1, loss), 1000)
		n := count(got.lines, "request")
		t.Logf("loss %.1f %%: %d of %d requests, %d bytes missing", 100*loss, n, total, got.missing())
		if loss <= 0.02 && n*100 < total*95 {
			t.Errorf("loss %.1f %%: only %d of %d requests", 100*loss, n, total)
		}
		if got.missing() == 0 {
			t.Errorf("loss %.1f %%: nothing is missing", 100*loss)
		}
	}
}

func count(lines []string, what string) (n int) {
	for _, l := range lines {
		if strings.HasPrefix(bare(l), what) {
			n++
		}
	}
	return n
}

func TestStreamNumbers(t *testing.T) {
	r := capturetest.NewRecorder()
	other := netip.MustParseAddrPort("10.0.0.9:80")
	r.Open(client, other).Close(capturetest.ToBroker) // 0: no payload
	c := r.Open(client, broker)                       // 1
	c.Exchange(request(3, 1, 1, 10), response(1, 50))
	c = r.Open(client, broker) // 2: not a copy of the first SYN, the port is reused
	c.Exchange(request(3, 1, 2, 10), response(2, 50))
	got := run(t, r.Packets, 100)
	want := []string{"1: request 3 v1 id 1 size 24", "1: response 1 size 54", "2: request 3 v1 id 2 size 24", "2: response 2 size 54"}
	if d := cmp.Diff(want, withoutFrames(got.lines)); d != "" {
		t.Error(d)
	}
	if got.stats.Streams != 3 {
		t.Errorf("%d streams", got.stats.Streams)
	}
}

// TestPortReusedAfterOneSide: a SYN begins a new connection if only the other side of an older one
// between the same ports was captured. It does not if that side acknowledges the SYN.
func TestPortReusedAfterOneSide(t *testing.T) {
	r := capturetest.NewRecorder()
	old := r.Join(client, broker)
	old.Send(capturetest.ToClient, response(9, 50))
	r.Packets = r.Packets[:1] // without the client's acknowledgement
	c := r.Open(client, broker)
	c.Exchange(request(3, 1, 1, 10), response(1, 50))
	c.Close(capturetest.ToBroker)
	want := []string{"1: request 3 v1 id 1 size 24", "1: response 1 size 54"}
	got := run(t, r.Packets, 100)
	if d := cmp.Diff(want, withoutFrames(got.lines)); d != "" || got.stats.Streams != 2 || got.conns[0].End.Kind != Replaced {
		t.Errorf("%d streams, the first ended %d; (-want +got) %s", got.stats.Streams, got.conns[0].End.Kind, d)
	}

	packets := slices.Clone(r.Packets[1:])
	packets[0], packets[1] = packets[1], packets[0] // SYN-ACK before SYN
	if got := run(t, packets, 100); got.stats.Streams != 1 || len(got.lines) != 2 {
		t.Errorf("SYN behind SYN-ACK: %d streams, %v", got.stats.Streams, got.lines)
	}
	broken := slices.Concat(capturetest.OneWay(r.Packets[1:], capturetest.ToClient), capturetest.OneWay(r.Packets[1:], capturetest.ToBroker))
	if got := run(t, broken, 100); got.stats.Streams != 1 || len(got.lines) != 2 {
		t.Errorf("the client behind the broker: %d streams, %v", got.stats.Streams, got.lines)
	}
}

// TestVLANs: equal addresses on two VLANs are two connections, unless the sequence numbers are
// equal too.
func TestVLANs(t *testing.T) {
	r := capturetest.NewRecorder()
	talk(r, client, 5)
	other := capturetest.Encapsulate(capturetest.WrapSequence(r.Packets, 1), capturetest.VLAN(capturetest.EtherVLAN, 6))
	tagged := func(id uint16) []capturetest.Packet {
		return capturetest.Encapsulate(r.Packets, capturetest.VLAN(capturetest.EtherVLAN, id))
	}
	for name, tc := range map[string]struct {
		packets []capturetest.Packet
		streams uint64
	}{
		"two VLANs":                   {capturetest.Merge(tagged(5), other), 2},
		"both sides of a router":      {capturetest.Merge(tagged(5), tagged(6)), 1},
		"a tag and none":              {capturetest.Merge(tagged(5), r.Packets), 1},
		"none, a tag, and none again": {capturetest.Merge(r.Packets, tagged(5), r.Packets), 1},
	} {
		got := run(t, tc.packets, 100)
		if n := count(got.lines, "request"); got.stats.Streams != tc.streams || n != 5*int(tc.streams) {
			t.Errorf("%s: %d streams and %d requests, want %d and %d", name, got.stats.Streams, n, tc.streams, 5*tc.streams)
		}
	}
}

func TestForeignProtocols(t *testing.T) {
	for name, tc := range map[string]struct {
		client, server string
		want           Protocol
	}{
		"http":       {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", HTTP},
		"http2":      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x00\x00\x00\x04\x00\x00\x00\x00\x00", HTTP},
		"ssh":        {"SSH-2.0-OpenSSH_9.2\r\n", "SSH-2.0-OpenSSH_9.2\r\n", Other},
		"redis":      {"*1\r\n$4\r\nPING\r\n", "+PONG\r\n", Other},
		"postgresql": {"\x00\x00\x00\x21\x00\x03\x00\x00user\x00postgres\x00database\x00x\x00\x00", "R\x00\x00\x00\x08\x00\x00\x00\x00", Other},
	} {
		r := capturetest.NewRecorder()
		c := r.Open(client, broker)
		c.Exchange([]byte(tc.client), []byte(tc.server))
		c.Close(capturetest.ToBroker)
		got := run(t, r.Packets, 100)
		if len(got.conns) != 1 || got.conns[0].Protocol != tc.want && !(tc.want == Other && got.conns[0].Protocol == Undecided) {
			t.Errorf("%s: %+v", name, got.conns)
		}
		if len(got.lines) != 0 {
			t.Errorf("%s: %v", name, got.lines)
		}
	}
}

// TestLoneRequest: a request rated Likely is accepted without a response if nothing else was sent.
func TestLoneRequest(t *testing.T) {
	likely, unlikely := request(3, 16, 1, 20), request(91, 16, 1, 20)
	for name, tc := range map[string]struct {
		say  func(c *capturetest.Conversation)
		want []string
	}{
		"closed on": {func(c *capturetest.Conversation) { c.Send(capturetest.ToBroker, likely) }, []string{"0: request 3 v16 id 1 size 34 frame 4"}},
		"in two segments": {func(c *capturetest.Conversation) {
			c.Send(capturetest.ToBroker, likely[:9])
			c.Send(capturetest.ToBroker, likely[9:])
		}, []string{"0: request 3 v16 id 1 size 34 frame 6"}},
		"its beginning":  {func(c *capturetest.Conversation) { c.Send(capturetest.ToBroker, likely[:30]) }, []string{"0: request 3 v16 id 1 size 34 frame 4 lacking 8"}},
		"more behind it": {func(c *capturetest.Conversation) { c.Send(capturetest.ToBroker, append(slices.Clone(likely), 1, 2)) }, nil},
		"another answer": {func(c *capturetest.Conversation) { c.Exchange(likely, response(2, 20)) }, nil},
		"not likely":     {func(c *capturetest.Conversation) { c.Send(capturetest.ToBroker, unlikely) }, nil},
	} {
		r := capturetest.NewRecorder()
		c := r.Open(client, broker)
		tc.say(c)
		c.Close(capturetest.ToClient)
		if diff := cmp.Diff(tc.want, run(t, r.Packets, 100).lines); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestOnlyTheBroker: bytes of the broker are no request if the handshake shows the sides, whatever
// they look like.
func TestOnlyTheBroker(t *testing.T) {
	r := capturetest.NewRecorder()
	c := r.Open(client, broker)
	c.Exchange(request(3, 1, 1, 20), request(3, 1, 1, 20)) // a response that looks like a request
	c.Close(capturetest.ToClient)
	packets := capturetest.OneWay(r.Packets, capturetest.ToClient)
	got := run(t, packets, 100)
	if len(got.lines) != 0 || got.conns[0].Client != client || got.conns[0].Protocol != Undecided {
		t.Errorf("behind the handshake: %v, %+v", got.lines, got.conns)
	}
	got = run(t, packets[1:], 100) // without a handshake, the first request found decides
	if len(got.lines) != 1 || got.conns[0].Client != broker {
		t.Errorf("without the handshake: %v, %+v", got.lines, got.conns)
	}
}

// TestOneSideOfTLS: the reason names the missing side.
func TestOneSideOfTLS(t *testing.T) {
	all := capturetest.MustRead("../testdata/captures/confluent-go-2.6.0_broker-2.1_tls12.pcap")
	for d, want := range map[capturetest.Direction]string{
		capturetest.ToBroker: "the broker's side is not in the capture", capturetest.ToClient: "the client's side is not in the capture",
	} {
		for _, c := range run(t, capturetest.OneWay(all, d), 100).conns {
			if c.TLS == nil || c.TLS.Reason != want {
				t.Errorf("%v: %+v, want %q", d, c.TLS, want)
			}
		}
	}
}

// TestMessageAlone: after a loss, a frame that fills a segment and has the client id at its offset
// is accepted, whatever its version and body.
func TestMessageAlone(t *testing.T) {
	odd := request(2, 16, 2, 20)
	for name, tc := range map[string]struct {
		say   func(c *capturetest.Conversation)
		found bool
	}{
		"alone": {func(c *capturetest.Conversation) { c.Send(capturetest.ToBroker, odd) }, true},
		"in two segments": {func(c *capturetest.Conversation) {
			c.Send(capturetest.ToBroker, odd[:20])
			c.Send(capturetest.ToBroker, odd[20:])
		}, true},
		"a byte more": {func(c *capturetest.Conversation) { c.Send(capturetest.ToBroker, append(slices.Clone(odd), 0)) }, false},
		"another client": {func(c *capturetest.Conversation) {
			c.Send(capturetest.ToBroker, bytes.Replace(odd, []byte("test"), []byte("tost"), 1))
		}, false},
		"a single byte": {func(c *capturetest.Conversation) { c.Send(capturetest.ToBroker, odd[:1]) }, false},
	} {
		r := capturetest.NewRecorder()
		c := r.Open(client, broker)
		c.Exchange(request(1, 3, 1, 20), response(1, 20))
		c.Miss(capturetest.ToBroker, 50)
		tc.say(c)
		c.Close(capturetest.ToClient)
		got := run(t, r.Packets, 100).lines
		if found := slices.ContainsFunc(got, func(l string) bool { return strings.Contains(l, "request 2 v16 id 2") }); found != tc.found {
			t.Errorf("%s: found %v, want %v: %v", name, found, tc.found, got)
		}
	}
}

func TestConflictingCopyIsCounted(t *testing.T) {
	r := capturetest.NewRecorder()
	c := r.Open(client, broker)
	c.Send(capturetest.ToBroker, request(3, 1, 1, 10))
	c.Seq[capturetest.ToBroker] -= 28
	forged := request(3, 1, 1, 10)
	forged[7] = 9 // another version
	c.Send(capturetest.ToBroker, forged)
	c.Exchange(request(3, 1, 2, 10), response(2, 0))
	got := run(t, r.Packets, 100)
	if got.conns[0].Odd().Conflicts != 28 {
		t.Errorf("conflicts %d", got.conns[0].Odd().Conflicts)
	}
	if d := cmp.Diff([]string{"request 3 v1 id 1 size 24", "request 3 v1 id 2 size 24", "response 2 size 4"}, sorted(withoutFrames(got.lines))); d != "" {
		t.Error(d)
	}
}

func TestMidstream(t *testing.T) {
	r := capturetest.NewRecorder()
	c := r.Join(client, broker)
	c.Send(capturetest.ToClient, bytes.Repeat([]byte{7}, 5000)) // the end of some response
	converse(c, 100, 20)
	got := run(t, r.Packets, 100)
	if n := count(got.lines, "request"); n != 20 {
		t.Errorf("%d of 20 requests: %s", n, strings.Join(got.lines, "\n"))
	}
	if n := count(got.lines, "response"); n != 20 {
		t.Errorf("%d of 20 responses", n)
	}
	if c := got.conns[0]; !c.Midstream || c.Client != client {
		t.Errorf("connection %+v", c)
	}
}

// TestFirstPacketFromBroker: the sender of the first packet is not always the client.
func TestFirstPacketFromBroker(t *testing.T) {
	r := capturetest.NewRecorder()
	c := r.Join(client, broker)
	c.Ack(capturetest.ToClient)
	converse(c, 5, 3)
	got := run(t, r.Packets, 100)
	if n := count(got.lines, "request"); n != 3 || got.conns[0].Client != client {
		t.Errorf("%d requests, %+v", n, got.conns)
	}
}

// TestNoAllocationsBehindAHole: segments that wait for a missing one allocate nothing.
func TestNoAllocationsBehindAHole(t *testing.T) {
	r := capturetest.NewRecorder()
	c := r.Open(client, broker)
	c.Send(capturetest.ToBroker, request(0, 3, 1, 100<<10))
	w := newWorker(&Options{LooksLikeRequest: looksLike}, new(log))
	items := dispatched(t, w, r.Packets)
	w.work(items[:1])
	body := items[5:60]
	if n := testing.AllocsPerRun(20, func() {
		w.work(body[:1])
		body = body[1:]
	}); n != 0 {
		t.Errorf("%v allocations a segment that waits for a missing one", n)
	}
}

// dispatched returns the packets as items of one worker.
func dispatched(t testing.TB, w *worker, packets []capturetest.Packet) []item {
	_, items := pooled(t, w, packets, func(*Pool[[]string]) {})
	return items
}

// pooled is dispatched. It calls then after each packet, and also returns the Pool.
func pooled(t testing.TB, w *worker, packets []capturetest.Packet, then func(*Pool[[]string])) (*Pool[[]string], []item) {
	p := NewPool(Options{}, func() Shard[[]string] { return new(log) }, nil)
	for i := range p.workers {
		p.workers[i] = w
	}
	p.table = newFlowTable(&p.tableLimits, func(*flow, EndKind) {}, func(*flow, item) {})
	d := capture.NewDissector(capture.DissectorOptions{})
	sl := new(slot[[]string])
	for i, pkt := range packets {
		var s capture.Segment
		if !d.Segment(&capture.Packet{Position: capture.Position{Frame: uint64(i + 1), Time: pkt.Time}, Data: pkt.Data, Length: uint32(pkt.Length()), Link: capture.LinkType(pkt.Link)}, &s) {
			t.Fatalf("packet %d is no segment", i+1)
		}
		p.segment(sl, &capture.Packet{}, &s)
		then(p)
	}
	p.clock += heldTime
	p.releaseOld(sl)
	items := slices.Concat(sl.items[:]...)
	slices.SortStableFunc(items, func(a, b item) int { return a.at.Compare(b.at) })
	return p, items
}

func TestSequenceNumbersWrap(t *testing.T) {
	for _, loss := range []bool{false, true} {
		r := capturetest.NewRecorder()
		c := r.Join(client, broker)
		c.Seq = [2]uint32{0xffffff00, 0xfffffff0}
		converse(c, 1, 30)
		packets := r.Packets
		if loss { // a segment arrives late, right at the wrap
			packets = capturetest.Reorder(packets, 4, 3)
		}
		if got := run(t, packets, 100); count(got.lines, "request") != 30 || count(got.lines, "response") != 30 {
			t.Errorf("reordered %v: %d requests, %d responses", loss, count(got.lines, "request"), count(got.lines, "response"))
		}
	}
}

// TestIncompleteRequests: a request of which only the size arrived is counted, too. The broker closes
// on the size if it is too large.
func TestIncompleteRequests(t *testing.T) {
	for sent, want := range map[int]uint64{3: 0, 4: 1, 9: 1, 20: 1, 28: 0} {
		r := capturetest.NewRecorder()
		c := r.Open(client, broker)
		c.Exchange(request(3, 1, 7, 10), response(7, 50))
		c.Send(capturetest.ToBroker, request(0, 9, 8, 10)[:sent])
		c.Close(capturetest.ToClient)
		if got := run(t, r.Packets, 3).conns[0]; got.Odd().Incomplete != want {
			t.Errorf("%d bytes of a request: %d incomplete, want %d", sent, got.Odd().Incomplete, want)
		}
	}
}
