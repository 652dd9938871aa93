package model

// News is a finding that is new, or one that happened again since Builder.News last reported it.
type News struct {
	// Number counts the findings of a Builder in the order in which they became
	// known, from 1. It stays with the finding.
	Number int
	// First is true the first time that this finding is reported.
	First bool
	// More is how often it happened since it was reported last; 0 for one whose
	// request was sent, but waits for its outcome (see Builder.OutOfRange).
	More uint64
	// Finding is the finding so far.
	Finding Finding
}
