package capturetest

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"
)

// Direction is the direction in which bytes travel.
type Direction uint8

// The two directions of a Conversation.
const (
	ToBroker Direction = iota
	ToClient
)

// Reverse returns the other direction.
func (d Direction) Reverse() Direction { return d ^ 1 }

// DefaultMSS is the payload of a full TCP segment on Ethernet.
const DefaultMSS = 1460

// Recorder collects the packets of one or more connections, in the order of sending and with a
// shared clock.
type Recorder struct {
	// Packets are the packets so far. A test may append its own.
	Packets []Packet
	// Now is the time of the next packet in nanoseconds since the Unix epoch.
	Now int64
	// Step is the time after every packet.
	Step time.Duration
	// opened counts the connections, for their initial sequence numbers.
	opened uint32
}

// NewRecorder returns a Recorder whose clock begins at Start and advances by 100 µs per packet.
func NewRecorder() *Recorder {
	return &Recorder{Now: Start, Step: 100 * time.Microsecond}
}

// Wait advances the clock.
func (r *Recorder) Wait(d time.Duration) { r.Now += int64(d) }

// Record adds an IP packet in an Ethernet frame.
func (r *Recorder) Record(ip []byte) {
	r.Packets = append(r.Packets, Packet{Time: r.Now, Link: LinkEthernet, Data: Ethernet(etherTypeOf(ip), ip)})
	r.Wait(r.Step)
}

// Conversation is one TCP connection in a Recorder. A test may change its fields between calls.
type Conversation struct {
	// Endpoints are the senders: Endpoints[ToBroker] is the client.
	Endpoints [2]netip.AddrPort
	// Seq are the next sequence numbers to send in each direction.
	Seq [2]uint32
	// MSS bounds the payload of a segment; the default is DefaultMSS.
	MSS int
	// Silent omits the pure acknowledgement after each Send.
	Silent bool
	// Options are the TCP options of all segments except SYNs.
	Options []byte
	// Tick is the unit of the timestamps of all segments (RFC 7323); 0 for none. Origin is added to
	// those of each side.
	Tick   time.Duration
	Origin [2]uint32

	recorder *Recorder
	ticks    [2]uint32
	acked    [2]bool // a SYN of that direction was sent, so there is something to acknowledge
}

// Between returns a connection on which nothing was sent so far.
func (r *Recorder) Between(client, broker netip.AddrPort) *Conversation {
	r.opened++
	return &Conversation{
		Endpoints: [2]netip.AddrPort{client, broker},
		Seq:       [2]uint32{1000 + 100_000*r.opened, 50_000_000 + 100_000*r.opened},
		MSS:       DefaultMSS,
		recorder:  r,
	}
}

// Join returns a connection that was open before the recording began.
func (r *Recorder) Join(client, broker netip.AddrPort) *Conversation {
	c := r.Between(client, broker)
	c.acked = [2]bool{true, true}
	return c
}

// Open returns a connection that begins with SYN, SYN-ACK and ACK.
func (r *Recorder) Open(client, broker netip.AddrPort) *Conversation {
	c := r.Between(client, broker)
	c.Syn(ToBroker)
	c.Syn(ToClient)
	c.Ack(ToBroker)
	return c
}

// Segment sends one segment. It adds ACK once the other side has sent its SYN.
func (c *Conversation) Segment(d Direction, flags uint8, payload []byte) {
	h := TCPHeader{Seq: c.Seq[d], Flags: flags, Options: c.Options}
	if flags&SYN != 0 {
		h.Options = []byte{2, 4, DefaultMSS >> 8, DefaultMSS & 0xff} // maximum segment size
	}
	if c.Tick > 0 {
		c.ticks[d] = uint32(c.recorder.Now / int64(c.Tick))
		h.Options = binary.BigEndian.AppendUint32(slices.Concat(h.Options, []byte{1, 1, 8, 10}), c.Origin[d]+c.ticks[d])
		h.Options = binary.BigEndian.AppendUint32(h.Options, c.Origin[d.Reverse()]+c.ticks[d.Reverse()])
	}
	if c.acked[d.Reverse()] {
		h.Flags |= ACK
		h.Ack = c.Seq[d.Reverse()]
	}
	c.recorder.Record(TCP(c.Endpoints[d], c.Endpoints[d.Reverse()], h, payload))
	c.Seq[d] += uint32(len(payload))
	if flags&(SYN|FIN) != 0 {
		c.Seq[d]++
	}
	if flags&SYN != 0 {
		c.acked[d] = true
	}
}

// Send sends data in segments of at most MSS bytes. A pure acknowledgement from the other side
// follows, unless the connection is Silent.
func (c *Conversation) Send(d Direction, data []byte) {
	for len(data) > 0 {
		n := min(len(data), c.MSS)
		flags := uint8(0)
		if n == len(data) {
			flags = PSH
		}
		c.Segment(d, flags, data[:n])
		data = data[n:]
	}
	if !c.Silent {
		c.Ack(d.Reverse())
	}
}

// Miss sends n bytes that the capture lacks.
func (c *Conversation) Miss(d Direction, n int) { c.Seq[d] += uint32(n) }

// Syn sends a SYN, with ACK if the other side has sent one.
func (c *Conversation) Syn(d Direction) { c.Segment(d, SYN, nil) }

// Ack sends a pure acknowledgement.
func (c *Conversation) Ack(d Direction) { c.Segment(d, 0, nil) }

// Fin sends a FIN, which is not acknowledged.
func (c *Conversation) Fin(d Direction) { c.Segment(d, FIN, nil) }

// Reset sends a RST.
func (c *Conversation) Reset(d Direction) { c.Segment(d, RST, nil) }

// Close closes the connection normally. The side that sends in direction by begins.
func (c *Conversation) Close(by Direction) {
	c.Fin(by)
	c.Ack(by.Reverse())
	c.Fin(by.Reverse())
	c.Ack(by)
}

// Exchange sends a request and its response.
func (c *Conversation) Exchange(request, response []byte) {
	c.Send(ToBroker, request)
	c.Send(ToClient, response)
}
