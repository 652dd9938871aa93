package report

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/decode/sealed"
	"github.com/kafkavet/kafkavet/report/history"
	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/words"
)

var sealedRule = Rule{
	Code: "KV2020", Title: "refused-inside-tls", Severity: model.Warning,
	Summary: "inferred from lengths, order and time of encrypted records: the broker closed on a request that it did not answer",
	Documentation: model.Documentation{
		What: "TLS and authentication worked, and the broker answered requests. Then it closed at once on a request without an answer. This is inferred without a key: the contents were not read.",
		Why: "A broker does this if it does not support the version of a request. Wrong security settings look different: the handshake fails, or the broker answers the authentication with an error. " +
			"Clients report both as a wrong security.protocol.",
		Wire: "The lengths of TLS records show the sizes of Kafka messages. The broker closes within a fraction of a second after a request of a size that it never answers, while it serves other requests. " +
			"Closes with another explanation do not count: a broker that stops or refuses the next connections, an idle connection, a listener that requires SASL, a SASL session that may be over, a request that is too large. A Produce with acks=0 that fails looks the same.",
		Do: "Confirm it with a TLS key log of one side (--tls-keylog). The report then has the request, its version and the advertised range. The key log must be written while the connections begin.",
	},
	sealed: true, explains: true,
	replacedBy: func(g *group, f *facts) (instead *Rule, drop bool) {
		_, refused := f.refusal(g)
		return nil, !refused
	},
	message: func(s *subject) string {
		r := &s.inside.refusal
		return fmt.Sprintf("the broker closed on a request of %s inside TLS that it did not answer, %s of %s times",
			sizeText(r), words.Number(r.Refused), words.Number(r.Total))
	},
	why:    sealedWhy,
	advice: always("Make sure with a TLS key log (--tls-keylog FILE): then the report names the request and its version. KV9001 says how to get one."),
}

// conclusion is the inference about requests inside TLS.
type conclusion struct {
	refusal sealed.Refusal
	// answer is the broker's ApiVersions answer; nil if unknown. library is the client's TLS
	// library.
	answer  *sealed.Answer
	library sealed.Library
	// issue is the id of the matching known issue. fit says why it matches. Both are empty for
	// none.
	issue, fit string
}

func (c *conclusion) explanations() []history.Explanation {
	r := &c.refusal
	first := &r.Cases[0]
	restart := history.Explanation{Name: "restart", By: "no other connection was served afterwards"}
	if r.Alive {
		restart = history.Explanation{Name: "restart", Excluded: true, At: first.Closed, By: "another connection was served afterwards"}
	}
	idle := history.Explanation{Name: "idle limit", By: "no answer came shortly before"}
	if i := slices.IndexFunc(r.Cases, func(k sealed.Case) bool { return !k.Paused }); i >= 0 {
		idle = history.Explanation{Name: "idle limit", Excluded: true, At: r.Cases[i].At, By: "the request came shortly after an answer"}
	}
	return append([]history.Explanation{restart, idle, authenticationOf(r)}, history.RequestExplanations(first.At, int64(r.Size))...)
}

// authenticationOf returns missing or refused SASL as another cause of the refusals.
func authenticationOf(r *sealed.Refusal) history.Explanation {
	out := history.Explanation{Name: "authentication", Excluded: true, At: r.Cases[0].At}
	served := slices.IndexFunc(r.Cases, func(k sealed.Case) bool { return k.Served > 0 && k.Authentication != sealed.MaybeSASL })
	switch {
	case served >= 0:
		out.At, out.By = r.Cases[served].At, "the broker had answered requests of the connection"
	case r.Authenticated > 0:
		out.By = "the client had authenticated"
	case r.Open:
		out.By = "the broker served other connections without SASL"
	case r.Delaying:
		out.By = "a broker of this release closes later after a failed authentication"
	case r.ServedMost > 0:
		out.By = "the client had authenticated, here or at another broker"
	default:
		out = history.Explanation{Name: out.Name, By: "no earlier request of the connection was answered"}
	}
	return out
}

// sizeText formats the size of the refused requests: "92 bytes", or "80 to 95 bytes" with CBC.
func sizeText(r *sealed.Refusal) string {
	if r.Slack > 0 {
		return fmt.Sprintf("%d to %d bytes", r.Size-r.Slack, r.Size)
	}
	return words.Plural(uint64(r.Size), "byte")
}

// sealedWhy describes the evidence of the finding and the matching known issue.
func sealedWhy(s *subject) string {
	r := &s.inside.refusal
	parts := []string{fmt.Sprintf("TLS worked, and the broker had answered %s on these connections before.", servedText(r))}
	if r.Authenticated > 0 {
		parts[0] = fmt.Sprintf("TLS and SASL worked, and the broker had answered %s on these connections before.", servedText(r))
	}
	others := "wrong security settings do not"
	if !authenticationOf(r).Excluded {
		others = "missing SASL can, too"
	}
	parts = append(parts,
		fmt.Sprintf("It closed within %s. A version that the broker does not support looks like this, and so does a Produce with acks=0 that fails; %s.", words.Humane(max(r.Longest, time.Millisecond)), others),
		"This is inferred from the lengths, the order and the time of encrypted records.")
	if r.ByPort {
		parts = append(parts, "Only the port is a sign of Kafka.")
	}
	if r.Torn > 0 {
		parts = append(parts, fmt.Sprintf("%s to the broker could not be judged: packets are missing.", words.Plural(uint64(r.Torn), "more connection")))
	}
	if s.inside.library != sealed.UnknownLibrary {
		parts = append(parts, fmt.Sprintf("The client uses %s.", libraryText(s.inside.library)))
	}
	if s.inside.fit != "" {
		parts = append(parts, s.inside.fit)
	}
	return strings.Join(parts, " ")
}

// servedText says how many requests were answered after ApiVersions and authentication.
func servedText(r *sealed.Refusal) string {
	switch {
	case r.Cases[0].First:
		return "nothing"
	case r.ServedMost == 0 && r.Authenticated > 0:
		return "no other request"
	case r.ServedMost == 0:
		return "ApiVersions only"
	case r.ServedLeast == r.ServedMost:
		return words.Plural(uint64(r.ServedMost), "request")
	}
	return fmt.Sprintf("%d to %s", r.ServedLeast, words.Plural(uint64(r.ServedMost), "request"))
}

// libraryText names a TLS library and the clients that use it.
func libraryText(l sealed.Library) string {
	switch l {
	case sealed.Java:
		return "the TLS of Java, as kafka-clients does"
	case sealed.Go:
		return "the TLS of Go, as sarama, franz-go and segmentio/kafka-go do"
	case sealed.OpenSSL:
		return "OpenSSL, as librdkafka and its bindings, Python and Node.js do"
	case sealed.Rustls:
		return "rustls"
	}
	return "an unknown TLS library"
}

// inferredRelease names a release by the size of its ApiVersions answer: "Kafka 1.1 to 2.1 by the
// size of its ApiVersions answer (43 APIs)".
func inferredRelease(a *sealed.Answer) string {
	text := "Kafka " + decode.Alternatives(a.Releases) + " by the size of its ApiVersions answer"
	if a.APIs > 0 {
		text += fmt.Sprintf(" (%s)", words.Plural(uint64(a.APIs), "API"))
	}
	return text
}

// closing records a request inside TLS after which the broker closed. The rule decides later.
func (f *findings) closing(c *decode.Connection, q *sealed.Request) {
	key := findingKey{rule: f.sealedRule, detail: strconv.Itoa(q.Size), broker: c.Endpoint()}
	g := f.find(key)
	g.count++
	if f.evidence != nil {
		f.evidence.Connection(g.ids[0], c)
	}
}

// concluded returns g, or for a group of sealedRule a copy with the result of the book.
func (f *findings) concluded(g *group) *group {
	if !rules[g.key.rule].sealed {
		return g
	}
	r, ok := f.refusal(g)
	if !ok {
		return g
	}
	in := &conclusion{refusal: r}
	c := &group{key: g.key, ids: g.ids, number: g.number, reported: g.reported, listed: g.listed, count: r.Refused, inside: in}
	c.key.hasClient = true
	for i := range r.Cases {
		k := &r.Cases[i]
		outcome := decode.ClosedByBroker
		if k.Reset {
			outcome = decode.ResetByBroker
		}
		c.times(outcome).add(k.Delay)
		c.outcomes[outcome]++
		c.addresses.add(k.Client.Addr())
		o := occurrence{at: k.At, stream: k.Stream, client: k.Client, outcome: outcome, isInferred: true}
		if k.TLS != nil {
			o.tls = tlsSession(k.TLS)
			if k.TLS.Subject != "" {
				c.principals.add(truncate(k.TLS.Subject))
			}
		}
		c.keep(o)
	}
	c.outcomes[decode.ClosedByBroker] += r.Refused - uint64(len(r.Cases))
	if broker, ok := f.sealed.Broker(g.key.broker); ok {
		in.answer = &broker.Answer
	}
	for i := range r.Cases {
		if t := r.Cases[i].TLS; t != nil && t.Hello != nil {
			in.library = sealed.LibraryOf(t.Hello)
			break
		}
	}
	in.issue, in.fit = fitting(in)
	return c
}

// inferred returns the JSON form of the evidence of sealedRule.
func (g *group) inferred() *model.Inferred {
	r := &g.inside.refusal
	in := &model.Inferred{
		Size: r.Size, SizeSlack: r.Slack, Refused: r.Refused, Total: r.Total,
		ServedLeast: r.ServedLeast, ServedMost: r.ServedMost, LongestSeconds: r.Longest.Seconds(),
		ClientIDLength: r.Cases[0].ClientID, SoftwareLength: r.Cases[0].Software, OpeningSize: r.Cases[0].Opening,
		Authenticated: r.Authenticated, TLSLibrary: libraryName(g.inside.library), Releases: []string{},
	}
	if a := g.inside.answer; a != nil {
		in.AdvertisedAPIs = a.APIs
		in.Releases = append(in.Releases, a.Releases...)
	}
	return in
}

// libraryName returns the name of a TLS library in JSON; empty if unknown.
func libraryName(l sealed.Library) string {
	if l == sealed.UnknownLibrary {
		return ""
	}
	return l.String()
}

// inferredBrokers returns the brokers that are known only from the shape of encrypted connections.
func (f *findings) inferredBrokers() []model.Broker {
	var out []model.Broker
	for _, k := range f.sealed.Brokers() {
		if _, isBroker := f.known.release(k.Endpoint); isBroker {
			continue
		}
		m := model.Broker{
			Address: address(k.Addr), Network: networkName(k.Domain), Inferred: true,
			ReleaseNames: append([]string{}, k.Answer.Releases...), ReleaseRunnersUp: []string{},
			APIs: []model.API{}, Streams: uint64(k.Connections), TLS: true,
		}
		if len(k.Answer.Releases) > 0 {
			m.Release = inferredRelease(&k.Answer)
		} else {
			m.Release, m.ReleaseReason = model.ReleaseUnknown, "encrypted, and its ApiVersions answer has the size of no known release"
		}
		out = append(out, m)
	}
	slices.SortStableFunc(out, func(x, y model.Broker) int {
		return cmp.Or(strings.Compare(x.Address, y.Address), strings.Compare(x.Network, y.Network))
	})
	return out
}

// inferredClients returns the clients that are known only from the shape of encrypted connections.
func (f *findings) inferredClients() []model.Client {
	var out []model.Client
	for _, k := range f.sealed.Clients() {
		m := model.Client{
			ClientIDs: []string{}, Addresses: []string{addrText(k.Addr)}, BrokerAddresses: []string{},
			APIs: []model.Usage{}, Inferred: inferredClient(&k),
		}
		for _, s := range k.Subjects {
			m.Principals = append(m.Principals, truncate(s))
		}
		slices.Sort(m.Principals)
		for _, at := range k.Brokers {
			m.BrokerAddresses = append(m.BrokerAddresses, address(at))
		}
		slices.Sort(m.BrokerAddresses)
		out = append(out, m)
	}
	slices.SortStableFunc(out, func(x, y model.Client) int {
		return cmp.Or(strings.Compare(x.Addresses[0], y.Addresses[0]), strings.Compare(x.Inferred, y.Inferred))
	})
	return out
}

func inferredClient(k *sealed.Client) string {
	var parts []string
	if k.Library != sealed.UnknownLibrary {
		parts = append(parts, k.Library.String()+" TLS")
	}
	if k.ClientID >= 0 {
		parts = append(parts, fmt.Sprintf("client id of %s", words.Plural(uint64(k.ClientID), "byte")))
	}
	if k.Software > 0 {
		parts = append(parts, fmt.Sprintf("software name and version of %s", words.Plural(uint64(k.Software), "byte")))
	}
	if k.ClientID < 0 {
		parts = append(parts, fmt.Sprintf("first request of %s", words.Plural(uint64(k.Opening), "byte")))
	}
	return strings.Join(parts, ", ")
}
