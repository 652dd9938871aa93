package decode

import (
	"fmt"
	"slices"
)

var evidenceNames = [...]string{None: "none", Observed: "observed", Borrowed: "borrowed", Supplied: "supplied"}

// String returns "none", "observed", "borrowed" or "supplied".
func (e Evidence) String() string { return enumName(evidenceNames[:], uint8(e), "evidence") }

var verdictNames = [...]string{
	Unknown: "unknown", OK: "ok", AboveMax: "above-max", BelowMin: "below-min",
	NotAdvertised: "not-advertised", Exempt: "exempt",
}

// String returns "unknown", "ok", "above-max", "below-min", "not-advertised" or "exempt".
func (v Verdict) String() string { return enumName(verdictNames[:], uint8(v), "verdict") }

var outcomeNames = [...]string{
	Answered: "answered", Error: "error", ClosedByBroker: "closed", ResetByBroker: "reset", Left: "left",
	Unanswered: "unanswered", CutOff: "cut", Unseen: "unseen", NoneExpected: "none-expected",
	Late: "late",
}

// String returns "answered", "error", "closed", "reset", "left", "unanswered", "cut", "unseen",
// "none-expected" or "late".
func (o Outcome) String() string { return enumName(outcomeNames[:], uint8(o), "outcome") }

// VerdictNames are the names of the verdicts.
func VerdictNames() []string { return slices.Clone(verdictNames[:]) }

// OutcomeNames are the names of the outcomes.
func OutcomeNames() []string { return slices.Clone(outcomeNames[:]) }

// enumName returns the name of value i, "kind(i)" for a value without one.
func enumName(names []string, i uint8, kind string) string {
	if int(i) < len(names) {
		return names[i]
	}
	return fmt.Sprintf("%s(%d)", kind, i)
}
