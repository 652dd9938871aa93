// Package evidence collects the packets that prove findings. It writes them as a pcapng file with
// comments for Wireshark, without record values, tokens and secrets.
//
// The goroutine that reads the capture passes packets (Collector.Tap). The goroutine that decides
// on findings passes them (Exchange, Connection, Change). The two may be different. The constants
// of the package bound the memory: 54 MiB.
package evidence

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
	"sync"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/redact"
)

const (
	// exhibitBytes bounds the packets kept for findings.
	exhibitBytes = 16 << 20
	// rangeBytes bounds the packets kept from the beginning of a request to its outcome. If there
	// are more bytes, only the first and the last rangeEnds packets are kept.
	rangeBytes = 256 << 10
	rangeEnds  = 8
	// bridgePackets and bridgeBytes bound the packets kept between the head of a connection and
	// the request, so that most connections are shown without a hole.
	bridgePackets = 256
	bridgeBytes   = 64 << 10
	// afterPackets bounds the packets kept after the outcome: acknowledgements, FIN and RST.
	afterPackets = 8
	// lastPackets is how many last packets of a connection are kept for findings about it.
	lastPackets = 16
	// maxAddresses bounds the broker addresses with their connections: 4,096 of some 300 bytes.
	maxAddresses = 4096
	// maxAdvertised bounds the range tables of one address.
	maxAdvertised = 16
)

// Options configure a Collector.
type Options struct {
	// Occurrences is how many occurrences of each finding are kept: the first ones.
	Occurrences int
	// Dissector configures the parsing of packets.
	Dissector capture.DissectorOptions
	// Tool is the program that the file names as its writer.
	Tool model.Tool
	// Pseudonyms, if not nil, replace addresses and names. Bytes without proof are overwritten.
	Pseudonyms *redact.Pseudonyms
}

// Collector collects the packets that prove findings. The goroutine that reads packets calls Tap,
// the goroutine of the Builder all other methods. The two may be different. The constants of this
// package bound its memory for any length of the input.
type Collector struct {
	opt Options

	mu       sync.Mutex
	recorder recorder
	exhibits map[uint32]*exhibit
	size     int

	// The following fields belong to the Builder's goroutine.
	proofs    map[ID][]proof
	addresses map[decode.Endpoint]*address
	// omitted counts occurrences that were wanted but whose packets had been evicted.
	omitted uint64
}

// ID identifies a finding while it is being counted.
type ID int

// exhibit holds the packets of a connection that findings need.
type exhibit struct {
	// record is the source of its packets.
	record *record
	// uses counts the proofs that need it.
	uses    int
	packets []seen
	size    int
	// following is how many more packets after the outcome are added.
	following int
	// initiator is the sender of the first packet. client is the client, if known. kafka says that
	// the connection is Kafka.
	initiator, client netip.AddrPort
	kafka             bool
	// wanted are the requests for which it is kept.
	wanted  []wanted
	adverts []capture.Position
}

// wanted is a request for which an exhibit is kept.
type wanted struct {
	key, version  int16
	correlationID int32
}

// party describes the connection of an exhibit.
type party struct {
	client netip.AddrPort
	kafka  bool
	// request is the request that the exhibit proves; nil if it proves the connection.
	request *wanted
}

func partyOf(x *decode.Exchange) party {
	return party{x.Client, true, &wanted{x.Key, x.Version, x.CorrelationID}}
}

// pattern returns the first bytes of the request on the wire, after its size field.
func (w wanted) pattern() []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(w.key))
	b = binary.BigEndian.AppendUint16(b, uint16(w.version))
	return binary.BigEndian.AppendUint32(b, uint32(w.correlationID))
}

type proof struct {
	at      capture.Position
	stream  uint32
	streams []uint32 // of all exhibits that it needs
	marks   []packetComment
}

func (p proof) compare(o proof) int {
	return cmp.Or(p.at.Compare(o.at), cmp.Compare(p.stream, o.stream))
}

// packetComment is a comment on a packet. The code of the finding replaces %s in it.
type packetComment struct {
	at   capture.Position
	text string
}

// address holds the latest connections that show the protocol and the ranges of a broker address,
// and its restarts.
type address struct {
	tables []advertised
	// clear and tls are connections on which the address used plaintext and TLS. refused is one
	// that it refused, because nothing listened. hasClear, hasTLS and hasRefused say that they
	// exist.
	clear, tls, refused          uint32
	hasClear, hasTLS, hasRefused bool
}

// advertised is a connection on which ranges were advertised.
type advertised struct {
	stream uint32
	ranges *decode.Ranges
}

// New returns a Collector without packets.
func New(opt Options) *Collector {
	return &Collector{
		opt: opt, recorder: newRecorder(), exhibits: map[uint32]*exhibit{},
		proofs: map[ID][]proof{}, addresses: map[decode.Endpoint]*address{},
	}
}

// Omitted returns how many wanted occurrences had no packets any more.
func (e *Collector) Omitted() uint64 { return e.omitted }

// Tap receives a packet of the connection with that stream number. reassembly.Options calls it. It
// keeps no reference to p and s.
func (e *Collector) Tap(stream uint32, p *capture.Packet, s *capture.Segment) {
	e.mu.Lock()
	c, taken := e.recorder.take(stream, p, s)
	if x := c.exhibit; x != nil && x.following > 0 {
		e.follow(x, &taken.seen)
	}
	e.mu.Unlock()
}

// follow adds a packet after the outcome, up to the next packet with payload.
func (e *Collector) follow(x *exhibit, s *seen) {
	if s.wire > 0 || e.size+len(s.data) > exhibitBytes {
		x.following = 0
		return
	}
	x.following--
	e.add(x, s)
}

func (e *Collector) add(x *exhibit, s *seen) {
	i, ok := slices.BinarySearchFunc(x.packets, s.index, func(a seen, index uint32) int { return int(a.index) - int(index) })
	if ok {
		return
	}
	x.packets = slices.Insert(x.packets, i, s.clone())
	x.size += s.cost()
	e.size += s.cost()
}

// keep creates or extends the exhibit of a connection: its head, the packets from position from to
// position to, and the packets that follow. It changes nothing and returns nil if the exhibits are
// full, or if the packet at from was evicted or came in IP fragments. Of fragments, the Collector
// gets only the last one.
func (e *Collector) keep(stream uint32, from, to capture.Position, who party) *exhibit {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.recorder.records[stream]
	if c == nil {
		return nil
	}
	all := e.recorder.packets(c)
	for _, at := range c.adverts {
		if i := indexOf(all, at); i >= 0 && all[i].index < headPackets && to.Before(at) {
			to = at // the negotiation belongs to the proof, even if it came later
		}
	}
	chosen := choose(all, from, to, who.request)
	if i := indexOf(chosen, from); i < 0 || chosen[i].payload < 0 {
		return nil // evicted, or in fragments
	}
	if e.size+costOf(chosen) > exhibitBytes {
		return nil
	}
	x := e.exhibits[stream]
	switch {
	case x == nil:
		x = &exhibit{record: c, initiator: c.initiator()}
		e.exhibits[stream] = x
	case x.record != c: // it was evicted meanwhile
		return nil
	}
	for i := range chosen {
		e.add(x, &chosen[i])
	}
	c.exhibit, x.following = x, afterPackets
	for i := range all {
		if to.Before(all[i].at) && x.following > 0 {
			e.follow(x, &all[i])
		}
	}
	if who.client.IsValid() {
		x.client = who.client
	}
	x.kafka = x.kafka || who.kafka
	if who.request != nil {
		x.wanted = append(x.wanted, *who.request)
	}
	x.adverts = append(x.adverts, c.adverts...)
	return x
}

func samePlace(a, b capture.Position) bool { return a.Capture == b.Capture && a.Frame == b.Frame }

// indexOf returns the index of the packet at that position; -1 for none.
func indexOf(packets []seen, at capture.Position) int {
	return slices.IndexFunc(packets, func(s seen) bool { return samePlace(s.at, at) })
}

// choose selects packets of a connection: its head, and the packets from the beginning of the
// request to position to. The request ends at position from. choose also selects the packets
// between head and request if they are few.
func choose(all []seen, from, to capture.Position, request *wanted) []seen {
	begin, end := len(all), 0
	for i := range all {
		if !all[i].at.Before(from) {
			begin = min(begin, i)
		}
		if !to.Before(all[i].at) {
			end = i + 1
		}
	}
	if begin == len(all) {
		return nil
	}
	end = max(end, begin+1)
	begin = beginning(all, begin, request)
	head := 0
	for head < begin && head < headPackets && all[head].index == uint32(head) {
		head++
	}
	if bridge := all[head:begin]; len(bridge) <= bridgePackets && bytesOf(bridge) <= bridgeBytes {
		head = begin
	}
	chosen := slices.Clone(all[:head])
	if between := all[begin:end]; len(between) > 2*rangeEnds && bytesOf(between) > rangeBytes {
		chosen = append(chosen, between[:rangeEnds]...)
		// The packet at from can be anywhere between them.
		for i := range between[rangeEnds : len(between)-rangeEnds] {
			if s := &between[rangeEnds+i]; samePlace(s.at, from) {
				chosen = append(chosen, *s)
			}
		}
		return append(chosen, between[len(between)-rangeEnds:]...)
	}
	return append(chosen, all[begin:end]...)
}

// beginning returns the index of the first packet of the request that ends in the packet at end.
func beginning(all []seen, end int, request *wanted) int {
	if request == nil {
		return max(end-lastPackets, 0)
	}
	pattern, back := request.pattern(), all[end].back
	for i, taken := end, 0; i >= 0 && taken <= rangeBytes; i-- {
		if all[i].back != back {
			continue
		}
		taken += len(all[i].data)
		at := bytes.Index(all[i].text(), pattern)
		if at >= 4 {
			return i
		}
		if at >= 0 { // the size field is in a packet of its own
			for j := i - 1; j >= 0; j-- {
				if all[j].back == back && all[j].wire > 0 {
					return j
				}
			}
			return i
		}
	}
	return max(end-lastPackets, 0) // encrypted, or the header is split
}

func bytesOf(packets []seen) int {
	n := 0
	for i := range packets {
		n += len(packets[i].data)
	}
	return n
}

func (e *Collector) release(p *proof) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, stream := range p.streams {
		x := e.exhibits[stream]
		if x.uses--; x.uses > 0 {
			continue
		}
		e.size -= x.size
		delete(e.exhibits, stream)
		if c := e.recorder.records[stream]; c != nil && c.exhibit == x {
			c.exhibit = nil
		}
	}
}

// useHead keeps the beginning of another connection.
func (e *Collector) useHead(p *proof, stream uint32, kafka bool) {
	if slices.Contains(p.streams, stream) {
		return
	}
	e.mu.Lock()
	c := e.recorder.records[stream]
	var last capture.Position
	if c != nil {
		all := e.recorder.packets(c)
		last = all[min(len(all), headPackets)-1].at
	}
	e.mu.Unlock()
	if c != nil {
		e.use(p, stream, last, last, party{kafka: kafka})
	}
}

// use keeps a connection for a proof, and reports whether it could.
func (e *Collector) use(p *proof, stream uint32, from, to capture.Position, who party) bool {
	x := e.keep(stream, from, to, who)
	if x == nil {
		return false
	}
	if !slices.Contains(p.streams, stream) {
		x.uses++
		p.streams = append(p.streams, stream)
	}
	return true
}

// prove keeps the packets of an occurrence at position at, if it is among the first ones: those of
// its connection from position from to position to, and those that extend adds.
func (e *Collector) prove(id ID, at capture.Position, stream uint32, from, to capture.Position, who party, extend func(*proof)) {
	p, kept := proof{at: at, stream: stream}, e.proofs[id]
	if len(kept) == e.opt.Occurrences && p.compare(kept[len(kept)-1]) >= 0 {
		return
	}
	if !e.use(&p, stream, from, to, who) {
		e.omitted++
		return
	}
	extend(&p)
	i, _ := slices.BinarySearchFunc(kept, p, func(k, p proof) int { return cmp.Or(k.compare(p), -1) }) // after equal ones
	kept = slices.Insert(kept, i, p)
	if len(kept) > e.opt.Occurrences {
		e.release(&kept[len(kept)-1])
		kept = kept[:len(kept)-1]
	}
	e.proofs[id] = kept
}

// Drop releases the packets of a finding.
func (e *Collector) Drop(id ID) {
	for i := range e.proofs[id] {
		e.release(&e.proofs[id][i])
	}
	delete(e.proofs, id)
}

// Exchange keeps the packets of a request that is an occurrence of a finding.
func (e *Collector) Exchange(id ID, x *decode.Exchange) {
	to := x.Decided
	if to.Before(x.Request) {
		to = x.Request
	}
	e.prove(id, x.Request, x.Stream, x.Request, to, partyOf(x), func(p *proof) {
		if x.Evidence == decode.Borrowed {
			e.borrow(p, x.Endpoint(), x.Ranges)
		}
		if l := e.addresses[x.Endpoint()]; l != nil && l.hasRefused {
			e.useHead(p, l.refused, false) // without it, the restart would be unknown
		}
		p.marks = append(p.marks, packetComment{x.Request, "%s " + requestMark(x)})
		if text := outcomeMark(x.Outcome); text != "" {
			p.marks = append(p.marks, packetComment{to, "%s " + text})
		}
	})
}

// After keeps a request that the client sent after the refused one. It does nothing unless the
// finding has the refused request.
func (e *Collector) After(id ID, refused, x *decode.Exchange) {
	kept := e.proofs[id]
	i := slices.IndexFunc(kept, func(p proof) bool { return p.stream == refused.Stream && samePlace(p.at, refused.Request) })
	if i < 0 || !e.use(&kept[i], x.Stream, x.Request, x.Decided, partyOf(x)) {
		return
	}
	kept[i].marks = append(kept[i].marks, packetComment{x.Decided, "%s answered, after the request that was refused"})
}

// Connection keeps the packets of a connection that is an occurrence of a finding.
func (e *Collector) Connection(id ID, c *decode.Connection) {
	end, marks := c.Last, []packetComment{{c.First, "%s: this connection"}}
	if c.End.Kind == reassembly.Closed || c.End.Kind == reassembly.Reset {
		by := "client"
		if c.End.By == reassembly.ToClient {
			by = "broker"
		}
		end, marks = c.End.At, append(marks, packetComment{c.End.At, "%s the " + by + " ends the connection"})
	}
	// Up to the last packet: TLS announces the end some packets before TCP does, and counts
	// only with the end of TCP.
	e.prove(id, c.First, c.Stream, end, c.Last, party{client: c.Client, kafka: c.Protocol == reassembly.Kafka}, func(p *proof) { p.marks = marks })
}

// Change keeps an ApiVersions answer that differs from the previous one by difference.
func (e *Collector) Change(id ID, a *decode.Advertisement, before *decode.Ranges, difference string) {
	e.prove(id, a.At, a.Stream, a.At, a.At, party{client: a.Client, kafka: true}, func(p *proof) {
		e.borrow(p, a.Endpoint(), before)
		p.marks = append(p.marks, packetComment{a.At, "%s differs from the answer before: " + difference})
	})
}

// borrow keeps a connection on which the broker advertised those ranges.
func (e *Collector) borrow(p *proof, at decode.Endpoint, ranges *decode.Ranges) {
	l := e.addresses[at]
	if l == nil {
		return
	}
	for _, t := range l.tables {
		if t.ranges.Agrees(ranges) {
			e.useHead(p, t.stream, true)
			return
		}
	}
}

// address returns the entry of a broker address. It creates it if necessary; nil at the limit.
func (e *Collector) address(at decode.Endpoint) *address {
	l := e.addresses[at]
	if l == nil && len(e.addresses) < maxAddresses {
		l = &address{}
		e.addresses[at] = l
	}
	return l
}

// Advertised records an ApiVersions answer.
func (e *Collector) Advertised(a *decode.Advertisement) {
	if l := e.address(a.Endpoint()); l != nil {
		i := slices.IndexFunc(l.tables, func(t advertised) bool { return t.ranges.Agrees(a.Ranges) })
		if i >= 0 {
			l.tables[i].stream = a.Stream
		} else if len(l.tables) < maxAdvertised {
			l.tables = append(l.tables, advertised{a.Stream, a.Ranges})
		}
	}
	if e.noteAdvert(a) {
		e.keep(a.Stream, a.At, a.At, party{client: a.Client, kafka: true})
	}
}

// noteAdvert records the position of an ApiVersions answer, and keeps its exchange longer than the
// window does. It reports whether the connection is an exhibit already.
func (e *Collector) noteAdvert(a *decode.Advertisement) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.recorder.records[a.Stream]
	if c == nil {
		return false
	}
	if len(c.adverts) == maxAdverts {
		c.adverts = slices.Delete(c.adverts, 0, 1)
	}
	c.adverts = append(c.adverts, a.At)
	if c.packets > headPackets {
		// Ranges requested again in mid-connection: the request came just before the answer.
		all := e.recorder.packets(c)
		if i := indexOf(all, a.At); i >= 0 && all[i].index >= headPackets {
			e.recorder.keepAlso(c, all[max(0, i-rangeEnds):i+1])
		}
	}
	return c.exhibit != nil
}

// NoteAddress records the protocols that the broker of a connection uses, and that a known broker
// refused a connection.
func (e *Collector) NoteAddress(c *decode.Connection) {
	if l := e.addresses[c.Endpoint()]; l != nil && c.Refused {
		l.refused, l.hasRefused = c.Stream, true
	}
	inClear := c.Protocol == reassembly.Kafka && c.TLS == nil && c.Responses > 0
	inTLS := c.TLS != nil && c.TLS.Established || c.Confusion == reassembly.ClearToTLS
	if !inClear && !inTLS {
		return
	}
	l := e.address(c.Endpoint())
	switch {
	case l == nil:
	case inClear:
		l.clear, l.hasClear = c.Stream, true
	default:
		l.tls, l.hasTLS = c.Stream, true
	}
}
