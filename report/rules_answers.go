package report

import (
	"encoding/binary"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
	"github.com/kafkavet/kafkavet/report/model"
)

// The rules about answers that contain an error.

// Error codes of answers (Apache Kafka, org.apache.kafka.common.protocol.Errors).
const (
	errInvalidRequest   = 42
	errForMessageFormat = 43
	errCompression      = 76
)

// softwarePattern matches the software names and versions that KIP-511 allows.
var softwarePattern = regexp.MustCompile(`^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$`)

var clientNameRule = Rule{
	Code: "KV2011", Title: "client-name-refused", Severity: model.Error,
	Summary: "ApiVersions answered INVALID_REQUEST (42): the announced software name or version is not allowed",
	Documentation: model.Documentation{
		What: "The broker answered the ApiVersions request with error 42, INVALID_REQUEST: KIP-511 does not allow the name or version of the client software.",
		Why: "Since ApiVersions v3 a client announces its software. Name and version may have letters, digits, hyphens and dots, and begin and end with a letter or digit. Spaces, parentheses and empty text are not allowed. " +
			"The answer has no ranges, so the client cannot go on. Most clients try again without end.",
		Wire: "ApiVersions v3 or higher with name and version, and a response with error 42 and no ranges.",
		Do:   "Set a name and version of letters, digits, hyphens and dots (franz-go: kgo.SoftwareNameAndVersion), or use a release of the library that does.",
	},
	explains: true,
	exchange: func(x *decode.Exchange) (string, bool) {
		if !hasBadSoftware(x) {
			return "", false
		}
		return badSoftware(x.Software), true
	},
	message: func(s *subject) string {
		return fmt.Sprintf("%s answered INVALID_REQUEST: the %s is not allowed", s.request(), s.key.detail)
	},
	why:    always("KIP-511 allows letters, digits, hyphens and dots, with a letter or digit at both ends. The answer holds no ranges, so the client cannot go on."),
	advice: always("Set an allowed software name and version in the client (franz-go: kgo.SoftwareNameAndVersion), or use a release of the library that does so itself."),
}

// hasBadSoftware reports whether ApiVersions was answered with error 42 because of the software
// name or version. Without both, the capture may lack them.
func hasBadSoftware(x *decode.Exchange) bool {
	return x.Key == apiVersionsKey && x.ErrorCode == errInvalidRequest && x.Software != (decode.Software{}) &&
		!(softwarePattern.MatchString(x.Software.Name) && softwarePattern.MatchString(x.Software.Version))
}

// badSoftware names the part of s that breaks the pattern.
func badSoftware(s decode.Software) string {
	name, version := strconv.Quote(truncate(s.Name)), strconv.Quote(truncate(s.Version))
	switch {
	case !softwarePattern.MatchString(s.Name) && !softwarePattern.MatchString(s.Version):
		return fmt.Sprintf("software name %s with version %s", name, version)
	case !softwarePattern.MatchString(s.Version):
		return fmt.Sprintf("version %s of the software %s", version, name)
	}
	return "software name " + name
}

var wrongRefusalRule = Rule{
	Code: "KV2017", Title: "wrong-refusal", Severity: model.Error,
	Summary: "error 35 in a body other than v0: the fault of broker or proxy",
	Documentation: model.Documentation{
		What: "The broker or a proxy refused the version of ApiVersions with error 35, in the layout of the requested version.",
		Why:  "KIP-511 requires a v0 body for this error: a client cannot know the layout of a version that the broker does not support. Clients fail to parse the answer and disconnect, or read wrong values.",
		Wire: "ApiVersions vN, and a response with error 35 whose body has the layout of vN.",
		Do:   "Upgrade or fix the broker or proxy. Until then limit the client to a version of ApiVersions that it supports.",
	},
	explains: true, omits: []string{"proxy"},
	exchange: func(x *decode.Exchange) (string, bool) { return "", x.WrongRefusal },
	message: func(s *subject) string {
		return fmt.Sprintf("%s answered with error 35 in the layout of v%d, where v0 is due", s.request(), s.key.version)
	},
	why: always("KIP-511 demands a v0 body for this error. It is a fault of the broker or of a proxy, and not of the client, which cannot read it."),
	advice: func(s *subject) string {
		return fmt.Sprintf("Upgrade or fix the broker or proxy. Until then %s.", s.lower())
	},
}

var messageFormatRule = Rule{
	Code: "KV2018", Title: "message-format", Severity: model.Warning,
	Summary: "error 43 or 76: the topic's message format or compression",
	Documentation: model.Documentation{
		What: "The broker answered error 43, UNSUPPORTED_FOR_MESSAGE_FORMAT, or error 76, UNSUPPORTED_COMPRESSION_TYPE, to a Produce, Fetch or ListOffsets request.",
		Why: "Error 43: the topic has an old message format (log.message.format.version, message.format.version). It has no field for what the client needs: headers, timestamps, idempotence. " +
			"The version of the request is inside the range. Some services answer 43 to compressed records (Azure Event Hubs). " +
			"Error 76: only Produce v7 and Fetch v10 and higher carry records with zstd (KIP-110). The version is inside the range, and too low for these records. In these versions, the service does not support the compression.",
		Wire: "A response with error code 43 or 76 for a partition.",
		Do: "Error 43: raise message.format.version of the topic (to 0.11 or higher for idempotence and headers), or disable the feature in the client. " +
			"Error 76: use a client that sends the higher versions, or another compression.type in the producers and the topic.",
	},
	explains: true,
	exchange: func(x *decode.Exchange) (string, bool) {
		if x.ErrorCode == errCompression {
			return compression, true
		}
		return "", x.ErrorCode == errForMessageFormat
	},
	message: func(s *subject) string {
		if s.key.detail == compression {
			return s.request() + " answered UNSUPPORTED_COMPRESSION_TYPE"
		}
		return s.request() + " answered UNSUPPORTED_FOR_MESSAGE_FORMAT"
	},
	why: func(s *subject) string {
		switch {
		case s.key.detail == compression && s.carriesZstd():
			return "What answers at this address does not support the compression of these records. The version of the request is not at fault: it can carry all that Kafka has."
		case s.key.detail == compression:
			return "Records with zstd need Produce v7 or Fetch v10, or higher (KIP-110). The broker does not convert them for lower versions."
		}
		text := "The topic keeps an old message format (log.message.format.version of the broker, or message.format.version of the topic). The version of the request is not at fault."
		if s.key.api == produceKey {
			text += " Some services that are not Apache Kafka answer compressed records like this (Azure Event Hubs)."
		}
		return text
	},
	advice: func(s *subject) string {
		switch {
		case s.key.detail == compression && s.carriesZstd():
			return "Change compression.type of the producers and the topic (none, gzip)."
		case s.key.detail == compression:
			return fmt.Sprintf("Run a release of %s with zstd that sends Produce v7 and Fetch v10 or higher, or change compression.type of the producers and the topic. Records that are there stay as they are.", s.softwareLine())
		}
		advice := "Raise log.message.format.version of the broker or message.format.version of the topic (0.11.0 or higher), or switch off in the client what needs the newer format (idempotence, headers)."
		if s.key.api == produceKey {
			advice += " At a service without these settings, try compression.type=none."
		}
		return advice
	},
}

// compression is the detail of findings about error 76.
const compression = "compression"

// carriesZstd reports whether records with zstd may be in a request of this version (KIP-110).
func (s *subject) carriesZstd() bool {
	return s.key.api == produceKey && s.key.version >= 7 || s.key.api != produceKey && s.key.version >= 10
}

// foreign names the protocol of the broker's side of c, if it is neither Kafka nor TLS and the
// client's is.
func foreign(c *decode.Connection) (string, bool) {
	if !answersForeign(c) || c.Protocol != reassembly.TLS && !spokeKafka(c) {
		return "", false
	}
	text := c.Odd().Spoke
	switch c.Odd().Spoke {
	case reassembly.SpokeUnknown:
		text = "something else"
	case reassembly.SpokeText:
		text = "a line of text"
	}
	if c.Protocol == reassembly.TLS {
		text += ", in answer to a TLS handshake"
	}
	return text, true
}

// answersForeign reports whether the broker's side of c answered in another protocol. In answer to
// TLS it must be a known one: a broken TLS listener sends anything. At the port of HTTPS, no TLS
// client is expected to be one of Kafka.
func answersForeign(c *decode.Connection) bool {
	spoke := c.Odd().Spoke
	if c.Protocol == reassembly.TLS && (spoke == reassembly.SpokeUnknown || c.Broker.Port() == httpsPort) {
		return false
	}
	return spoke != "" && spoke != reassembly.SpokeTLS
}

// spokeKafka reports whether the client's side of c is a Kafka client.
func spokeKafka(c *decode.Connection) bool {
	if c.Protocol == reassembly.Kafka {
		return true
	}
	const sizeBytes = 4
	if len(c.Odd().Opening) <= sizeBytes {
		return false
	}
	size := int64(int32(binary.BigEndian.Uint32(c.Odd().Opening)))
	head := c.Odd().Opening[sizeBytes:]
	return size > 0 && decode.LooksLikeRequest(size, head[:min(int64(len(head)), size)]) >= reassembly.Likely
}

// greetingText returns a greeting without line ends. All bytes except printable ASCII are escaped.
func greetingText(b []byte) string {
	text := strconv.QuoteToASCII(strings.TrimRight(string(b), "\r\n"))
	return text[1 : len(text)-1]
}
