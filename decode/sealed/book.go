package sealed

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
	"github.com/kafkavet/kafkavet/reassembly/tlsrecord"
)

const (
	// maxAddresses bounds the broker addresses of a Book: a large cluster has some hundred.
	maxAddresses = 1024
	// maxSizes bounds the sizes of requests that are counted for an address: 512 of
	// some 100 bytes are 50 KiB. A client sends some ten.
	maxSizes = 512
	// maxLives bounds the connections of an address of which begin and end are kept: 4,096
	// of 40 bytes are 160 KiB.
	maxLives = 4096
	// maxCases bounds the refused requests that are kept of one size: 256 of 200 bytes.
	maxCases = 256
	// maxClients bounds the client hosts of an address.
	maxClients = 256
	// maxKept bounds sizes and lives of all addresses together: 65,536 of 100 bytes are 6.5 MiB.
	maxKept = 1 << 16
)

const (
	// together is the time within which the connections to a broker end that is stopped or killed.
	together = 250 * time.Millisecond
	// stillThere is how soon after a refusal another connection shows that the broker
	// goes on. A broker that restarts is away for longer.
	stillThere = 5 * time.Second
	// manyRefusals is how many refusals without any such sign are enough.
	manyRefusals = 3
	// fewRefusals is how many are needed where nothing else was ever served.
	fewRefusals = 2
	// failedAuthentication is less than the time that brokers since Kafka 2.1 wait before they
	// close for a failed authentication, a missing SaslHandshake among them
	// (KIP-306, connection.failed.authentication.delay.ms: 100 ms).
	failedAuthentication = 80 * time.Millisecond
)

// Case is a request that looks refused.
type Case struct {
	Request
	Stream         uint32
	Client, Broker netip.AddrPort
	Served         int
	Authentication Authentication
	Opening        bool

	modern bool // its ApiVersions request and the broker's answer are of Kafka 1.0 and later
	// unnegotiated: the client knows no versions of this broker, and sends what it likes.
	unnegotiated bool
	delayed      bool // a broker of this release would delay the close for a failed authentication
}

// Refusal is what a Book concludes: the broker refused requests of one size.
type Refusal struct {
	Broker      netip.AddrPort
	Size, Slack int
	// Refused of Total connections or requests of this size were closed without an answer.
	Refused, Total uint64
	// Cases are up to maxCases of the refused ones, in the order of the input.
	Cases []Case
	// ServedLeast and ServedMost are how many requests were answered on these connections before.
	ServedLeast, ServedMost int
	// Longest is the longest time from a request to the close.
	Longest time.Duration
	// Authenticated counts those of the connections that used SASL.
	Authenticated int
}

// Peer is what is inferred of a side.
type Peer struct {
	Address netip.AddrPort // of a client without port
	// Answer is the ApiVersions answer seen most, nil for none.
	Answer *Answer
	// Library is the TLS library of the ClientHello.
	Library Library
	// ClientID and Software are lengths in bytes, -1 where unknown.
	ClientID, Software int
	// Connections counts the readings that say so.
	Connections int
	// Brokers are the addresses that a client asked, in order of appearance.
	Brokers []netip.AddrPort
}

// Book gathers the readings of all connections. It belongs to one goroutine.
type Book struct {
	addresses map[netip.AddrPort]*address
	order     []*address
	clients   []*Peer
	kept      int
	// Dropped counts what was left out where a limit was exceeded.
	Dropped uint64
}

// address is what is known of one broker address.
type address struct {
	broker  netip.AddrPort
	answers []*counted
	// open: a request was answered on a connection without SASL.
	open     bool
	likeness Likeness
	lives    []life
	sizes    map[int]*sizeCount
	clients  map[netip.Addr]bool // true: one of its requests was answered
	largest  int
}

type counted struct {
	Answer
	n int
}

// life is the time of one connection to an address.
type life struct {
	stream     uint32
	begin, end int64
	served     bool // the broker sent application data on it
	byBroker   bool // the broker ended it
	size       int  // of the refused request, 0 for none
}

// sizeCount is what became of the requests of one size.
type sizeCount struct {
	answered uint64
	refused  uint64
	cases    []Case
}

// NewBook returns an empty Book.
func NewBook() *Book { return &Book{addresses: make(map[netip.AddrPort]*address)} }

// Connection takes a connection that is over, and ignores those without an Outline.
func (b *Book) Connection(c *decode.Connection) {
	if c.Outline == nil {
		return
	}
	r := Read(c)
	a := b.address(c.Broker)
	if a == nil || !r.Established && !r.Opening {
		return
	}
	b.live(a, c, &r)
	hello := hello(c)
	if hello != nil && hello.ALPN != "" {
		return // Kafka clients ask for no protocol
	}
	if r.Likeness > a.likeness {
		a.likeness = r.Likeness
	}
	if r.Answer != nil {
		a.answer(r.Answer)
		b.client(c, &r, hello)
	}
	a.open = a.open || r.Likeness > ByPort && r.Authentication == NoSASL && r.Served > 0
	if len(a.clients) < maxClients || a.clients[c.Client.Addr()] {
		a.clients[c.Client.Addr()] = a.clients[c.Client.Addr()] || r.Served > 0 || r.Answer != nil
	}
	for _, size := range r.answered {
		a.largest = max(a.largest, size)
		if s := b.size(a, size); s != nil {
			s.answered++
		}
	}
	if q := r.Refused; q != nil {
		if s := b.size(a, q.Size); s != nil {
			s.refused++
			if len(s.cases) < maxCases {
				s.cases = append(s.cases, Case{
					Request: *q, Stream: c.Stream, Client: c.Client, Broker: c.Broker,
					Served: r.Served, Authentication: r.Authentication, Opening: r.Opening,
					modern:  r.Likeness == ByRetry && r.Answer.APIs >= apisOf10,
					delayed: r.Answer.since22(), unnegotiated: r.Unnegotiated,
				})
			}
		}
	}
}

func hello(c *decode.Connection) *tlsrecord.Hello {
	if c.TLS == nil {
		return nil
	}
	return c.TLS.Hello
}

// address returns what is known of an address, nil when there are too many.
func (b *Book) address(at netip.AddrPort) *address {
	a := b.addresses[at]
	if a == nil {
		if len(b.addresses) == maxAddresses {
			b.Dropped++
			return nil
		}
		a = &address{broker: at, sizes: make(map[int]*sizeCount), clients: make(map[netip.Addr]bool)}
		b.addresses[at] = a
		b.order = append(b.order, a)
	}
	return a
}

// live keeps begin and end of a connection.
func (b *Book) live(a *address, c *decode.Connection, r *Reading) {
	if len(a.lives) == maxLives || b.kept == maxKept {
		b.Dropped++
		return
	}
	b.kept++
	l := life{stream: c.Stream, begin: c.First.Time, end: c.Last.Time, served: r.Served > 0 || r.Answer != nil}
	if c.End.Kind == reassembly.Closed || c.End.Kind == reassembly.Reset {
		l.end, l.byBroker = c.End.At.Time, c.End.By == reassembly.ToClient
	}
	if q := r.Refused; q != nil {
		l.end, l.byBroker, l.size = q.Closed.Time, true, q.Size
	}
	a.lives = append(a.lives, l)
}

// size returns the count of a size, nil when there are too many.
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

// apisOf10 is the number of APIs of Kafka 1.0, the first release with SaslHandshake v1
// (KIP-152): with it, a wrong password gets an answer.
const apisOf10 = 38

// maxAnswers bounds the different sizes of ApiVersions answers of an address.
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

// client counts a connection of a client.
func (b *Book) client(c *decode.Connection, r *Reading, h *tlsrecord.Hello) {
	library := LibraryOf(h)
	for _, p := range b.clients {
		if p.Address.Addr() == c.Client.Addr() && p.Library == library && p.ClientID == r.ClientID && p.Software == r.Software {
			p.Connections++
			if !slices.Contains(p.Brokers, c.Broker) && len(p.Brokers) < maxClients {
				p.Brokers = append(p.Brokers, c.Broker)
			}
			return
		}
	}
	if len(b.clients) == maxClients {
		b.Dropped++
		return
	}
	b.clients = append(b.clients, &Peer{
		Address: netip.AddrPortFrom(c.Client.Addr(), 0), Library: library, ClientID: r.ClientID, Software: r.Software,
		Answer: r.Answer, Connections: 1, Brokers: []netip.AddrPort{c.Broker},
	})
}

// Clients are the clients that look like clients of Kafka.
func (b *Book) Clients() []Peer {
	out := make([]Peer, 0, len(b.clients))
	for _, p := range b.clients {
		out = append(out, *p)
	}
	return out
}

// Broker is what is inferred of an address, nil where it does not look like a broker of Kafka.
func (b *Book) Broker(at netip.AddrPort) *Peer {
	a := b.addresses[at]
	if a == nil || !a.isKafka() {
		return nil
	}
	best := slices.MaxFunc(a.answers, func(x, y *counted) int { return cmp.Compare(x.n, y.n) })
	return &Peer{Address: at, Answer: &best.Answer, ClientID: -1, Software: -1, Connections: best.n}
}

// minByForm is how many connections need the same answer where it fits no known release.
const minByForm = 2

// isKafka reports whether an address looks like a broker of Kafka.
func (a *address) isKafka() bool {
	switch a.likeness {
	case NotKafka, ByPort:
		return false
	case ByForm:
		return slices.ContainsFunc(a.answers, func(k *counted) bool { return k.n >= minByForm })
	}
	return true
}

// Refusals concludes which requests were refused, by address and size in the order of appearance.
func (b *Book) Refusals() []Refusal {
	var all []Refusal
	for _, a := range b.order {
		if !a.isKafka() && a.likeness != ByPort {
			continue
		}
		slices.SortFunc(a.lives, func(x, y life) int { return cmp.Or(cmp.Compare(x.begin, y.begin), cmp.Compare(x.stream, y.stream)) })
		for size, s := range a.sizes {
			if r, ok := a.refusal(size, s); ok {
				all = append(all, r)
			}
		}
	}
	slices.SortFunc(all, func(x, y Refusal) int { return comparePositions(x.Cases[0].At, y.Cases[0].At) })
	return all
}

func comparePositions(x, y capture.Position) int {
	switch {
	case x.Before(y):
		return -1
	case y.Before(x):
		return 1
	}
	return 0
}

// refusal decides about the requests of one size.
func (a *address) refusal(size int, s *sizeCount) (r Refusal, ok bool) {
	if s.refused == 0 || size > maxRefused && size > a.largest {
		return r, false
	}
	r = Refusal{Broker: a.broker, Size: size, ServedLeast: -1}
	alive, served := false, false
	for i := range s.cases {
		c := &s.cases[i]
		if !a.counts(c) || a.stopped(c) {
			continue
		}
		alive = alive || a.goesOn(c)
		served = served || c.Served > 0 || c.Authentication == SASLDone || a.open
		r.Cases = append(r.Cases, *c)
		r.Slack = max(r.Slack, c.Slack)
		if r.ServedLeast < 0 {
			r.ServedLeast = c.Served
		}
		r.ServedLeast, r.ServedMost = min(r.ServedLeast, c.Served), max(r.ServedMost, c.Served)
		r.Longest = max(r.Longest, c.Delay)
		if c.Authentication == SASLDone || c.Authentication == SASLOpen {
			r.Authenticated++
		}
	}
	n := uint64(len(r.Cases))
	if a.likeness == ByPort && (n < fewRefusals || r.ServedMost == 0) {
		return r, false
	}
	if n == 0 || n < manyRefusals && !alive || n < fewRefusals && !served {
		return r, false
	}
	r.Refused = n
	if len(s.cases) == maxCases {
		r.Refused += s.refused - maxCases
	}
	r.Total = r.Refused + s.answered
	// A request of this size that was answered can be another one, but only now and then.
	if s.answered*answeredShare > r.Refused {
		return r, false
	}
	slices.SortFunc(r.Cases, func(x, y Case) int { return comparePositions(x.At, y.At) })
	return r, true
}

// answeredShare is how many refused requests it takes for each answered one of the same size.
const answeredShare = 4

// counts reports whether nothing but the request itself explains a refusal as far as its
// own connection and the address show.
func (a *address) counts(c *Case) bool {
	switch {
	case c.Served > 0:
		return true
	case c.Opening:
		// Perhaps a listener that wants SASL, a client certificate that was refused, or a
		// proxy without a broker behind it.
		return a.open && a.clients[c.Client.Addr()] && a.goesOn(c)
	case c.Authentication == SASLDone:
		return true
	case c.Authentication == SASLOpen:
		// Raw tokens (SaslHandshake v0) are refused by a close, too.
		return c.modern
	}
	// Or else the listener may want SASL.
	return a.open || (c.delayed || c.unnegotiated) && c.Delay < failedAuthentication
}

// stopped reports whether the broker ended another connection at the time of a refusal,
// one on which no request or an ordinary one waited: it was stopped or killed.
func (a *address) stopped(c *Case) bool {
	at := c.Closed.Time
	for i := range a.lives {
		l := &a.lives[i]
		if l.begin > at+int64(together) {
			break
		}
		if l.stream == c.Stream || !l.byBroker || abs(l.end-at) > int64(together) {
			continue
		}
		if s := a.sizes[l.size]; l.size == 0 || s != nil && s.answered > 0 {
			return true
		}
	}
	return false
}

// goesOn reports whether another connection shows that the broker was there after a refusal.
func (a *address) goesOn(c *Case) bool {
	at := c.Closed.Time
	for i := range a.lives {
		l := &a.lives[i]
		if l.begin > at+int64(stillThere) {
			break
		}
		if l.stream != c.Stream && l.served && l.end > at+int64(together) {
			return true
		}
	}
	return false
}

func abs(n int64) int64 { return max(n, -n) }
