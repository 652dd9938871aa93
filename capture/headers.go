package capture

// HeaderKind says what a Header is.
type HeaderKind uint8

// The headers that hold addresses or checksums. What is left out holds neither.
const (
	// HeaderEthernet begins with two addresses of 6 bytes.
	HeaderEthernet HeaderKind = iota
	// HeaderCooked and HeaderCooked2 are the Linux cooked headers.
	HeaderCooked
	HeaderCooked2
	// HeaderIPv4 and HeaderIPv6 are what they are called, without IPv6 extension headers.
	HeaderIPv4
	HeaderIPv6
	// HeaderExtension is an IPv6 extension header that is no routing header, HeaderRouting one that is.
	HeaderExtension
	HeaderRouting
	// HeaderGRE, HeaderUDP and HeaderTCP are what they are called.
	HeaderGRE
	HeaderUDP
	HeaderTCP
	// HeaderFragment is an IPv6 fragment header.
	HeaderFragment
	// HeaderPrivate is a part of a header that names hosts, interfaces, processes or a
	// place, and that a reader of the packet does not need. Wire is its length.
	HeaderPrivate
)

// Header is one header of a packet.
type Header struct {
	Kind HeaderKind
	// At is where in Packet.Data it begins, Wire how many bytes there were on the
	// wire from there to the end of the packet that it belongs to, as far as the
	// headers before it tell.
	At, Wire int
}

// Headers appends the headers of p to to, outermost first, as far as they could
// be read. It has no part in the counts of Stats, and p completes no datagram.
func (d *Dissector) Headers(p *Packet, to []Header) []Header {
	t := trace{headers: to, room: cap(p.Data)}
	probe := Dissector{ports: d.ports, fragments: newDefragmenter(), trace: &t}
	var s Segment
	probe.dissect(p, &s)
	return t.headers
}

// trace notes the headers that a dissection comes by.
type trace struct {
	headers []Header
	// room is the capacity of the packet's data.
	room int
}

// headerKinds are the steps that a trace tells of.
var headerKinds = map[step]HeaderKind{
	stepEthernet: HeaderEthernet, stepIPv4: HeaderIPv4, stepIPv6: HeaderIPv6, stepExtension: HeaderExtension,
	stepFragment6: HeaderFragment, stepCooked: HeaderCooked, stepCooked2: HeaderCooked2, stepGRE: HeaderGRE, stepUDP: HeaderUDP, stepTCP: HeaderTCP,
}

// note adds the header that c is at. Its place is told by how much room there
// is behind it: data is cut at its beginning, and at its end without losing room.
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

// hide notes that the bytes of a header from one offset up to another name someone.
func (c *dissection) hide(from, to int) { c.hidden(c.data, from, to) }

// hidden is hide for the header that b begins with, if c is already past it.
func (c *dissection) hidden(b []byte, from, to int) {
	if t := c.trace; t != nil {
		if to = min(to, len(b)); from < to {
			t.headers = append(t.headers, Header{HeaderPrivate, t.room - cap(b) + from, to - from})
		}
	}
}
