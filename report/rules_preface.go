package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/words"
)

var prefaceRule = Rule{
	Code: "KV9005", Title: "preface", Severity: model.Info,
	Summary: "a PROXY, SOCKS, CONNECT or unknown preface went before the Kafka bytes",
	Documentation: model.Documentation{
		What: "A load balancer or proxy is between the client and the broker. It sent a PROXY protocol header before the client's bytes, or the client asked it for the connection by SOCKS or HTTP CONNECT. " +
			"An unknown preface is bytes that kafkavet cannot read: of the client before its first request, or of the other side before its first response.",
		Why: "The addresses of the packets are those of the proxy. The report uses the addresses in the preface: the client's (PROXY protocol), or the broker's (SOCKS, CONNECT).",
		Wire: "PROXY protocol v1 is a line of text, v2 begins with the bytes 0d 0a 0d 0a 00 0d 0a 51 55 49 54 0a. SOCKS begins with 04 or 05, CONNECT is an HTTP request. Kafka or TLS follows. " +
			"After an unknown preface, kafkavet finds requests in the clear and TLS, within 256 bytes or at the beginning of one of the next 64 segments. Requests need a client id or an answer. TLS must come before the broker's side has answered.",
		Do: "Nothing, if the broker or the proxy before it expects the preface. A Kafka broker supports no preface: without a proxy that removes it, the broker closes the connection or does not answer.",
	},
	describe: func(_ *group, o *occurrence, c *decode.Connection) { o.prefaces = prefacesOf(c) },
	connection: func(c *decode.Connection, _ past) (string, bool) {
		hasProblem := slices.ContainsFunc(c.Odd().Prefaces, func(p reassembly.Preface) bool { return p.Problem != "" })
		if len(c.Odd().Prefaces) == 0 || !isKafkaOrTLS(c) && !hasProblem {
			return "", false
		}
		var parts []string
		for i := range c.Odd().Prefaces {
			part := c.Odd().Prefaces[i].Kind.String()
			if problem := c.Odd().Prefaces[i].Problem; problem != "" {
				part += " (" + problem + ")"
			}
			parts = append(parts, part)
		}
		return strings.Join(parts, ", then "), true
	},
	message: func(s *subject) string {
		return fmt.Sprintf("%s at the beginning of %s", s.key.detail, words.Plural(s.count, "connection"))
	},
	why: func(s *subject) string {
		if strings.Contains(s.key.detail, reassembly.UnknownPreface.String()) {
			return "The client's first bytes are no Kafka request. A proxy or tunnel between the client and the broker may want them."
		}
		return "A load balancer or proxy is between the client and the broker."
	},
	advice: always("Check that the other end expects this preface. Kafka brokers do not."),
}

func prefacesOf(c *decode.Connection) []model.Preface {
	out := make([]model.Preface, len(c.Odd().Prefaces))
	for i := range c.Odd().Prefaces {
		p := &c.Odd().Prefaces[i]
		out[i] = model.Preface{Kind: p.Kind.String(), Source: address(p.Source), Target: ownText(truncate(p.Target))}
	}
	return out
}
