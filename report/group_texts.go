package report

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/report/model"
)

// request returns the API and version: "Fetch v12".
func (g *group) request() string {
	return fmt.Sprintf("%s v%d", apiName(g.key.api), g.key.version)
}

// softwareName returns the client's software, or "the client".
func (g *group) softwareName() string {
	if g.key.software.Name == "" {
		return "the client"
	}
	return truncate(strings.TrimSpace(g.key.software.Name + " " + g.key.software.Version))
}

// softwareLine returns the client's software without its version, as in "a release of".
func (g *group) softwareLine() string { return cmp.Or(truncate(g.key.software.Name), "the client") }

// lower says how the client is limited to a lower version of the API. kafka-clients have no setting
// for that.
func (g *group) lower() string {
	switch {
	case g.key.api == 71, g.key.api == 72: // telemetry, KIP-714
		return "set enable.metrics.push=false in the client"
	case g.key.software.Name == javaClient:
		return "use an older release of kafka-clients"
	}
	return fmt.Sprintf("limit %s to a lower version of %s", g.softwareName(), apiName(g.key.api))
}

// said says who advertised the range, as the beginning of a sentence.
func (g *group) said() string {
	switch {
	case g.evidence[decode.Observed] > 0:
		return "The broker advertised"
	case g.evidence[decode.Borrowed] > 0:
		return "On other connections, the broker advertises"
	}
	return "The ranges of --advertised give"
}

// worst returns the most frequent outcome that is bad for the client. ok is false for none.
func (g *group) worst() (worst decode.Outcome, ok bool) {
	for _, o := range [...]decode.Outcome{
		decode.ClosedByBroker, decode.ResetByBroker, decode.Unanswered, decode.Left, decode.Error,
	} {
		n := g.outcomes[o]
		if o == decode.Left {
			n = g.patient // leaving at once says nothing about the broker
		}
		if n > 0 && (!ok || n > g.outcomes[worst]) {
			worst, ok = o, true
		}
	}
	return worst, ok
}

// refusal says how the broker refused, as the end of a message.
func (g *group) refusal() string {
	switch worst, _ := g.worst(); worst {
	case decode.ResetByBroker:
		return "the broker reset the connection"
	case decode.Unanswered:
		return "the broker did not answer"
	case decode.Left:
		return "the broker did not answer until the client gave up"
	}
	return "the broker closed the connection"
}

// consequence says in a sentence about the broker what happens with a version that it does not
// support.
func (g *group) consequence() string {
	worst, ok := g.worst()
	switch {
	case !ok && g.outcomes[decode.Answered] == g.count:
		return "It answered all the same."
	case !ok:
		return "Brokers mostly close the connection on such a request."
	case worst == decode.Unanswered || worst == decode.Left:
		return "It does not answer such a request, and the client waits until its timeout."
	case worst == decode.Error:
		return "It answers UNSUPPORTED_VERSION."
	}
	if g.isBroker() {
		return "It closes the connection on such a request."
	}
	return "It closes the connection on such a request. Many clients then report a wrong security.protocol."
}

// isBroker reports whether the requests are those of a broker to another one.
func (g *group) isBroker() bool { return g.sample != nil && brokerRole(&g.sample.Exchange) != "" }

// interBroker is the advice about the versions that brokers use among themselves.
const interBroker = "The client is a broker, and chooses its versions by inter.broker.protocol.version (KRaft: metadata.version). Leave that at the release of the oldest broker until all are upgraded."

func rangeText(r decode.Range) string { return model.Range{Min: r.Min, Max: r.Max}.Text() }

func apiName(key int16) string { return decode.APIName(key) }

// address formats an address as IP:port, and never IPv4 as mapped IPv6.
func address(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()).String()
}
