package decode

// Limits counts how often a bound was reached, each named after what it bounds.
type Limits struct {
	// OutstandingRequests counts requests given up because too many of their connection had no answer (maxOutstanding).
	OutstandingRequests uint64
	// EarlyAnswers counts responses forgotten because too many came before their requests (maxEarly).
	EarlyAnswers uint64
	// HeldExchanges counts how often exchanges were passed on without waiting any longer for the ApiVersions answer of
	// their connection (maxHeld, maxRefused).
	HeldExchanges uint64
	// LongTexts counts client ids, software names and the like that were cut (maxClientID).
	LongTexts uint64
	// LargeAnswers counts ApiVersions answers of which only the first part was looked at (maxApiVersionsAnswer, maxAPIs).
	LargeAnswers uint64
	// WaitingExchanges counts exchanges that stopped waiting for a range to borrow (maxWaiting).
	WaitingExchanges uint64
	// Brokers counts advertisements that nothing can be borrowed from, because too many brokers are known (maxBrokers).
	Brokers uint64
	// BrokerTables counts advertised ranges of a broker that were forgotten for newer ones (maxHistory).
	BrokerTables uint64
}

// Add adds the counts of m to l.
func (l *Limits) Add(m Limits) {
	l.OutstandingRequests += m.OutstandingRequests
	l.EarlyAnswers += m.EarlyAnswers
	l.HeldExchanges += m.HeldExchanges
	l.LongTexts += m.LongTexts
	l.LargeAnswers += m.LargeAnswers
	l.WaitingExchanges += m.WaitingExchanges
	l.Brokers += m.Brokers
	l.BrokerTables += m.BrokerTables
}

// Hit returns the counts above zero by name, as in the report's quality.limits_hit.
func (l Limits) Hit() map[string]uint64 {
	hit := make(map[string]uint64)
	for name, n := range map[string]uint64{
		"outstanding_requests": l.OutstandingRequests,
		"early_answers":        l.EarlyAnswers,
		"held_exchanges":       l.HeldExchanges,
		"long_texts":           l.LongTexts,
		"large_answers":        l.LargeAnswers,
		"waiting_exchanges":    l.WaitingExchanges,
		"correlator_brokers":   l.Brokers,
		"correlator_tables":    l.BrokerTables,
	} {
		if n > 0 {
			hit[name] = n
		}
	}
	return hit
}
