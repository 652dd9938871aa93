package model

// Rule is what explain and the reference page say of a kind of finding.
type Rule struct {
	// Code is "KV" and four digits, Title a word or two in lower case.
	Code, Title string
	Severity    Severity
	// Summary says in one line when it fires.
	Summary       string
	Documentation Documentation
}

// Documentation is the text of explain: what the finding is, why it matters,
// how it looks on the wire, and what to do.
type Documentation struct {
	What, Why, Wire, Do string
}

// Codes of findings that are written in a way of their own.
const (
	// CodeNotAdvertised is KV1003: there is no range to show.
	CodeNotAdvertised = "KV1003"
	// CodeBytesMissing and CodeMidstream are KV9002 and KV9003: the quality of
	// the capture is described by numbers of its own.
	CodeBytesMissing = "KV9002"
	CodeMidstream    = "KV9003"
)
