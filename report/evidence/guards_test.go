package evidence

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/report/redact"
)

func extension(kind uint16, body string) []byte {
	b := binary.BigEndian.AppendUint16(nil, kind)
	return append(binary.BigEndian.AppendUint16(b, uint16(len(body))), body...)
}

// TestScrubOfExtensions: extensions of a ClientHello that show capabilities remain. Extensions
// that can show the identity, and unknown ones, are overwritten.
func TestScrubOfExtensions(t *testing.T) {
	const secret = "who-am-I"
	// Groups, point formats, signature algorithms, ALPN, encrypt-then-MAC, extended master secret,
	// versions, PSK modes, key share, renegotiation.
	plain := []uint16{10, 11, 13, 16, 22, 23, 43, 45, 51, 0xff01}
	for kind := range uint32(1 << 16) {
		kind := uint16(kind)
		if kind > 300 && kind < 0xfe00 || kind == extensionServerName {
			continue
		}
		hello := append([]byte{3, 3}, make([]byte, 32)...)
		hello = append(hello, 0, 0, 2, 0x13, 1, 1, 0)
		extensions := append(extension(13, "algorithms"), extension(kind, secret)...)
		hello = binary.BigEndian.AppendUint16(hello, uint16(len(extensions)))
		hello = append(hello, extensions...)
		was := bytes.Clone(hello)
		(&scrubber{names: redact.NewPseudonyms("k")}).clientHello(hello)
		switch isKept := bytes.Contains(hello, []byte(secret)); {
		case isKept != slices.Contains(plain, kind):
			t.Errorf("extension %d: kept %v, want %v", kind, isKept, !isKept)
		case !bytes.Equal(hello[:len(hello)-len(secret)], was[:len(was)-len(secret)]):
			t.Errorf("extension %d: what is before its value was changed", kind)
		}
	}
}

// multipath returns a segment with an address in its TCP options (MPTCP ADD_ADDR, RFC 8684 3.4.1).
func multipath(address netip.Addr) []byte {
	option := append([]byte{tcpMultipath, 8, 0x30, 1}, address.AsSlice()...)
	tcp := make([]byte, tcpFixed, tcpFixed+12)
	binary.BigEndian.PutUint16(tcp, 40000)
	binary.BigEndian.PutUint16(tcp[2:], 9092)
	tcp[12], tcp[13] = (tcpFixed+12)/4<<4, 0x10
	tcp = append(append(tcp, tcpNop, 2, 3, 9), option...) // an invalid length must not hide the following option
	tcp[21], tcp[22], tcp[23] = 3, 3, 7                   // window scale
	ip := make([]byte, ipv4Fixed, ipv4Fixed+len(tcp))
	ip[0], ip[8], ip[9] = 0x45, 64, protocolTCP
	copy(ip[12:], scrubClient.Addr().AsSlice())
	copy(ip[16:], scrubBroker.Addr().AsSlice())
	ip = append(ip, tcp...)
	binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
	return append(append(make([]byte, 12), 8, 0), ip...)
}

// TestDisguiseOverwritesMPTCP: an option that contains addresses is overwritten, others remain.
func TestDisguiseOverwritesMPTCP(t *testing.T) {
	address := netip.MustParseAddr("203.0.113.77")
	data := multipath(address)
	p := capture.Packet{Data: data, Length: uint32(len(data)), Link: 1}
	var s capture.Segment
	if !capture.NewDissector(capture.DissectorOptions{}).Segment(&p, &s) {
		t.Fatal("no segment")
	}
	l := newSeen(&p, &s)
	d := disguiser{dissector: capture.NewDissector(capture.DissectorOptions{}), names: redact.NewPseudonyms("k")}
	d.packet(&l)
	options := l.data[14+ipv4Fixed+tcpFixed:]
	if bytes.Contains(l.data, address.AsSlice()) || bytes.Contains(options, []byte{tcpMultipath, 8}) {
		t.Errorf("options %x: the address is left", options)
	}
	if !bytes.Equal(options[:4], []byte{tcpNop, 3, 3, 7}) {
		t.Errorf("options %x: another option was overwritten", options)
	}
}

// gather passes packets of a connection to a collector. Frame numbers continue.
func gather(c *Collector, stream uint32, frame *uint64, packets, size int) (first, last capture.Position) {
	for i := range packets {
		*frame++
		p := capture.Packet{Position: capture.Position{Frame: *frame}, Data: make([]byte, size), Length: uint32(size)}
		s := capture.Segment{Position: p.Position, Payload: p.Data[8:], Length: uint32(size - 8)}
		c.Tap(stream, &p, &s)
		if i == 0 {
			first = p.Position
		}
		last = p.Position
	}
	return first, last
}

// TestExhibitsStayWithinTheirBytes: at the limit, the first occurrences are kept and the others
// counted. Packets after an outcome also respect the limit.
func TestExhibitsStayWithinTheirBytes(t *testing.T) {
	c := New(Options{Occurrences: 1000})
	frame := uint64(0)
	const size = 1400
	for stream := range uint32(2 * exhibitBytes / rangeBytes) {
		first, last := gather(c, stream, &frame, rangeBytes/size-1, size)
		c.Exchange(ID(stream), &decode.Exchange{Stream: stream, Request: first, Decided: last, Key: 1})
		if c.size > exhibitBytes {
			t.Fatalf("%d bytes are held after %d connections", c.size, stream+1)
		}
	}
	if c.Omitted() == 0 || c.size < exhibitBytes/2 {
		t.Errorf("%d occurrences are omitted, %d bytes held", c.Omitted(), c.size)
	}
	held := c.size
	c.size = exhibitBytes - size/2 // too little for one more packet
	for stream := range uint32(2 * exhibitBytes / rangeBytes) {
		frame++
		p := capture.Packet{Position: capture.Position{Frame: frame}, Data: make([]byte, size), Length: size}
		c.Tap(stream, &p, &capture.Segment{Position: p.Position}) // without payload, like an acknowledgement
	}
	if c.size != exhibitBytes-size/2 {
		t.Errorf("packets behind an outcome were kept beyond the room: %d bytes more than %d", c.size-exhibitBytes+size/2, held)
	}
}

// TestOccurrencesStayWithinTheirNumber: the first ones stay, and a removed one frees its memory.
func TestOccurrencesStayWithinTheirNumber(t *testing.T) {
	const occurrences, connections = 3, 20
	c := New(Options{Occurrences: occurrences})
	frame := uint64(0)
	var places []capture.Position
	for stream := range uint32(connections) {
		first, _ := gather(c, stream, &frame, 1, 100)
		places = append(places, first)
	}
	for i := connections - 1; i >= 0; i-- {
		c.Exchange(7, &decode.Exchange{Stream: uint32(i), Request: places[i], Decided: places[i]})
		if len(c.proofs[7]) > occurrences || len(c.exhibits) > occurrences || c.size > occurrences*(100+keptOverhead) {
			t.Fatalf("%d occurrences, %d connections, %d bytes", len(c.proofs[7]), len(c.exhibits), c.size)
		}
	}
	for i, p := range c.proofs[7] {
		if p.stream != uint32(i) {
			t.Errorf("occurrence %d is of connection %d", i, p.stream)
		}
	}
	if c.Drop(7); len(c.proofs)+len(c.exhibits)+c.size != 0 {
		t.Errorf("of a finding that was dropped, %d connections and %d bytes are held", len(c.exhibits), c.size)
	}
}

// TestLendersStayWithinTheirNumber: addresses and range tables of one address are bounded.
func TestLendersStayWithinTheirNumber(t *testing.T) {
	c := New(Options{})
	for i := range maxAddresses + 100 {
		broker := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 9092)
		c.Advertised(&decode.Advertisement{Stream: uint32(i), Broker: broker, Ranges: &decode.Ranges{}})
	}
	if len(c.addresses) != maxAddresses {
		t.Errorf("%d addresses are known, want %d", len(c.addresses), maxAddresses)
	}
	broker := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, 1}), 9092)
	for i := range int16(maxAdvertised + 10) {
		c.Advertised(&decode.Advertisement{Broker: broker, Ranges: &decode.Ranges{APIs: []decode.API{{Key: 1, Range: decode.Range{Max: i}}}}})
	}
	if n := len(c.addresses[decode.Endpoint{Addr: broker}].tables); n != maxAdvertised {
		t.Errorf("%d sets of ranges are known of one address, want %d", n, maxAdvertised)
	}
}

// TestChooseTakesBothEndsOfALongRequest: it selects the head of the connection and, of a long
// request, the first and last packets and the one in which it ends.
func TestChooseTakesBothEndsOfALongRequest(t *testing.T) {
	packets := func(n, size int) []seen {
		out := make([]seen, n)
		for i := range out {
			out[i] = seen{index: uint32(i), at: capture.Position{Frame: uint64(i) + 1}, data: make([]byte, size)}
		}
		return out
	}
	indexes := func(chosen []seen) (out []int) {
		for _, s := range chosen {
			out = append(out, int(s.index))
		}
		return out
	}
	count := func(from, to int) (out []int) {
		for i := from; i < to; i++ {
			out = append(out, i)
		}
		return out
	}
	join := func(lists ...[]int) (out []int) {
		for _, l := range lists {
			out = append(out, l...)
		}
		return out
	}
	at := func(i int) capture.Position { return capture.Position{Frame: uint64(i) + 1} }
	for _, tt := range []struct {
		name     string
		all      []seen
		from, to int
		want     []int
	}{
		{"all of a short connection", packets(20, 100), 10, 15, count(0, 16)},
		{"a bridge of as many packets as there may be", packets(400, 100), headPackets + bridgePackets + lastPackets, headPackets + bridgePackets + lastPackets, count(0, headPackets+bridgePackets+lastPackets+1)},
		{"a bridge of one more", packets(400, 100), headPackets + bridgePackets + lastPackets + 1, headPackets + bridgePackets + lastPackets + 1,
			join(count(0, headPackets), count(headPackets+bridgePackets+1, headPackets+bridgePackets+lastPackets+2))},
		{"a bridge of too many bytes", packets(400, 1+bridgeBytes/bridgePackets), headPackets + bridgePackets + lastPackets, headPackets + bridgePackets + lastPackets,
			join(count(0, headPackets), count(headPackets+bridgePackets, headPackets+bridgePackets+lastPackets+1))},
		{"many packets of few bytes", packets(300, 100), 32, 299, count(0, 300)},
		{"few packets of many bytes", packets(10, 60_000), 5, 9, count(0, 10)},
		{"many packets of many bytes", packets(300, 1700), 150, 299,
			join(count(0, headPackets), count(134, 134+rangeEnds), []int{150}, count(300-rangeEnds, 300))},
	} {
		if got := indexes(choose(tt.all, at(tt.from), at(tt.to), nil)); fmt.Sprint(got) != fmt.Sprint(tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestBeginningLooksBackNoFurther: the search stops after rangeBytes.
func TestBeginningLooksBackNoFurther(t *testing.T) {
	request := wanted{key: 1, version: 12, correlationID: 7}
	const size = 1024
	all := make([]seen, 2*rangeBytes/size)
	for i := range all {
		all[i] = seen{index: uint32(i), data: make([]byte, size), wire: size}
	}
	end := len(all) - 1
	for _, tt := range []struct{ at, want int }{
		{end - 10, end - 10}, {end - rangeBytes/size + 1, end - rangeBytes/size + 1}, {end - rangeBytes/size - 1, end - lastPackets},
	} {
		copy(all[tt.at].data[4:], request.pattern())
		if got := beginning(all, end, &request); got != tt.want {
			t.Errorf("a request that begins %d packets before: %d packets before, want %d", end-tt.at, end-got, end-tt.want)
		}
		clear(all[tt.at].data)
	}
}

// TestAdvertsStayWithinTheirNumber: the last ApiVersions answers of a connection are recorded.
func TestAdvertsStayWithinTheirNumber(t *testing.T) {
	c := New(Options{})
	frame := uint64(0)
	for range maxAdverts + 3 {
		at, _ := gather(c, 1, &frame, 1, 100)
		c.Advertised(&decode.Advertisement{Stream: 1, At: at, Ranges: &decode.Ranges{}})
	}
	adverts := c.recorder.records[1].adverts
	if len(adverts) != maxAdverts || adverts[maxAdverts-1].Frame != frame {
		t.Errorf("answers %v are known, want the last %d of %d", adverts, maxAdverts, frame)
	}
}
