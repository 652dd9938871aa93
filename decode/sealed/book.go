package sealed

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/kafkavet/kafkavet/decode"
)

const (
	// maxAddresses bounds the broker addresses of a Book: a large cluster has some hundred.
	maxAddresses = 1024
	// maxSizes bounds the request sizes counted for an address: 512 of some 100 bytes are 50 KiB.
	// A client sends some ten.
	maxSizes = 512
	// maxLives bounds the connections of an address whose begin and end are kept: 4,096 of 40
	// bytes are 160 KiB.
	maxLives = 4096
	// maxCases bounds the refused requests kept for one size: 256 of 232 bytes are 58 KiB.
	maxCases = 256
	// maxClients bounds the client hosts of an address.
	maxClients = 256
	// maxKept bounds sizes and lives of all addresses together: 65,536 of 100 bytes are 6.5 MiB.
	maxKept = 1 << 16
)

// Client is the inferred description of the connections from one host that begin alike.
type Client struct {
	Addr netip.Addr
	// Library is the TLS library of the ClientHello.
	Library Library
	// ClientID is the length of the client id, Software that of software name and version
	// together, in bytes; -1 if unknown. Opening is the size of the first ApiVersions request.
	ClientID, Software, Opening int
	// Brokers are the addresses that the client contacted, in order of appearance.
	Brokers []netip.AddrPort
	// Subjects are those of its certificates (tlsrecord.Info.Subject), in order of appearance.
	Subjects []string
}

// Book collects the readings of all connections. It belongs to one goroutine.
type Book struct {
	addresses map[decode.Endpoint]*address
	order     []*address
	clients   []*Client
	kept      int
	isDown    func(at decode.Endpoint, moment int64) bool
	// framed are the logins whose token got the response to a SaslAuthenticate, at any broker. The
	// same client then sends no raw tokens.
	framed map[login]bool
	// delaying: by Supply, the brokers are of Kafka 2.1 or later.
	delaying bool
	// Dropped counts what was left out because a limit was exceeded.
	Dropped uint64
}

type address struct {
	broker  decode.Endpoint
	answers []*counted
	// open: a request got a response on a connection without SASL.
	open bool
	// torn counts the connections with missing bytes on which no request looks refused.
	torn     int
	likeness Likeness
	lives    []life
	sizes    map[int]*sizeCount
	clients  map[netip.Addr]*clientFacts
}

type counted struct {
	Answer
	n int
}

type life struct {
	stream     uint32
	begin, end int64
	served     bool // the broker sent application data on it
	byBroker   bool // the broker ended it
	size       int  // of the refused request, 0 for none
}

type clientFacts struct {
	served  bool // a request got a response
	opening int  // size of the largest ApiVersions request at their beginnings, 0 for none
}

// login is the size of a SaslHandshake and of the token behind it, from one host.
type login struct {
	host             netip.Addr
	handshake, token int
}

// loginOf returns the login at the beginning of a connection whose second request has a size.
func loginOf(c *decode.Connection, r *Reading, token int) login {
	if len(r.answered) == 0 {
		return login{}
	}
	return login{c.Client.Addr(), r.answered[0].size, token}
}

// client returns the facts of a host, or nil if there are too many hosts.
func (a *address) client(host netip.Addr) *clientFacts {
	k := a.clients[host]
	if k == nil && len(a.clients) < maxClients {
		k = new(clientFacts)
		a.clients[host] = k
	}
	return k
}

type sizeCount struct {
	answered uint64
	refused  uint64
	ignored  bool  // one got no response, and the connection went on
	latest   int64 // when the latest one with a response was sent
	cases    []Case
}

// NewBook returns an empty Book. isDown reports whether nothing listened at an address soon after
// a moment, in nanoseconds. It means that the broker was stopped or killed.
func NewBook(isDown func(at decode.Endpoint, moment int64) bool) *Book {
	return &Book{addresses: make(map[decode.Endpoint]*address), isDown: isDown, framed: make(map[login]bool)}
}

// Connection adds a connection that is over. It ignores those without an Outline. It returns the
// request that may have been refused on it, nil for none. Refusal decides later.
func (b *Book) Connection(c *decode.Connection) *Request {
	if c.Outline == nil {
		return nil
	}
	r := Read(c)
	a := b.address(c.Endpoint())
	if a == nil || !r.Established && !r.Opening {
		return nil
	}
	b.addLife(a, c, &r)
	if h := c.TLS.Hello; h != nil && h.ALPN != "" {
		return nil // Kafka clients request no protocol
	}
	if r.Likeness > a.likeness {
		a.likeness = r.Likeness
	}
	if r.Answer != nil {
		a.answer(r.Answer)
		b.client(c, &r)
	}
	a.open = a.open || r.Authentication == NoSASL && !c.Midstream && !r.displaced && (r.Likeness > ByForm && r.Served > 0 || r.Likeness > NotKafka && r.Served > 1)
	if k := a.client(c.Client.Addr()); k != nil {
		k.served = k.served || r.Served > 0 || r.Answer != nil
		if r.Likeness > ByForm || r.Unnegotiated {
			k.opening = max(k.opening, r.opening)
		}
	}
	if r.missing && r.Refused == nil {
		a.torn++
	}
	if r.framed && len(b.framed) < maxSizes {
		b.framed[loginOf(c, &r, r.answered[1].size)] = true
	}
	b.countSizes(a, c, &r)
	return r.Refused
}

func (b *Book) countSizes(a *address, c *decode.Connection, r *Reading) {
	for _, q := range r.answered {
		if s := b.size(a, q.size); s != nil {
			s.answered++
			s.latest = max(s.latest, q.at.Time)
		}
	}
	for _, q := range r.ignored {
		if s := b.size(a, q.size); s != nil {
			s.ignored = true
		}
	}
	q := r.Refused
	if q == nil {
		return
	}
	s := b.size(a, q.Size)
	if s == nil {
		return
	}
	if s.refused++; len(s.cases) < maxCases {
		s.cases = append(s.cases, Case{
			Request: *q, Stream: c.Stream, Client: c.Client, TLS: c.TLS,
			Served: r.Served, Authentication: r.Authentication, First: r.Opening, ClientID: r.ClientID, Software: r.Software, Opening: r.opening,
			modern:    r.Likeness == ByRetry && r.Answer.APIs >= apisOf10,
			hasAnswer: r.Answer != nil, Unnegotiated: r.Unnegotiated,
			begin: c.First.Time, midstream: c.Midstream, displaced: r.displaced, login: loginOf(c, r, q.Size),
		})
	}
}

// address returns what is known about an address, or nil if there are too many addresses.
func (b *Book) address(at decode.Endpoint) *address {
	a := b.addresses[at]
	if a == nil {
		if len(b.addresses) == maxAddresses {
			b.Dropped++
			return nil
		}
		a = &address{broker: at, sizes: make(map[int]*sizeCount), clients: make(map[netip.Addr]*clientFacts)}
		b.addresses[at] = a
		b.order = append(b.order, a)
	}
	return a
}

func (b *Book) addLife(a *address, c *decode.Connection, r *Reading) {
	if len(a.lives) == maxLives || b.kept == maxKept {
		b.Dropped++
		return
	}
	b.kept++
	l := life{stream: c.Stream, begin: c.First.Time, end: c.Last.Time, served: r.Served > 0 || r.Answer != nil}
	if r.end.byServer && !r.torn {
		l.end, l.byBroker = r.end.at.Time, true
	}
	if q := r.Refused; q != nil && !q.Slow {
		l.end, l.byBroker, l.size = q.Closed.Time, true, q.Size
	}
	a.lives = append(a.lives, l)
}

// size returns the count of a size, or nil if there are too many sizes.
func (b *Book) size(a *address, size int) *sizeCount {
	s := a.sizes[size]
	if s == nil {
		if len(a.sizes) == maxSizes || b.kept == maxKept {
			b.Dropped++
			return nil
		}
		b.kept++
		s = new(sizeCount)
		a.sizes[size] = s
	}
	return s
}

// apisOf10 is the number of APIs of Kafka 1.0, the first release with SaslHandshake v1 (KIP-152).
// With it, a wrong password gets a response.
const apisOf10 = 38

// maxAnswers bounds the different sizes of ApiVersions responses of an address.
const maxAnswers = 8

func (a *address) answer(answer *Answer) {
	for _, k := range a.answers {
		if k.Size == answer.Size {
			k.n++
			return
		}
	}
	if len(a.answers) < maxAnswers {
		a.answers = append(a.answers, &counted{Answer: *answer, n: 1})
	}
}

func (b *Book) client(c *decode.Connection, r *Reading) {
	library := LibraryOf(c.TLS.Hello)
	var subjects []string
	if c.TLS.Subject != "" {
		subjects = []string{c.TLS.Subject}
	}
	for _, p := range b.clients {
		if p.Addr == c.Client.Addr() && p.Library == library && p.Opening == r.opening {
			if !slices.Contains(p.Brokers, c.Broker) && len(p.Brokers) < maxClients {
				p.Brokers = append(p.Brokers, c.Broker)
			}
			if len(subjects) > 0 && !slices.Contains(p.Subjects, subjects[0]) && len(p.Subjects) < maxClients {
				p.Subjects = append(p.Subjects, subjects[0])
			}
			return
		}
	}
	if len(b.clients) == maxClients {
		b.Dropped++
		return
	}
	b.clients = append(b.clients, &Client{
		Addr: c.Client.Addr(), Library: library, ClientID: r.ClientID, Software: r.Software, Opening: r.opening,
		Brokers: []netip.AddrPort{c.Broker}, Subjects: subjects,
	})
}

// Clients returns the clients that look like Kafka clients, in order of appearance.
func (b *Book) Clients() []Client {
	out := make([]Client, 0, len(b.clients))
	for _, p := range b.clients {
		out = append(out, *p)
	}
	return out
}

// Broker is the inferred description of a broker.
type Broker struct {
	decode.Endpoint
	// Answer is the most frequent ApiVersions response.
	Answer Answer
	// Connections counts the connections with that response.
	Connections int
}

// Brokers returns the addresses that look like Kafka brokers, in order of appearance.
func (b *Book) Brokers() []Broker {
	var out []Broker
	for _, a := range b.order {
		if broker, ok := a.inferred(); ok {
			out = append(out, broker)
		}
	}
	return out
}

// Broker returns the description of one address. It returns false if the address does not look
// like a broker.
func (b *Book) Broker(at decode.Endpoint) (Broker, bool) {
	if a := b.addresses[at]; a != nil {
		return a.inferred()
	}
	return Broker{}, false
}

func (a *address) inferred() (Broker, bool) {
	if !a.isKafka() || len(a.answers) == 0 {
		return Broker{}, false
	}
	best := slices.MaxFunc(a.answers, func(x, y *counted) int {
		return cmp.Or(cmp.Compare(min(x.APIs, 1), min(y.APIs, 1)), cmp.Compare(x.n, y.n), cmp.Compare(y.Size, x.Size))
	})
	return Broker{a.broker, best.Answer, best.n}, true
}

// minByForm is how many connections need the same response if it fits no known release.
const minByForm = 2

func (a *address) isKafka() bool {
	switch a.likeness {
	case NotKafka, ByPort:
		return false
	case ByForm:
		return slices.ContainsFunc(a.answers, func(k *counted) bool { return k.n >= minByForm })
	}
	return true
}
