package report

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/decode/sealed"
	"github.com/kafkavet/kafkavet/reassembly"
	"github.com/kafkavet/kafkavet/reassembly/tlsrecord"
	"github.com/kafkavet/kafkavet/report/history"
	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/words"
)

// closedAgain is how often a listener must close on a ClientHello without sending a byte, to look
// like a plaintext listener. A broker reads the beginning of a ClientHello as a size above its
// limit, and closes each time.
const closedAgain = 3

// closedAtOnce is the longest time in which a plaintext listener closes on a ClientHello. It does
// so within milliseconds. A proxy without a backend first tries to reach one (HAProxy: three
// times, a second apart).
const closedAtOnce = time.Second

// isMute reports whether the other side sent no byte after a ClientHello, and does not look like a
// plaintext listener.
func isMute(c *decode.Connection) bool {
	if !c.Seen[reassembly.ToClient] || c.Bytes[reassembly.ToClient] > 0 || c.TLS == nil {
		return false
	}
	return c.End.By == reassembly.ToBroker || time.Duration(c.End.At.Time-c.LastData[reassembly.ToBroker].Time) >= closedAtOnce
}

// besideTLS are the causes that do not look like a failed TLS handshake.
var besideTLS = []string{"idle limit", "authentication", "size"}

// The details of tlsConfusionRule.
const (
	clearToTLS = "clear-to-tls"
	tlsToClear = "tls-to-clear"
	// tlsClosed: the broker closed on a ClientHello without sending a byte. That is confusion only
	// at an address with plaintext Kafka.
	tlsClosed = "tls-closed"
)

var tlsConfusionRule = Rule{
	Code: "KV2007", Title: "tls-confusion", Severity: model.Warning,
	Summary: "one side speaks TLS, the other Kafka in the clear",
	Documentation: model.Documentation{
		What: "The client sent Kafka requests in the clear to a listener that speaks TLS, or a TLS ClientHello to a listener that speaks Kafka in the clear.",
		Why:  "The connection ends at once, and the client reports the same disconnect as after a version mismatch. Here the cause is security.protocol.",
		Wire: "A Kafka request, and a TLS record as the answer (usually an alert), or a close at an address that speaks only TLS. " +
			"Or a ClientHello, and an answer that may be Kafka, or a close at an address that answers Kafka in the clear, or, at least three times, a close at once without a byte.",
		Do: "Set security.protocol of the client to that of the listener (PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL), or use the port of the right listener. If advertised.listeners sends clients to the wrong port, fix it.",
	},
	explains: true, omits: besideTLS,
	connection: func(c *decode.Connection, _ past) (string, bool) {
		switch {
		case c.Confusion == reassembly.ClearToTLS:
			return clearToTLS, true
		case c.Confusion == reassembly.TLSToClear && c.Bytes[reassembly.ToClient] > 0:
			return tlsToClear, true
		case c.Confusion == reassembly.TLSToClear && !isMute(c):
			return tlsClosed, true
		}
		return "", false
	},
	replacedBy: func(g *group, f *facts) (instead *Rule, drop bool) {
		if at := f.about(g); g.key.detail == tlsClosed && !at.clear && (at.tls || at.deaf || at.mute || g.count < closedAgain) {
			return &handshakeFailedRule, false
		}
		return nil, false
	},
	message: func(s *subject) string {
		switch {
		case s.key.detail == tlsClosed && !s.clear:
			return "the client speaks TLS, and the other side closes without a byte: it looks like a listener in the clear"
		case s.key.hasAPI:
			return fmt.Sprintf("%s sent in the clear to a listener that speaks TLS, %s", s.request(), s.refusal())
		case s.key.detail == tlsToClear:
			return "the client speaks TLS, the broker answered in the clear"
		case s.key.detail == tlsClosed:
			return "the client speaks TLS to a listener that speaks Kafka in the clear, and was closed"
		}
		return "the client speaks Kafka in the clear, the broker answered with TLS"
	},
	why: func(s *subject) string {
		if s.key.detail == tlsClosed && !s.clear {
			return "A listener in the clear reads a ClientHello as a message that is too large, and closes at once. A proxy without a backend can look the same. No version is at fault."
		}
		return "The two sides disagree about TLS. The client sees the same disconnect as after a version mismatch, but no version is at fault."
	},
	advice: func(s *subject) string {
		if s.key.detail == tlsToClear || s.key.detail == tlsClosed {
			return "Set security.protocol of the client to PLAINTEXT or SASL_PLAINTEXT, or use the port of the TLS listener."
		}
		return "Set security.protocol of the client to SSL or SASL_SSL, or use the port of the listener in the clear."
	},
}

// maxMechanisms bounds the SASL mechanisms that a message lists; Kafka has five.
const maxMechanisms = 8

// The details of authenticationRule without an error code. closedInside: the broker closed on a
// SaslAuthenticate, closedOnHandshake: on a SaslHandshake. outOfOrder: the same on another request.
// noHandshake: no SaslHandshake was answered before. closedOnTokens: the same for tokens without a
// header. notAnswered: the client left without an answer to its token. leftAfterHandshake and
// leftAfterChallenge: the client closed after an answered SaslHandshake, or after the broker's
// first token. leftWithoutJoinGroup: the same after GSSAPI, where librdkafka may miss JoinGroup v0.
const (
	closedInside         = "closed"
	closedOnHandshake    = "closed on the handshake"
	outOfOrder           = "out of order"
	noHandshake          = "no handshake"
	closedOnTokens       = "closed on tokens"
	leftAfterHandshake   = "left"
	notAnswered          = "not answered"
	leftWithoutJoinGroup = "left, no JoinGroup v0"
	leftAfterChallenge   = "left after a challenge"
)

// illegalSASLState answers a SaslHandshake on a listener without SASL (Apache Kafka,
// KafkaApis.handleSaslHandshakeRequest), or in the wrong step of an authentication.
const illegalSASLState = 34

// saslErrors maps the error codes of SaslHandshake and SaslAuthenticate to names (Apache Kafka,
// org.apache.kafka.common.protocol.Errors).
var saslErrors = map[int16]string{
	33:               "UNSUPPORTED_SASL_MECHANISM",
	illegalSASLState: "ILLEGAL_SASL_STATE",
	58:               "SASL_AUTHENTICATION_FAILED",
}

var authenticationRule = Rule{
	Code: "KV2008", Title: "authentication-failed", Severity: model.Warning,
	Summary: "SaslHandshake or SaslAuthenticate answered with an error",
	Documentation: model.Documentation{
		What: "The broker refused the SASL mechanism that the client asked for, or its credentials.",
		Why:  "The broker closes the connection afterwards, and the client may report no more than a disconnect. The cause is the authentication. No version is at fault.",
		Wire: "SaslHandshake (api_key 17) or SaslAuthenticate (api_key 36) with an error code in the response. Or a FIN or RST from the broker on a request between SaslHandshake and the last token. Or no answer to SaslAuthenticate: twice, or while others are answered. Or, at least twice: " +
			"a FIN or RST from the broker on SaslHandshake, or after SaslHandshake v0 and tokens without a header, or a client that closes after the handshake or after the broker's first token. The contents of tokens are never read.",
		Do: "If the mechanism is refused, set sasl.mechanism to one that the broker enables. If the credentials are refused, check user, password, token or ticket. The broker's log has the reason.",
	},
	explains: true, omits: []string{"authentication", "size"},
	exchange: func(x *decode.Exchange) (string, bool) {
		if x.ErrorCode == 0 || x.Outcome == decode.Error || x.Key != saslHandshakeKey && x.Key != saslAuthenticateKey {
			return "", false
		}
		return saslRefusal(x), true
	},
	suspect: func(k *history.Suspect, r *history.Ruling) (string, bool) {
		detail := closedInside
		switch {
		case k.Exchange.Key == saslHandshakeKey:
			detail = closedOnHandshake
		case k.Exchange.Key != saslAuthenticateKey:
			detail = outOfOrder
		case k.Exchange.Outcome == decode.Left:
			detail = notAnswered
		case k.LacksHandshake():
			detail = noHandshake
		}
		return detail, r.Cause == history.Authentication
	},
	replacedBy: func(g *group, _ *facts) (instead *Rule, drop bool) {
		switch g.key.detail {
		case leftAfterHandshake, leftWithoutJoinGroup, leftAfterChallenge, closedOnTokens:
			return nil, g.count < 2 // once it may have been stopped
		}
		return nil, false
	},
	departure: func(d *departure, f *facts) (detail string, fires bool) {
		switch {
		case d.torn || d.waited || f.serves(d):
		case d.left && d.stage == saslHandshakeKey:
			if join, ok := d.ranges.Find(joinGroupKey); ok && join.Min > 0 && d.mechanism == "GSSAPI" && d.software.Name != javaClient {
				return leftWithoutJoinGroup, true
			}
			return leftAfterHandshake, true
		case d.left && d.stage == history.Challenged:
			return leftAfterChallenge, true
		case d.closed && d.soon && d.stage == saslHandshakeKey && !f.history.RestartedAt(d.broker, d.end.Time):
			return closedOnTokens, true
		}
		return "", false
	},
	message: func(s *subject) string {
		switch s.key.detail {
		case closedInside:
			return s.request() + " sent, and the broker closed the connection during the authentication"
		case closedOnHandshake:
			return fmt.Sprintf("%s sent for %s, and the broker closed the connection", s.request(), cmp.Or(truncate(s.sample.Exchange.Mechanism), "an unknown mechanism"))
		case outOfOrder:
			return s.request() + " sent before the authentication was complete, and the broker closed the connection"
		case notAnswered:
			return s.request() + " sent, and the broker did not answer until the client gave up"
		case noHandshake:
			return s.request() + " sent without SaslHandshake, and the broker closed the connection"
		case leftAfterHandshake, leftWithoutJoinGroup:
			return "the client closed after an answered SaslHandshake and sent no credentials"
		case leftAfterChallenge:
			return "the client closed after the broker answered its first token with another one"
		case closedOnTokens:
			return "the broker closed the connection during the authentication, after an answered SaslHandshake"
		}
		return fmt.Sprintf("%s answered with %s", s.request(), s.key.detail)
	},
	why: func(s *subject) string {
		switch s.key.detail {
		case closedInside:
			return "The broker closes without an answer where it cannot read the client's tokens or does not accept them. The disconnect has this cause, not a version."
		case closedOnHandshake:
			return "A broker answers a mechanism that it does not enable with an error, and names those that it enables. One that closes instead is mostly a proxy, gateway or service that does not support the mechanism, or fails to prepare it."
		case leftWithoutJoinGroup:
			return "librdkafka before 2.11.0 takes GSSAPI for unsupported where JoinGroup v0 is not advertised, as by Kafka 4.0.0 (KAFKA-19444). Other clients leave here where they have no credentials to send, such as a Kerberos ticket."
		case outOfOrder:
			return "Between SaslHandshake and the last token, a broker closes on any other request. No version is at fault."
		case notAnswered:
			return "The broker may wait for another service that checks tokens (LDAP, OAuth). No version is at fault."
		case noHandshake:
			return "SaslHandshake must name the mechanism before SaslAuthenticate. A broker closes without it. No version is at fault."
		case leftAfterHandshake:
			return "The broker accepts the mechanism. A client leaves here where it has no credentials to send: with GSSAPI, mostly no Kerberos ticket. No version is at fault."
		case leftAfterChallenge:
			return "The authentication is not complete, and the client does not go on. With OAUTHBEARER, such a token of the broker is a refusal (RFC 7628): the access token is expired or not accepted. No version is at fault."
		case closedOnTokens:
			return "A broker closes without an answer on tokens without a header that it does not accept: mostly a wrong user or password. After SaslHandshake v1 it accepts none without a header. No version is at fault."
		}
		return "The broker refused the authentication and closes the connection afterwards. The disconnect has this cause, not a version."
	},
	advice: func(s *subject) string {
		const checkTicket = "Look at the client's log; for GSSAPI check the keytab, the ticket (kinit, klist) and sasl.kerberos.service.name."
		switch s.key.detail {
		case closedOnHandshake:
			return "Set sasl.mechanism of the client to one that the listener supports. The log of the broker or proxy at this address names the reason."
		case leftWithoutJoinGroup:
			return "If the client uses librdkafka before 2.11.0, upgrade it, or the broker to Kafka 4.0.1 or later. " + checkTicket
		case leftAfterHandshake:
			return checkTicket
		case outOfOrder, noHandshake:
			return fmt.Sprintf("See in the log of %s whether the authentication failed before. Otherwise use a release that sends SaslHandshake, its tokens, and then other requests.", s.softwareName())
		case notAnswered:
			return "See in the broker's log what its login module waits for."
		case leftAfterChallenge:
			return "Look at the client's log; for OAUTHBEARER check the access token: its expiry, issuer, audience and scope, and the broker's log."
		}
		if s.key.hasAPI && s.key.api == saslHandshakeKey && strings.HasPrefix(s.key.detail, saslErrors[illegalSASLState]) {
			return "Set security.protocol of the client to PLAINTEXT or SSL if the listener has no SASL: it answers so. A client that authenticates again too early gets the same answer."
		}
		if s.key.hasAPI && s.key.api == saslHandshakeKey {
			return "Set sasl.mechanism of the client to one that the broker enables, or enable the one it asks for (sasl.enabled.mechanisms)."
		}
		if s.served != nil && s.served() {
			return "Look at the broker's log for the reason: it serves the same client on other connections. It may have refused a changed password, an expired token, or too many connections at once."
		}
		return "Check the client's credentials, and the broker's log for the reason."
	},
}

// saslRefusal names the error and, for a handshake, the requested and the enabled mechanisms.
func saslRefusal(x *decode.Exchange) string {
	name, known := saslErrors[x.ErrorCode]
	if !known {
		name = fmt.Sprintf("error %d", x.ErrorCode)
	}
	if x.Mechanism == "" {
		return name
	}
	enabled := make([]string, 0, maxMechanisms)
	for _, m := range x.Enabled[:min(len(x.Enabled), maxMechanisms)] {
		enabled = append(enabled, truncate(m))
	}
	list := strings.Join(enabled, ", ")
	switch {
	case len(enabled) == 0:
		list = "none"
	case len(x.Enabled) > maxMechanisms:
		list += fmt.Sprintf(" and %d more", len(x.Enabled)-maxMechanisms)
	}
	return fmt.Sprintf("%s: asked for %s, enabled: %s", name, truncate(x.Mechanism), list)
}

var encryptedRule = Rule{
	Code: "KV9001", Title: "encrypted", Severity: model.Info,
	Summary: "TLS, and no key for it: nothing inside was checked",
	Documentation: model.Documentation{
		What: "The connection speaks TLS and was not decrypted, or not completely.",
		Why:  "Nothing inside was checked: whether it is Kafka, and which versions it uses. A report without errors says nothing about it.",
		Wire: "TLS records. If the capture has the handshake, the report has its version, cipher suite, server name and the beginning of the client random.",
		Do: "Give the key log of one side with --tls-keylog. It has the key of a session if one of its lines has the client random in this report. " +
			"The key log must be written while the connection begins, so start the client with it.",
	},
	connection: func(c *decode.Connection, _ past) (string, bool) {
		if !isEncrypted(c) {
			return "", false
		}
		if c.TLS == nil {
			return "", true
		}
		return commonReason(c.TLS), true
	},
	message: func(s *subject) string {
		message := fmt.Sprintf("TLS on %s was not decrypted", words.Plural(s.count, "connection"))
		if s.key.detail != "" {
			message += ": " + s.key.detail
		}
		return message
	},
	why: always("Nothing inside was checked."),
	advice: func(s *subject) string {
		advice := encryptedAdvice(s.key.detail)
		if n := s.unexplained(); n > 0 {
			return fmt.Sprintf("The other side closed %s at once on a message that it did not answer. Kafka 2.1 or later does so if it does not support the version; for missing or refused SASL it waits 0.1 s. "+
				"Kafka before 2.1 does so for SASL, too, and so may a port that is none of Kafka. The broker's log or a key log says which. Name the broker's release with --advertised kafka-RELEASE, so that SASL can be excluded. %s",
				words.Plural(uint64(n), "connection"), advice)
		}
		return advice
	},
	commands: func(s *subject) []model.Command {
		if a := encryptedAdvice(s.key.detail); a != keyLogAdvice && a != otherKeyLogAdvice && a != partKeyLogAdvice {
			return nil
		}
		return keyLogWays(s.libraries.list)
	},
}

func encryptedAdvice(reason string) string {
	switch {
	case strings.HasPrefix(reason, "cipher suite") && strings.HasSuffix(reason, "is not supported"):
		return "No key log helps: let client and broker agree on a usual cipher suite, such as AES-GCM, while capturing."
	case strings.HasSuffix(reason, "is not supported"):
		return "No key log helps: switch this off in the client while capturing."
	case strings.Contains(reason, "side is not in the capture"):
		return "One direction does not show which requests were answered. Capture both: on the host of the client or of the broker, or mirror both directions of the port."
	case strings.Contains(reason, "not in the capture"):
		return "Begin the capture before the client connects, with whole packets (tcpdump -s 0), and give the client's or the broker's TLS key log with --tls-keylog."
	case strings.Contains(reason, "after bytes were missing"):
		return "Capture again without loss (tcpdump -s 0 -B 65536)."
	}
	switch {
	case strings.Contains(reason, "has no entry"):
		return otherKeyLogAdvice
	case strings.Contains(reason, "lacks secrets"):
		return partKeyLogAdvice
	}
	return keyLogAdvice
}

// keyLogAdvice is the advice if a key log helps.
const keyLogAdvice = "Give the client's or the broker's TLS key log with --tls-keylog FILE. It has to be written while the connections are set up."

// partKeyLogAdvice is the advice if the key log has only some of the secrets of a connection.
const partKeyLogAdvice = "Copy the key log again when its writer has ended, or follow it with sniff: a connection needs CLIENT_TRAFFIC_SECRET_0 and SERVER_TRAFFIC_SECRET_0."

// otherKeyLogAdvice is the advice if the key log is from other connections.
const otherKeyLogAdvice = "The key log given is from another program, or it was begun after these connections, which then cannot be decrypted. Give the one that this client or its broker wrote while these connections were set up."

// httpsPort is the port of HTTPS. Brokers seldom use it, and it has failed handshakes of its own.
const httpsPort = 443

// noByte is the detail of handshakes without any answer.
const noByte = "no byte came from the other side"

var handshakeFailedRule = Rule{
	Code: "KV9004", Title: "tls-handshake-failed", Severity: model.Info,
	severity: func(g *group, f *facts) model.Severity {
		again := max(f.about(g).failed, g.count) > 1 || strings.HasPrefix(g.key.detail, alertPrefix)
		_, isNamed := alertOf(g.key.detail) // a certificate that changed fails from then on
		if f.gotThrough(g, isNamed && g.count >= closedAgain) || !again || g.key.broker.Addr.Port() == httpsPort {
			return model.Info
		}
		return model.Warning
	},
	Summary: "the TLS handshake ended in an alert or a close: warning where an alert names the reason or it failed more than once, and the client never got through",
	Documentation: model.Documentation{
		What: "A TLS handshake began and was not completed: one side sent an alert, or closed the connection.",
		Why: "The broker answered no Kafka request. The client reports a disconnect or a TLS error. The cause is a certificate, a protocol version, a cipher suite or a listener that does not speak TLS. " +
			"No Kafka version is at fault.",
		Wire: "A ClientHello, perhaps an answer, then an alert record, a FIN or a RST. Closes count together with the alert that the same client sends or receives on other connections. " +
			"A client that got through before counts if it fails for a named reason at least three times and never gets through again: a certificate may have changed. " +
			"In TLS 1.3 without a key the alert has no name: the lengths of records show whose certificate was not accepted.",
		Do: "Look at the name of the alert and at its sender. unknown_ca and bad_certificate from the client: it does not trust the broker's certificate. certificate_required from the broker: " +
			"it requires a certificate of the client. protocol_version and handshake_failure: the two have no version or suite in common.",
	},
	explains: true, omits: besideTLS,
	connection: func(c *decode.Connection, _ past) (string, bool) {
		if !handshakeFailed(c) {
			return "", false
		}
		switch {
		case isMute(c):
			return noByte, true
		case c.TLS.AlertFromServer:
			return alertPrefix + c.TLS.Alert + fromBroker, true
		case c.TLS.Alert != "":
			return alertPrefix + c.TLS.Alert + " from the client", true
		}
		if of := sealed.RefusedCertificate(c); of != sealed.NotRefused {
			return refusedCertificates[of].detail, true
		}
		return closedBy(c.End.By), true
	},
	message: func(s *subject) string {
		detail := s.key.detail
		if detail == tlsClosed {
			detail = "closed by the broker without a byte"
		}
		text := fmt.Sprintf("TLS handshake failed on %s: %s", words.Plural(s.count, "connection"), detail)
		if s.closed > 0 {
			text += fmt.Sprintf(" on %s, a close on %s", words.Number(s.count-s.closed), words.Number(s.closed))
		}
		return text
	},
	why: func(s *subject) string {
		const text = "No Kafka request was answered; the cause lies in TLS."
		switch {
		case s.key.detail == tlsClosed && s.handshakes:
			return "The other side closed on the ClientHello and sent no byte. Other handshakes at this address were completed: a proxy may have no route for the server name that this client asks for, or the address limits the connections, or it was restarting."
		case s.isMute() && s.handshakes:
			return "The other side accepted the connection and sent no byte. Other handshakes at this address were completed: the broker hung or restarted, or packets are lost on the way."
		case s.isMute():
			return "The other side accepted the connection and sent no byte: nothing runs behind the address (a proxy or load balancer without a backend), or the broker hangs. A listener that does not speak TLS looks the same."
		}
		if a, ok := alertOf(s.key.detail); ok {
			return text + " " + a.meaning
		}
		if s.ended.Answered.Time > 0 {
			return text + " The side that closed may not accept the other's certificate."
		}
		return text
	},
	advice: func(s *subject) string {
		if a, ok := alertOf(s.key.detail); ok {
			return a.advice
		}
		switch {
		case s.key.detail == tlsClosed && s.handshakes:
			return "Compare the server name (SNI) and the TLS versions of this client with those of the clients that get through. Then look for a limit of connections, or a restart, in the log of the proxy or broker."
		case s.isMute() && s.handshakes:
			return "Look for a restart in the broker's log. Then check the way between the two for lost packets (MTU)."
		case s.isMute():
			return "Check whether a broker runs behind this address and is reached from it; then whether the listener speaks TLS."
		}
		if s.ended.Answered.Time > 0 {
			return "Check the certificates of both sides (trust, names, dates), the TLS versions, and the logs of both sides."
		}
		return "Check whether the listener speaks TLS; then certificates, TLS versions, and the logs of both sides."
	},
}

// closedBy is the detail of handshakes that a side ended without an alert.
func closedBy(by reassembly.Direction) string {
	if by == reassembly.ToClient {
		return "closed by the broker"
	}
	return "closed by the client"
}

// isMute reports whether no byte came from the other side of a failed handshake.
func (s *subject) isMute() bool { return s.key.detail == noByte || s.key.detail == tlsClosed }

// recordNumber matches the number of a record in a reason.
var recordNumber = regexp.MustCompile(`\brecord [0-9]+\b`)

// commonReason returns the reason why a session was not decrypted, without its client random
// (which rows have) and record numbers. Sessions with one cause then have equal reasons.
func commonReason(t *tlsrecord.Info) string {
	random := hex.EncodeToString(t.ClientRandom[:clientRandomShown])
	reason := strings.Replace(t.Reason, "client random "+random+"...", "it", 1)
	return recordNumber.ReplaceAllString(reason, "a record")
}

// isEncrypted reports whether c has TLS that was not decrypted completely.
func isEncrypted(c *decode.Connection) bool {
	if c.Confusion != reassembly.NoConfusion || handshakeFailed(c) || answersForeign(c) {
		return false
	}
	if c.TLS == nil {
		return c.Protocol == reassembly.TLS
	}
	return c.TLS.Undecrypted > 0 || c.TLS.Reason != "" && c.TLS.Decrypted == 0
}

// handshakeFailed reports whether the TLS handshake of c ended without success.
func handshakeFailed(c *decode.Connection) bool {
	if c.TLS == nil || c.TLS.Established || c.Confusion != reassembly.NoConfusion && !isMute(c) || answersForeign(c) {
		return false
	}
	return c.TLS.Alert != "" || ended(c) && c.Seen[reassembly.ToClient] && (c.TLS.HasClientRandom || isMute(c)) && !c.Midstream &&
		(c.TLS.Undecrypted == 0 || sealed.RefusedCertificate(c) != sealed.NotRefused)
}
