package model

// News is a new finding, or one that happened again since the last call of Builder.News.
type News struct {
	// Number is the number of the finding, from 1. A Builder numbers its findings in the order in
	// which it found them. The number never changes.
	Number int
	// First: the finding is reported for the first time.
	First bool
	// More is how often it happened since it was last reported. It is 0 if the request waits for
	// its outcome (see Builder.OutOfRange).
	More uint64
	// Finding is the current state of the finding.
	Finding Finding
}
