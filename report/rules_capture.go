package report

import (
	"fmt"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/words"
)

var bytesMissingRule = Rule{
	Code: "KV9002", Title: "bytes-missing", Severity: model.Info,
	Summary: "packets were lost in the capture: what was not seen was not checked",
	Documentation: model.Documentation{
		What: "The capture lacks bytes of a connection: packets that were dropped while capturing, cut by a snapshot length, or sent on another way.",
		Why:  "Requests in the missing part were not checked, and an answer in it counts as unseen, not as absent. The more is missing, the less a report without errors says.",
		Wire: "TCP sequence numbers that jump, and the bytes between them are nowhere in the capture. Or packets that are shorter in the capture than on the wire.",
		Do:   "Capture with a larger buffer (tcpdump -B 65536), with a filter on the broker's port, and with the full packet length (tcpdump -s 0), on a host that receives both directions.",
	},
	connection: func(c *decode.Connection, _ past) (string, bool) { return "", isKafkaOrTLS(c) && c.Odd().Missing > 0 },
	message: func(s *subject) string {
		if s.key.detail == droppedDetail {
			return fmt.Sprintf("%s dropped by the capturing side", words.Plural(s.dropped, "packet"))
		}
		return fmt.Sprintf("%s missing in %s of %s", words.Plural(s.bytes, "byte"), words.Plural(s.gaps, "place"), words.Plural(s.count, "connection"))
	},
	why:    always("What was not seen was not checked."),
	advice: always("Capture with a larger buffer (tcpdump -B 65536), the full packet length (-s 0) and a filter on the broker's port."),
}

// droppedDetail distinguishes packets that the capturing system dropped from bytes that
// connections lack.
const droppedDetail = "dropped"

var midstreamRule = Rule{
	Code: "KV9003", Title: "midstream", Severity: model.Info,
	Summary: "the connection was open before the capture began",
	Documentation: model.Documentation{
		What: "The first captured packet of the connection is not its SYN: the connection was open before the capture began.",
		Why:  "Clients send ApiVersions once, at the start of a connection. The capture does not have the answer. Its requests are compared with the ranges from other connections to the same address, if there are any.",
		Wire: "A connection without SYN and usually without an ApiVersions exchange.",
		Do:   "Start the capture before the client, or restart the client while you capture.",
	},
	connection: func(c *decode.Connection, _ past) (string, bool) { return "", isKafkaOrTLS(c) && c.Midstream },
	message: func(s *subject) string {
		return fmt.Sprintf("%s open before the capture began", words.Plural(s.count, "connection"))
	},
	why:    always("What was negotiated at its start was not seen."),
	advice: always("Begin to capture before the client starts, or restart the client while capturing."),
}

// isKafkaOrTLS reports whether c can be a Kafka connection.
func isKafkaOrTLS(c *decode.Connection) bool {
	return c.Protocol == reassembly.Kafka || c.Protocol == reassembly.TLS
}
