package report

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/report/history"
	"github.com/kafkavet/kafkavet/report/model"
)

// unlessTLS is the replacedBy of rules about refused plaintext requests. If the address uses TLS
// and never plaintext Kafka, TLS is the cause. If it closes on TLS as well, no version is.
func unlessTLS(g *group, f *facts) (instead *Rule, drop bool) {
	switch at := f.about(g); {
	case at.clear:
	case at.confused:
		return nil, true
	case at.tls && g.sample.InClear():
		return &tlsConfusionRule, false
	case at.shut && g.sample.InClear():
		return &notKafkaRule, false
	}
	return nil, false
}

// inVain is the detail of findings in which the broker refused ApiVersions with error 35, and the
// client did not retry with a lower version.
const inVain = "in vain"

// otherLayout is the detail of findings about clients that left after an ApiVersions answer in
// another layout than that of their version.
const otherLayout = "other layout"

// javaClient is the software name of kafka-clients.
const javaClient = "apache-kafka-java"

// isInTheClear reports whether the address answers others in plaintext and nothing indicates SASL.
// No security setting then explains a refusal.
func (s *subject) isInTheClear() bool { return s.clear && s.answers && !s.mayLackSASL }

// isUnheard reports whether the address closed the connections, never answered a request, and
// never completed a TLS handshake. It may be a TLS listener.
func (s *subject) isUnheard() bool { return !s.answers && !s.handshakes && s.ends() == "were closed" }

// The texts of findings about an address that is unheard.
const (
	unheard       = "Nothing was answered in clear text at this address. It looks like a listener that requires TLS, a proxy without a backend, or the port of something else."
	checkSecurity = "Check security.protocol first: a listener that requires TLS needs SSL or SASL_SSL. Then check that a Kafka listener runs at this port (bootstrap.servers, advertised.listeners, port mappings)."
)

// takenBefore is the detail of findings in which the address answered the version in an earlier
// life.
const takenBefore = "taken before"

var unnegotiatedRule = Rule{
	Code: "KV2001", Title: "refused-unnegotiated", Severity: model.Warning,
	Summary: "no range known, and the broker closed, reset or ignored the request",
	Documentation: model.Documentation{
		What: "The broker closed or reset the connection on a request, or never answered it. The input has no ApiVersions response for it: neither on the connection nor on another one to the same broker between two restarts.",
		Why:  "A client without ApiVersions sends the version that it was set to. A broker that does not support the version closes the connection. There are other causes: a listener that requires TLS or SASL does the same.",
		Wire: "A request without an ApiVersions exchange before it, then a FIN or RST from the broker, or nothing.",
		Do: "Let the client negotiate (sarama before 1.46: set Version to the broker's release or lower; kafka-python: leave api_version unset). " +
			"Or start the capture before the connection begins, so that it has the advertised ranges. Check security.protocol as well.",
	},
	explains: true,
	suspect: func(k *history.Suspect, r *history.Ruling) (string, bool) {
		detail := ""
		switch {
		case k.Exchange.NegotiationRefused:
			detail = inVain
		case r.Earlier.Time > 0:
			detail = takenBefore
		default:
			detail = elsewhereIf(r)
		}
		return detail, r.Cause == history.Refused && k.Exchange.Key != apiVersionsKey
	},
	replacedBy: unlessTLS,
	message: func(s *subject) string {
		return fmt.Sprintf("%s sent without a known range, %s", s.request(), s.refusal())
	},
	why: func(s *subject) string {
		if s.key.detail == inVain {
			return "The broker had refused the client's ApiVersions request with error 35, and the client went on without asking in a lower version: it could not know what the broker supports."
		}
		if s.key.detail == elsewhere {
			return "The address answers this version on other connections. Brokers of several releases may stand behind it, or the request is malformed."
		}
		seen := "No ranges of this broker were seen."
		if s.sample.Exchange.Asked == decode.NotAsked {
			seen = "The client did not ask for the broker's ranges."
		}
		if len(s.tables) > 0 {
			seen = "The ranges that this address advertised on other connections do not hold here: it answered versions outside them, or was restarted in between."
		}
		if s.key.detail == takenBefore {
			seen = fmt.Sprintf("The address answered this version until %s. It was restarted since then, and another release may run there. ", clock(s.earlier.Time)) + seen
		}
		switch {
		case s.isInTheClear():
			seen += " The address answers other requests in the clear. A request in a version that the broker does not support ends like this."
		case s.isUnheard():
			seen += " A request in a version that the broker does not support ends like this. So does a request to a listener that wants TLS or SASL, to a proxy without a backend, or to the port of something else."
		default:
			seen += " A request in a version that the broker does not support ends like this. So does a request to a listener that wants TLS or SASL."
		}
		if release := decode.RemovedBy(s.key.api, s.key.version); release != "" {
			seen += fmt.Sprintf(" Kafka %s removed this version (KIP-896).", release)
		}
		return seen
	},
	advice: func(s *subject) string {
		if s.key.detail == inVain {
			return fmt.Sprintf("Run a release of %s that asks again with ApiVersions v0, or set it to the broker's release.", s.softwareLine())
		}
		if s.isBroker() {
			return interBroker
		}
		advice := fmt.Sprintf("Let %s negotiate its versions, or set it to the broker's release.", s.softwareName())
		if s.sample.Exchange.Asked == decode.Asked {
			advice = "Capture again, with whole packets and without loss (tcpdump -s 0 -B 65536): the answer to the client's ApiVersions request has no ranges or is missing."
		}
		if s.key.detail == elsewhere {
			return advice + " See what stands behind the address: bring brokers of several releases there to one."
		}
		switch {
		case s.isUnheard():
			advice += " Check security.protocol and the port as well (bootstrap.servers, advertised.listeners, port mappings)."
		case !s.isInTheClear():
			advice += " Check security.protocol as well."
		}
		switch s.sample.Exchange.Asked {
		case decode.NotAsked:
			advice += " To be sure, compare with the ranges of the broker's release: --advertised."
		case decode.MaybeAsked:
			advice += " To be sure, capture from the start of the connection."
		}
		return advice
	},
}

var apiVersionsRefusedRule = Rule{
	Code: "KV2002", Title: "apiversions-refused", Severity: model.Error,
	Summary: "the ApiVersions request itself was closed, reset or ignored, or answered with an error, without APIs or in another layout, and not retried: warning where another layout was seen once",
	Documentation: model.Documentation{
		What: "The broker closed or reset the connection on an ApiVersions request, or never answered it. Or it answered with error 35 or another error, the client did not retry with a lower version, and was not served. " +
			"A single close does not count if a restart of the broker explains it as well.",
		Why: "A client may send any version of ApiVersions. A broker that does not support it has to answer error 35 in a v0 body, so that the client can retry with a lower version (KIP-511). " +
			"Brokers before 0.10 and some hosted services and proxies do not, and the client cannot connect.",
		Wire: "An ApiVersions request (api_key 18), then a FIN or RST from the broker, or nothing until the client gives up. Or a response with error 35 in a v0 body, without an ApiVersions request in a lower version after it. " +
			"Or a response with another error and no ranges. Or a response in the layout of another version, after which the client closes.",
		Do: "Limit the version of the client's first ApiVersions request (franz-go: MaxVersions). For brokers before 0.10, librdkafka needs api.version.request=false and broker.version.fallback. " +
			"Or upgrade the broker or service. If it answers no version, check that the port is a Kafka listener in the clear: a listener that requires TLS does the same (KV2007).",
	},
	explains: true,
	severity: func(g *group, _ *facts) model.Severity {
		if g.key.detail == otherLayout && g.count < 2 {
			return model.Warning // the client may have been a health check
		}
		return model.Error
	},
	exchange: func(x *decode.Exchange) (string, bool) { return errorAnswer(x) },
	suspect: func(k *history.Suspect, r *history.Ruling) (string, bool) {
		detail := ""
		if k.Exchange.Outcome == decode.Error {
			detail = inVain
		}
		return detail, r.Cause == history.Refused && k.Exchange.Key == apiVersionsKey
	},
	departure: func(d *departure, f *facts) (string, bool) {
		return otherLayout, d.ranges != nil && d.stage == history.Unreadable && !d.asked && d.left && !d.torn && !f.serves(d)
	},
	replacedBy: func(g *group, f *facts) (instead *Rule, drop bool) {
		if g.key.detail == otherLayout {
			return nil, false
		}
		instead, drop = unlessTLS(g, f)
		switch {
		case g.key.detail != "":
			return nil, f.served(g)
		case instead != nil || drop:
			return instead, drop
		case g.askedLower() && f.history.Answers(g.key.broker, apiVersionsKey, g.sample.LowestAsked()) && f.served(g):
			return &downgradedRule, false
		}
		return nil, false
	},
	message: func(s *subject) string {
		if s.key.detail == otherLayout {
			return "the ApiVersions response does not have the layout of the version that the client asked for, and the client closed"
		}
		if s.key.detail == inVain {
			return fmt.Sprintf("%s refused with error 35, and this client sent none in a lower version", s.request())
		}
		if s.key.detail != "" {
			return fmt.Sprintf("%s answered with %s", s.request(), s.key.detail)
		}
		text := fmt.Sprintf("%s sent, %s", s.request(), s.refusal())
		if s.isUnheard() {
			text += "; it looks like a TLS listener"
		}
		return text
	},
	why: func(s *subject) string {
		if s.key.detail == inVain {
			return "The broker is older than the client and says so as it should (KIP-511). The client has to ask again, with ApiVersions v0 if need be. Without that, it cannot know what the broker supports."
		}
		switch {
		case s.key.detail == otherLayout:
			return "The response lists APIs, but in the layout of another version, or with bytes behind it. Many clients cannot read it, and this one asked for nothing more."
		case s.key.detail != "":
			return "The answer has no ranges, so the client cannot begin. Nothing shows that the version is at fault."
		case s.isUnheard():
			return unheard + " A broker or proxy that does not support this version, and closes instead of answering error 35 (KIP-511), looks the same."
		case s.key.version == 0:
			return "Every broker since Kafka 0.10 answers ApiVersions v0: this is an older broker, or a proxy or service without ApiVersions v0."
		}
		text := "A broker that does not support this version has to answer error 35, so that the client can retry with a lower version (KIP-511). "
		if s.askedLower() {
			text += fmt.Sprintf("The client also asked in v%d.", s.sample.LowestAsked())
		} else {
			text += "Without an answer the client cannot begin."
		}
		return text
	},
	advice: func(s *subject) string {
		if s.key.detail == inVain {
			return fmt.Sprintf("Run a release of %s that goes down to ApiVersions v0, or upgrade the broker.", s.softwareLine())
		}
		switch {
		case s.key.detail == otherLayout:
			return fmt.Sprintf("Upgrade or fix the broker, proxy or service at this address. Until then limit %s to a lower version of ApiVersions.", s.softwareName())
		case s.key.detail != "":
			return "Look for the reason in the log of the broker, or of the proxy or service at this address."
		case s.key.version == 0 && !s.isUnheard():
			return "For a broker before 0.10 switch version negotiation off (librdkafka: api.version.request=false). Otherwise fix the proxy or service at this address."
		case s.key.version == 0:
			return checkSecurity + " For brokers before 0.10 switch version negotiation off (librdkafka: api.version.request=false)."
		}
		advice := fmt.Sprintf("Limit %s to a lower ApiVersions version, or upgrade the broker or service.", s.softwareName())
		switch name := s.key.software.Name; {
		case name == javaClient:
			advice = "Upgrade the broker, proxy or service. Until then use an older release of kafka-clients, which has no setting for this version: it sends ApiVersions v4 since 3.9 and v3 since 2.4."
		case strings.Contains(name, "rdkafka"), strings.HasPrefix(name, "confluent-kafka-"):
			advice = "Upgrade the broker, proxy or service. Until then set api.version.request=false in the client, and broker.version.fallback to a release that the broker supports: librdkafka has no setting for this version."
		}
		if s.isUnheard() {
			return checkSecurity + " If both are right, look at the version. " + advice
		}
		return advice
	},
}

// errorNames are the names of errors in answers to ApiVersions (Apache Kafka,
// org.apache.kafka.common.protocol.Errors).
var errorNames = map[int16]string{
	-1: "UNKNOWN_SERVER_ERROR", 29: "TOPIC_AUTHORIZATION_FAILED", 31: "CLUSTER_AUTHORIZATION_FAILED", illegalSASLState: "ILLEGAL_SASL_STATE",
	errInvalidRequest: "INVALID_REQUEST",
}

// emptyAnswer is the largest size, in bytes, of an ApiVersions answer without APIs and features:
// v1, with correlation id, error, length of the list and throttle time. One API takes more.
const emptyAnswer = 4 + 2 + 4 + 4

// errorAnswer names the error of an ApiVersions answer that no other rule reports. A connection
// that has ranges, or may have got them before, keeps them. After REBOOTSTRAP_REQUIRED the client
// looks for its cluster elsewhere (KIP-1242).
func errorAnswer(x *decode.Exchange) (string, bool) {
	const rebootstrapRequired = 129
	isEmpty := x.ErrorCode == 0 && x.ResponseSize > 0 && x.ResponseSize <= emptyAnswer
	if x.Key != apiVersionsKey || x.Outcome != decode.Answered || x.ErrorCode == 0 && !isEmpty || x.ErrorCode == rebootstrapRequired || hasBadSoftware(x) {
		return "", false
	}
	if x.Evidence == decode.Observed || x.Asked != decode.NotAsked && !x.NegotiationRefused {
		return "", false
	}
	if isEmpty {
		return "an empty list of APIs", true
	}
	text := fmt.Sprintf("error %d", x.ErrorCode)
	if name := errorNames[x.ErrorCode]; name != "" {
		text += " (" + name + ")"
	}
	return text, true
}

// askedLower reports whether the client asked for ApiVersions in a lower version, too.
func (g *group) askedLower() bool { return g.sample != nil && g.sample.LowestAsked() < g.key.version }

var downgradedRule = Rule{
	Code: "KV2003", Title: "apiversions-downgraded", Severity: model.Info,
	Summary: "ApiVersions answered with error 35 and retried lower, as the protocol intends",
	Documentation: model.Documentation{
		What: "The broker does not support the version of the client's ApiVersions request and answered error 35. The client retried with a lower version, and the broker answered that.",
		Why: "The protocol intends this (KIP-511), and it is no fault. It shows that the broker is older than the client: Kafka 2.4 and later support ApiVersions v3, 3.9 and later v4. " +
			"Dissectors and the broker's log show an unsupported version, which misleads.",
		Wire: "ApiVersions vN and a response with error 35 in a v0 body. Then ApiVersions in a lower version, on the same connection or on the client's next one, and a response without error. " +
			"Some brokers and proxies close the connection in the place of error 35. That counts here too if the client retries with a lower version and is served.",
		Do: "Nothing.",
	},
	exchange: func(x *decode.Exchange) (string, bool) {
		if x.Key != apiVersionsKey || x.Negotiated < 0 {
			return "", false
		}
		return fmt.Sprintf("v%d", x.Negotiated), true
	},
	suspect: func(k *history.Suspect, r *history.Ruling) (string, bool) {
		return fmt.Sprintf("v%d", k.InsteadVersion), r.Cause == history.Downgraded
	},
	message: func(s *subject) string {
		if s.key.detail == "" {
			return fmt.Sprintf("%s sent, %s; v%d is answered", s.request(), s.refusal(), s.sample.LowestAsked())
		}
		return fmt.Sprintf("%s refused with error 35, then %s answered", s.request(), s.key.detail)
	},
	why: func(s *subject) string {
		if s.key.detail == "" {
			return "The client asks again in a lower version and is served. A broker or proxy that does not support a version should answer error 35 (KIP-511)."
		}
		return "The protocol intends this (KIP-511): the broker is older than the client, and both know it now."
	},
	advice: always("Nothing needs to be done."),
}

// intervals counts the pauses between the connections of a finding, by the host of the client.
// isRegular: each is checkEvery or more, and about as long as the shortest one or a multiple of it,
// as those of a health check of which the capture lacks some. Clients that try again wait less, or
// for different times.
func (g *group) intervals() (n int, isRegular bool) {
	const checkEvery = int64(2 * time.Second)
	var pauses []int64
	latest := map[netip.Addr]int64{}
	for i := range g.first {
		o := &g.first[i]
		if last, ok := latest[o.client.Addr()]; ok {
			pauses = append(pauses, o.at.Time-last)
		}
		latest[o.client.Addr()] = o.at.Time
	}
	if len(pauses) == 0 {
		return 0, true
	}
	shortest := slices.Min(pauses)
	return len(pauses), shortest >= checkEvery && !slices.ContainsFunc(pauses, func(p int64) bool {
		off := p % shortest
		return min(off, shortest-off) > shortest/20
	})
}

// atController is the detail of findings at the listener of a KRaft controller.
const atController = "controller"

// besideLeaving are the causes that do not make a client leave after an answer.
var besideLeaving = []string{"authentication", "size"}

// useBroker is the advice for clients at a controller's listener.
const useBroker = "Use the port of a broker's listener: check bootstrap.servers, and advertised.listeners of the brokers."

var clientLeftRule = Rule{
	Code: "KV2004", Title: "client-left", Severity: model.Warning,
	Summary: "the client closed after the ApiVersions response and asked for nothing: info where it looks like a health check",
	Documentation: model.Documentation{
		What: "The client sent ApiVersions, received the answer, and closed the connection without another request.",
		Why: "A client does this if it and the broker have no version in common, or if an API or feature that it needs is missing. The client's log says why; the packets do not. " +
			"Health checks look the same and are harmless: a client that does this once and nothing else, or at regular intervals. A client does not count if a broker of the cluster served it around that time, or if the connection stayed open for seconds. " +
			"What was before the broker advertised other ranges, such as before an upgrade, does not excuse it. " +
			"The listener of a KRaft controller answers ApiVersions too, and serves no clients. There a client counts also if a broker served it: the broker may have sent it there (advertised.listeners).",
		Wire: "ApiVersions, its response, then a FIN or RST from the client.",
		Do: "Look for an unsupported version or feature in the client's log, and compare what it needs with the ranges of the broker in this report. If the address is a controller, use the port of a broker. " +
			"If the client is a health check, there is nothing to do.",
	},
	explains: true, omits: besideLeaving,
	severity: func(g *group, f *facts) model.Severity {
		n, isRegular := g.intervals()
		works := f.history.Works(g.key.broker)
		switch {
		case g.count < closedAgain && f.served(g):
			return model.Info // it may have been stopped
		case g.key.detail != "" || !isRegular:
		case n > 1 && works, !f.askedMore(g) && (works || g.count < 2):
			return model.Info
		}
		return model.Warning
	},
	replacedBy: func(g *group, f *facts) (instead *Rule, drop bool) {
		return nil, g.count < closedAgain && f.history.WasAway(g.key.broker, g.first[0].at.Time) // it may not have recovered
	},
	departure: func(d *departure, f *facts) (string, bool) {
		if d.ranges == nil || d.stage == history.Unreadable || d.asked || !d.left || !d.soon || d.torn {
			return "", false
		}
		if isController(d.ranges) { // a broker that serves the client may have sent it here
			return atController, !f.suspected(d)
		}
		if f.serves(d) || f.excused(d) {
			return "", false
		}
		_, missing := nextNeed(d.ranges, d.stage, d.clientID, d.software)
		return "", !missing // KV2014 says more
	},
	message: func(s *subject) string {
		if s.key.detail == atController {
			return "the client closed after the ApiVersions response of a KRaft controller"
		}
		return "the client closed after the ApiVersions response and asked for nothing"
	},
	why: func(s *subject) string {
		if s.key.detail == atController {
			return "The port is a controller's listener: it advertises Vote and no Metadata, and serves no clients."
		}
		if n, isRegular := s.intervals(); n > 1 && isRegular {
			return "The connections come at regular intervals, as those of a health check do. A client that misses a version, an API or a feature in the answer gives up here, too."
		}
		return "A client that misses a version, an API or a feature in the answer gives up here, without a word on the wire. Health checks look the same."
	},
	advice: func(s *subject) string {
		if s.key.detail == atController {
			return useBroker
		}
		return fmt.Sprintf("Look for an unsupported version or feature in the log of %s, and compare its needs with the ranges this broker advertised.", s.softwareName())
	},
}

var rangesChangedRule = Rule{
	Code: "KV2005", Title: "ranges-changed", Severity: model.Warning,
	severity: func(g *group, f *facts) model.Severity {
		if f.history.Restarted(g.key.broker) {
			return model.Info
		}
		return model.Warning
	},
	explains: true, omits: []string{"proxy"},
	Summary: "one broker address advertised different ranges: info where the broker was restarted between them",
	Documentation: model.Documentation{
		What: "Two ApiVersions responses from the same address differ in the range of at least one API.",
		Why: "Clients negotiate once for each connection, and use the ranges as long as it is open. During a rolling upgrade different ranges are expected. " +
			"Behind a load balancer or proxy with brokers of several releases, a client can negotiate with one broker and send to another.",
		Wire: "ApiVersions responses from one address and port with different min or max versions.",
		Do: "After a restart: nothing. During an upgrade: wait until all brokers have one release, then capture again. " +
			"Otherwise look for a proxy or load balancer at this address, and for brokers of different releases behind it.",
	},
	change: func(before, after *decode.Ranges) bool { return !before.Agrees(after) },
	message: func(s *subject) string {
		text := fmt.Sprintf("one address advertised %d different sets of ranges", len(s.tables))
		if s.restarted {
			text += ", changed across a restart"
		}
		return text + ": " + tableDifferences(s.tables)
	},
	why: func(s *subject) string {
		if s.restarted {
			return "The broker was restarted with another release, as in a rolling upgrade. Connections that began before have ended."
		}
		return "A rolling upgrade does this, and so does a proxy or load balancer with brokers of several releases behind it, where a client may negotiate with one and send to another."
	},
	advice: func(s *subject) string {
		if s.restarted {
			return "Nothing needs to be done during an upgrade. Otherwise see which release was started at this address."
		}
		return "Unless an upgrade is under way, see what stands behind this address, and bring the brokers there to one release."
	},
}

var beforeNegotiationRule = Rule{
	Code: "KV2006", Title: "before-negotiation", Severity: model.Info,
	Summary: "a request sent before the ApiVersions response arrived",
	Documentation: model.Documentation{
		What: "The client sent ApiVersions, and then another request before the response arrived.",
		Why:  "The version of that request cannot come from the response: the client guessed it, or it is a setting. That saves a round trip, and is harmless as long as every broker supports the version.",
		Wire: "ApiVersions and another request, then the ApiVersions response.",
		Do:   "Nothing, unless the same request is also in KV1001, KV1002 or KV1003.",
	},
	exchange: func(x *decode.Exchange) (string, bool) {
		return "", x.BeforeNegotiation && x.Key != apiVersionsKey && !history.IsProbe(x)
	},
	message: func(s *subject) string {
		return fmt.Sprintf("%s sent before the ApiVersions response arrived", s.request())
	},
	why:    always("Its version cannot come from the broker's answer; the client guessed it or was set to it."),
	advice: always("Nothing needs to be done unless the request was refused."),
}
