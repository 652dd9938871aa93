package reassembly

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kafkavet/kafkavet/capture/capturetest"
)

func TestOneConnectionBeforeAndAfterTranslation(t *testing.T) {
	r := capturetest.NewRecorder()
	talk(r, client, 5)
	got := run(t, capturetest.Translated(capturetest.Randomize(r.Packets, 1)), 100)
	if n := count(got.lines, "request"); n != 5 || len(got.conns) != 1 {
		t.Fatalf("%d requests on %d connections, want 5 on 1", n, len(got.conns))
	}
	if c := got.conns[0]; c.Broker != broker || len(c.Odd().Behind) != 1 || c.Odd().Behind[0].Port() != 30092 {
		t.Errorf("broker %s behind %v", c.Broker, c.Odd().Behind)
	}
}

// The initial sequence number of either side distinguishes two connections.
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

// TestTranslatedCopiesLater: each copy comes a while after its original, so several segments of the
// connection are between them, or the copies change their order.
func TestTranslatedCopiesLater(t *testing.T) {
	r := capturetest.NewRecorder()
	c := r.Open(client, broker)
	for i := range 3 { // longer than one segment
		c.Exchange(request(3, 1, uint32(i), 3000), response(uint32(i), 50))
	}
	plain := capturetest.Randomize(r.Packets, 1)
	for later := range 40 {
		for _, jitter := range []time.Duration{0, 3 * r.Step} {
			both := capturetest.Translated(plain)
			for i := range both {
				if bytes.Contains(both[i].Data, []byte{30092 >> 8, 30092 & 0xff}) {
					both[i].Time += int64(time.Duration(later)*r.Step/2 + jitter*time.Duration(i%3))
				}
			}
			got := run(t, capturetest.Merge(both), 10)
			if n := count(got.lines, "request"); n != 3 || len(got.conns) != 1 {
				t.Errorf("%d half steps later, jitter %v: %d requests on %d connections, want 3 on 1", later, jitter, n, len(got.conns))
			}
		}
	}
}

// TestTranslationWithLoss: the second place lacks the first packets behind the handshake.
func TestTranslationWithLoss(t *testing.T) {
	r := capturetest.NewRecorder()
	talk(r, client, 8)
	plain := capturetest.Randomize(r.Packets, 1)
	for n := range 20 {
		both := slices.DeleteFunc(capturetest.Translated(plain), func(p capturetest.Packet) bool {
			return bytes.Contains(p.Data, []byte{30092 >> 8, 30092 & 0xff}) && plain[3].Time <= p.Time && p.Time < plain[3+n].Time
		})
		if got := run(t, both, 10); count(got.lines, "request") != 8 || len(got.conns) != 1 {
			t.Errorf("%d packets lost: %d requests on %d connections, want 8 on 1", n, count(got.lines, "request"), len(got.conns))
		}
	}
}

// Synthetic captures have the same small sequence numbers everywhere. Clients that send different
// bytes are different connections.
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

// TestTranslationJoinedMidstream begins at each packet, so copies come in pairs, or one place has
// a packet that the other lacks.
func TestTranslationJoinedMidstream(t *testing.T) {
	r := capturetest.NewRecorder()
	talk(r, client, 5)
	plain := capturetest.Randomize(r.Packets, 1)
	both := capturetest.Translated(plain)
	for cut := range 3 * len(both) {
		batch := []int{1, 3, 100}[cut%3] // the shards get items between two copies
		cut /= 3
		if cut+1 >= 2*(len(plain)-1) {
			break // one place has the last acknowledgement only
		}
		got, want := run(t, both[cut:], batch), run(t, plain[cut/2:], batch)
		if d := cmp.Diff(sorted(withoutFrames(want.lines)), sorted(withoutFrames(got.lines))); d != "" || len(got.conns) != 1 {
			t.Fatalf("from packet %d on: %d connections (-want +got):\n%s", cut+1, len(got.conns), d)
		}
		isKnown := count(want.lines, "request") > 0 // which side is the broker
		if c := got.conns[0]; isKnown && (len(c.Odd().Before) != 0 || len(c.Odd().Behind) != 1 || c.Broker.Port() == c.Odd().Behind[0].Port()) {
			t.Errorf("from packet %d on: broker %v behind %v", cut+1, c.Broker, c.Odd().Behind)
		}
	}
}

// TestPlacesJoinedLater: the second place captures from a later packet on, of a slow or a fast
// connection.
func TestPlacesJoinedLater(t *testing.T) {
	for _, step := range []time.Duration{10 * time.Microsecond, 5 * time.Millisecond, 300 * time.Millisecond} {
		r := capturetest.NewRecorder()
		r.Step = step
		talk(r, client, 200)
		plain := capturetest.Randomize(r.Packets, 1)
		both := capturetest.Translated(plain)
		port := []byte{30092 >> 8, 30092 & 0xff}
		for _, later := range []int{20, 21, 60, 301} {
			packets := slices.DeleteFunc(slices.Clone(both), func(p capturetest.Packet) bool {
				return bytes.Contains(p.Data, port) && p.Time < plain[later].Time
			})
			for begin, want := range map[int]int{0: 200, 12: 197} {
				got := run(t, packets[begin:], 10)
				if n := count(got.lines, "request"); n != want || len(got.conns) != 1 {
					t.Errorf("%v between packets, %d packets later, from %d on: %d requests on %d connections, want %d on 1", step, later, begin, n, len(got.conns), want)
				}
			}
		}
	}
}

// TestEndOfACopy: the second place has the end of a short connection only.
func TestEndOfACopy(t *testing.T) {
	r := capturetest.NewRecorder()
	talk(r, client, 8)
	plain := capturetest.Randomize(r.Packets, 1)
	port := []byte{30092 >> 8, 30092 & 0xff}
	for later := range len(plain) - 1 {
		packets := slices.DeleteFunc(capturetest.Translated(plain), func(p capturetest.Packet) bool {
			return bytes.Contains(p.Data, port) && p.Time < plain[later].Time
		})
		if got := run(t, packets, 10); count(got.lines, "request") != 8 || len(got.conns) != 1 {
			t.Errorf("from packet %d on: %d requests on %d connections, want 8 on 1", later+1, count(got.lines, "request"), len(got.conns))
		}
	}
}

// TestRoutedConnectionJoinedMidstream: a capture of two VLANs begins in a connection, with a packet
// of either side. The broker's address and network are those of the broker's side.
func TestRoutedConnectionJoinedMidstream(t *testing.T) {
	r := capturetest.NewRecorder()
	talk(r, client, 3)
	want := run(t, capturetest.Encapsulate(r.Packets, capturetest.VLAN(capturetest.EtherVLAN, 20)), 100).conns[0].Domain
	for _, delay := range []time.Duration{r.Step / 2, -r.Step / 2} {
		packets := capturetest.Routed(capturetest.Randomize(r.Packets, 1), 10, 20, int64(delay))
		for cut := range packets {
			got := run(t, packets[cut:], 10)
			if count(got.lines, "request") == 0 {
				break
			}
			if c := got.conns[0]; len(got.conns) != 1 || c.Client != client || c.Broker != broker || c.Domain != want {
				t.Errorf("delay %v, from packet %d on: %d connections, client %v, broker %v in network %x, want %x", delay, cut+1, len(got.conns), c.Client, c.Broker, c.Domain, want)
			}
		}
	}
}

// TestFewItemsAreHeld: many joined connections hold no more than the limit, and for no longer than
// heldTime.
func TestFewItemsAreHeld(t *testing.T) {
	const n = maxHeld / itemBytes
	r := capturetest.NewRecorder()
	for i := range n {
		c := r.Join(netip.AddrPortFrom(netip.AddrFrom4([4]byte{11, byte(i >> 16), byte(i >> 8), byte(i)}), 4444), broker)
		c.Silent = true
		c.Send(capturetest.ToBroker, request(3, 1, 7, 10))
		c.Send(capturetest.ToBroker, request(3, 1, 8, 10))
	}
	most := 0
	p, items := pooled(t, newWorker(&Options{LooksLikeRequest: looksLike}, new(log)), r.Packets, func(p *Pool[[]string]) { most = max(most, p.heldBytes) })
	if most == 0 || most > maxHeld {
		t.Errorf("%d bytes were held, want some, up to %d", most, maxHeld)
	}
	if p.heldBytes != 0 || len(p.held) != 0 || len(items) != 2*n {
		t.Errorf("%d bytes of %d connections are still held; %d items were passed on, want %d", p.heldBytes, len(p.held), len(items), 2*n)
	}
}

// TestTranslationOfAServerThatSpeaksFirst has the first bytes from the server.
func TestTranslationOfAServerThatSpeaksFirst(t *testing.T) {
	r := capturetest.NewRecorder()
	c := r.Open(client, broker)
	c.Send(capturetest.ToClient, []byte("220 mail.example ESMTP\r\n"))
	c.Exchange(request(3, 1, 7, 10), []byte("500 what?\r\n"))
	if got := run(t, capturetest.Translated(capturetest.Randomize(r.Packets, 1)), 100); len(got.conns) != 1 || got.conns[0].Odd().Spoke != SpokeSMTP {
		t.Errorf("connections %+v, want 1 of SMTP", got.conns)
	}
}

// TestNetworkOfARoutedBroker: the clients are in two VLANs and the broker is in a third one. All
// connections have the broker's network, also if an answer is captured before the copy of the SYN.
func TestNetworkOfARoutedBroker(t *testing.T) {
	direct := capturetest.NewRecorder()
	talk(direct, netip.MustParseAddrPort("192.0.2.77:40000"), 2)
	inVLAN := capturetest.Encapsulate(direct.Packets, capturetest.VLAN(capturetest.EtherVLAN, 20))
	want := run(t, inVLAN, 100).conns[0].Domain
	for _, late := range []time.Duration{0, direct.Step * 3 / 2, -direct.Step * 3 / 2, 10 * direct.Step, -10 * direct.Step} {
		var all []capturetest.Packet
		for i, vlan := range []uint16{10, 30} {
			r := capturetest.NewRecorder()
			talk(r, netip.AddrPortFrom(client.Addr(), client.Port()+uint16(i)), 2)
			all = append(all, capturetest.Routed(r.Packets, vlan, 20, int64(late))...)
		}
		got := run(t, capturetest.Merge(inVLAN, all), 100)
		if len(got.conns) != 3 || count(got.lines, "request") != 6 {
			t.Fatalf("%v late: %d connections and %d requests, want 3 and 6", late, len(got.conns), count(got.lines, "request"))
		}
		for _, c := range got.conns {
			if c.Domain != want {
				t.Errorf("%v late: client %s: broker in network %x, want %x", late, c.Client, c.Domain, want)
			}
		}
	}
}

// bothSides returns a client's connection to the service of a broker, captured on both sides of the
// translation. If isRouted, the second copy has a lower TTL.
func bothSides(port uint16, isRouted bool) (service, own []capturetest.Packet) {
	r := capturetest.NewRecorder()
	talk(r, netip.AddrPortFrom(client.Addr(), port), 3)
	for i, p := range capturetest.Translated(capturetest.Randomize(r.Packets, uint64(port))) {
		if isRouted && i%2 == 1 {
			p.Data[etherLength+ttlOffset] = 63
		}
		if bytes.Contains(p.Data[:etherLength+40], []byte{30092 >> 8, 30092 & 0xff}) {
			service = append(service, p)
		} else {
			own = append(own, p)
		}
	}
	return service, own
}

const etherLength, ttlOffset = 14, 8

// TestAddressNearestToTheBroker: a connection to a service has the address of the broker behind it,
// whichever copy comes first, and also if only one of them was captured.
func TestAddressNearestToTheBroker(t *testing.T) {
	delayed := func(packets []capturetest.Packet, by time.Duration) []capturetest.Packet {
		packets = slices.Clone(packets)
		for i := range packets {
			packets[i].Time += int64(by)
		}
		return packets
	}
	for _, c := range []struct {
		name     string
		isRouted bool
		delays   []time.Duration // of the broker's copy, by connection
		only     []string        // the copies captured, by connection
	}{
		{"in order", false, []time.Duration{0}, []string{"both"}},
		{"with other TTLs", true, []time.Duration{0}, []string{"both"}},
		{"later", true, []time.Duration{300 * time.Microsecond}, []string{"both"}},
		{"earlier", true, []time.Duration{-300 * time.Microsecond}, []string{"both"}},
		{"mixed", true, []time.Duration{0, -3 * time.Microsecond, 3 * time.Microsecond, -300 * time.Microsecond}, []string{"both"}},
		{"in one order, then mixed, with equal TTLs", false, []time.Duration{0, -300 * time.Microsecond, 300 * time.Microsecond}, []string{"both"}},
		{"some with one copy", true, []time.Duration{0, -300 * time.Microsecond}, []string{"both", "service", "broker"}},
	} {
		var all []capturetest.Packet
		const n = 12
		for i := range n {
			service, own := bothSides(uint16(40000+i), c.isRouted)
			own = delayed(own, c.delays[i%len(c.delays)])
			only := c.only[i%len(c.only)]
			if only != "broker" {
				all = append(all, delayed(service, time.Duration(i)*time.Second)...)
			}
			if only != "service" {
				all = append(all, delayed(own, time.Duration(i)*time.Second)...)
			}
		}
		for _, batch := range []int{1, 100} {
			got := run(t, capturetest.Merge(all), batch)
			if len(got.conns) != n || count(got.lines, "request") != 3*n {
				t.Errorf("%s: %d connections and %d requests, want %d and %d", c.name, len(got.conns), count(got.lines, "request"), n, 3*n)
			}
			for i, k := range got.conns {
				isKnown := c.only[i%len(c.only)] == "broker" && len(k.Odd().Behind) == 0
				if k.Broker != broker || !isKnown && (len(k.Odd().Behind) != 1 || k.Odd().Behind[0].Port() != 30092) {
					t.Errorf("%s, client %v: broker %v behind %v", c.name, k.Client, k.Broker, k.Odd().Behind)
				}
			}
		}
	}
}

// TestServiceOfSeveralBrokers: a service has two brokers, and then a connection to it of which only
// that copy was captured. It keeps the address of the service.
func TestServiceOfSeveralBrokers(t *testing.T) {
	other := netip.MustParseAddrPort("10.0.0.99:31313")
	var all []capturetest.Packet
	for i := range 4 {
		service, own := bothSides(uint16(40000+i), true)
		for k := range own {
			if head := own[k].Data[etherLength:]; i == 1 {
				ip := other.Addr().As4()
				for _, at := range []int{12, 16} { // source, destination
					if netip.AddrFrom4([4]byte(head[at:])) == broker.Addr() {
						copy(head[at:], ip[:])
					}
				}
			}
		}
		if i > 1 {
			own = nil
		}
		for _, p := range slices.Concat(service, own) {
			p.Time += int64(i) * 1e9
			all = append(all, p)
		}
	}
	got := run(t, capturetest.Merge(all), 100)
	brokers := map[netip.AddrPort]int{}
	for _, c := range got.conns {
		brokers[c.Broker]++
	}
	if len(brokers) != 3 || brokers[broker] != 1 || brokers[other] != 1 {
		t.Errorf("connections by broker: %v, want 1 to %v, 1 to %v and 2 to their service", brokers, broker, other)
	}
}

// TestRefusedTwice: the SYN and its refusal were captured before and after translation.
func TestRefusedTwice(t *testing.T) {
	r := capturetest.NewRecorder()
	r.Open(client, broker)
	syn := capturetest.Translated(capturetest.Randomize(r.Packets, 1))[:2]
	for _, answers := range []int{0, 1, 2} {
		packets := slices.Clone(syn)
		for i := range answers {
			s := syn[1-i]
			a := capturetest.Packet{Link: s.Link, Time: s.Time + 100}
			head := s.Data[etherLength:]
			from, to := netip.AddrFrom4([4]byte(head[16:])), netip.AddrFrom4([4]byte(head[12:]))
			port := func(at int) uint16 { return uint16(head[at])<<8 | uint16(head[at+1]) }
			seq := uint32(head[24])<<24 | uint32(head[25])<<16 | uint32(head[26])<<8 | uint32(head[27])
			a.Data = capturetest.Ethernet(capturetest.EtherIPv4, capturetest.TCP(netip.AddrPortFrom(from, port(22)), netip.AddrPortFrom(to, port(20)),
				capturetest.TCPHeader{Ack: seq + 1, Flags: capturetest.RST | capturetest.ACK}, nil))
			packets = append(packets, a)
		}
		got := run(t, packets, 10)
		if len(got.conns) != 1 || got.conns[0].Refused != (answers > 0) || got.conns[0].Broker != broker {
			t.Errorf("%d answers: connections %+v, want 1 to %v", answers, got.conns, broker)
		}
	}
}

// TestPortsReusedWithoutEnds: a client uses a port several times. No end was captured, and of the
// first connection only a packet of the broker.
func TestPortsReusedWithoutEnds(t *testing.T) {
	const n = 4
	for seed := range uint64(10) {
		var packets []capturetest.Packet
		for i := range uint64(n) {
			one := capturetest.NewRecorder()
			one.Now += int64(i) * 1e9
			converse(one.Open(client, broker), 1, 3)
			if i == 0 {
				one.Packets = one.Packets[len(one.Packets)-2:][:1]
			}
			packets = append(packets, capturetest.Randomize(one.Packets, n*seed+i)...)
		}
		for _, p := range [][]capturetest.Packet{packets, capturetest.Routed(packets, 10, 20, 300_000)} {
			if got := run(t, p, 10); count(got.lines, "request") != 3*(n-1) || count(got.lines, "response") != 3*(n-1) {
				t.Errorf("seed %d: %d connections with %d requests and %d responses, want %d", seed, len(got.conns), count(got.lines, "request"), count(got.lines, "response"), 3*(n-1))
			}
		}
	}
}

// TestCopiesOfReusedPorts: a client uses a port again without closing the connection before. Both are
// captured on both sides of a translation, or of a router.
func TestCopiesOfReusedPorts(t *testing.T) {
	r := capturetest.NewRecorder()
	const n = 4
	for i := range uint64(n) {
		one := capturetest.NewRecorder()
		one.Now = r.Now + int64(i)*3e9
		converse(one.Open(client, broker), 1, 3)
		r.Packets = append(r.Packets, capturetest.Randomize(one.Packets, i+1)...)
	}
	for name, copied := range map[string]func([]capturetest.Packet) []capturetest.Packet{
		"translated": capturetest.Translated,
		"routed":     func(p []capturetest.Packet) []capturetest.Packet { return capturetest.Routed(p, 10, 20, 0) },
	} {
		for _, jitter := range []time.Duration{0, 2 * r.Step} {
			packets := copied(r.Packets)
			for i := range packets {
				packets[i].Time += int64(jitter) * int64(i*7%5) / 4
			}
			got := run(t, capturetest.Merge(packets), 10)
			if m := count(got.lines, "request"); len(got.conns) != n || m != 3*n || count(got.lines, "response") != 3*n {
				t.Errorf("%s, jitter %v: %d connections with %d requests and %d responses, want %d with %d", name, jitter, len(got.conns), m, count(got.lines, "response"), n, 3*n)
			}
		}
	}
}
