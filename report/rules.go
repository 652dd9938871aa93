package report

import (
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/decode/sealed"
	"github.com/kafkavet/kafkavet/reassembly"
	"github.com/kafkavet/kafkavet/report/history"
	"github.com/kafkavet/kafkavet/report/model"
)

// Rule is a kind of finding: what it is called, what it means, and when it
// fires. Codes are never renumbered and never used again.
type Rule struct {
	// Code is "KV" and four digits, Title a word or two in lower case.
	Code, Title string
	Severity    model.Severity
	// Summary says in one line when it fires.
	Summary string
	// Documentation is what explain prints, each a paragraph in plain text.
	Documentation model.Documentation

	// severity is the severity by what is known of a finding; nil where Severity always holds.
	severity func(g *group, at addressFacts) model.Severity
	// groups says what findings about suspects have in common.
	groups grouping
	// explains: the finding blames someone, and so says what else was ruled out. own is the cause that the
	// finding itself names, which is not among them; empty where there is none.
	explains bool
	own      string

	// One of the following decides; the others are nil, except suspect. detail separates findings of
	// one rule that are otherwise equal. It is mostly empty.

	// exchange looks at a settled exchange.
	exchange func(x *decode.Exchange) (detail string, fires bool)
	// suspect looks at a request that was not served, and at what history decided about it.
	suspect func(k *history.Suspect, r *history.Ruling) (detail string, fires bool)
	// departure looks at a connection that came to nothing, when all is known.
	departure func(d *departure, f *findings) (detail string, fires bool)
	// onSight: exchange decides by the verdict alone, before the outcome is known.
	onSight bool
	// connection looks at a connection that is over.
	connection func(c *decode.Connection, p past) (detail string, fires bool)
	// target: it is about Options.Target, and targetCheck decides.
	target bool
	// sealed: it is about requests inside TLS that stayed closed, and sealed.Book decides.
	sealed bool
	// change looks at two ApiVersions answers in succession from one address.
	change func(before, after *decode.Ranges) bool

	// replacedBy returns the rule that the whole input supports instead of this one, nil for this
	// one. drop: another finding reports the same, or the rest of the input withdraws it. Most
	// rules have none.
	replacedBy func(g *group, at addressFacts) (instead *Rule, drop bool)
	// message, why and advice are the texts of the finding; none holds an
	// address, a client id or a host name.
	message, why, advice func(s *subject) string
	// commands are commands that help; nil for most.
	commands func(s *subject) []model.Command
}

// grouping says what the findings of a rule about suspects have in common.
type grouping uint8

const (
	// The zero value: broker, client, API and version.
	_ grouping = iota
	// byClient: broker and client.
	byClient
	// byBroker: broker alone.
	byBroker
)

// subject is what a rule's texts are made from.
type subject struct {
	*group
	// tables are the different ranges that the broker advertised, in order of appearance.
	tables []*decode.Ranges
	// clear: the broker's address answered Kafka in the clear. answers: it answered anything that Kafka
	// clients asked. restarted: it was restarted between the tables.
	clear, answers, restarted bool
	// isOpen: other causes are not ruled out, mayLackSASL: authentication is not.
	isOpen, mayLackSASL bool
	// target is what requests were compared with in addition to what was advertised, nil for none.
	target *decode.Reference
}

// past is what the input had shown when a connection was over.
type past struct {
	// early: a request was sent on it before the ApiVersions response arrived.
	early bool
}

// addressFacts is what was spoken at a broker's address, all input considered.
type addressFacts struct {
	// clear: Kafka in the clear was answered.
	clear bool
	// tls: a TLS handshake came to its end.
	tls bool
	// inside: requests were seen inside TLS, so that one without a range need not have been sent in the clear.
	inside bool
	// confused: Kafka in the clear was answered with TLS.
	confused bool
	// failed counts the TLS handshakes that failed.
	failed uint64
	// gotThrough reports whether one of the clients of the finding came through a TLS handshake there, or was
	// answered in the clear.
	gotThrough func(g *group) bool
	// restarted reports whether the broker was restarted between its tables, each time that they changed.
	restarted func() bool
	// served reports whether the client of the finding was served there, on other connections.
	served func() bool
	// refusal is what the shape of encrypted connections shows of the requests of the finding (KV2020).
	refusal func() (sealed.Refusal, bool)
	// onTarget is what the release named with --target makes of the requests of the finding.
	onTarget func(g *group) fate
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

// IsCode reports whether there is a rule of that code.
func IsCode(code string) bool { return ruleIndex(code) >= 0 }

// ruleIndex is the index of a rule in rules by its code, -1 for none.
func ruleIndex(code string) int {
	for i := range rules {
		if rules[i].Code == code {
			return i
		}
	}
	return -1
}

// spokeTLS reports whether a TLS handshake came to its end on c.
func spokeTLS(c *decode.Connection) bool { return c.TLS != nil && c.TLS.Established }

// ended reports whether the end of c was seen.
func ended(c *decode.Connection) bool {
	return c.End.Kind == reassembly.Closed || c.End.Kind == reassembly.Reset
}
