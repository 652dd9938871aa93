package report

import (
	"fmt"

	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/words"
)

// breaksRule is KV4001. If the refusal is only likely, likelyBreaksRule replaces it.
var (
	breaksRule       = breaksOnTarget(model.Error, breaksForCertain)
	likelyBreaksRule = breaksOnTarget(model.Warning, nil)
)

// breaksForCertain is the replacedBy of breaksRule. The whole input can show that the client only
// likely breaks, or not at all.
func breaksForCertain(g *group, f *facts) (instead *Rule, drop bool) {
	switch fate := f.known.target.fateOf(g); {
	case fate < likely:
		return nil, true
	case fate == likely:
		return &likelyBreaksRule, false
	}
	return nil, false
}

func breaksOnTarget(s model.Severity, replacedBy func(g *group, f *facts) (*Rule, bool)) Rule {
	return Rule{
		Code: "KV4001", Title: "breaks-on-target", Severity: s,
		Summary: "would be refused by the release named with --target: error where that is certain, warning where it is likely",
		Documentation: model.Documentation{
			What: "The release named with --target does not accept the version of the request, and nothing shows that the client supports a version that it accepts. It is an error where that is certain: " +
				"the client does not send ApiVersions, or it sends what is not advertised. Or the broker advertised a version that the target accepts, and the client sent an older one. " +
				"Or the target has neither the API nor one in its place. It is a warning where it is likely: the client negotiates, but the captured broker advertises no version that the target accepts. " +
				"Or the advertised range was not captured, or the client sent the request before the response arrived.",
			Why: "An Apache Kafka broker closes the connection on such a request without an answer. A client that worked before the upgrade reports a disconnect after it. " +
				"Kafka 4.0 removed the versions from before Kafka 2.1 (KIP-896). Produce v0 to v2 count as refused on Kafka 4, which advertises them and does not accept them (KAFKA-18659). " +
				"A client that negotiates and would send another version is no finding. ApiVersions may have any version. Requests of brokers among themselves are not judged, because brokers are upgraded together. " +
				"Packets cannot show three things: " +
				"a client that gives up when it receives the target's ranges, a bug that only older brokers bring out (librdkafka 2.6.0 and Fetch v12), and an API that the client uses at another time (jobs at the end of the month, administration).",
			Wire: "The request of today, usually answered. On the target, a FIN or RST would follow it.",
			Do: "Upgrade the client before the brokers, or raise its protocol version (sarama: Version; kafka-python: api_version). Where it is only likely, try the client with a test broker of the target release. " +
				"Or capture it with a broker that advertises newer versions, and analyze again.",
		},
		target: true, replacedBy: replacedBy,
		message: func(b *subject) string {
			text := fmt.Sprintf("%s sent, %s %s", b.request(), b.target.Label(), b.accepts())
			switch {
			case s == model.Error || reason(b.key.detail) == someDoWithout:
				return text
			case b.key.version > rangeOn(b.target, b.key.api).Max:
				return text + ", and the client may support no lower version"
			}
			return text + ", and the client may support no newer version"
		},
		why: whyOnTarget, advice: adviceOnTarget,
	}
}

// accepts says which versions of the API the target accepts.
func (s *subject) accepts() string {
	t := rangeOn(s.target, s.key.api)
	switch {
	case !t.listed:
		return "does not support this API"
	case t.Min > t.Max:
		return "accepts no version of it"
	case t.advertised < t.Min && s.key.version < t.Min:
		return fmt.Sprintf("accepts v%d to v%d although it advertises v%d", t.Min, t.Max, t.advertised)
	}
	return "accepts " + t.Text()
}

func whyOnTarget(s *subject) string {
	t := rangeOn(s.target, s.key.api)
	api, target := apiName(s.key.api), s.target.Label()
	switch reason(s.key.detail) {
	case outsideAdvertised:
		advertised := "the broker advertises no such API"
		if s.key.hasRange {
			advertised = "the broker advertises " + rangeText(s.key.advertised)
		}
		return fmt.Sprintf("It is sent although %s. The client ignores what is advertised, and %s will refuse it.", advertised, target)
	case noNewer:
		return fmt.Sprintf("The broker advertises %s up to v%d, and the client still sent v%d: it supports no newer version, and v%d is the oldest that %s accepts.",
			api, s.key.advertised.Max, s.key.version, t.Min, target)
	case notAsked:
		return "The client sent it on a connection on which it did not ask for the ranges, and no other connection shows that it asks. It will send the same version to any broker."
	case noSuchAPI:
		return fmt.Sprintf("%s does not support %s, and no other API replaces it. What the client does with it will fail.", words.UpperFirst(target), api)
	case someDoWithout:
		return fmt.Sprintf("%s does not support %s. Some clients do without it: %s.", words.UpperFirst(target), api, doneWithout[s.key.api])
	case ignored:
		return "sarama before 1.46.0 asks for the ranges and ignores them: it sends the version that follows from its setting Version."
	case advertisedLess:
		return fmt.Sprintf("The client negotiates, and the broker advertises %s only up to v%d. Nothing shows whether the client also supports v%d, the oldest that %s accepts.",
			api, s.key.advertised.Max, t.Min, target)
	case guessed:
		return "The client sent it before the broker's answer with the ranges arrived: its version is a guess or a setting."
	}
	return fmt.Sprintf("The ranges that the broker advertised to this client were not captured. Nothing shows whether the client also supports v%d, the oldest that %s accepts.", t.Min, target)
}

// adviceOnTarget says what to do before the upgrade.
func adviceOnTarget(s *subject) string {
	t := rangeOn(s.target, s.key.api)
	software, target, api := s.softwareName(), s.target.Label(), apiName(s.key.api)
	switch {
	case !t.listed || t.Min > t.Max:
		return fmt.Sprintf("Find out what makes %s use %s, and do without it before the upgrade.", software, api)
	case reason(s.key.detail) == ignored:
		return "Run sarama 1.46.0 or later, which negotiates, or set its Version to the release of the target."
	case reason(s.key.detail).fate() == likely:
		return fmt.Sprintf("Try %s against a broker of %s, or look up whether it supports %s %s. If it does not, upgrade it first.", software, target, api, t.Text())
	case s.key.version > t.Max:
		return fmt.Sprintf("Have %s negotiate its versions, or set it to the target's release (%s v%d or lower), before the brokers change.", software, api, t.Max)
	}
	return fmt.Sprintf("Before the brokers are upgraded, run a release of %s that sends %s v%d or higher, or raise the protocol version it is set to.", s.softwareLine(), api, t.Min)
}
