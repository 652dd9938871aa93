// Package evidence gathers the packets that prove findings and writes them as a
// pcapng file, with comments for Wireshark and without records, tokens and secrets.
//
// Packets come from the goroutine that reads the capture (Collector.Tap), findings
// from the one that decides on them (Exchange, Connection, Change); the two may
// be different. The memory is bounded by the constants of the package: 54 MiB.
package evidence

import (
	"bytes"
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
	// exhibitBytes bounds the packets that are held for the findings.
	exhibitBytes = 16 << 20
	// rangeBytes bounds what is kept from the beginning of a request to its
	// outcome; of more, the first and the last rangeEnds packets are.
	rangeBytes = 256 << 10
	rangeEnds  = 8
	// bridgePackets and bridgeBytes bound what is kept between the head of a connection
	// and the request, so that most connections are shown without a hole.
	bridgePackets = 256
	bridgeBytes   = 64 << 10
	// afterPackets bounds what is kept behind the outcome: acknowledgements, FIN and RST.
	afterPackets = 8
	// lastPackets is how many packets before a connection's end are kept for
	// findings about connections.
	lastPackets = 16
	// maxAddresses bounds the broker addresses with their connections: 4,096 of some 300 bytes.
	maxAddresses = 4096
	// maxAdvertised bounds the sets of ranges of one address.
	maxAdvertised = 16
)

// Options say what evidence is gathered.
type Options struct {
	// Occurrences is how many occurrences of each finding are kept, the first ones.
	Occurrences int
	// Dissector is how packets are taken apart.
	Dissector capture.DissectorOptions
	// Tool is the program that the file names as its maker.
	Tool model.Tool
	// Pseudonyms, if not nil, take the place of addresses and names, and every
	// byte that proves nothing is overwritten.
	Pseudonyms *redact.Pseudonyms
}

// Collector gathers the packets that prove findings. The goroutine that reads
// packets calls Tap, that of the Builder all else; the two may be different.
// What it holds is bounded by the constants of this package, whatever the
// length of the input.
type Collector struct {
	opt Options

	mu       sync.Mutex
	recorder recorder
	exhibits map[uint32]*exhibit
	size     int

	// The rest belongs to the Builder's goroutine.
	proofs    map[ID][]proof
	addresses map[network]*address
	// omitted counts occurrences that would have been kept, but whose packets were evicted.
	omitted uint64
}

// ID names a finding while it is being counted.
type ID int

// network is a broker's address; domain distinguishes equal addresses in
// different networks.
type network struct {
	domain uint64
	addr   netip.AddrPort
}

// exhibit is what is kept of a connection for findings.
type exhibit struct {
	stream uint32
	// record is what its packets come from.
	record *record
	// uses counts the proofs that need it.
	uses    int
	packets []seen
	size    int
	// following is how many packets behind the outcome are still to be taken.
	following int
	// opener is who sent the first packet, client who asks, as far as it is known;
	// kafka: Kafka was spoken.
	opener, client netip.AddrPort
	kafka          bool
	// wanted are the requests that it is kept for.
	wanted  []wanted
	adverts []capture.Position
}

// wanted is a request that an exhibit is kept for.
type wanted struct {
	key, version  int16
	correlationID int32
}

// party says whose connection an exhibit is.
type party struct {
	client netip.AddrPort
	// kafka: it spoke Kafka.
	kafka bool
	// request is what the exhibit is kept for, nil where that is the connection.
	request *wanted
}

func partyOf(x *decode.Exchange) party {
	return party{x.Client, true, &wanted{x.Key, x.Version, x.CorrelationID}}
}

// pattern is how the request stands on the wire, behind its size.
func (w wanted) pattern() []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(w.key))
	b = binary.BigEndian.AppendUint16(b, uint16(w.version))
	return binary.BigEndian.AppendUint32(b, uint32(w.correlationID))
}

type proof struct {
	at      capture.Position
	stream  uint32
	streams []uint32 // of all exhibits that it needs
	marks   []mark
}

// mark is a comment on a packet. %s in it is replaced by the code of the finding.
type mark struct {
	at   capture.Position
	text string
}

// address has the latest connections that show what a broker address speaks and advertises.
type address struct {
	tables []advertised
	// clear and tls are connections on which the address spoke in the clear and with TLS, as far as seen.
	clear, tls       uint32
	hasClear, hasTLS bool
}

// advertised is a connection on which ranges were advertised.
type advertised struct {
	stream uint32
	ranges *decode.Ranges
}

// New begins to gather.
func New(opt Options) *Collector {
	return &Collector{
		opt: opt, recorder: newRecorder(), exhibits: map[uint32]*exhibit{},
		proofs: map[ID][]proof{}, addresses: map[network]*address{},
	}
}

// Omitted counts occurrences that were to be kept, but whose packets were evicted.
func (e *Collector) Omitted() uint64 { return e.omitted }

// Tap takes a packet of the connection with that number; it is for
// reassembly.Options. Nothing of p and s is kept.
func (e *Collector) Tap(stream uint32, p *capture.Packet, s *capture.Segment) {
	e.mu.Lock()
	c, taken := e.recorder.take(stream, p, s)
	if x := c.exhibit; x != nil && x.following > 0 {
		e.follow(x, &taken.seen)
	}
	e.mu.Unlock()
}

// follow takes a packet behind the outcome, up to the next one with payload.
func (e *Collector) follow(x *exhibit, s *seen) {
	if s.wire > 0 || e.size+len(s.data) > exhibitBytes {
		x.following = 0
		return
	}
	x.following--
	e.add(x, s)
}

// add puts a packet into an exhibit, unless it is there.
func (e *Collector) add(x *exhibit, s *seen) {
	i, ok := slices.BinarySearchFunc(x.packets, s.index, func(a seen, index uint32) int { return int(a.index) - int(index) })
	if ok {
		return
	}
	x.packets = slices.Insert(x.packets, i, s.clone())
	x.size += len(s.data) + keptOverhead
	e.size += len(s.data) + keptOverhead
}

// keep makes an exhibit of a connection, or adds to it: its head, what lies
// between from and to, and what follows. It returns nil, and has done
// nothing, where there is no room, and where the packet at from was evicted or came in IP fragments: only the last
// fragment is seen here.
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
			to = at // what was negotiated belongs to it, also where it came later
		}
	}
	chosen := choose(all, from, to, who.request)
	if i := indexOf(chosen, from); i < 0 || chosen[i].payload < 0 {
		return nil // not there any more, or there in fragments
	}
	size := 0
	for i := range chosen {
		size += len(chosen[i].data) + keptOverhead
	}
	if e.size+size > exhibitBytes {
		return nil
	}
	x := e.exhibits[stream]
	switch {
	case x == nil:
		x = &exhibit{stream: stream, record: c, opener: c.opener()}
		e.exhibits[stream] = x
	case x.record != c: // it was evicted in between
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

// indexOf returns -1 for none.
func indexOf(packets []seen, at capture.Position) int {
	return slices.IndexFunc(packets, func(s seen) bool { return samePlace(s.at, at) })
}

// choose picks packets of a connection: its head, and those from the beginning of the request that ends at from up to
// to. If those between are few, it picks them too.
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
		// The packet at from can lie anywhere between.
		for i := range between[rangeEnds : len(between)-rangeEnds] {
			if s := &between[rangeEnds+i]; samePlace(s.at, from) {
				chosen = append(chosen, *s)
			}
		}
		return append(chosen, between[len(between)-rangeEnds:]...)
	}
	return append(chosen, all[begin:end]...)
}

// beginning is the index of the packet in which the request begins that ends in
// the packet at end.
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
		if at >= 0 { // the size came in a packet of its own
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

// useHead keeps what there is of the beginning of another connection, and reports whether it could.
func (e *Collector) useHead(p *proof, stream uint32, kafka bool) bool {
	if slices.Contains(p.streams, stream) {
		return true
	}
	e.mu.Lock()
	c := e.recorder.records[stream]
	var last capture.Position
	if c != nil {
		all := e.recorder.packets(c)
		last = all[min(len(all), headPackets)-1].at
	}
	e.mu.Unlock()
	if c == nil {
		return false
	}
	return e.use(p, stream, last, last, party{kafka: kafka})
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

// wants reports whether an occurrence of a finding at that place is among those to be kept.
func (e *Collector) wants(id ID, at capture.Position, stream uint32) bool {
	kept := e.proofs[id]
	if len(kept) < e.opt.Occurrences {
		return true
	}
	last := kept[len(kept)-1]
	return at.Before(last.at) || samePlace(at, last.at) && stream < last.stream
}

// insert adds a proof in its order, and drops one too many.
func (e *Collector) insert(id ID, p proof) {
	kept := e.proofs[id]
	i := len(kept)
	for i > 0 && (p.at.Before(kept[i-1].at) || samePlace(p.at, kept[i-1].at) && p.stream < kept[i-1].stream) {
		i--
	}
	kept = slices.Insert(kept, i, p)
	if len(kept) > e.opt.Occurrences {
		e.release(&kept[len(kept)-1])
		kept = kept[:len(kept)-1]
	}
	e.proofs[id] = kept
}

// Drop drops what is kept for a finding.
func (e *Collector) Drop(id ID) {
	for i := range e.proofs[id] {
		e.release(&e.proofs[id][i])
	}
	delete(e.proofs, id)
}

// Exchange keeps a request that is an occurrence of a finding.
func (e *Collector) Exchange(id ID, x *decode.Exchange) {
	if !e.wants(id, x.Request, x.Stream) {
		return
	}
	p := proof{at: x.Request, stream: x.Stream}
	to := x.Decided
	if to.Before(x.Request) {
		to = x.Request
	}
	if !e.use(&p, x.Stream, x.Request, to, partyOf(x)) {
		e.omitted++
		return
	}
	if x.Evidence == decode.Borrowed {
		e.borrow(&p, network{x.Domain, x.Broker}, x.Ranges)
	}
	p.marks = append(p.marks, mark{x.Request, "%s " + requestMark(x)})
	if text := outcomeMark(x.Outcome); text != "" {
		p.marks = append(p.marks, mark{to, "%s " + text})
	}
	e.insert(id, p)
}

// Instead keeps what the client asked in place of the refused request, where that is kept for the finding.
func (e *Collector) Instead(id ID, refused, x *decode.Exchange) {
	kept := e.proofs[id]
	i := slices.IndexFunc(kept, func(p proof) bool { return p.stream == refused.Stream && samePlace(p.at, refused.Request) })
	if i < 0 || !e.use(&kept[i], x.Stream, x.Request, x.Decided, partyOf(x)) {
		return
	}
	kept[i].marks = append(kept[i].marks, mark{x.Decided, "%s answered, in place of the request that was refused"})
}

// Connection keeps a connection that is an occurrence of a finding.
func (e *Collector) Connection(id ID, c *decode.Connection) {
	if !e.wants(id, c.First, c.Stream) {
		return
	}
	p := proof{at: c.First, stream: c.Stream}
	end := c.Last
	if c.End.Kind == reassembly.Closed || c.End.Kind == reassembly.Reset {
		end = c.End.At
	}
	// Up to the last packet: TLS announces the end some packets before TCP's, and counts only with it.
	if !e.use(&p, c.Stream, end, c.Last, party{client: c.Client, kafka: c.Protocol == reassembly.Kafka}) {
		e.omitted++
		return
	}
	p.marks = append(p.marks, mark{c.First, "%s: this connection"})
	if c.End.Kind == reassembly.Closed || c.End.Kind == reassembly.Reset {
		by := "client"
		if c.End.By == reassembly.ToClient {
			by = "broker"
		}
		p.marks = append(p.marks, mark{end, "%s the " + by + " ends the connection"})
	}
	e.insert(id, p)
}

// Change keeps an ApiVersions answer that differs from the one before it,
// difference says how.
func (e *Collector) Change(id ID, a *decode.Advertisement, before *decode.Ranges, difference string) {
	if !e.wants(id, a.At, a.Stream) {
		return
	}
	p := proof{at: a.At, stream: a.Stream}
	if !e.use(&p, a.Stream, a.At, a.At, party{client: a.Client, kafka: true}) {
		e.omitted++
		return
	}
	e.borrow(&p, network{a.Domain, a.Broker}, before)
	p.marks = append(p.marks, mark{a.At, "%s differs from the answer before: " + difference})
	e.insert(id, p)
}

// borrow keeps a connection on which the broker advertised those ranges.
func (e *Collector) borrow(p *proof, at network, ranges *decode.Ranges) {
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

// address finds or creates a broker address, nil where there is no room.
func (e *Collector) address(at network) *address {
	l := e.addresses[at]
	if l == nil && len(e.addresses) < maxAddresses {
		l = &address{}
		e.addresses[at] = l
	}
	return l
}

// Advertised notes an ApiVersions answer.
func (e *Collector) Advertised(a *decode.Advertisement) {
	if l := e.address(network{a.Domain, a.Broker}); l != nil {
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

// noteAdvert notes where an ApiVersions answer came, and keeps its exchange
// beyond the window. It reports whether the connection is an exhibit already.
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
		// Ranges learnt anew in mid-connection: the request for them came just before the answer.
		all := e.recorder.packets(c)
		if i := indexOf(all, a.At); i >= 0 && all[i].index >= headPackets {
			e.recorder.keepAlso(c, all[max(0, i-rangeEnds):i+1])
		}
	}
	return c.exhibit != nil
}

// NoteAddress notes the protocols that the broker of a connection speaks.
func (e *Collector) NoteAddress(c *decode.Connection) {
	inClear := c.Protocol == reassembly.Kafka && c.TLS == nil && c.Responses > 0
	inTLS := c.TLS != nil && c.TLS.Established || c.Confusion == reassembly.ClearToTLS
	if !inClear && !inTLS {
		return
	}
	l := e.address(network{c.Domain, c.Broker})
	switch {
	case l == nil:
	case inClear:
		l.clear, l.hasClear = c.Stream, true
	default:
		l.tls, l.hasTLS = c.Stream, true
	}
}
