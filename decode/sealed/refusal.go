package sealed

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly/tlsrecord"
)

const (
	// together is the time within which a broker that is stopped or killed ends its connections.
	together = 250 * time.Millisecond
	// aliveWithin is how soon after a refusal another connection proves that the broker runs. A
	// broker that restarts is away for longer. A broker that stops has ended all connections by
	// then. Clients reconnect within a second.
	aliveWithin = 2 * time.Second
	// shortestSession is the shortest SASL session (connections.max.reauth.ms). It has no default.
	// The documentation of brokers has minutes, tests have seconds.
	shortestSession = 4 * time.Second
	// manyRefusals is how many refusals are enough without a sign that the broker runs.
	manyRefusals = 3
	// fewRefusals is how many are needed if no other request was served, if the capture ends within
	// aliveWithin, or if the close came without a close_notify: it can be that of a load balancer.
	fewRefusals = 2
	// failedAuthentication is less than the delay before a broker since Kafka 2.1 closes after a
	// failed authentication, for example without SaslHandshake (KIP-306,
	// connection.failed.authentication.delay.ms: 100 ms).
	failedAuthentication = 80 * time.Millisecond
)

// Case is a request that looks refused.
type Case struct {
	Request
	Stream         uint32
	Client         netip.AddrPort
	TLS            *tlsrecord.Info
	Served         int
	Authentication Authentication
	// First: it was the first one of its connection. Unnegotiated: the broker refused the version
	// of the client's ApiVersions request, and the client continued without a retry.
	First, Unnegotiated bool
	// ClientID, Software and Opening are as in Client.
	ClientID, Software, Opening int

	modern    bool // its ApiVersions request and the broker's response are of Kafka 1.0 and later
	hasAnswer bool // an ApiVersions response is recognized, so what follows is read as the authentication
	begin     int64
	// midstream: the capture lacks the beginning of the connection.
	midstream bool
	displaced bool // as in Reading
	login     login
}

// Refusal is the conclusion that the broker refused requests of one size.
type Refusal struct {
	Size, Slack int
	// Refused of Total connections or requests of this size were closed without a response.
	Refused, Total uint64
	// Cases are up to maxCases of the refused ones, in the order of the input.
	Cases []Case
	// ServedLeast and ServedMost are how many earlier requests on these connections got a
	// response.
	ServedLeast, ServedMost int
	// Longest is the longest time from a request to the close.
	Longest time.Duration
	// Authenticated counts those of the connections that used SASL.
	Authenticated int
	// Alive: another connection shows that the broker ran after a refusal. Open: it served requests
	// without SASL. Delaying: its release closes late after a failed authentication. ByPort: only
	// its port is a sign of Kafka.
	Alive, Open, Delaying, ByPort bool
	// Torn counts further connections to the broker with missing bytes. They prove nothing.
	Torn int
}

// openingRoom is how many bytes the ApiVersions requests of one client may differ: its client ids
// differ.
const openingRoom = 64

// Refusal reports whether requests of one size to an address were refused.
func (b *Book) Refusal(at decode.Endpoint, size int) (Refusal, bool) {
	if a := b.addresses[at]; a != nil && a.sizes[size] != nil {
		return b.refusal(a, size, a.sizes[size])
	}
	return Refusal{}, false
}

// Unexplained returns how many connections of an address the broker closed on a request, sooner
// than after a failed authentication, if Refusal explains none of them and they are more than half
// of the connections.
func (b *Book) Unexplained(at decode.Endpoint) (n int) {
	a := b.addresses[at]
	if a == nil {
		return 0
	}
	for _, s := range a.sizes {
		if _, ok := b.refusal(a, 0, s); ok {
			return 0
		}
		for i := range s.cases {
			if c := &s.cases[i]; c.Delay < failedAuthentication && !c.Paused && !c.midstream {
				n++
			}
		}
	}
	if n < manyRefusals || 2*n <= len(a.lives) {
		return 0
	}
	return n
}

// refusal decides whether requests of one size were refused.
func (b *Book) refusal(a *address, size int, s *sizeCount) (r Refusal, ok bool) {
	r = Refusal{Size: size, ServedLeast: -1, Torn: a.torn, Open: a.open, Delaying: b.isDelaying(a), ByPort: !a.isKafka()}
	if s.refused == 0 || s.ignored || r.ByPort && (a.likeness == NotKafka || !decode.IsKafkaPort(a.broker.Addr.Port())) {
		return r, false
	}
	early := 0
	for i := range s.cases {
		if s.cases[i].Delay < failedAuthentication {
			early++
		}
	}
	// isDue: no stop of the broker explains the close either.
	isDue := func(c *Case, again bool) bool {
		return b.counts(a, c, again, 2*early > len(s.cases)) && !a.stopped(c) && (a.isRunningAfter(c, false) || !b.isDown(a.broker, c.Closed.Time))
	}
	prompt := slices.ContainsFunc(s.cases, func(c Case) bool { return isDue(&c, false) })
	served := false
	for i := range s.cases {
		c := &s.cases[i]
		if !prompt || !isDue(c, true) {
			continue
		}
		r.Alive = r.Alive || a.isRunningAfter(c, false)
		served = served || c.Served > 0 || c.Authentication == SASLDone || a.open
		r.add(c)
	}
	n := moments(r.Cases)
	if r.ByPort && (n < fewRefusals || !served) {
		return r, false
	}
	if (n == 1 || !a.open) && !slices.ContainsFunc(r.Cases, func(c Case) bool { return !c.isExpiryPossible() }) {
		return r, false
	}
	if n == 0 || n < manyRefusals && !r.Alive || n < fewRefusals && !(served && a.isRunningAfter(&r.Cases[0], true) && r.Cases[0].Notified) {
		return r, false
	}
	r.Refused = uint64(len(r.Cases))
	if len(s.cases) == maxCases {
		r.Refused += s.refused - maxCases
	}
	slices.SortFunc(r.Cases, func(x, y Case) int { return cmp.Or(x.At.Compare(y.At), cmp.Compare(x.Stream, y.Stream)) })
	answered := s.answered
	if n >= manyRefusals && a.replaced(s.latest, r.Cases[0].At.Time) {
		answered = 0 // from another release
	}
	r.Total = r.Refused + answered
	// An answered request of this size can be another one, but only rarely.
	return r, answered*answeredShare <= r.Refused
}

func (r *Refusal) add(c *Case) {
	r.Cases = append(r.Cases, *c)
	r.Slack, r.Longest = max(r.Slack, c.Slack), max(r.Longest, c.Delay)
	if r.ServedLeast < 0 {
		r.ServedLeast = c.Served
	}
	r.ServedLeast, r.ServedMost = min(r.ServedLeast, c.Served), max(r.ServedMost, c.Served)
	if c.Authentication == SASLDone || c.Authentication == SASLOpen {
		r.Authenticated++
	}
}

// moments counts refusals. A broker that is killed ends its connections together: these count once.
func moments(cases []Case) (n int) {
	ends := slices.SortedFunc(slices.Values(cases), func(x, y Case) int { return cmp.Compare(x.Closed.Time, y.Closed.Time) })
	var last int64
	for i := range ends {
		if c := &ends[i]; n == 0 || c.begin > last || c.Closed.Time-last > int64(together) {
			n++
			last = c.Closed.Time
		}
	}
	return n
}

// replaced reports whether another release may have replaced the broker between two moments: no
// connection that began before from was open after to.
func (a *address) replaced(from, to int64) bool {
	return !slices.ContainsFunc(a.lives, func(l life) bool { return l.begin <= from && l.end > to })
}

// isExpiryPossible reports whether the SASL session of a refused request may have expired. The
// broker then closes on the next request, whatever it is (KIP-368).
func (c *Case) isExpiryPossible() bool {
	return c.midstream || c.Authentication != NoSASL && c.At.Time-c.begin >= int64(shortestSession)
}

// maxBeginning bounds the exchanges before the first ordinary request: ApiVersions, its retry,
// SaslHandshake and tokens. In a connection joined midstream, they look like others.
const maxBeginning = 3 + maxTokens

// beforeRefusal is how many responses precede a refused token: the one to SaslHandshake, and the
// challenge of SCRAM.
const beforeRefusal = 2

// answeredShare is how many refused requests there must be for each answered one of the same size.
const answeredShare = 4

// counts reports whether only the request itself explains a refusal, by its connection and the
// address. again: another case of the same size counts. soon: most cases of that size were closed
// sooner than after a failed authentication.
func (b *Book) counts(a *address, c *Case, again, soon bool) bool {
	// Otherwise the listener may require SASL.
	noSASL := a.open || b.isDelaying(a) && soon
	switch {
	case (c.Slow || c.Paused) && !again:
		return false
	case c.midstream:
		return c.Served > maxBeginning
	case (c.Authentication == MaybeSASL || c.displaced) && !c.hasAnswer && c.Served <= beforeRefusal:
		// The responses may be those to SaslHandshake and tokens, and the request a token. If
		// packets are lost, they may also be those to ApiVersions.
		return a.open || !c.displaced && (noSASL || b.framed[c.login])
	case c.Served > 0:
		return true
	case c.First:
		// Other explanations are a listener that requires SASL, a refused client certificate, a
		// limit on connections, or a proxy without a broker. If the client begins with ApiVersions
		// elsewhere, a request of about that size is ApiVersions. In TLS 1.2, a client certificate is
		// refused before the handshake ends.
		k := a.clients[c.Client.Addr()]
		if k == nil || k.opening > 0 && c.Size <= k.opening+openingRoom {
			return false
		}
		return noSASL && (k.served || c.TLS.Version == "TLS 1.2") && a.sizes[c.Size].answered == 0 && a.isRunningAfter(c, false) && !a.isCrowded(c)
	case c.Authentication == SASLDone:
		return true
	case c.Authentication == SASLOpen:
		// Brokers also refuse raw tokens (SaslHandshake v0) by a close.
		return c.modern
	}
	return noSASL || c.Unnegotiated && soon
}

// isDelaying reports whether the broker closes late after a failed authentication, by the releases
// that its ApiVersions responses fit, or without any by the release that the user names.
func (b *Book) isDelaying(a *address) bool {
	if len(a.answers) == 0 {
		return b.delaying
	}
	return !slices.ContainsFunc(a.answers, func(k *counted) bool { return !k.since22() })
}

// fetchOf21 is the max version of Fetch in Kafka 2.1.
const fetchOf21 = 10

// Supply sets the ranges of brokers whose ApiVersions responses are not in the input.
func (b *Book) Supply(r *decode.Ranges) {
	fetch, _ := r.Find(fetchKey)
	b.delaying = fetch.Max >= fetchOf21
}

// stopped reports whether the broker ended another connection at the time of a refusal, while no
// request or an ordinary one waited on it. Then the broker was stopped or killed.
func (a *address) stopped(c *Case) bool {
	at := c.Closed.Time
	for i := range a.lives {
		l := &a.lives[i]
		if l.stream == c.Stream || !l.byBroker || abs(l.end-at) > int64(together) {
			continue
		}
		if s := a.sizes[l.size]; l.size == 0 || s != nil && s.answered > 0 {
			return true
		}
	}
	return false
}

// isRunningAfter reports whether another connection proves that the broker ran after a refusal. It
// began afterwards, or it lasted longer than aliveWithin. If isLasting, it must also have begun
// before: a proxy that restarts is back sooner.
func (a *address) isRunningAfter(c *Case, isLasting bool) bool {
	at := c.Closed.Time
	back := at + int64(aliveWithin)
	return slices.ContainsFunc(a.lives, func(l life) bool {
		switch {
		case l.stream == c.Stream || !l.served || l.begin > back:
			return false
		case isLasting:
			return l.begin < at && l.end > back
		}
		return l.end > back || l.begin > at
	})
}

// isCrowded reports whether a limit on connections explains a refusal. The broker must also have
// ended connections that began with another request or none. And it must have served none that
// began while as many others were open.
func (a *address) isCrowded(c *Case) bool {
	crowd, other := a.openAt(c.begin), false
	for i := range a.lives {
		l := &a.lives[i]
		if l.served && l.stream != c.Stream && a.openAt(l.begin) >= crowd {
			return false
		}
		other = other || !l.served && l.byBroker && l.size != c.Size
	}
	return other
}

// openAt counts the served connections that were open at a time.
func (a *address) openAt(at int64) (n int) {
	for i := range a.lives {
		if l := &a.lives[i]; l.served && l.begin < at && l.end >= at {
			n++
		}
	}
	return n
}

func abs(n int64) int64 { return max(n, -n) }
