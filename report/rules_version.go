package report

import (
	"fmt"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/report/history"
	"github.com/kafkavet/kafkavet/report/model"
)

// outsideBy returns the suspect function of a rule about requests outside a borrowed range.
func outsideBy(verdict decode.Verdict) func(*history.Suspect, *history.Ruling) (string, bool) {
	return func(k *history.Suspect, r *history.Ruling) (string, bool) {
		return "", r.Cause == history.Outside && k.Exchange.Verdict == verdict
	}
}

var aboveMaxRule = Rule{
	Code: "KV1001", Title: "above-max", Severity: model.Error,
	Summary: "request version above the advertised max",
	Documentation: model.Documentation{
		What: "The client sent a request in a version above the max that the broker advertised for this API.",
		Why: "An Apache Kafka broker closes the connection on such a request. Other brokers do not answer, or answer UNSUPPORTED_VERSION. Clients report a disconnect and suggest a cause, often security (\"Disconnected: " +
			"verify that security.protocol is correctly configured\"). Most clients try again without end, and nothing is consumed or produced.",
		Wire: "An ApiVersions request, and a response with the min and max of each API. Later on the same connection, a request whose api_version is above that max. " +
			"Then usually a FIN or RST from the broker in the place of a response.",
		Do: "The client is at fault: it received the range. Upgrade the client library to a release with the fix, or go back to the release before the fault. Or upgrade the broker to a release that supports the version. " +
			"Behind a proxy or a load balancer, make sure that ApiVersions and the request reach the same broker (KV2005).",
	},
	exchange: func(x *decode.Exchange) (string, bool) { return "", x.Verdict == decode.AboveMax },
	suspect:  outsideBy(decode.AboveMax),
	onSight:  true, explains: true,
	message: func(s *subject) string {
		return fmt.Sprintf("%s sent, the broker advertises %s", s.request(), rangeText(s.key.advertised))
	},
	why: func(s *subject) string {
		return fmt.Sprintf("%s v%d as the newest version of %s. %s",
			s.said(), s.key.advertised.Max, apiName(s.key.api), s.consequence())
	},
	advice: func(s *subject) string {
		if s.isBroker() {
			return interBroker
		}
		highest := fmt.Sprintf("%s v%d", apiName(s.key.api), s.key.advertised.Max)
		if s.key.advertised.Min < s.key.advertised.Max {
			highest += " or lower"
		}
		return fmt.Sprintf("Run a release of %s that keeps to the advertised range (%s here), or a broker that supports %s.",
			s.softwareLine(), highest, s.request())
	},
}

var belowMinRule = Rule{
	Code: "KV1002", Title: "below-min", Severity: model.Error,
	Summary: "request version below the advertised min",
	Documentation: model.Documentation{
		What: "The client sent a request in a version below the min that the broker advertised for this API.",
		Why: "Kafka 4.0 removed the request versions from before Kafka 2.1 (KIP-896). Old clients, and clients with a fixed version in their code or settings, do not work with it. " +
			"The broker closes the connection without an answer, and the client reports a disconnect.",
		Wire: "An ApiVersions response with a min above the api_version of a later request. Then usually a FIN or RST from the broker in the place of a response.",
		Do:   "Upgrade the client library. Where the protocol version is a setting, set a newer one (sarama: Version; kafka-python: api_version). Until then use a broker before 4.0, which accepts the old versions.",
	},
	exchange: func(x *decode.Exchange) (string, bool) { return "", x.Verdict == decode.BelowMin },
	suspect:  outsideBy(decode.BelowMin),
	onSight:  true, explains: true,
	message: func(s *subject) string {
		return fmt.Sprintf("%s sent, the broker advertises %s", s.request(), rangeText(s.key.advertised))
	},
	why: func(s *subject) string {
		if s.key.version < 0 {
			return "Kafka has no negative versions: the request header is wrong."
		}
		return fmt.Sprintf("%s v%d as the oldest version of %s (Kafka 4.0 removed many, KIP-896). %s",
			s.said(), s.key.advertised.Min, apiName(s.key.api), s.consequence())
	},
	advice: func(s *subject) string {
		if s.isBroker() {
			return interBroker
		}
		if s.key.version < 0 {
			return fmt.Sprintf("Upgrade %s, or report this to its authors. In many programs, -1 stands for a version that is not set.", s.softwareName())
		}
		return fmt.Sprintf("Upgrade %s to a release that sends %s v%d or higher, or raise the protocol version it is set to.",
			s.softwareName(), apiName(s.key.api), s.key.advertised.Min)
	},
}

var notAdvertisedRule = Rule{
	Code: "KV1003", Title: "not-advertised", Severity: model.Error,
	Summary: "the broker advertised no such API",
	Documentation: model.Documentation{
		What: "The client sent a request of an API that is not in the broker's ApiVersions response.",
		Why: "The broker cannot read the request and closes the connection. The API may be newer than the broker, or removed from it: Kafka 4.0 removed the inter-broker APIs of clusters with ZooKeeper. " +
			"It may be disabled (telemetry without a receiver), belong to another listener (APIs of controllers), or be removed by a proxy or a hosted service.",
		Wire: "An ApiVersions response without the API key, then a request with this key. Then usually a FIN or RST from the broker.",
		Do:   "Find the feature of the client that needs the API, and disable it. Or connect to the listener that serves the API, or use a broker release that supports it.",
	},
	exchange: func(x *decode.Exchange) (string, bool) { return "", x.Verdict == decode.NotAdvertised },
	suspect:  outsideBy(decode.NotAdvertised),
	onSight:  true, explains: true,
	message: func(s *subject) string {
		return fmt.Sprintf("%s sent, the broker advertises no such API", s.request())
	},
	why: func(s *subject) string {
		if isController(s.ranges) {
			return fmt.Sprintf("The port is a KRaft controller's listener, which serves no clients. %s", s.consequence())
		}
		return fmt.Sprintf("The broker is too old or too new for %s, has it switched off, or serves it on another listener. %s",
			apiName(s.key.api), s.consequence())
	},
	advice: func(s *subject) string {
		if isController(s.ranges) {
			return useBroker
		}
		if s.isBroker() {
			return interBroker
		}
		return fmt.Sprintf("Switch off what makes %s ask for %s, use the listener that serves it, or a broker release that has it.",
			s.softwareName(), apiName(s.key.api))
	},
}

var phantomRule = Rule{
	Code: "KV1004", Title: "phantom-range", Severity: model.Warning,
	Summary: "inside the advertised range, yet known to be refused: error where the broker refused it",
	Documentation: model.Documentation{
		What: "The version of the request is inside the advertised range, but brokers of this release refuse it. Kafka 4.x advertises Produce from v0 and accepts v3 and higher.",
		Why: "Kafka 4.0 removed Produce v0 to v2 (KIP-896). It still advertises them, because librdkafka reads a higher min as a sign that the broker does not support compression (KAFKA-18659). " +
			"A client that relies on the range sends a version that is refused.",
		Wire: "An ApiVersions response with the ranges of Kafka 4.x (such as Fetch from v4, ListOffsets from v1) and Produce from v0. Then Produce v0, v1 or v2 without an answer.",
		Do:   "Upgrade to a client that sends Produce v3 or higher (record batches, Kafka 0.11 and later), or set its protocol version to 0.11 or higher.",
	},
	exchange: func(x *decode.Exchange) (string, bool) {
		lowest, isPhantom := history.PhantomMin(x)
		if !isPhantom || x.IsAnswered() {
			return "", false
		}
		return fmt.Sprintf("v%d", lowest), true
	},
	explains: true,
	severity: func(g *group, _ *facts) model.Severity {
		if _, ok := g.worst(); ok {
			return model.Error
		}
		return model.Warning
	},
	message: func(s *subject) string {
		return fmt.Sprintf("%s sent, advertised %s, but this release accepts only %s or higher", s.request(), rangeText(s.key.advertised), s.key.detail)
	},
	why: func(s *subject) string {
		return "The broker advertises more than it accepts, because old librdkafka releases need it (KAFKA-18659). " + s.consequence()
	},
	advice: func(s *subject) string {
		return fmt.Sprintf("Upgrade %s to a release that sends %s %s or higher, or raise the protocol version it is set to.",
			s.softwareName(), apiName(s.key.api), s.key.detail)
	},
}

var unsupportedAnswerRule = Rule{
	Code: "KV3001", Title: "unsupported-answer", Severity: model.Error,
	Summary: "the broker answered UNSUPPORTED_VERSION to a request that is not outside its advertised range",
	Documentation: model.Documentation{
		What: "The broker answered error 35, UNSUPPORTED_VERSION, to a request whose version is inside its advertised range, or whose range is unknown.",
		Why: "The advertised range is not the only condition. " +
			"A version can depend on a feature that is not finalized (Produce v12 and transactions, KIP-890), on the metadata version of the cluster, on the topic's message format, or on a broker behind a proxy.",
		Wire: "A request inside the range of the ApiVersions response, and an answer with error code 35.",
		Do: "Check the finalized features and the metadata version of the cluster (kafka-features.sh describe). Finish the upgrade, or limit the client to the older version. " +
			"Behind a proxy, make sure that all brokers have one release.",
	},
	explains: true,
	suspect:  causedBy(history.Unsupported),
	message: func(s *subject) string {
		if !s.key.hasRange {
			return fmt.Sprintf("%s answered UNSUPPORTED_VERSION, the advertised range is unknown", s.request())
		}
		return fmt.Sprintf("%s answered UNSUPPORTED_VERSION, although the broker advertises %s", s.request(), rangeText(s.key.advertised))
	},
	why: func(s *subject) string {
		if !s.key.hasRange {
			return "The broker itself says that it does not support this version. Its ApiVersions response was not captured, so it is unknown whether the client could know."
		}
		if !s.mayHaveFeatures() {
			return "The advertised range is not all that decides: a setting of the broker or of the topic, or a value in the request, can refuse a version inside it."
		}
		return "The advertised range is not all that decides: features that are not finalized, an unfinished upgrade or a broker behind this one can refuse a version inside it."
	},
	advice: func(s *subject) string {
		if f, ok := featureOf(s.key.api, s.key.version); ok {
			return fmt.Sprintf("%s needs the cluster's feature %s at %d or higher: kafka-features.sh upgrade --feature %s=%d. %s", s.request(), f.name, f.level, f.name, f.level, f.instead)
		}
		if o := olderThan[s.key.api]; s.key.version < o.lowest {
			return fmt.Sprintf("Upgrade %s to a release that sends %s v%d or higher, or raise the protocol version it is set to. Or %s.", s.softwareName(), apiName(s.key.api), o.lowest, o.instead)
		}
		if !s.mayHaveFeatures() {
			return fmt.Sprintf("See the reason in the broker's log. If there is none, %s.", s.lower())
		}
		return fmt.Sprintf("Compare the cluster's finalized features (kafka-features.sh describe) with what %s needs, and finish the upgrade (metadata.version). Or %s.", s.request(), s.lower())
	},
}

// mayHaveFeatures reports whether the broker may have features that are not finalized.
func (g *group) mayHaveFeatures() bool {
	if g.ranges == nil {
		return true
	}
	_, has := g.ranges.Find(updateFeaturesKey)
	return has
}
