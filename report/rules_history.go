package report

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
	"github.com/kafkavet/kafkavet/report/history"
	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/words"
)

// The rules about requests that were not served, although neither the version nor the client is at
// fault.

// elsewhere is the detail of findings about requests that the same address answers on other
// connections.
const elsewhere = "elsewhere"

func elsewhereIf(r *history.Ruling) string {
	if r.Elsewhere {
		return elsewhere
	}
	return ""
}

var droppedRule = Rule{
	Code: "KV2009", Title: "dropped-in-range", Severity: model.Warning,
	Summary: "one API and version inside the advertised range is never answered, while others are",
	Documentation: model.Documentation{
		What: "The broker closes, resets or ignores every request of one API and version, on at least two connections. The version is inside the advertised range, and the broker answers other requests. " +
			"One connection is enough if the client waited long for an answer, other clients were served, and no version of the API was answered. " +
			"Or the broker closes each connection of one client on it, and answers the same version to other clients.",
		Why: "What answers ApiVersions advertises more than what is behind it accepts. A proxy or gateway may pass on the broker's answer without support for the version. A request with a malformed body ends the same way. " +
			"A client that negotiates cannot avoid it.",
		Wire: "ApiVersions and its response. Then, on each connection, the same request inside the range, and a FIN or RST from the broker, or nothing until the client closes.",
		Do:   "Upgrade or fix the proxy or gateway at this address, or let it advertise only what it supports. Until then limit the client to a lower version. Without a proxy, look for malformed requests in the broker's log.",
	},
	explains: true, omits: []string{"proxy"},
	suspect: func(_ *history.Suspect, r *history.Ruling) (string, bool) {
		return elsewhereIf(r), r.Cause == history.Dropped
	},
	message: func(s *subject) string {
		client := ""
		if s.key.detail == elsewhere {
			client = " to this client"
		}
		return fmt.Sprintf("%s lies inside the advertised range, and the broker never answers it%s: %s of %s %s", s.request(), client, words.Number(s.count), words.Number(s.count), s.ends())
	},
	why: func(s *subject) string {
		if s.sample.Exchange.Malformed {
			return "The requests do not have the layout of this version, so no broker can read them. The version of the broker is not at fault."
		}
		if s.key.detail == elsewhere {
			return "The address answers this version to other clients. The version is not at fault: it looks like a malformed request."
		}
		text := "The address answers other requests. It looks like a proxy or gateway that advertises more than what is behind it accepts; a malformed request ends like this, too."
		switch {
		case s.isSlowProduce():
			text += " With acks=all, a broker answers Produce when the replicas have the records: a replica that is down or slow looks the same."
		case s.ends() != "were closed":
			text += " A broker that cannot reach its controller or other brokers does not answer what needs them."
		}
		return text
	},
	advice: func(s *subject) string {
		if s.key.detail == elsewhere || s.sample.Exchange.Malformed {
			return fmt.Sprintf("Look at the broker's log: it names malformed requests. Upgrade %s, or change what it sends.", s.softwareName())
		}
		if s.isSlowProduce() {
			return "See whether the replicas are in sync (kafka-topics.sh --describe --under-replicated-partitions), and min.insync.replicas. If they are, look for a proxy or gateway at this address."
		}
		advice := fmt.Sprintf("Upgrade the proxy or gateway at this address, or have it advertise only what it supports. Until then %s.", s.lower())
		if s.ends() != "were closed" {
			advice = "Without a proxy or gateway at this address, see in the broker's log whether it reaches its controller and other brokers. " + advice
		}
		if s.mayLackSASL {
			advice += " If the listener requires SASL, set security.protocol of the client to SASL_PLAINTEXT or SASL_SSL instead."
		}
		return advice
	},
}

// isSlowProduce reports whether the requests are Produce and some were not answered,
// without a close.
func (s *subject) isSlowProduce() bool { return s.key.api == produceKey && s.ends() != "were closed" }

var saslMissingRule = Rule{
	Code: "KV2010", Title: "sasl-missing", Severity: model.Warning,
	Summary: "no SASL handshake was sent, and every request behind ApiVersions was closed",
	Documentation: model.Documentation{
		What: "The client sent no SASL handshake, and the broker closed each connection on the first request after ApiVersions.",
		Why:  "A SASL listener answers ApiVersions to everyone. It closes on every other request until the client has authenticated. The client reports a disconnect. No version is at fault.",
		Wire: "ApiVersions and its response, a request, and a FIN from the broker, usually 100 ms or more later (connection.failed.authentication.delay.ms).",
		Do:   "Set security.protocol of the client to SASL_PLAINTEXT or SASL_SSL, with mechanism and credentials. Or use the port of a listener without SASL.",
	},
	groups: byClient, explains: true, omits: []string{"authentication"},
	suspect: causedBy(history.NoSASL),
	message: func(s *subject) string {
		return fmt.Sprintf("the client sent no SASL handshake, and the broker closed %s on the first request that needs it", words.Plural(s.count, "connection"))
	},
	why: func(s *subject) string {
		return fmt.Sprintf("The port %s a SASL listener: it answers ApiVersions to everyone, and closes on everything else until the client authenticates.", s.is())
	},
	advice: always("Set security.protocol of the client to SASL_PLAINTEXT or SASL_SSL, with mechanism and credentials, or use the port of a listener without SASL."),
}

// isWrapped reports whether a preface went before the requests.
func (s *subject) isWrapped() bool {
	return s.sample != nil && s.sample.Preface() != reassembly.NoPreface
}

// mayBeTLS reports whether an address that is unheard does not have the port of another service.
func (s *subject) mayBeTLS() bool {
	return s.isUnheard() && !s.shut && !history.IsOtherService(s.key.broker.Addr.Port())
}

// maxTried bounds the requests that a message lists.
const maxTried = 6

var notKafkaRule = Rule{
	Code: "KV2012", Title: "not-kafka", Severity: model.Warning,
	Summary: "the other side answered something else, or never anything that Kafka clients asked",
	Documentation: model.Documentation{
		What: "The listener at the address does not speak Kafka. It answered in another protocol, or it answered none of the clients' requests, or it sent nothing after a preface (KV9005).",
		Why: "Another server has the port (an HTTP server or ingress, SSH, ZooKeeper), or the listener requires TLS or SASL first. The client reports a disconnect, a timeout or a message that is too large. " +
			"No version is at fault.",
		Wire: "A Kafka request or a ClientHello, and an answer in text or in another protocol. Or different requests, all closed, reset or ignored. ApiVersions alone counts in v0 to v2, which brokers since 2.0 answer. " +
			"In any version it counts if there is neither an answer nor a close, or if the port is none that brokers often use. ApiVersions v3 or higher alone, closed on a port such as 9092, is KV2002.",
		Do: "Check bootstrap.servers, advertised.listeners and the port mappings between client and broker. If nothing was answered, check also whether the listener requires TLS (security.protocol) or SASL.",
	},
	explains:   true,
	groups:     byClient,
	suspect:    causedBy(history.NotKafka),
	connection: func(c *decode.Connection, _ past) (string, bool) { return foreign(c) },
	describe: func(g *group, _ *occurrence, c *decode.Connection) {
		g.greeting = cmp.Or(g.greeting, greetingText(c.Odd().Greeting))
	},
	message: func(s *subject) string {
		if s.key.detail != "" {
			return "the other side does not speak Kafka: " + s.key.detail
		}
		tried := make([]string, 0, maxTried)
		for _, v := range s.tried.list[:min(len(s.tried.list), maxTried)] {
			tried = append(tried, fmt.Sprintf("%s v%d", apiName(v.api), v.version))
		}
		text := "nothing that this port was asked was answered: "
		if s.isWrapped() {
			text = fmt.Sprintf("nothing was answered behind the preface (%s): ", s.sample.Preface())
		}
		text += words.List(tried)
		if more := len(s.tried.list) - len(tried); more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
		return text
	},
	why: func(s *subject) string {
		if s.key.detail != "" {
			return "The port is that of something else. The client reports a disconnect, a time-out or a message that is too large."
		}
		text := "A Kafka listener in the clear answers at least one of these. The port is that of something else (ZooKeeper, an ingress, a proxy without a backend, a broker before Kafka 0.10), or wants TLS."
		switch {
		case s.shut:
			text = "The address closes on Kafka in the clear and on TLS, and sends no byte. It is the port of something else, or of a proxy without a backend."
		case s.isWrapped():
			return fmt.Sprintf("The preface (%s) goes before the first request. A Kafka broker cannot read it: it closes, or does not answer. No version is at fault.", s.sample.Preface())
		case s.mayBeTLS():
			text = unheard + " A broker before Kafka 0.10 looks the same."
		case s.ends() != "were closed":
			text += " A broker that hangs is silent, too."
		}
		if s.closedOnNewApiVersions() {
			text += " A proxy that does not support the version of ApiVersions, and closes instead of answering error 35, looks the same."
		}
		return text
	},
	advice: func(s *subject) string {
		if s.key.detail != "" {
			return "Check bootstrap.servers, advertised.listeners and the port mappings: use the port of a Kafka listener."
		}
		switch {
		case s.isWrapped():
			return fmt.Sprintf("Switch %s off at the load balancer or proxy before this address, or put a proxy that removes it before the broker.", s.sample.Preface())
		case s.mayBeTLS():
			return checkSecurity
		case s.shut:
			return "Check bootstrap.servers, advertised.listeners and the port mappings, and what runs behind this address."
		}
		return "Check bootstrap.servers, advertised.listeners and the port mappings; then whether the listener wants TLS or SASL (security.protocol)."
	},
}

var awayRule = Rule{
	Code: "KV2013", Title: "broker-away", Severity: model.Info,
	Summary: "the broker was restarting, hanging or without a backend: no version is at fault",
	Documentation: model.Documentation{
		What: "The broker closed, reset or did not answer requests while it was restarting or hanging, or while a proxy had no backend. The same versions were answered before or afterwards, or nothing was answered at all. " +
			"Connections without a request count too: refused ones, and those that the other side closed without a byte. Several of them alone are a finding.",
		Why: "On one connection, this looks like a refused version. The answers of the address at other times, and the ends of its other connections, show that the broker was not available.",
		Wire: "Several connections that the broker closes within milliseconds, refused connections (RST in the place of SYN-ACK), or silence; then answers to the same requests. " +
			"Or new connections that are closed on their first request, while the address serves older ones.",
		Do: "Find out why the broker was not available: its log, an upgrade, garbage collection, the health checks of the proxy. Clients need no change. " +
			"A broker or proxy with a limit of connections per address (max.connections.per.ip) looks the same.",
	},
	groups: byBroker,
	suspect: func(_ *history.Suspect, r *history.Ruling) (string, bool) {
		return placeOf(r.From), r.Cause == history.Away
	},
	message: func(s *subject) string {
		text, period := words.Plural(s.count, "connection"), s.period()
		switch {
		case s.nothingListens():
			return fmt.Sprintf("nothing answered %s %s", text, period)
		case s.others:
			causes := "limit of connections per address, or proxy"
			if s.unsure > 0 {
				causes = "limit of connections per address, proxy, or a version that it does not support"
			}
			text = fmt.Sprintf("the broker did not serve %s %s, while it served others (%s)", text, period, causes)
		default:
			causes := "restart, hang, no backend, or limit of connections per address"
			if s.idle == s.count {
				causes = "a load balancer or NAT dropped the idle connection, or restart, hang, no backend"
			}
			text = fmt.Sprintf("the broker was away and did not serve %s %s (%s)", text, period, causes)
		}
		if s.unsure == 0 {
			text += "; no version is at fault"
		}
		return text
	},
	why: func(s *subject) string {
		text := "It was restarting, hanging, a proxy without a backend, or at its limit of connections per address (max.connections.per.ip)."
		again, no := "was back at "+clock(s.to.Time), "answered nothing more in the capture"
		switch {
		case s.nothingListens():
			return "The address refused each connection, ended it without a byte or was silent, and answered nothing in the capture: no broker listens there, or a firewall drops the packets."
		case s.others:
			text = "It was at its limit of connections per address (max.connections.per.ip), or is a proxy that reached no broker for these."
			again, no = "served a new connection again at "+clock(s.to.Time), "served no new connection any more in the capture"
		}
		if s.to.Time > 0 {
			text += " It " + again + "."
		} else {
			text += " It " + no + "."
		}
		if s.unsure > 0 {
			return text + " A broker or proxy that does not support the version of these requests looks the same."
		}
		return text + " No version is at fault."
	},
	advice: func(s *subject) string {
		if s.nothingListens() {
			return "Start the broker, or check bootstrap.servers, advertised.listeners and the port mappings."
		}
		return "Look for the reason in the broker's log or in the health checks of the proxy; clients need no change."
	},
}

var sessionRule = Rule{
	Code: "KV2015", Title: "session-expired", Severity: model.Warning,
	Summary: "the SASL session was over, and the client sent on without authenticating again",
	Documentation: model.Documentation{
		What: "The broker limits SASL sessions (connections.max.reauth.ms). The client sent a request after the end of its session without authenticating again.",
		Why:  "The broker closes the connection on the first such request (KIP-368). The client reports a disconnect at regular times, and the request is lost or sent again. No version is at fault.",
		Wire: "SASL and answered requests. Later than session_lifetime_ms of the SaslAuthenticate response, a request and a FIN from the broker. The same request is answered on the next connection. " +
			"After SaslHandshake v0 the broker cannot send the lifetime.",
		Do: "Use a client that authenticates again (kafka-clients 2.2, librdkafka 1.6, franz-go, sarama 1.38 or later), or raise connections.max.reauth.ms.",
	},
	groups: byClient, explains: true,
	suspect: causedBy(history.SessionOver),
	message: func(s *subject) string {
		return fmt.Sprintf("the SASL session was over, and the broker closed %s on the next request", words.Plural(s.count, "connection"))
	},
	why: func(s *subject) string {
		age, lifetime := s.sample.SessionAge()
		text := fmt.Sprintf("The first one came %s after the authentication", words.Humane(age))
		if lifetime > 0 {
			return text + fmt.Sprintf(", and the session lasts %s. The client did not authenticate again (KIP-368).", words.Humane(lifetime))
		}
		return text + "; requests that came sooner were answered. The broker could not state the lifetime, and the client did not authenticate again (KIP-368)."
	},
	advice: func(s *subject) string {
		return fmt.Sprintf("Run a release of %s that authenticates again within the session, or raise connections.max.reauth.ms of the broker.", s.softwareLine())
	},
}

var cutOffRule = Rule{
	Code: "KV2016", Title: "cut-off", Severity: model.Warning,
	Summary: "the broker ended the connection inside a request that it had not whole",
	Documentation: model.Documentation{
		What: "The broker closed or reset the connection before it had the whole request.",
		Why: "A broker reads the 4-byte size first. It closes the connection if the size is above socket.request.max.bytes (104857600 by default, 100 MiB). A proxy may refuse a request at its header. " +
			"The client reports a disconnect while it sends, and most clients try again without end.",
		Wire: "The beginning of a request with its size, and a FIN or RST from the broker before its last byte.",
		Do:   "Compare the size with socket.request.max.bytes of the broker and the limits of proxies. Lower max.request.size and batch.size of the client, or raise the broker's limit. The broker's log has the size.",
	},
	explains: true, omits: []string{"size"},
	suspect: func(k *history.Suspect, r *history.Ruling) (string, bool) {
		if k.Exchange.Partial {
			return cutInside, r.Cause == history.TooLarge
		}
		return "", r.Cause == history.TooLarge
	},
	message: func(s *subject) string {
		x := &s.sample.Exchange
		if s.key.detail == cutInside {
			return fmt.Sprintf("the broker ended the connection inside %s of %s, of which %s had come", s.request(), bytesText(x.Size), bytesText(x.Received))
		}
		return fmt.Sprintf("the broker ended the connection on %s of %s, more than any request that it answered", s.request(), bytesText(x.Size))
	},
	why: func(s *subject) string {
		return fmt.Sprintf("The request has %s; a broker accepts 104,857,600 bytes (100 MiB) unless socket.request.max.bytes is set. It %s a request that is too large, or that a proxy refused at its header. Nothing shows that the version is at fault.",
			bytesText(s.sample.Exchange.Size), s.is())
	},
	advice: always("Compare the size with socket.request.max.bytes of the broker (default 104857600); lower max.request.size and batch.size of the client, or raise the broker's limit."),
}

// cutInside is the detail of findings in which the broker did not have the complete request.
const cutInside = "inside"

var fallbackRule = Rule{
	Code: "KV3002", Title: "fallback", Severity: model.Info,
	Summary: "the broker answered UNSUPPORTED_VERSION inside its range, and the client went on another way",
	Documentation: model.Documentation{
		What: "The broker answered error 35, UNSUPPORTED_VERSION, to a request inside its advertised range. The client then used another API or version, and was served.",
		Why: "Clients intend this: they try a new feature, and go back if it is not enabled. " +
			"kafka-clients sends ConsumerGroupDescribe before DescribeGroups, franz-go sends ConsumerGroupHeartbeat before JoinGroup, and controllers send UpdateRaftVoter to a leader of 3.9 during an upgrade. " +
			"Or they continue without the feature, such as telemetry.",
		Wire: "A request, an answer with error code 35, and then a request of another API or version from the same client, which is answered.",
		Do:   "Nothing.",
	},
	suspect: func(k *history.Suspect, r *history.Ruling) (string, bool) {
		return fmt.Sprintf("%s v%d", apiName(k.InsteadKey), k.InsteadVersion), r.Cause == history.Fallback
	},
	message: func(s *subject) string {
		return fmt.Sprintf("%s answered UNSUPPORTED_VERSION, then %s answered", s.request(), s.key.detail)
	},
	why:    always("The client tries what is new first, and goes back or goes on without it, as it intends. It was served."),
	advice: always("Nothing needs to be done."),
}

var apiMissingRule = Rule{
	Code: "KV2014", Title: "api-missing", Severity: model.Info,
	Summary: "an API that the client needs next is not advertised: warning where the client left",
	Documentation: model.Documentation{
		What: "The client needs an API that the broker does not advertise, and the capture does not show its next step.",
		Why: "Clients check the ApiVersions response before they send. If an API is missing, they stop with an error in their own log and send nothing. " +
			"Idempotent producers (the default of kafka-clients since 3.0) need InitProducerId. Kafka 2.8 in KRaft mode and some services do not support it. " +
			"Consumers of a group need FindCoordinator and JoinGroup, which meshes and bridges may lack.",
		Wire: "ApiVersions, Metadata or FindCoordinator, their responses, and no further request of the client.",
		Do:   "Look at the client's log. For InitProducerId set enable.idempotence=false, or use a broker that supports it. For other APIs use a broker or listener that advertises them.",
	},
	severity: func(g *group, _ *facts) model.Severity {
		if g.left > 0 {
			return model.Warning
		}
		return model.Info
	},
	explains: true, omits: besideLeaving,
	departure: func(d *departure, f *facts) (string, bool) {
		key, missing := nextNeed(d.ranges, d.stage, d.clientID, d.software)
		if !missing || d.torn || d.waited || f.servesLately(d) {
			return "", false
		}
		return apiName(key), true
	},
	message: func(s *subject) string {
		if s.key.detail == "InitProducerId" {
			return "the broker does not advertise InitProducerId, which an idempotent producer needs next; by its client id, the client is a producer"
		}
		return fmt.Sprintf("the broker does not advertise %s, which the client needs next", s.key.detail)
	},
	why: func(s *subject) string {
		text := "The client's next step was not seen."
		if s.left > 0 {
			text = "The client sent nothing more and closed the connection."
		}
		return text + " Clients that do not find what they need in the ApiVersions response stop, without a word on the wire."
	},
	advice: func(s *subject) string {
		if s.key.detail == "InitProducerId" {
			return "Set enable.idempotence=false in the producer, or use a broker that supports InitProducerId. The client's log names what it misses."
		}
		return fmt.Sprintf("Use a broker or listener that advertises %s. The client's log names what it misses.", s.key.detail)
	},
}

// closedOnNewApiVersions reports whether the client sent only versions of ApiVersions for which a
// broker or proxy may be too old, and the connections were closed or reset.
func (s *subject) closedOnNewApiVersions() bool {
	return s.ends() == "were closed" && !slices.ContainsFunc(s.tried.list, func(v usageKey) bool {
		return v.api != apiVersionsKey || v.version < 3 // older brokers answer these
	})
}

func clock(t int64) string { return time.Unix(0, t).UTC().Format("15:04:05.000") + " UTC" }

// bytesText formats a size in bytes without a larger unit.
func bytesText(n int64) string { return words.Plural(uint64(max(n, 0)), "byte") }

// period says since when and until when the broker was away.
func (s *subject) period() string {
	switch {
	case s.to.Time > 0:
		return fmt.Sprintf("from %s until %s", clock(s.from.Time), clock(s.to.Time))
	case clock(s.last.Time) == clock(s.from.Time):
		return "at " + clock(s.from.Time)
	}
	return fmt.Sprintf("from %s until at least %s", clock(s.from.Time), clock(s.last.Time))
}

// nothingListens reports whether the address never answered anything, and no request either.
func (s *subject) nothingListens() bool { return s.never && s.refused == s.count }

// is returns "is", or "looks like" if something else can explain the finding.
func (s *subject) is() string {
	if s.isOpen || s.unsure > 0 {
		return "looks like"
	}
	return "is"
}

// ends says how the requests ended, as a participle.
func (s *subject) ends() string {
	closed := s.outcomes[decode.ClosedByBroker] + s.outcomes[decode.ResetByBroker]
	switch {
	case closed == s.count:
		return "were closed"
	case closed == 0:
		return "were ignored"
	}
	return "were closed or ignored"
}
