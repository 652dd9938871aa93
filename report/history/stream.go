package history

import (
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
)

// Keys of the APIs with a special meaning here.
const (
	keyProduce          = 0
	keyFetch            = 1
	keyMetadata         = 3
	keyFindCoordinator  = 10
	keyJoinGroup        = 11
	keySyncGroup        = 14
	keyDescribeGroups   = 15
	keySaslHandshake    = 17
	keyApiVersions      = 18
	keySaslAuthenticate = 36
)

// IsPreface reports whether a client uses an API before its work, to find its way. Answers do not
// prove that the broker has all APIs that the client needs. kafka-clients 0.10.2 sends the
// JoinGroup that Kafka 4.0.0 refuses only when it has found the coordinator.
func IsPreface(key int16) bool {
	switch key {
	case keyMetadata, keyFindCoordinator, keySaslHandshake, keyApiVersions, keySaslAuthenticate:
		return true
	}
	return false
}

// noStage is the stage of a connection whose last answer was an error.
const noStage = -1

// Challenged is the stage of a connection whose last answer was the first one to SaslAuthenticate,
// and had a token. The client must send another token. OAUTHBEARER refuses with such a token (RFC
// 7628 3.2.2).
const Challenged = -2

// Unreadable is the stage of a connection whose last answer was the one to ApiVersions, in another
// layout than that of the request's version.
const Unreadable = -3

// stream has the history of one connection.
type stream struct {
	id     uint32
	at     decode.Endpoint
	client *client
	// first is the first request. worked is the latest answered request except ApiVersions and
	// SASL, at the time of its answer.
	first, worked capture.Position
	// began is the time of the first answer that counts for worked, in nanoseconds.
	began int64
	// answered is the latest answer of any kind.
	answered capture.Position
	// hasWorked: a request other than IsPreface was answered.
	hasWorked bool
	// stage is the API that was answered last, noStage if the answer was an error, Challenged, or
	// Unreadable.
	stage int16
	// advertised is the latest ApiVersions answer.
	advertised capture.Position
	// authenticated is the latest answered SASL request. hasSASL says that there was one. tokened
	// is the latest answered SaslAuthenticate.
	authenticated, tokened capture.Position
	hasSASL                bool
	// handshakeV0: the latest answered SaslHandshake was v0. Tokens without a header follow it.
	handshakeV0 bool
	// isOpen: address.open has an answer of this connection, and address.openers counts it.
	isOpen bool
	// lifetime is the lifetime of the latest session; 0 if unknown. outlived: a request was answered
	// after its end.
	lifetime time.Duration
	outlived bool
	// culprit is the first request that the broker did not serve.
	culprit *Suspect
	// offended: an unanswered request has a version that is known to be refused. offense is that of
	// one outside the range of its own connection.
	offended bool
	offense  version
	// The following fields are set when the connection is over.
	ended     capture.Position
	endedBy   reassembly.Direction
	missing   uint64
	midstream bool
	// foreign: the broker's side spoke another protocol.
	foreign bool
	// begun: the last bytes of the broker's side are the beginning of an answer. sentMore: it sent
	// bytes after its last answer, which may be tokens.
	begun, sentMore bool
	// preface is what a proxy or its client sent first. inClear: the requests were not inside TLS.
	preface reassembly.PrefaceKind
	inClear bool
	// isNeeded: a suspect, a sample or an end refers to it.
	isNeeded bool
}

// stream returns the history of a connection. It creates it if necessary.
func (b *Book) stream(id uint32) *stream {
	if known := b.streams[id]; known != nil {
		return known
	}
	if len(b.streams) >= maxStreams {
		b.limits.Streams++
		b.evict()
	}
	var s *stream
	if n := len(b.spare); n > 0 {
		s, b.spare = b.spare[n-1], b.spare[:n-1]
	} else {
		s = new(stream)
	}
	*s = stream{id: id}
	b.streams[id] = s
	return s
}

// evict evicts the connections that no suspect needs.
func (b *Book) evict() {
	for id, s := range b.streams {
		if !s.isNeeded {
			delete(b.streams, id)
			b.spare = append(b.spare, s)
		}
	}
	if len(b.streams) >= maxStreams {
		clear(b.streams)
	}
	b.past = b.past[:0]
}

// end records that a connection is over. Of those that are not needed, the latest maxPast are
// kept, because their requests may still wait for a range.
func (b *Book) end(s *stream) {
	if len(b.past) < maxPast {
		b.past = append(b.past, s)
		return
	}
	o := b.past[b.nextPast]
	b.past[b.nextPast] = s
	b.nextPast = (b.nextPast + 1) % maxPast
	if !o.isNeeded && o != s {
		delete(b.streams, o.id)
		b.spare = append(b.spare, o)
	}
}

// request records a request with any outcome.
func (s *stream) request(b *Book, x *decode.Exchange) {
	if s.client == nil {
		s.at, s.client = x.Endpoint(), b.client(x)
	}
	if s.first.Time == 0 || x.Request.Before(s.first) {
		s.first = x.Request
	}
	if x.Key == keyApiVersions && (s.client.lowest < 0 || x.Version < s.client.lowest) {
		s.client.lowest = x.Version
	}
}

// replied records an answer of any kind.
func (s *stream) replied(a *address, x *decode.Exchange, at capture.Position) {
	s.client.answered(a, version{x.Key, x.Version}, at)
	if s.answered.Time == 0 && x.Asked != decode.MaybeAsked {
		a.opened.add(at, 0, maxAlive)
	}
	if at.Time > s.answered.Time {
		s.answered = at
	}
}

// answer records an answer without error 35.
func (s *stream) answer(a *address, x *decode.Exchange, at capture.Position) {
	if at.Time >= s.answered.Time {
		switch {
		case x.ErrorCode != 0:
			s.stage = noStage
		case x.Misshapen:
			s.stage = Unreadable
		case x.Challenge && s.stage == keySaslHandshake:
			s.stage = Challenged
		default:
			s.stage = x.Key
		}
	}
	switch x.Key {
	case keyApiVersions:
		s.advertised = at
		if x.ErrorCode == 0 {
			s.client.fallBack(x, at)
		}
		return
	case keySaslHandshake, keySaslAuthenticate:
		s.authenticate(a, x, at)
		return
	}
	if at.Time > s.worked.Time {
		s.worked = at
	}
	if s.began == 0 {
		s.began = at.Time
	}
	s.hasWorked = s.hasWorked || !IsPreface(x.Key)
	if !s.hasSASL && x.Asked != decode.MaybeAsked {
		a.open.extend(at)
		if !s.isOpen {
			s.isOpen = true
			a.openers++
		}
	}
	if s.hasSASL && !s.isRenewed() && s.lifetime == 0 {
		a.sessionAge = max(a.sessionAge, x.Request.Time-s.authenticated.Time)
	}
	s.outlived = s.outlived || s.lifetime > 0 && x.Request.Time-s.authenticated.Time >= int64(s.lifetime)
	s.client.served(x, at)
}

// authenticate records an answer of the authentication.
func (s *stream) authenticate(a *address, x *decode.Exchange, at capture.Position) {
	if x.ErrorCode != 0 {
		return
	}
	s.hasSASL = true
	if s.isOpen { // the answer to its authentication had waited for a range
		s.isOpen = false
		if a.openers--; a.openers == 0 {
			a.open = span{}
		}
	}
	if at.Time > s.authenticated.Time {
		s.authenticated = at
		s.lifetime = x.SessionLifetime
		a.hasLimit = a.hasLimit || s.lifetime > 0
	}
	if x.Key == keySaslHandshake {
		a.handshake.extend(at)
		s.handshakeV0 = x.Version == 0
	} else if at.Time > s.tokened.Time {
		s.tokened = at
	}
}

// isRenewed reports whether a connection authenticated again after it had worked. Exchanges are
// not in the order of time: some wait for a range.
func (s *stream) isRenewed() bool { return s.authenticated.Time > s.began }

// offend records a request that others report, and after which the broker ended the connection.
func (s *stream) offend(x *decode.Exchange) {
	if endedByBroker(x) || x.Outcome == decode.Left {
		_, phantom := PhantomMin(x)
		if s.offended = s.offended || x.Verdict.IsOutside() || phantom; x.Verdict.IsOutside() {
			s.offense = version{x.Key, x.Version}
		}
	}
}

// over records how the connection ended.
func (s *stream) over(c *decode.Connection) {
	s.midstream, s.missing = c.Midstream, c.Odd().Missing
	s.begun, s.inClear, s.foreign = hasBegunAnswer(c), c.TLS == nil, isForeign(c)
	s.sentMore = c.LastAnswer.Before(c.LastData[reassembly.ToClient])
	if prefaces := c.Odd().Prefaces; len(prefaces) > 0 {
		s.preface = prefaces[len(prefaces)-1].Kind
	}
	if c.End.Kind == reassembly.Closed || c.End.Kind == reassembly.Reset {
		s.ended, s.endedBy = c.End.At, c.End.By
	}
}

// isForeign reports whether the broker's side spoke another protocol than Kafka and TLS.
func isForeign(c *decode.Connection) bool {
	return c.Odd().Spoke != "" && c.Odd().Spoke != reassembly.SpokeTLS
}

// hasBegunAnswer reports whether an answer of the broker began on c and did not come to its end.
// Tokens of SaslHandshake v0 are no answers. Bytes of TLS may be no data.
func hasBegunAnswer(c *decode.Connection) bool {
	return c.TLS == nil && !c.Midstream && c.Odd().Missing == 0 && c.Mechanism == "" && c.Odd().Spoke == "" && c.LastAnswer.Before(c.LastData[reassembly.ToClient])
}

// clientKey identifies a client: a client id at an address in a network.
type clientKey struct {
	id     string
	addr   netip.Addr
	domain uint64
}

// client has the history of a client at all brokers.
type client struct {
	// work are the periods in which a broker answered requests other than IsPreface. found are
	// the periods in which one answered Metadata.
	work, found spans
	// lowest is the lowest version of ApiVersions that it sent; -1 for none.
	lowest int16
	// open are the requests refused with error 35 that may be the beginning of a fallback.
	open []*Suspect
	// joins: it looked for the coordinator of a group or a transaction.
	joins bool
	// answers are the versions that brokers answered to it. isFull: there were more.
	answers []answerTo
	isFull  bool
}

// answerTo are the times of the first and of the latest answer of an address to a version of a
// client.
type answerTo struct {
	from *address
	version
	first  int64
	latest capture.Position
}

// answered records an answer to the client.
func (c *client) answered(from *address, v version, at capture.Position) {
	for i := range c.answers {
		if a := &c.answers[i]; a.from == from && a.version == v {
			if a.first = min(a.first, at.Time); a.latest.Before(at) {
				a.latest = at
			}
			return
		}
	}
	if len(c.answers) == maxClientAnswers {
		c.isFull = true
		return
	}
	c.answers = append(c.answers, answerTo{from, v, at.Time, at})
}

// client returns the history of the client of x. It creates it if necessary.
func (b *Book) client(x *decode.Exchange) *client {
	key := clientKey{x.ClientID, x.Client.Addr(), x.Domain}
	c := b.clients[key]
	if c == nil {
		if len(b.clients) >= maxClients {
			b.limits.Clients++
			clear(b.clients)
		}
		c = &client{lowest: -1}
		b.clients[key] = c
	}
	return c
}

// served records an answer to a request of a client.
func (c *client) served(x *decode.Exchange, at capture.Position) {
	c.joins = c.joins || x.Key == keyFindCoordinator
	switch {
	case !IsPreface(x.Key):
		c.work.add(at, answerJoin, maxClientSpans)
	case x.Key == keyMetadata:
		c.found.add(at, answerJoin, maxClientSpans)
	}
	c.fallBack(x, at)
}

// fallBack marks the refusals after which the client continued with x. at is the answer to x,
// which the capture may lack.
func (c *client) fallBack(x *decode.Exchange, at capture.Position) {
	for _, s := range c.open {
		r := &s.Exchange
		if s.Instead.Time > 0 || r.Decided.Time > x.Request.Time || x.Request.Time-r.Decided.Time > fallbackWindow {
			continue
		}
		switch isAnswered := x.Outcome == decode.Answered; {
		case !isFallback(version{r.Key, r.Version}, version{x.Key, x.Version}):
			if isAnswered && x.Stream == r.Stream && s.next.Time == 0 {
				s.next = at
			}
		case isAnswered:
			s.Instead, s.InsteadKey, s.InsteadVersion = at, x.Key, x.Version
		default:
			s.insteadUnseen = true
		}
	}
}

// After returns the suspects, refused with error 35, after which x shows what the client did: x was
// sent in their place, or next on their connection.
func (b *Book) After(x *decode.Exchange) []*Suspect {
	c := b.clients[clientKey{x.ClientID, x.Client.Addr(), x.Domain}]
	if c == nil || len(c.open) == 0 || x.Outcome != decode.Answered {
		return nil
	}
	var refused []*Suspect
	for _, s := range c.open {
		if s.Instead == x.Decided || s.next == x.Decided {
			refused = append(refused, s)
		}
	}
	return refused
}

// continued marks a refusal if the client already continued. The exchanges of a connection that was
// joined in the middle come late.
func (c *client) continued(k *Suspect) {
	x := &k.Exchange
	for i := range c.answers {
		a := &c.answers[i]
		if n := a.latest.Time - x.Decided.Time; 0 < n && n <= fallbackWindow && isFallback(version{x.Key, x.Version}, a.version) {
			k.Instead, k.InsteadKey, k.InsteadVersion = a.latest, a.key, a.version.version
			return
		}
	}
}

// fallbacks are the APIs that clients use in place of one refused with error 35, by its key. nil is
// any work.
//
//	ConsumerGroupHeartbeat (68), ShareGroupHeartbeat (76), StreamsGroupHeartbeat (88): JoinGroup; KIP-848
//	ConsumerGroupDescribe (69): DescribeGroups; kafka-clients, Admin.describeConsumerGroups
//	UpdateRaftVoter (82): Fetch; controllers during an upgrade from 3.9
//	DescribeTopicPartitions (75), DescribeCluster (60): Metadata; kafka-clients, Admin
//	IncrementalAlterConfigs (44): AlterConfigs; kafka-clients
//	ListConfigResources (74): DescribeConfigs; KIP-1142
//	GetTelemetrySubscriptions (71), PushTelemetry (72): any work; no client needs them (KIP-714)
//	InitProducerId (22): Produce; a transactional producer does not send it then
var fallbacks = map[int16][]int16{
	68: {keyJoinGroup}, 76: {keyJoinGroup}, 88: {keyJoinGroup},
	69: {keyDescribeGroups}, 82: {keyFetch, 52, 53, 54, 59}, 75: {keyMetadata}, 60: {keyMetadata}, 44: {33}, 74: {32},
	71: nil, 72: nil, 22: {keyProduce},
}

// isFallback reports whether a client that was refused r sent x in its place.
func isFallback(r, x version) bool {
	if r.key == keyApiVersions {
		return x.key == r.key && x.version < r.version
	}
	instead, known := fallbacks[r.key]
	switch {
	case x.key == r.key:
		return x.version != r.version
	case known && instead == nil:
		return x.key != keyApiVersions && x.key != keySaslHandshake && x.key != keySaslAuthenticate
	}
	return slices.Contains(instead, x.key)
}

// Served reports whether any broker served a client between two times.
func (b *Book) Served(id string, addr netip.Addr, domain uint64, from, to int64) bool {
	c := b.clients[clientKey{id, addr, domain}]
	if c == nil {
		return false
	}
	_, ok := c.work.within(from, to)
	return ok
}

// StoppedBy reports whether a client was served before a time, and never since then.
func (b *Book) StoppedBy(id string, addr netip.Addr, domain uint64, moment int64) bool {
	return b.Served(id, addr, domain, math.MinInt64, moment) && !b.Served(id, addr, domain, moment, math.MaxInt64)
}

// TableSince returns when an address began to advertise the table of a time; the lowest time if it
// has advertised no other one, or if an earlier one came back.
func (b *Book) TableSince(at decode.Endpoint, moment int64) int64 {
	since := int64(math.MinInt64)
	if a := b.addresses[at]; a != nil && a.comesBack() == 0 {
		for i := 1; i < len(a.adverts) && a.adverts[i].from.Time <= moment; i++ {
			since = a.adverts[i].from.Time
		}
	}
	return since
}

// Found reports whether any broker answered Metadata to a client between two times, and the client
// looks for no coordinator. Such a client may need nothing else.
func (b *Book) Found(id string, addr netip.Addr, domain uint64, from, to int64) bool {
	c := b.clients[clientKey{id, addr, domain}]
	if c == nil || c.joins {
		return false
	}
	_, ok := c.found.within(from, to)
	return ok
}

// AskedMore reports whether any broker answered a client more than ApiVersions.
func (b *Book) AskedMore(id string, addr netip.Addr, domain uint64) bool {
	c := b.clients[clientKey{id, addr, domain}]
	return c != nil && slices.ContainsFunc(c.answers, func(a answerTo) bool { return a.key != keyApiVersions })
}

// Suspected reports whether an address did not serve a request of a client since a time, which
// prevents its work.
func (b *Book) Suspected(id string, addr netip.Addr, at decode.Endpoint, since int64) bool {
	for _, k := range b.suspects {
		x := &k.Exchange
		if x.Request.Time >= since && x.Outcome != decode.Error && x.ClientID == id && x.Client.Addr() == addr && x.Broker == at.Addr && x.Domain == at.Domain {
			return true
		}
	}
	return false
}

// Stage returns the API that was answered last on a connection, or Challenged. worked says that a
// request other than IsPreface was answered, or a request was not served.
func (b *Book) Stage(id uint32) (key int16, worked bool) {
	s := b.streams[id]
	if s == nil {
		return 0, true
	}
	return s.stage, s.hasWorked || s.culprit != nil
}
