package reassembly

import (
	"net/netip"
	"testing"

	"github.com/kafkavet/kafkavet/capture"
)

// segmentOf returns a segment from the client, or from the broker if d is ToClient.
func segmentOf(d Direction, flags capture.TCPFlags, seq, ack, length uint32) *capture.Segment {
	s := &capture.Segment{Src: client.Addr().As16(), Dst: broker.Addr().As16(), SrcPort: client.Port(), DstPort: broker.Port(), Flags: flags, Seq: seq, Ack: ack, Length: length}
	if d == ToClient {
		s.Src, s.Dst, s.SrcPort, s.DstPort = s.Dst, s.Src, s.DstPort, s.SrcPort
	}
	return s
}

// tableOf returns a table with n flows, of ports from 1 on, whose connections have payload.
func tableOf(n int) (t *flowTable, flows []*flow, dropped *[]uint16) {
	dropped = new([]uint16)
	t = newFlowTable(new(Limits), func(f *flow, _ EndKind) { *dropped = append(*dropped, f.aPort) }, func(*flow, item) {})
	for i := range n {
		s := segmentOf(ToBroker, capture.SYN, 1, 0, 0)
		s.SrcPort = uint16(i + 1)
		f := t.insert(s, t.hash(s))
		f.conn, f.lastTime = new(conn), 100
		t.silent--
		flows = append(flows, f)
	}
	return t, flows, dropped
}

// TestEvictedFlows: connections that are over go first, then those that were silent for longest.
func TestEvictedFlows(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(t *flowTable, f []*flow)
		want   uint16
	}{
		{"the first of equal ones", func(*flowTable, []*flow) {}, 1},
		{"the oldest", func(_ *flowTable, f []*flow) { f[2].lastTime = 99 }, 3},
		{"one that is over", func(_ *flowTable, f []*flow) { f[1].closed, f[1].lastTime, f[2].lastTime = 4, 200, 99 }, 2},
		{"the oldest that is over", func(t *flowTable, f []*flow) { f[1].closed, f[3].closed, f[3].lastTime = 4, 4, 99 }, 4},
		{"the next ones", func(t *flowTable, f []*flow) { t.hand = 2 }, 3},
		{"the last one, then from the beginning", func(t *flowTable, f []*flow) { t.hand, f[0].lastTime = evictionScan+3, 99 }, 1},
		{"not a free slot", func(t *flowTable, f []*flow) { f[0].lastTime = 99; t.drop(f[0], Expired) }, 2},
		{"not one behind those that are compared", func(t *flowTable, f []*flow) { f[evictionScan].lastTime = 99 }, 1},
		{"one that may", func(t *flowTable, f []*flow) { f[1].conn = nil; t.silent++ }, 2},
	} {
		table, flows, dropped := tableOf(evictionScan + 4)
		tc.change(table, flows)
		*dropped = nil
		table.evict(func(f *flow) bool { return tc.name != "one that may" || f.conn == nil })
		if len(*dropped) != 1 || (*dropped)[0] != tc.want {
			t.Errorf("%s: %d was dropped, want %d", tc.name, *dropped, tc.want)
		}
	}
}

// TestFullTable: at its limits, the table drops one connection for each new one.
func TestFullTable(t *testing.T) {
	for _, tc := range []struct {
		name         string
		live, silent int
		want         Limits
	}{
		{"nearly", maxFlows - 1, maxSilentFlows - 1, Limits{}},
		{"connections without payload", maxSilentFlows, maxSilentFlows, Limits{SilentFlows: 1}},
		{"connections", maxFlows, 4, Limits{Flows: 1}},
	} {
		table, flows, dropped := tableOf(4)
		table.live, table.silent, flows[2].conn = tc.live, tc.silent, nil // as if there were others
		s := segmentOf(ToBroker, capture.SYN, 1, 0, 0)
		table.insert(s, table.hash(s))
		if *table.limits != tc.want || len(*dropped) != int(tc.want.Flows+tc.want.SilentFlows) {
			t.Errorf("%s: %+v, dropped %v", tc.name, *table.limits, *dropped)
		}
	}
}

// TestExpiredFlows: connections that are over, or replaced, leave the table before silent ones.
func TestExpiredFlows(t *testing.T) {
	const idle, over = 50, 80
	for _, tc := range []struct {
		name   string
		change func(t *flowTable, f *flow)
		want   bool
	}{
		{"open", func(_ *flowTable, f *flow) { f.lastTime = idle }, false},
		{"open, and silent for longer", func(_ *flowTable, f *flow) { f.lastTime = idle - 1 }, true},
		{"over", func(_ *flowTable, f *flow) { f.lastTime, f.closed = over, 3 }, false},
		{"over for longer", func(_ *flowTable, f *flow) { f.lastTime, f.closed = over-1, 3 }, true},
		{"one side is over", func(_ *flowTable, f *flow) { f.lastTime, f.closed = over-1, 1 }, false},
		{"replaced", func(_ *flowTable, f *flow) { f.lastTime, f.isReplaced = over-1, true }, true},
		{"a free slot", func(t *flowTable, f *flow) { t.drop(f, Expired) }, false},
	} {
		table, flows, dropped := tableOf(1)
		tc.change(table, flows[0])
		*dropped = nil
		table.expire(idle, over)
		if got := len(*dropped) == 1; got != tc.want {
			t.Errorf("%s: expired %v, want %v", tc.name, got, tc.want)
		}
	}
}

// TestCopiesExpireWithTheirOriginal: a copy stays as long as the connection.
func TestCopiesExpireWithTheirOriginal(t *testing.T) {
	table, flows, dropped := tableOf(3)
	table.addCopy(flows[1], flows[0], true, capture.Position{})
	flows[0].lastTime, flows[1].lastTime = 100, 1
	table.expire(50, 50)
	if table.live != 3 || len(*dropped) != 0 {
		t.Errorf("%d flows are left, want 3", table.live)
	}
	table.drop(flows[0], Expired)
	table.expire(50, 50)
	if table.live != 1 {
		t.Errorf("%d flows are left, want 1", table.live)
	}
}

// TestNetworksOfOneConnection: at the limit, a copy goes first, then a flow without payload, then the
// one that was silent for longest; never the connection that the segment belongs to.
func TestNetworksOfOneConnection(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(t *flowTable, f []*flow)
		want   int
	}{
		{"the oldest", func(_ *flowTable, f []*flow) { f[3].lastTime = 99 }, 3},
		{"without payload", func(t *flowTable, f []*flow) { f[3].lastTime, f[4].conn = 99, nil; t.silent++ }, 4},
		{"a copy", func(t *flowTable, f []*flow) {
			f[4].conn, f[3].lastTime = nil, 99
			t.silent++
			t.addCopy(f[5], f[0], true, capture.Position{})
		}, 5},
		{"not the one to keep", func(_ *flowTable, f []*flow) { f[0].lastTime, f[6].lastTime = 1, 99 }, 6},
	} {
		table, _, _ := tableOf(0)
		var flows []*flow
		s := segmentOf(ToBroker, capture.SYN, 1, 0, 0)
		for i := range maxNetworks {
			s.Domain = uint64(i)
			f := table.insert(s, table.hash(s))
			f.conn, f.lastTime = new(conn), 100
			table.silent--
			flows = append(flows, f)
		}
		tc.change(table, flows)
		table.evictNetwork(s, flows[0])
		if !flows[tc.want].dead || table.live != maxNetworks-1 || table.limits.Networks != 1 {
			t.Errorf("%s: %d flows are left, %d was kept", tc.name, table.live, tc.want)
		}
		table.evictNetwork(s, flows[0])
		if table.live != maxNetworks-1 {
			t.Errorf("%s: below the limit, %d flows are left", tc.name, table.live)
		}
	}
}

// TestOlderConnection: a SYN with another number than that of the connection begins a new one.
func TestOlderConnection(t *testing.T) {
	for _, tc := range []struct {
		name string
		f    flow
		seq  uint32
		want bool
	}{
		{"the same SYN", flow{seen: [2]bool{true, false}, base: [2]uint32{1000, 0}}, 1000, false},
		{"another one", flow{seen: [2]bool{true, false}, base: [2]uint32{1000, 0}}, 1001, true},
		{"the SYN was acknowledged", flow{acked: true, base: [2]uint32{1000, 0}}, 1000, false},
		{"the SYN and bytes were acknowledged", flow{acked: true, base: [2]uint32{999 + maxHole, 0}}, 1000, false},
		{"more was acknowledged", flow{acked: true, base: [2]uint32{1000 + maxHole, 0}}, 1000, true},
		{"less was acknowledged", flow{acked: true, base: [2]uint32{1000, 0}}, 1001, true},
		{"nothing is known", flow{base: [2]uint32{1000, 0}}, 1 << 30, false},
	} {
		if got := tc.f.begunBefore(tc.seq, ToBroker); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

// TestSegmentsOfACopy: equal addresses in another network are a copy only if the numbers show it.
func TestSegmentsOfACopy(t *testing.T) {
	const ack, syn, fin = capture.ACK, capture.SYN, capture.FIN
	tagged := func(domain uint64) func(f *flow, s *capture.Segment) {
		return func(f *flow, s *capture.Segment) { f.domain, s.Domain = 5, domain }
	}
	for _, tc := range []struct {
		name   string
		s      *capture.Segment
		change func(f *flow, s *capture.Segment)
		want   bool
	}{
		{"in a tunnel, the latest segment again", segmentOf(ToBroker, ack, 990, 2000, 10), nil, true},
		{"in a tunnel, a part of it", segmentOf(ToBroker, ack, 980, 2000, 19), nil, true},
		{"in a tunnel, the next bytes", segmentOf(ToBroker, ack, 990, 2000, 11), nil, false},
		{"in a tunnel, far before", segmentOf(ToBroker, ack, 1<<31, 2000, 10), nil, false},
		{"in a tunnel, the SYN", segmentOf(ToBroker, syn, 899, 0, 0), nil, true},
		{"in a tunnel, another SYN", segmentOf(ToBroker, syn, 900, 0, 0), nil, false},
		{"in a tunnel, a FIN", segmentOf(ToBroker, ack|fin, 1000, 2000, 0), nil, false},
		{"in a tunnel, the FIN again", segmentOf(ToBroker, ack|fin, 1000, 2000, 0), func(f *flow, _ *capture.Segment) { f.closed = 1 }, true},
		{"without the tag", segmentOf(ToBroker, ack, 980, 2000, 19), tagged(0), true},
		{"with another tag", segmentOf(ToBroker, ack, 980, 2000, 19), tagged(6), false},
		{"with another tag, the latest segment again", segmentOf(ToBroker, ack, 990, 2000, 10), tagged(6), true},
		{"with another tag, no bytes", segmentOf(ToBroker, ack, 1000, 2000, 0), tagged(6), false},
		{"with another tag, the SYN", segmentOf(ToBroker, syn, 899, 0, 0), tagged(6), true},
		{"with another tag, a SYN for an unknown one", segmentOf(ToBroker, syn, 899, 0, 0), func(f *flow, s *capture.Segment) { f.domain, s.Domain, f.synced = 5, 6, [2]bool{} }, false},
		{"with another tag, the other direction", segmentOf(ToClient, ack, 7000, 1000, 10), func(f *flow, s *capture.Segment) { f.domain, s.Domain, f.seen[ToClient] = 5, 6, false }, true},
		{"with another tag, the other direction of another", segmentOf(ToClient, ack, 7000, 1000+sameFlowWindow, 10), func(f *flow, s *capture.Segment) { f.domain, s.Domain, f.seen[ToClient] = 5, 6, false }, false},
		{"with another tag, the other direction, nearly", segmentOf(ToClient, ack, 7000, 999+sameFlowWindow, 10), func(f *flow, s *capture.Segment) { f.domain, s.Domain, f.seen[ToClient] = 5, 6, false }, true},
	} {
		f := &flow{depth: 1, synced: [2]bool{true, true}, seen: [2]bool{true, true}, base: [2]uint32{899, 1899}, last: [2]uint32{1000, 2000}}
		f.a, f.b, f.aPort, f.bPort = client.Addr().As16(), broker.Addr().As16(), client.Port(), broker.Port()
		if tc.change != nil {
			tc.change(f, tc.s)
		}
		if tc.s.Domain > 0 || f.domain > 0 {
			f.depth = 0
		}
		d, _ := f.rawDirection(tc.s)
		if got := f.copyOf(tc.s, d); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

// TestAddressesOfAFlow: all four parts are compared, in both directions.
func TestAddressesOfAFlow(t *testing.T) {
	f := new(flow)
	f.appear(segmentOf(ToBroker, capture.SYN, 1, 0, 0))
	other := netip.MustParseAddr("10.9.9.9").As16()
	for _, d := range []Direction{ToBroker, ToClient} {
		if got, ok := f.rawDirection(segmentOf(d, capture.ACK, 1, 1, 0)); !ok || got != d {
			t.Errorf("%v: %v, %v", d, got, ok)
		}
		for i, change := range []func(s *capture.Segment){
			func(s *capture.Segment) { s.Src = other }, func(s *capture.Segment) { s.Dst = other },
			func(s *capture.Segment) { s.SrcPort = 1 }, func(s *capture.Segment) { s.DstPort = 1 },
		} {
			s := segmentOf(d, capture.ACK, 1, 1, 0)
			if change(s); func() bool { _, ok := f.rawDirection(s); return ok }() {
				t.Errorf("%v: change %d is not noticed", d, i)
			}
		}
	}
	f.domain, f.depth = 5, 1
	for _, tc := range []struct {
		domain uint64
		depth  uint8
		want   bool
	}{{5, 1, true}, {5, 0, false}, {6, 1, false}} {
		s := segmentOf(ToBroker, capture.ACK, 1, 1, 0)
		if s.Domain, s.Depth = tc.domain, tc.depth; f.isAt(s) != tc.want {
			t.Errorf("in network %d, depth %d: %v, want %v", tc.domain, tc.depth, f.isAt(s), tc.want)
		}
	}
}

// TestNumbersOfAFlow: what a flow keeps of each segment.
func TestNumbersOfAFlow(t *testing.T) {
	const ack, syn, fin, rst = capture.ACK, capture.SYN, capture.FIN, capture.RST
	type state struct {
		base, last [2]uint32
		closed     uint8
	}
	for _, tc := range []struct {
		name     string
		segments []*capture.Segment
		want     state
	}{
		{"a SYN", []*capture.Segment{segmentOf(ToBroker, syn, 1000, 0, 0)}, state{[2]uint32{1000, 0}, [2]uint32{1001, 0}, 0}},
		{"a handshake", []*capture.Segment{segmentOf(ToBroker, syn, 1000, 0, 0), segmentOf(ToClient, syn|ack, 5000, 1001, 0)}, state{[2]uint32{1000, 5000}, [2]uint32{1001, 5001}, 0}},
		{"joined", []*capture.Segment{segmentOf(ToBroker, ack, 1000, 5000, 10)}, state{[2]uint32{999, 4999}, [2]uint32{1010, 0}, 0}},
		{"joined, and the other side", []*capture.Segment{segmentOf(ToBroker, ack, 1000, 5000, 10), segmentOf(ToClient, ack, 5100, 1010, 10)}, state{[2]uint32{999, 5099}, [2]uint32{1010, 5110}, 0}},
		{"joined, the first acknowledgement counts", []*capture.Segment{segmentOf(ToBroker, ack, 1000, 5000, 10), segmentOf(ToBroker, ack, 1010, 5100, 10)}, state{[2]uint32{999, 4999}, [2]uint32{1020, 0}, 0}},
		{"the answer to a SYN", []*capture.Segment{segmentOf(ToClient, syn|ack, 5000, 1001, 0), segmentOf(ToBroker, ack, 1011, 5001, 10)}, state{[2]uint32{1000, 5000}, [2]uint32{1021, 5001}, 0}},
		{"an older segment", []*capture.Segment{segmentOf(ToBroker, ack, 1000, 5000, 10), segmentOf(ToBroker, ack, 900, 5000, 10)}, state{[2]uint32{999, 4999}, [2]uint32{910, 0}, 0}},
		{"a FIN", []*capture.Segment{segmentOf(ToBroker, ack, 1000, 5000, 10), segmentOf(ToBroker, ack|fin, 1010, 5000, 0)}, state{[2]uint32{999, 4999}, [2]uint32{1010, 0}, 1}},
		{"an older FIN", []*capture.Segment{segmentOf(ToBroker, ack, 1000, 5000, 10), segmentOf(ToBroker, ack|fin, 1000, 5000, 0)}, state{[2]uint32{999, 4999}, [2]uint32{1010, 0}, 1}},
		{"an older segment behind a FIN", []*capture.Segment{segmentOf(ToBroker, ack|fin, 1000, 5000, 10), segmentOf(ToBroker, ack, 900, 5000, 10)}, state{[2]uint32{999, 4999}, [2]uint32{1010, 0}, 1}},
		{"a RST", []*capture.Segment{segmentOf(ToBroker, ack, 1000, 5000, 10), segmentOf(ToClient, rst, 5000, 0, 0)}, state{[2]uint32{999, 4999}, [2]uint32{1010, 5000}, 4}},
		{"a FIN that no receiver believes", []*capture.Segment{segmentOf(ToBroker, ack, 1000, 5000, 10), segmentOf(ToBroker, ack|fin, 1011+maxHole, 5000, 0)}, state{[2]uint32{999, 4999}, [2]uint32{1010, 0}, 0}},
		{"a refusal", []*capture.Segment{segmentOf(ToBroker, syn, 1000, 0, 0), segmentOf(ToClient, rst|ack, 0, 1001, 0)}, state{[2]uint32{1000, 0xffffffff}, [2]uint32{1001, 0}, 4}},
		{"a refusal of another SYN", []*capture.Segment{segmentOf(ToBroker, syn, 1000, 0, 0), segmentOf(ToClient, rst|ack, 0, 1002, 0)}, state{[2]uint32{1000, 0xffffffff}, [2]uint32{1001, 0}, 0}},
		{"a refusal without ACK", []*capture.Segment{segmentOf(ToBroker, syn, 1000, 0, 0), segmentOf(ToClient, rst, 0, 1001, 0)}, state{[2]uint32{1000, 0xffffffff}, [2]uint32{1001, 0}, 0}},
		{"a RST of a side that was not captured", []*capture.Segment{segmentOf(ToBroker, ack, 1000, 5000, 10), segmentOf(ToClient, rst, 5000, 0, 0)}, state{[2]uint32{999, 4999}, [2]uint32{1010, 5000}, 4}},
		{"a RST behind the first bytes", []*capture.Segment{segmentOf(ToBroker, syn, 1000, 0, 0), segmentOf(ToBroker, ack, 1001, 5000, 10), segmentOf(ToClient, rst, 5000, 0, 0)}, state{[2]uint32{1000, 4999}, [2]uint32{1011, 5000}, 4}},
	} {
		f := new(flow)
		f.appear(tc.segments[0])
		for _, s := range tc.segments {
			d, _ := f.rawDirection(s)
			f.note(s, d)
		}
		if got := (state{f.base, f.last, f.closed}); got != tc.want {
			t.Errorf("%s: %+v, want %+v", tc.name, got, tc.want)
		}
	}
}

// TestDistance: of two connections between the same ports, a segment belongs to the one whose numbers
// are near.
func TestDistance(t *testing.T) {
	const ack, syn = capture.ACK, capture.SYN
	for _, tc := range []struct {
		name   string
		s      *capture.Segment
		change func(f *flow)
		want   uint32
	}{
		{"in order", segmentOf(ToBroker, ack, 1000, 2000, 10), nil, 0},
		{"ahead", segmentOf(ToBroker, ack, 1030, 2000, 10), nil, 30},
		{"behind", segmentOf(ToBroker, ack, 970, 2000, 10), nil, 30},
		{"acknowledges more", segmentOf(ToBroker, ack, 1000, 2040, 10), nil, 40},
		{"acknowledges less", segmentOf(ToBroker, ack, 1000, 1960, 10), nil, 40},
		{"the greater of both", segmentOf(ToBroker, ack, 1030, 2040, 10), nil, 40},
		{"no acknowledgement", segmentOf(ToBroker, 0, 1030, 9000, 10), nil, 30},
		{"acknowledges what was not captured", segmentOf(ToBroker, ack, 1000, 9000, 10), func(f *flow) { f.seen[ToClient] = false }, sameFlowWindow},
		{"the first of its side", segmentOf(ToBroker, ack, 7000, 2040, 10), func(f *flow) { f.seen[ToBroker] = false }, 41},
		{"the first of its side, a SYN", segmentOf(ToBroker, ack|syn, 7000, 2040, 0), func(f *flow) { f.seen[ToBroker] = false }, 40},
		{"the first of its side, without ACK", segmentOf(ToBroker, 0, 7000, 0, 10), func(f *flow) { f.seen[ToBroker] = false }, 1 << 31},
	} {
		f := &flow{seen: [2]bool{true, true}, last: [2]uint32{1000, 2000}}
		if tc.change != nil {
			tc.change(f)
		}
		if got := f.distance(tc.s, ToBroker); got != tc.want {
			t.Errorf("%s: %d, want %d", tc.name, got, tc.want)
		}
	}
	for distance, want := range map[uint32]bool{sameFlowWindow - 1: true, sameFlowWindow: false} {
		f := &flow{seen: [2]bool{true, true}, last: [2]uint32{1000, 2000}}
		if got := f.fits(segmentOf(ToBroker, ack, 1000+distance, 2000, 10), ToBroker); got != want {
			t.Errorf("%d bytes ahead: fits %v, want %v", distance, got, want)
		}
	}
	for _, f := range []flow{{seen: [2]bool{true, false}}, {seen: [2]bool{false, true}}, {seen: [2]bool{true, true}, closed: 1}} {
		if f.isLive() {
			t.Errorf("seen %v, closed %d: is live", f.seen, f.closed)
		}
	}
}

// TestChallengesAreBounded: when there are too many, all are dropped. One SYN counts once.
func TestChallengesAreBounded(t *testing.T) {
	table, flows, _ := tableOf(maxChallenges + 1)
	for i, f := range flows {
		for range 2 {
			table.challenge(f, segmentOf(ToBroker, capture.SYN, 7, 0, 0))
		}
		if n := len(table.challenges); n != i%maxChallenges+1 || table.disbelieved != uint64(i+1) {
			t.Fatalf("%d challenges after %d, %d not believed", n, i+1, table.disbelieved)
		}
	}
	if flows[0].isChallenged || !flows[maxChallenges].isChallenged {
		t.Error("the first one is still kept, or the last one is not")
	}
	table.challenge(flows[maxChallenges], segmentOf(ToBroker, capture.SYN, 8, 0, 0))
	if n := len(table.challenges); n != 1 || table.challenges[flows[maxChallenges]].syn.Seq != 8 {
		t.Errorf("%d challenges: another SYN does not replace the first", n)
	}
}

// TestNearerCopy: the TTL shows which of two places is nearer to a side, then what other connections
// showed, then the order of arrival.
func TestNearerCopy(t *testing.T) {
	at := func(host byte) [16]byte { return netip.AddrFrom4([4]byte{10, 0, 0, host}).As16() }
	for _, tc := range []struct {
		name   string
		change func(t *flowTable, f, g *flow)
		want   bool
	}{
		{"lower TTL of what goes there", func(_ *flowTable, f, g *flow) { f.ttl[0], g.ttl[0] = 63, 64 }, true},
		{"higher TTL", func(_ *flowTable, f, g *flow) { f.ttl[0], g.ttl[0] = 64, 63 }, false},
		{"higher TTL of what comes from there", func(_ *flowTable, f, g *flow) { f.ttl[1], g.ttl[1] = 64, 63 }, true},
		{"lower TTL of what comes from there", func(_ *flowTable, f, g *flow) { f.ttl[1], g.ttl[1] = 63, 64 }, false},
		{"both, and the first counts", func(_ *flowTable, f, g *flow) { f.ttl, g.ttl = [2]uint8{63, 63}, [2]uint8{64, 64} }, true},
		{"one is unknown", func(_ *flowTable, f, g *flow) { f.ttl[0], g.ttl[0], f.isFarther = 0, 64, false }, false},
		{"the other is unknown", func(_ *flowTable, f, g *flow) { f.ttl[0], g.ttl[0], f.isFarther = 64, 0, true }, true},
		{"it is what the other is translated into", func(t *flowTable, f, g *flow) { t.addTranslation(g.side(ToBroker), f.side(ToBroker)) }, true},
		{"it is translated into the other", func(t *flowTable, f, g *flow) {
			f.isFarther = true
			t.addTranslation(f.side(ToBroker), g.side(ToBroker))
		}, false},
		{"two VLANs without a router", func(_ *flowTable, f, g *flow) {
			f.b, f.domain, g.domain, f.ttl, g.ttl = g.b, 1, 2, [2]uint8{64, 64}, [2]uint8{64, 64}
		}, true},
		{"two VLANs without a router, the other way", func(_ *flowTable, f, g *flow) { f.b, f.domain, g.domain, f.ttl[0], g.ttl[0] = g.b, 2, 1, 64, 64 }, false},
		{"two VLANs without a router, one TTL", func(_ *flowTable, f, g *flow) { f.b, f.domain, g.domain, f.ttl[1], g.ttl[1] = g.b, 1, 2, 64, 64 }, true},
		{"two VLANs, and the TTL is unknown", func(_ *flowTable, f, g *flow) { f.b, f.domain, g.domain, f.isFarther = g.b, 2, 1, true }, true},
		{"it arrived later", func(_ *flowTable, f, _ *flow) { f.isFarther = true }, true},
		{"it arrived first", func(*flowTable, *flow, *flow) {}, false},
		{"two copies that arrived later", func(_ *flowTable, f, g *flow) { f.isFarther, g.isFarther, g.alias = true, true, 1 }, false},
		{"a later and an earlier copy", func(_ *flowTable, f, g *flow) { f.isFarther, g.alias = true, 1 }, true},
	} {
		table, _, _ := tableOf(0)
		f, g := &flow{b: at(7), bPort: 9092}, &flow{b: at(8), bPort: 9092}
		tc.change(table, f, g)
		if got := table.isNearer(f, g, ToBroker); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

// TestSegmentsToCompare: which segments of a connection are compared with those of others.
func TestSegmentsToCompare(t *testing.T) {
	const other = 1 // a sequence number that is not chosen
	const clock = 5 << markInterval
	for _, tc := range []struct {
		name string
		f    flow
		s    *capture.Segment
		want bool
	}{
		{"the first ones", flow{marks: marksPerFlow - 1, marked: 5}, segmentOf(ToBroker, capture.ACK, other, 1, 9), true},
		{"later ones", flow{marks: marksPerFlow, marked: 5}, segmentOf(ToBroker, capture.ACK, other, 1, 9), false},
		{"one in four of them", flow{marks: marksPerFlow, marked: 5}, segmentOf(ToBroker, capture.ACK, 0, 1, 9), true},
		{"one in each interval", flow{marks: marksPerFlow, marked: 4}, segmentOf(ToBroker, capture.ACK, other, 1, 9), true},
		{"while items are held", flow{marks: marksPerFlow, marked: 5, held: new(held)}, segmentOf(ToBroker, capture.ACK, other, 1, 9), true},
		{"a SYN", flow{}, segmentOf(ToBroker, capture.SYN, 1, 0, 0), true},
		{"no bytes", flow{synced: [2]bool{true, true}, marks: 3}, segmentOf(ToBroker, capture.ACK, 1, 1, 0), false},
		{"a FIN", flow{synced: [2]bool{true, true}, marks: 1}, segmentOf(ToBroker, capture.ACK|capture.FIN, 1, 1, 0), true},
		{"a FIN without bytes before", flow{synced: [2]bool{true, true}}, segmentOf(ToBroker, capture.ACK|capture.FIN, 1, 1, 0), false},
		{"the same without the SYN", flow{synced: [2]bool{false, true}}, segmentOf(ToBroker, capture.ACK|capture.FIN, 1, 1, 0), true},
		{"the same without its answer", flow{synced: [2]bool{true, false}}, segmentOf(ToBroker, capture.ACK|capture.FIN, 1, 1, 0), true},
	} {
		if got := tc.f.needsMark(tc.s, clock); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}
