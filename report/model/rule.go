package model

// Rule is the text of explain and of the reference page about a kind of finding.
type Rule struct {
	// Code is "KV" and four digits. Title is a word or two in lower case.
	Code, Title string
	Severity    Severity
	// Summary says in one line when the rule fires.
	Summary       string
	Documentation Documentation
}

// Documentation is the text of explain: what it is, why it matters, how it looks on the wire, what
// to do.
type Documentation struct {
	What, Why, Wire, Do string
}

// Codes of findings that writers format in a special way.
const (
	// CodeNotAdvertised is KV1003. It has no range to show.
	CodeNotAdvertised = "KV1003"
	// CodeBytesMissing and CodeMidstream are KV9002 and KV9003. Special numbers describe the
	// quality of the capture.
	CodeBytesMissing = "KV9002"
	CodeMidstream    = "KV9003"
)
