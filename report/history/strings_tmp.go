package history

func (c Cause) String() string {
	return [...]string{"unexplained", "behind", "expected", "outside", "refused", "dropped", "nosasl", "auth", "notkafka", "AWAY", "session", "cut", "unsupported", "fallback"}[c]
}
