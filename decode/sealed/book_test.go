package sealed

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
	"github.com/kafkavet/kafkavet/reassembly/tlsrecord"
)

// play is a scripted connection. say are requests and responses by their sizes, negative for
// responses, one millisecond apart.
type play struct {
	at    time.Duration // of its first packet
	say   []int
	pause map[int]time.Duration // before the message of that index
	end   reassembly.EndKind
	by    reassembly.Direction
	delay time.Duration // between the last message and the end
	quiet bool          // no close_notify
	late  bool          // the same, and the other side then sends one
	tls13 bool
	from  string // client
	to    string // broker
	hello *tlsrecord.Hello
	tls   string // version
	mid   bool   // joined midstream
	lost  bool   // an exchange after ApiVersions is missing
	// overrun: the side that closed then sent a RST.
	overrun bool
	// crossed: the client's close_notify comes before the broker's FIN.
	crossed bool
}

// Sizes of messages of librdkafka and Kafka 2.1.1, and of others.
const (
	versions3, versions0   = 48, 21 // ApiVersions requests of client id "rdkafka"
	refusal, table21       = -14, -272
	table26                = -366
	table39                = -380 // v0
	handshakePlain, tokens = 28, 45
	metadata, metadataSays = 30, -157
	fetch                  = 92
	join                   = 140
)

// negotiated begins as librdkafka does with a broker before 2.4.
func negotiated(more ...int) []int {
	return append([]int{versions3, refusal, versions0, table21}, more...)
}

const clientHost = "10.0.0.9"

func (p *play) connection(stream uint32) *decode.Connection {
	w := wrappings[0]
	if p.tls13 {
		w = wrappings[6]
		w.tickets = 0
	}
	o := tlsrecord.NewOutline(false)
	wr := writer{w, o}
	start := time.Unix(1_700_000_000, 0).UnixNano()
	now := start + int64(p.at)
	position := func() capture.Position {
		now += int64(time.Millisecond)
		return capture.Position{Frame: uint64((now - start) / int64(time.Millisecond)), Time: now}
	}
	c := &reassembly.Connection{
		Stream: stream, Seen: [2]bool{true, true}, Protocol: reassembly.TLS, Outline: o,
		TLS: &tlsrecord.Info{Hello: p.hello, Version: p.tls}, First: position(),
		Client: netip.MustParseAddrPort(clientHost + ":40000"), Broker: netip.MustParseAddrPort("10.0.0.1:9093"),
	}
	if p.from != "" {
		c.Client = netip.MustParseAddrPort(p.from + ":40000")
	}
	if p.to != "" {
		c.Broker = netip.MustParseAddrPort(p.to)
	}
	c.Midstream = p.mid
	if !p.mid {
		wr.handshake(position())
	}
	for i, size := range p.say {
		now += int64(p.pause[i])
		at := position()
		if p.lost && i == 4 {
			o.Gap(true, 100, at)
			o.Gap(false, 100, at)
		}
		for _, n := range inOne(size > 0, max(size, -size)) {
			wr.record(23, size > 0, w.content(size > 0, n), at)
		}
	}
	c.Last = capture.Position{Frame: uint64((now - start) / int64(time.Millisecond)), Time: now}
	if p.end == reassembly.Cut {
		return &decode.Connection{Connection: c}
	}
	now += int64(p.delay)
	if p.crossed {
		c.LastData[reassembly.ToBroker] = position()
	}
	c.End = reassembly.End{Kind: p.end, By: p.by, At: position()}
	c.Last = c.End.At
	c.End.Overrun = p.overrun
	if p.late {
		at := position()
		wr.record(21, p.by == reassembly.ToClient, 26, at)
		c.LastData[p.by.Reverse()] = at
	} else if !p.quiet {
		if p.tls13 {
			wr.record(23, p.by == reassembly.ToBroker, 2+17, c.End.At)
		} else {
			wr.record(21, p.by == reassembly.ToBroker, 26, c.End.At)
		}
	}
	return &decode.Connection{Connection: c}
}

// closed returns a connection that the broker closes.
func closed(at time.Duration, say ...int) play {
	return play{at: at, say: say, end: reassembly.Closed, by: reassembly.ToClient}
}

// left returns a connection that the client closes.
func left(at time.Duration, say ...int) play {
	return play{at: at, say: say, end: reassembly.Closed, by: reassembly.ToBroker}
}

// open returns a connection that is open at the end of the capture.
func open(at, long time.Duration, say ...int) play {
	return play{at: at, say: append(slices.Clip(say), metadata, metadataSays), pause: map[int]time.Duration{len(say): long}}
}

// times repeats a connection every second.
func times(n int, p play) (all []play) {
	for i := range n {
		q := p
		q.at += time.Duration(i) * time.Second
		all = append(all, q)
	}
	return all
}

func with(p play, change func(*play)) play {
	change(&p)
	return p
}

func plays(parts ...any) (all []play) {
	for _, p := range parts {
		switch p := p.(type) {
		case play:
			all = append(all, p)
		case []play:
			all = append(all, p...)
		}
	}
	return all
}

// neverDown is isDown for a broker that nothing is known about.
func neverDown(decode.Endpoint, int64) bool { return false }

// TestRefusals: which requests are reported as refused, and which are not.
func TestRefusals(t *testing.T) {
	served := slices.Clip(negotiated(metadata, metadataSays))
	refused := closed(0, negotiated(metadata, metadataSays, fetch)...)
	bare := closed(0, negotiated(fetch)...)
	witness := open(0, time.Minute, served...)
	authenticated := slices.Clip(negotiated(handshakePlain, -21, tokens, -16, metadata, metadataSays))
	asking := open(0, time.Minute, metadata, metadataSays, metadata, metadataSays) // without ApiVersions
	noVersions := []int{metadata, metadataSays, metadata, metadataSays, metadata, metadataSays}
	long := slices.Clip(served)
	for range maxBeginning {
		long = append(long, metadata, metadataSays)
	}
	joined := with(closed(0, append(long, fetch)...), func(p *play) { p.mid = true })
	crowd := plays(asking, times(3, closed(time.Second, fetch)), closed(5*time.Second, join))
	late := with(closed(0, append(authenticated, fetch)...), func(p *play) { p.pause = map[int]time.Duration{8: 3 * time.Second, 10: 3 * time.Second} })
	forgotten := with(refused, func(p *play) {
		p.quiet, p.end, p.pause = true, reassembly.Reset, map[int]time.Duration{6: 5 * time.Second}
	})
	answering := slices.Clip(append(slices.Clone(served), fetch, -500))
	modern := open(0, time.Minute, versions3, table26, handshakePlain, -21, tokens, -16, metadata, metadataSays)
	elsewhere := func(answer int) play {
		return with(left(0, handshakePlain, -21, tokens, answer, metadata, metadataSays), func(p *play) { p.to = "10.0.0.2:9093" })
	}
	alpn := &tlsrecord.Hello{ALPN: "http/1.1"}
	tickets := &tlsrecord.Hello{Extensions: []uint16{extPSKModes}}
	for _, c := range []struct {
		name  string
		plays []play
		want  []string // "size refused/total"
	}{
		{"a broker that is killed: long polls of one size end with it", plays(left(0, served...), refused, refused, refused, refused), nil},
		{"the same size, each on a connection that began after the close before", plays(open(0, time.Minute, served...), refused,
			with(refused, func(p *play) { p.at = 20 * time.Millisecond }), with(refused, func(p *play) { p.at = 40 * time.Millisecond })), []string{"92 3/3"}},
		{"the seed's bug", plays(witness, times(5, bare)), []string{"92 5/5"}},
		{"a connection without SASL was served once", plays(left(0, served...), times(5, bare)), []string{"92 5/5"}},
		{"once, and the broker goes on", plays(witness, refused), []string{"92 1/1"}},
		{"once, and nothing shows that the broker goes on", plays(refused), nil},
		{"twice, each shows that the broker was there after the other", plays(times(2, refused)), []string{"92 2/2"}},
		{"behind SASL", plays(times(3, closed(0, append(authenticated, fetch)...))), []string{"92 3/3"}},
		{"behind SASL, the first request", plays(times(3, closed(0, negotiated(handshakePlain, -21, tokens, -16, fetch)...))), []string{"92 3/3"}},
		{"two sizes", plays(witness, refused, with(refused, func(p *play) { p.at = time.Second; p.say = append(served, join) })), []string{"92 1/1", "140 1/1"}},
		{"by a reset", plays(witness, times(3, with(bare, func(p *play) { p.end, p.quiet = reassembly.Reset, true }))), []string{"92 3/3"}},
		{"TLS 1.3", plays(witness, times(3, with(bare, func(p *play) { p.tls13 = true }))), []string{"92 3/3"}},
		{"behind an answer that came late", plays(witness, times(3, closed(0, append(served, metadata, fetch, metadataSays)...))), []string{"92 3/3"}},
		{"with another one behind it", plays(witness, times(3, closed(0, append(served, fetch, metadata)...))), []string{"92 3/3"}},
		{"the first of its connection, where others are served", plays(asking, times(3, closed(0, fetch))), []string{"92 3/3"}},
		{"behind ApiVersions, by a broker that delays a failed authentication",
			plays(times(3, closed(0, versions3, table26, fetch))), []string{"92 3/3"}},
		{"ApiVersions refused, and the client goes on", plays(times(3, closed(0, versions3, refusal, 26))), []string{"26 3/3"}},
		{"without ApiVersions, on a port of Kafka", plays(times(3, closed(0, metadata, metadataSays, fetch))), []string{"92 3/3"}},
		{"one of them closed late", plays(witness, refused, with(refused, func(p *play) { p.at, p.delay = time.Second, time.Second })), []string{"92 2/2"}},
		{"one of them closed as late as a broker delays a failed authentication",
			plays(times(3, closed(0, versions3, table26, fetch)), with(closed(5*time.Second, versions3, table26, fetch), func(p *play) { p.delay = 100 * time.Millisecond })), []string{"92 4/4"}},
		{"midstream", plays(witness, times(3, joined)), []string{"92 3/3"}},
		{"midstream, TLS 1.3", plays(witness, times(3, with(joined, func(p *play) { p.tls13 = true }))), []string{"92 3/3"}},
		{"midstream, and SASL sessions may be over", plays(times(3, joined)), nil},
		{"the same, and once it was soon after the authentication", plays(times(3, joined), closed(9*time.Second, append(authenticated, fetch)...)), []string{"92 4/4"}},

		{"midstream, and the size of records is unknown", plays(times(3, with(joined, func(p *play) { p.quiet = true }))), nil},
		{"midstream, and it may be the authentication", plays(times(3, with(joined, func(p *play) { p.say = append(served[:6:6], fetch) }))), nil},
		{"answered", plays(times(3, left(0, append(served, fetch, -500)...))), nil},
		{"the client leaves", plays(witness, times(3, left(0, append(served, fetch)...))), nil},
		{"the client announces its leave first", plays(witness, times(3, with(left(0, append(served, fetch)...), func(p *play) { p.tls13 = true }))), nil},
		{"the broker closes without a close_notify, and then the client sends one", plays(witness, times(3, with(refused, func(p *play) { p.late = true }))), []string{"92 3/3"}},
		{"the same, and the broker answers that with a RST", plays(witness, times(3, with(refused, func(p *play) { p.late, p.overrun = true, true }))), []string{"92 3/3"}},
		{"the same, between the broker's close_notify and its FIN", plays(witness, times(3, with(refused, func(p *play) { p.crossed, p.overrun = true, true }))), []string{"92 3/3"}},
		{"the broker answers with a RST what is not in the capture", plays(witness, times(3, with(refused, func(p *play) { p.overrun = true }))), nil},
		{"no SASL, closed late but once", plays(modern, times(4, with(closed(0, versions3, table26, fetch), func(p *play) { p.delay = 300 * time.Millisecond })),
			closed(9*time.Second, versions3, table26, fetch)), nil},
		{"the client leaves without a close_notify, and then the broker sends one", plays(witness, times(3, with(left(0, append(served, fetch)...), func(p *play) { p.late = true }))), nil},
		{"the broker closes an idle connection", plays(witness, times(3, closed(0, served...))), nil},
		{"a long poll waits when the broker closes", plays(witness, times(3, with(refused, func(p *play) { p.delay = 300 * time.Millisecond }))), nil},
		{"a long poll was answered before", plays(witness, times(3, closed(0, append(served, fetch, -500, fetch)...))), nil},
		{"a request sent after a long silence", plays(witness, times(3, with(refused, func(p *play) { p.pause = map[int]time.Duration{6: time.Minute} }))), nil},
		{"the broker is stopped: an idle connection ends with it", plays(refused, closed(0, served...), open(2*time.Second, time.Second, served...)), nil},
		{"the broker is stopped: a long poll ends with it",
			plays(refused, closed(0, append(served, join, -60, join)...), open(2*time.Second, time.Second, served...)), nil},
		{"no SASL where the listener wants it, before Kafka 2.1", plays(times(5, bare)), nil},
		{"no SASL where the listener wants it", plays(times(5, with(closed(0, versions3, table26, fetch), func(p *play) { p.delay = 100 * time.Millisecond }))), nil},
		{"the first of its connection, by a client that begins with ApiVersions elsewhere", plays(witness, times(3, closed(0, fetch))), nil},
		{"the same, and it is no ApiVersions request by its size", plays(witness, times(3, closed(0, join))), []string{"140 3/3"}},
		{"the first of its connection, and the same was answered on another", plays(asking, times(5, closed(0, metadata))), nil},
		{"a limit on connections", crowd, nil},
		{"the same, and as many others were served", append(slices.Clone(crowd), left(30*time.Second, metadata, metadataSays)), []string{"92 3/3"}},
		{"behind raw tokens, without ApiVersions", plays(open(0, time.Minute, handshakePlain, -21, 24, -4, metadata, metadataSays), closed(0, handshakePlain, -21, 24, -4, join)), []string{"140 1/1"}},
		{"behind raw tokens of SCRAM", plays(open(0, time.Minute, handshakePlain, -21, 24, -4, metadata, metadataSays), closed(0, 36, -29, 40, -90, 110, -4, join)), []string{"140 1/1"}},
		{"an empty token, and no SaslHandshake", plays(open(0, time.Minute, handshakePlain, -301, 24, -4, metadata, metadataSays), closed(0, handshakePlain, -301, 24, -4, join)), nil},
		{"no SASL, the first request", plays(times(5, closed(0, metadata))), nil},
		{"no SASL, ApiVersions refused", plays(times(5, with(closed(0, versions3, refusal, 26), func(p *play) { p.delay = 100 * time.Millisecond }))), nil},
		{"wrong password", plays(times(5, closed(0, negotiated(handshakePlain, -21, tokens, -60)...))), nil},
		{"wrong password, raw tokens", plays(times(5, closed(0, versions0, -140, handshakePlain, -21, 20))), nil},
		{"the same of a client that asked again, by a broker of Kafka 0.11", plays(times(5, closed(0, versions3, refusal, versions0, -218, handshakePlain, -21, 24))), nil},
		{"the same by one of Kafka 2.1, which answers a wrong password", plays(times(5, closed(0, negotiated(handshakePlain, -21, 24)...))), []string{"24 5/5"}},
		{"the same without ApiVersions", plays(times(5, closed(0, handshakePlain, -21, 24))), nil},
		{"the same, of SCRAM", plays(times(5, closed(0, 36, -29, 40, -90, 110))), nil},
		{"wrong password, without ApiVersions", plays(times(5, closed(0, handshakePlain, -21, tokens, -60))), nil},
		{"the same, and others are served without SASL", plays(asking, times(5, closed(0, handshakePlain, -21, 24))), []string{"24 5/5"}},
		{"the same, and another client shows a release that delays the close on a refused token", plays(modern, times(5, closed(0, handshakePlain, -21, 40))), []string{"40 5/5"}},
		{"the same, and it was delayed", plays(modern, times(5, with(closed(0, handshakePlain, -21, 40), func(p *play) { p.delay = 300 * time.Millisecond }))), nil},
		{"the same, and once the broker was stopped", plays(modern, times(4, with(closed(0, handshakePlain, -21, 40), func(p *play) { p.delay = 300 * time.Millisecond })),
			closed(20*time.Second, handshakePlain, -21, 40), closed(20*time.Second, versions3, table26)), nil},
		{"the same, of a broker that may be older", plays(open(0, time.Minute, authenticated...), times(5, closed(0, handshakePlain, -21, 40))), nil},
		{"the same, and another broker takes a token of that size, in SaslAuthenticate", plays(elsewhere(-16), times(5, closed(0, handshakePlain, -21, tokens))), []string{"45 5/5"}},
		{"the same, and it takes raw tokens", plays(elsewhere(-4), times(5, closed(0, handshakePlain, -21, tokens))), nil},
		{"the same, and the token has another size", plays(elsewhere(-16), times(5, closed(0, handshakePlain, -21, 24))), nil},
		{"the same, and the client is another one", plays(elsewhere(-16), times(5, with(closed(0, handshakePlain, -21, tokens), func(p *play) { p.from = "10.0.0.10" }))), nil},
		{"the first of its connection, and the broker would have delayed a close for SASL", plays(modern, times(5, closed(0, join))), []string{"140 5/5"}},
		{"the same, and it did", plays(modern, times(5, with(closed(0, join), func(p *play) { p.delay = 100 * time.Millisecond }))), nil},
		{"behind SASL, without ApiVersions", plays(times(3, closed(0, handshakePlain, -21, tokens, -16, fetch))), []string{"92 3/3"}},
		{"the same, and the answer to the token is as long as that of a newer version", plays(times(3, closed(0, handshakePlain, -21, tokens, -24, fetch))), []string{"92 3/3"}},
		{"the same, and the answer to the token may hold a challenge", plays(times(3, closed(0, handshakePlain, -21, tokens, -17, fetch))), nil},
		{"the same, and the first answer is none to SaslHandshake", plays(times(3, closed(0, handshakePlain, -20, tokens, -16, fetch))), []string{"92 3/3"}},
		{"the same, and a SASL session may be over", plays(times(3, with(closed(0, handshakePlain, -21, tokens, -16, metadata, metadataSays, fetch), func(p *play) {
			p.pause = map[int]time.Duration{4: 3 * time.Second, 6: 3 * time.Second}
		}))), nil},
		{"behind more answers than a refused authentication has", plays(times(5, closed(0, handshakePlain, -21, tokens, -60, metadata, metadataSays, fetch))), []string{"92 5/5"}},
		{"a client certificate refused in TLS 1.3", plays(times(5, with(closed(0, fetch), func(p *play) { p.tls13 = true }))), nil},
		{"the same, and another client is served", plays(witness, times(5, with(closed(0, fetch), func(p *play) { p.tls13, p.from = true, "10.0.0.10" }))), nil},
		{"the same in TLS 1.2, where the handshake has its end", plays(open(0, time.Minute, noVersions...), times(5, with(closed(0, fetch), func(p *play) { p.tls, p.from = "TLS 1.2", "10.0.0.10" }))), []string{"92 5/5"}},
		{"the same, and nobody is served without SASL", plays(open(0, time.Minute, authenticated...), times(5, with(closed(0, fetch), func(p *play) { p.tls, p.from = "TLS 1.2", "10.0.0.10" }))), nil},
		{"session tickets are no answer", plays(times(5, with(closed(0, fetch, -180), func(p *play) { p.tls13, p.hello = true, tickets }))), nil},
		{"a proxy without a broker behind it", plays(left(0, served...), times(5, closed(10*time.Second, versions3))), nil},
		{"a request that is too large", plays(witness, times(3, closed(0, append(served, 100_000)...))), nil},
		{"the same behind a small record of its own", plays(witness, times(3, closed(0, append(served, 70, 100_000)...))), nil},
		{"HTTPS by its protocol", plays(times(5, with(refused, func(p *play) { p.hello = alpn }))), nil},
		{"HTTPS", plays(times(5, with(closed(0, 300, -5000, 300), func(p *play) { p.to = "10.0.0.1:443" }))), nil},
		{"MQTT", plays(times(5, closed(0, 30, -4, 12))), nil},
		{"AMQP", plays(times(5, closed(0, 8, -500, 300))), nil},
		{"a SASL session that was over: an authenticated connection, closed after a minute on a request of a size of its own",
			plays(witness, with(closed(0, append(authenticated, fetch)...), func(p *play) { p.pause = map[int]time.Duration{8: 2 * time.Second, 10: 2 * time.Second} }),
				with(closed(time.Second, append(authenticated, join)...), func(p *play) { p.pause = map[int]time.Duration{8: 2 * time.Second, 10: 2 * time.Second} })), nil},
		{"the same size at different times after the authentication",
			plays(witness, times(2, with(closed(0, append(authenticated, fetch)...), func(p *play) { p.pause = map[int]time.Duration{8: 2 * time.Second, 10: 2 * time.Second} }))), []string{"92 2/2"}},
		{"an authenticated connection, closed after three seconds",
			plays(witness, with(closed(0, append(authenticated, fetch)...), func(p *play) { p.pause = map[int]time.Duration{10: 3 * time.Second} })), []string{"92 1/1"}},
		{"no SASL, closed after a minute", plays(witness, with(refused, func(p *play) { p.pause = map[int]time.Duration{6: 40 * time.Second} })), []string{"92 1/1"}},
		{"a SASL session that was over, each time on the same size", plays(times(3, late)), nil},
		{"the same size, and once soon after the authentication", plays(times(3, late), closed(9*time.Second, append(authenticated, fetch)...)), []string{"92 4/4"}},
		{"what stands between forgot idle connections", plays(witness, times(3, forgotten)), nil},
		{"the same, and once it was no idle one", plays(witness, times(3, forgotten), with(refused, func(p *play) { p.at = 20 * time.Second })), []string{"92 4/4"}},
		{"after a pause, and the broker announces the close", plays(witness, times(3, with(forgotten, func(p *play) { p.quiet = false }))), []string{"92 3/3"}},
		{"answered, until another release took the broker's place",
			plays(left(0, answering...), open(9*time.Second, time.Minute, served...), times(3, with(refused, func(p *play) { p.at = 10 * time.Second }))), []string{"92 3/3"}},
		{"the same, twice", plays(left(0, answering...), open(9*time.Second, time.Minute, served...), times(2, with(refused, func(p *play) { p.at = 10 * time.Second }))), nil},
		{"answered before, and a connection outlives that", plays(left(0, answering...), witness, times(3, with(refused, func(p *play) { p.at = 10 * time.Second }))), nil},
		{"answered afterwards, too", plays(left(0, answering...), open(9*time.Second, time.Minute, served...), times(3, with(refused, func(p *play) { p.at = 10 * time.Second })), left(20*time.Second, answering...)), nil},
		{"no SASL where the listener may want it: who is served began before the capture",
			plays(with(closed(0, long...), func(p *play) { p.mid = true }), times(5, with(bare, func(p *play) { p.at = 5 * time.Second }))), nil},
		{"the same, and bytes of who is served are missing", plays(with(left(0, served...), func(p *play) { p.lost = true }), times(5, bare)), nil},
		{"the same, and who is served is known by the port", plays(with(left(0, noVersions...), func(p *play) { p.lost = true }), times(5, bare)), nil},
		{"the same, and no bytes are missing", plays(left(0, noVersions...), times(5, bare)), []string{"92 5/5"}},
		{"the same, and one request was served", plays(left(0, noVersions[:2]...), times(5, bare)), nil},
		{"once, and the next connection is served three seconds later", plays(refused, left(3*time.Second, served...)), nil},
		{"once, and the next connection is served a second later, and the capture ends", plays(refused, left(time.Second, served...)), nil},
		{"the same, and it lasts: a proxy may have restarted", plays(refused, open(time.Second, 5*time.Second, served...)), nil},
		{"once, and another connection outlasts it", plays(refused, open(0, 5*time.Second, served...)), []string{"92 1/1"}},
		{"once, reset without a close_notify: a load balancer may have done that", plays(with(refused, func(p *play) { p.quiet, p.end = true, reassembly.Reset }), open(0, 5*time.Second, served...)), nil},
		{"twice so", plays(times(2, with(refused, func(p *play) { p.quiet, p.end = true, reassembly.Reset })), open(0, 5*time.Second, served...)), []string{"92 2/2"}},
		{"twice, and the next connection lasts", plays(times(2, refused), open(3*time.Second, 5*time.Second, served...)), []string{"92 2/2"}},
		{"once, and the capture ends while another connection is open", plays(open(0, time.Second, served...), refused), nil},
		{"twice, and the capture ends so", plays(open(0, time.Second, served...), refused, with(refused, func(p *play) { p.at = 500 * time.Millisecond })), []string{"92 2/2"}},
		{"twice on connections that were open together, and the capture ends so", plays(open(0, time.Second, served...), refused, with(refused, func(p *play) { p.pause = map[int]time.Duration{6: 500 * time.Millisecond} })), nil},
		{"earlier requests of the connection got no response (acks=0)", plays(witness, times(3, closed(0, append(served, 100, 101, metadata, metadataSays, fetch)...))), nil},
		{"one of this size got no response on another connection (acks=0)",
			plays(left(0, append(served, fetch, metadata, metadataSays)...), witness, times(3, refused)), nil},
		{"pipelined requests got theirs later", plays(witness, times(3, closed(0, append(served, 100, 101, -50, 100, -50, -50, fetch)...))), []string{"92 3/3"}},
		{"a request in three records of Go", plays(witness, times(3, closed(0, append(served, 1186, 1186, 300, -50, fetch)...))), []string{"92 3/3"}},
		{"requests without answers (acks=0)", plays(witness, times(3, closed(0, append(served, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109)...))), nil},
	} {
		for i, order := range []func(int) int{func(k int) int { return k }, func(k int) int { return len(c.plays) - 1 - k }} {
			b := NewBook(neverDown)
			for k := range c.plays {
				p := &c.plays[order(k)]
				b.Connection(p.connection(uint32(order(k))))
			}
			var got []string
			for _, r := range b.Refusals() {
				got = append(got, fmt.Sprintf("%d %d/%d", r.Size, r.Refused, r.Total))
			}
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("%s (order %d): named %v, want %v", c.name, i, got, c.want)
				for k := range c.plays[:min(2, len(c.plays))] {
					t.Logf("  %+v", Read(c.plays[len(c.plays)-1-k].connection(0)))
				}
			}
		}
	}
}

// TestUnexplained counts the connections that the other side closed on a message, where they are
// most of an address and no refusal is reported.
func TestUnexplained(t *testing.T) {
	served := left(0, negotiated(metadata, metadataSays)...)
	alone := times(3, closed(0, metadata))
	for _, c := range []struct {
		name  string
		plays []play
		want  int
	}{
		{"the first message, each time", alone, 3},
		{"twice", alone[:2], 0},
		{"half of the connections are served", plays(alone, times(3, served)), 0},
		{"more than half", plays(alone, times(2, served)), 3},
		{"as late as for missing SASL, since Kafka 2.1", times(3, with(closed(0, metadata), func(p *play) { p.delay = 100 * time.Millisecond })), 0},
		{"long polls at a restart", times(3, with(closed(0, metadata), func(p *play) { p.delay = 10 * time.Second })), 0},
		{"a refusal is reported", plays(open(0, time.Minute, negotiated(metadata, metadataSays)...), times(5, closed(0, negotiated(fetch)...))), 0},
	} {
		b := NewBook(neverDown)
		var at decode.Endpoint
		for i := range c.plays {
			x := c.plays[i].connection(uint32(i))
			b.Connection(x)
			at = x.Endpoint()
		}
		if got := b.Unexplained(at); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
	if n := NewBook(neverDown).Unexplained(decode.Endpoint{}); n != 0 {
		t.Errorf("%d of an unknown address", n)
	}
}

// TestWhereNothingListensAfterwards: a killed broker refuses the next connections. A broker that
// serves another connection was not killed.
func TestWhereNothingListensAfterwards(t *testing.T) {
	refused := closed(0, negotiated(metadata, metadataSays, fetch)...)
	apart := plays(refused, with(refused, func(p *play) { p.at = 20 * time.Second }), with(refused, func(p *play) { p.at = 40 * time.Second }))
	for _, c := range []struct {
		name   string
		plays  []play
		isDown bool
		want   int
	}{
		{"it stays up", apart, false, 1},
		{"it goes down", apart, true, 0},
		{"others are served", append(slices.Clone(apart), open(0, time.Minute, negotiated(metadata, metadataSays)...)), true, 1},
	} {
		b := NewBook(func(decode.Endpoint, int64) bool { return c.isDown })
		for i := range c.plays {
			b.Connection(c.plays[i].connection(uint32(i)))
		}
		if got := len(b.Refusals()); got != c.want {
			t.Errorf("%s: %d refusals, want %d", c.name, got, c.want)
		}
	}
}

// TestSubjectsOfAClientAreBounded: each is listed once, in the order of appearance.
func TestSubjectsOfAClientAreBounded(t *testing.T) {
	b := NewBook(func(decode.Endpoint, int64) bool { return false })
	for i := range 2*maxClients + 4 {
		p := left(time.Duration(i)*time.Second, negotiated(metadata, metadataSays)...)
		c := p.connection(uint32(i))
		if i > 1 {
			c.TLS.Subject = fmt.Sprintf("CN=%d", i/2-1)
		}
		b.Connection(c)
	}
	all := b.Clients()
	if len(all) != 1 || len(all[0].Subjects) != maxClients || all[0].Subjects[0] != "CN=0" || all[0].Subjects[1] != "CN=1" {
		t.Errorf("%+v", all)
	}
}

// Refusals returns the refused requests, in the order of their first case.
func (b *Book) Refusals() []Refusal {
	var all []Refusal
	for _, a := range b.order {
		for size, s := range a.sizes {
			if r, ok := b.refusal(a, size, s); ok {
				all = append(all, r)
			}
		}
	}
	slices.SortFunc(all, func(x, y Refusal) int {
		return cmp.Or(x.Cases[0].At.Compare(y.Cases[0].At), cmp.Compare(x.Cases[0].Stream, y.Cases[0].Stream))
	})
	return all
}
