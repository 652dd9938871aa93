package reassembly

import (
	"encoding/binary"
	"iter"
	"net/netip"
	"slices"

	"github.com/kafkavet/kafkavet/capture"
)

const (
	// maxCopies bounds the other places in which one connection is captured: on a client, its node,
	// a router and the broker's node, with and without a tunnel. A scan can send SYNs with one
	// sequence number to many hosts.
	maxCopies = 8
	// maxTranslated bounds the addresses that are known to be translated: 4,096 of some 80 bytes
	// are 320 KiB. A cluster has one for each broker and listener.
	maxTranslated = 4096
)

// endpoint is the address of one side of a connection, in the network where it was captured.
type endpoint struct {
	Addr   [16]byte
	Port   uint16
	Domain uint64
}

func (p endpoint) addrPort() netip.AddrPort { return addrPort(p.Addr, p.Port) }

// side returns the side of f to which direction d leads, as its original counts directions.
func (f *flow) side(d Direction) endpoint {
	if (d == ToBroker) != f.isTurned {
		return endpoint{f.b, f.bPort, f.domain}
	}
	return endpoint{f.a, f.aPort, f.domain}
}

// addCopy makes f a copy of first. at is the packet that shows it.
func (t *flowTable) addCopy(f, first *flow, isFarther bool, at capture.Position) {
	f.alias, f.stream, f.isFarther = t.index(first)+1, first.stream, isFarther
	f.copies, first.copies = first.copies, t.index(f)+1
	t.inactive++
	t.place(f, first, at)
}

// place sets the addresses and the network of a connection after more is known of its copy f. at is
// the packet that shows it.
func (t *flowTable) place(f, first *flow, at capture.Position) {
	t.translate(first)
	switch c := first.conn; {
	case c == nil || c == endedConn:
	case first.held != nil: // no shard has it
		t.locate(c, first)
	default:
		b, _ := binary.Append(nil, binary.BigEndian, [2]sides{t.near(first), f.sides()})
		t.relocate(first, item{conn: c, kind: twinItem, payload: b, at: at})
	}
}

// copies returns the copies of first, the latest one first.
func (t *flowTable) copies(first *flow) iter.Seq[*flow] {
	return func(yield func(*flow) bool) {
		for f, n := first, 0; f.copies != 0 && n < maxCopies; n++ {
			f = t.at(f.copies - 1)
			if f.dead || f.alias == 0 || t.original(f) != first || !yield(f) {
				return // not a copy of first: that slot was reused since
			}
		}
	}
}

// nearest returns the copy of first, or first itself, that was captured nearest to the side to
// which direction d leads.
func (t *flowTable) nearest(first *flow, d Direction) *flow {
	best := first
	for f := range t.copies(first) {
		if t.isNearer(f, best, d) {
			best = f
		}
	}
	return best
}

// isNearer reports whether the copy f was captured nearer than g to the side to which direction d
// leads. Each router reduces the TTL. If both have the same, the translations of other connections
// show it, and last the order in which both were captured.
func (t *flowTable) isNearer(f, g *flow, d Direction) bool {
	r := d.Reverse()
	a, b := f.side(d), g.side(d)
	switch {
	case f.ttl[d] != g.ttl[d] && f.ttl[d] != 0 && g.ttl[d] != 0:
		return f.ttl[d] < g.ttl[d]
	case f.ttl[r] != g.ttl[r] && f.ttl[r] != 0 && g.ttl[r] != 0:
		return f.ttl[r] > g.ttl[r]
	case a != b && t.final(a) == t.final(b):
		return t.final(b) == a
	case a.addrPort() == b.addrPort() && (f.ttl[d] != 0 && f.ttl[d] == g.ttl[d] || f.ttl[r] != 0 && f.ttl[r] == g.ttl[r]):
		return a.Domain < b.Domain // no router is between: one network for connections that begin in either direction
	case g.alias != 0 && f.isFarther == g.isFarther:
		return false
	}
	return f.isFarther == (d == ToBroker)
}

// translate records which addresses and networks of a connection are translated into those nearest
// to the broker.
func (t *flowTable) translate(first *flow) {
	if !first.synced[ToBroker] && !first.synced[ToClient] {
		return // the broker's side is not certain
	}
	to := t.nearest(first, ToBroker).side(ToBroker)
	t.addTranslation(first.side(ToBroker), to)
	for f := range t.copies(first) {
		t.addTranslation(f.side(ToBroker), to)
	}
}

// addTranslation records that an address is translated. One with several targets, as that of a
// service with several pods, is recorded as its own.
func (t *flowTable) addTranslation(from, to endpoint) {
	if t.final(from) == t.final(to) || len(t.behind) >= maxTranslated {
		return
	}
	if _, isKnown := t.behind[from]; isKnown {
		to = from
	}
	t.behind[from] = to
}

// final returns the address into which all connections to an address are translated, as far as they
// were captured in both places.
func (t *flowTable) final(of endpoint) endpoint {
	for range maxCopies {
		to, isKnown := t.behind[of]
		if !isKnown || to == of {
			break
		}
		of = to
	}
	return of
}

// near returns the addresses of the two sides of first, each as captured nearest to that side.
func (t *flowTable) near(first *flow) (s sides) {
	for d := range s {
		s[d] = t.final(t.nearest(first, Direction(d)).side(Direction(d)))
	}
	return s
}

// sides are the addresses of the two sides of a connection, indexed by the direction to them.
type sides [2]endpoint

func (f *flow) sides() sides { return sides{f.side(ToBroker), f.side(ToClient)} }

// locate sets the addresses and the network of c, the connection of first, which no shard has.
func (t *flowTable) locate(c *conn, first *flow) {
	c.info.Domain = first.domain
	if first.copies == 0 && len(t.behind) == 0 {
		return
	}
	near := t.near(first)
	c.locate(near, first.sides())
	for f := range t.copies(first) {
		c.locate(near, f.sides())
	}
}

// twin processes a twinItem. Its payload are the nearest addresses, and those of a copy.
func (c *conn) twin(b []byte) {
	var s [2]sides
	if _, err := binary.Decode(b, binary.BigEndian, &s); err == nil && !c.over {
		c.locate(s[0], s[1])
	}
}

// locate sets the addresses of c to near, and adds those that it had, and others, to the further
// ones. The addresses that a preface carries remain.
func (c *conn) locate(near, others sides) {
	i := &c.info
	was := [2]netip.AddrPort{i.Broker, i.Client}
	own := [2]netip.AddrPort{near[c.swapped].addrPort(), near[c.swapped.Reverse()].addrPort()}
	other := [2]netip.AddrPort{others[c.swapped].addrPort(), others[c.swapped.Reverse()].addrPort()}
	hasTarget := false
	for _, p := range i.Odd().Prefaces {
		hasTarget = hasTarget || p.leads()
		if p.Source.IsValid() {
			own[1], other[1] = was[1], was[1]
		}
	}
	if hasTarget {
		own[0], other[0] = was[0], was[0]
	} else {
		i.Domain = near[c.swapped].Domain
		if d := i.Domain ^ near[c.swapped.Reverse()].Domain; d != i.Odd().domains {
			c.odd().domains = d
		}
	}
	if own == other && own == was {
		return
	}
	o := c.odd()
	i.Broker, i.Client = own[0], own[1]
	o.Behind = further(o.Behind, own[0], was[0], other[0])
	o.Before = further(o.Before, own[1], was[1], other[1])
}

// further adds addresses to a list that has none twice, and not the nearest one.
func further(list []netip.AddrPort, nearest netip.AddrPort, others ...netip.AddrPort) []netip.AddrPort {
	for _, a := range others {
		if len(list) < maxCopies && !slices.Contains(list, a) {
			list = append(list, a)
		}
	}
	return slices.DeleteFunc(list, func(a netip.AddrPort) bool { return a == nearest })
}
