package capture

// HeaderKind is the kind of a Header.
type HeaderKind uint8

// The headers with addresses or checksums. All other headers have neither.
const (
	// HeaderEthernet begins with two addresses of 6 bytes.
	HeaderEthernet HeaderKind = iota
	// HeaderCooked and HeaderCooked2 are the Linux cooked headers.
	HeaderCooked
	HeaderCooked2
	// HeaderIPv4 and HeaderIPv6 are IP headers, without IPv6 extension headers.
	HeaderIPv4
	HeaderIPv6
	// HeaderExtension is an IPv6 extension header that is not a routing header; HeaderRouting is
	// a routing header.
	HeaderExtension
	HeaderRouting
	// HeaderGRE, HeaderUDP and HeaderTCP are the headers of these protocols.
	HeaderGRE
	HeaderUDP
	HeaderTCP
	// HeaderFragment is an IPv6 fragment header.
	HeaderFragment
	// HeaderPrivate is part of a header that names hosts, interfaces, processes or a place, and
	// that the parser does not need. Wire is its length.
	HeaderPrivate
)

// Header is one header of a packet.
type Header struct {
	Kind HeaderKind
	// At is its offset in Packet.Data. Wire is the number of bytes on the wire from there to the
	// end of the packet that it belongs to, by the headers before it.
	At, Wire int
}

// Headers appends the headers of p to to, outermost first, as far as they can be parsed. It does
// not change the counts of Stats, and p completes no datagram.
func (d *Dissector) Headers(p *Packet, to []Header) []Header {
	t := trace{headers: to, room: cap(p.Data)}
	probe := Dissector{ports: d.ports, fragments: newDefragmenter(), trace: &t}
	var s Segment
	probe.dissect(p, &s)
	return t.headers
}

// trace records the headers of a dissection.
type trace struct {
	headers []Header
	// room is the capacity of the packet's data.
	room int
}

// headerKinds are the steps that a trace records.
var headerKinds = map[step]HeaderKind{
	stepEthernet: HeaderEthernet, stepIPv4: HeaderIPv4, stepIPv6: HeaderIPv6, stepExtension: HeaderExtension,
	stepFragment6: HeaderFragment, stepCooked: HeaderCooked, stepCooked2: HeaderCooked2, stepGRE: HeaderGRE, stepUDP: HeaderUDP, stepTCP: HeaderTCP,
}

// note records the header at the current place of c. The capacity of data gives its offset: data
// is cut at its beginning, and at its end without losing capacity.
func (t *trace) note(next step, c *dissection) {
	kind, ok := headerKinds[next]
	if !ok {
		return
	}
	if kind == HeaderExtension && c.protocol == protocolRouting {
		kind = HeaderRouting
	}
	t.headers = append(t.headers, Header{kind, t.room - cap(c.data), c.length})
}

// hide records that the header bytes from one offset up to another name someone.
func (c *dissection) hide(from, to int) { c.hidden(c.data, from, to) }

// hidden is hide for the header at the beginning of b, if c is already past it.
func (c *dissection) hidden(b []byte, from, to int) {
	if t := c.trace; t != nil {
		if to = min(to, len(b)); from < to {
			t.headers = append(t.headers, Header{HeaderPrivate, t.room - cap(b) + from, to - from})
		}
	}
}
