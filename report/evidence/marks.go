package evidence

import (
	"fmt"

	"github.com/kafkavet/kafkavet/decode"
)

// requestMark returns the comment on a request: "Fetch v12, advertised 4-7".
func requestMark(x *decode.Exchange) string {
	text := fmt.Sprintf("%s v%d, ", decode.APIName(x.Key), x.Version)
	switch {
	case x.Verdict == decode.Exempt:
		text += "which may be sent in any version"
	case x.Verdict == decode.NotAdvertised:
		text += "not advertised"
	case !x.Verdict.HasRange():
		text += "no advertised range known"
	default:
		text += fmt.Sprintf("advertised %d-%d", x.Advertised.Min, x.Advertised.Max)
	}
	if x.Evidence == decode.Borrowed {
		text += " on another connection"
	}
	return text
}

// outcomeMark returns the comment on the packet that decided the outcome.
func outcomeMark(o decode.Outcome) string {
	switch o {
	case decode.Error:
		return "answered with UNSUPPORTED_VERSION"
	case decode.Answered:
		return "answered"
	case decode.ClosedByBroker:
		return "the broker closes the connection"
	case decode.ResetByBroker:
		return "the broker resets the connection"
	case decode.Left:
		return "the client closes the connection"
	case decode.Unanswered:
		return "by here without an answer"
	}
	return ""
}
