package report

import (
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
	"github.com/kafkavet/kafkavet/report/history"
	"github.com/kafkavet/kafkavet/report/model"
)

// Rule is a kind of finding: its name, its meaning, and when it fires. Codes are never renumbered
// and never reused.
type Rule struct {
	// Code is "KV" and four digits. Title is a word or two in lower case.
	Code, Title string
	Severity    model.Severity
	// Summary says in one line when it fires.
	Summary string
	// Documentation is the text of explain. Each part is a paragraph in plain text.
	Documentation model.Documentation

	// severity returns the severity by the whole input; nil if Severity always holds.
	severity func(g *group, f *facts) model.Severity
	// groups says which properties findings about suspects share.
	groups grouping
	// explains: the finding blames someone, so it says which other causes are ruled out. omits are
	// the causes that the finding itself names, or that cannot look like it.
	explains bool
	omits    []string

	// One of the following decides. The others are nil, except suspect. detail distinguishes
	// findings of one rule that are otherwise equal. It is mostly empty.

	// exchange checks a finished exchange.
	exchange func(x *decode.Exchange) (detail string, fires bool)
	// suspect checks a request that was not served, and the ruling of history about it.
	suspect func(k *history.Suspect, r *history.Ruling) (detail string, fires bool)
	// departure checks a connection on which the client did not start its work, when the input is
	// known.
	departure func(d *departure, f *facts) (detail string, fires bool)
	// onSight: exchange decides by the verdict only, before the outcome is known.
	onSight bool
	// connection checks a connection that is over.
	connection func(c *decode.Connection, p past) (detail string, fires bool)
	// describe adds to its group and occurrence what the finding says of c; nil for most.
	describe func(g *group, o *occurrence, c *decode.Connection)
	// target: the rule is about Options.Target, and targetCheck decides.
	target bool
	// sealed: the rule is about requests inside TLS that was not decrypted, and sealed.Book
	// decides.
	sealed bool
	// change checks two consecutive ApiVersions answers of one address.
	change func(before, after *decode.Ranges) bool

	// replacedBy returns the rule that the whole input supports instead of this one; nil for this
	// one. drop: another finding reports the same, or the rest of the input withdraws it. It is
	// nil for most rules.
	replacedBy func(g *group, f *facts) (instead *Rule, drop bool)
	// message, why and advice return the texts of the finding. They contain no address, client id
	// or host name.
	message, why, advice func(s *subject) string
	// commands returns commands that help; nil for most.
	commands func(s *subject) []model.Command
}

// Keys of APIs. The texts of findings, departures and targets depend on them.
const (
	produceKey = 0
	// metadataKey: kafka-python also sends Metadata to check a probe's refusal.
	metadataKey        = 3
	findCoordinatorKey = 10
	joinGroupKey       = 11
	saslHandshakeKey   = 17
	// apiVersionsKey: ApiVersions negotiates versions, and is itself exempt from negotiation
	// (KIP-35, KIP-511).
	apiVersionsKey      = 18
	initProducerIDKey   = 22
	writeTxnMarkersKey  = 27
	saslAuthenticateKey = 36
	// updateFeaturesKey: brokers without UpdateFeatures have no features (KIP-584).
	updateFeaturesKey = 57
)

// always returns a text that does not depend on the finding.
func always(text string) func(*subject) string { return func(*subject) string { return text } }

// causedBy returns the suspect function of a rule about requests with one cause.
func causedBy(cause history.Cause) func(*history.Suspect, *history.Ruling) (string, bool) {
	return func(_ *history.Suspect, r *history.Ruling) (string, bool) { return "", r.Cause == cause }
}

// grouping says which properties the findings of a rule about suspects share.
type grouping uint8

const (
	// The zero value: broker, client, API and version.
	_ grouping = iota
	// byClient: broker and client.
	byClient
	// byBroker: broker only.
	byBroker
)

// subject is the input of a rule's texts.
type subject struct {
	*group
	// tables are the different range tables that the broker advertised, in order of appearance.
	tables []*decode.Ranges
	// clear: the broker's address answered Kafka in plaintext. answers: it answered at least one
	// other Kafka request. restarted: it restarted between the tables.
	clear, answers, restarted bool
	// handshakes: a TLS handshake with it came to its end. shut: it closed on a ClientHello.
	handshakes, shut bool
	// isOpen: other causes are not ruled out. mayLackSASL: neither is authentication, and the client
	// did not begin with SASL.
	isOpen, mayLackSASL bool
	// served reports whether the client of the finding was served there, on other connections.
	served func() bool
	// unexplained returns how many connections the broker closed on a request inside TLS (KV9001).
	unexplained func() int
	// target is the release with which requests were also compared; nil for none.
	target *decode.Reference
}

// past is what the input had shown when a connection ended.
type past struct {
	// early: a request was sent on it before the ApiVersions response arrived.
	early bool
}

// rules are all rules in the order of their codes. It is the only list of them.
var rules = []Rule{
	aboveMaxRule, belowMinRule, notAdvertisedRule, phantomRule,
	unnegotiatedRule, apiVersionsRefusedRule, downgradedRule, clientLeftRule,
	rangesChangedRule, beforeNegotiationRule, tlsConfusionRule, authenticationRule,
	droppedRule, saslMissingRule, clientNameRule, notKafkaRule, awayRule, apiMissingRule,
	sessionRule, cutOffRule, wrongRefusalRule, messageFormatRule,
	sealedRule,
	unsupportedAnswerRule, fallbackRule, breaksRule,
	encryptedRule, bytesMissingRule, midstreamRule, handshakeFailedRule, prefaceRule,
}

// Rules describes all rules in the order of their codes.
func Rules() []model.Rule {
	out := make([]model.Rule, len(rules))
	for i := range rules {
		r := &rules[i]
		out[i] = model.Rule{Code: r.Code, Title: r.Title, Severity: r.Severity, Summary: r.Summary, Documentation: r.Documentation}
	}
	return out
}

// IsCode reports whether a rule has that code.
func IsCode(code string) bool { return ruleIndex(code) >= 0 }

// ruleIndex returns the index in rules of the rule with that code; -1 for none.
func ruleIndex(code string) int {
	for i := range rules {
		if rules[i].Code == code {
			return i
		}
	}
	return -1
}

// spokeTLS reports whether a TLS handshake completed on c.
func spokeTLS(c *decode.Connection) bool { return c.TLS != nil && c.TLS.Established }

// ended reports whether the end of c was captured.
func ended(c *decode.Connection) bool {
	return c.End.Kind == reassembly.Closed || c.End.Kind == reassembly.Reset
}
