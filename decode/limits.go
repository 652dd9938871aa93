package decode

import "maps"

// Limits counts how often each limit was exceeded. Each field has the name of what it limits.
type Limits struct {
	// OutstandingRequests counts requests evicted because too many requests of their connection
	// had no response (maxOutstanding).
	OutstandingRequests uint64
	// EarlyAnswers counts responses evicted because too many came before their requests
	// (maxEarly).
	EarlyAnswers uint64
	// HeldExchanges counts how often exchanges stopped waiting for the ApiVersions response of
	// their connection (maxHeld, maxRefused).
	HeldExchanges uint64
	// LongTexts counts client ids, software names and similar texts that were cut (maxClientID).
	LongTexts uint64
	// LargeAnswers counts ApiVersions responses of which only the first part was read
	// (maxApiVersionsAnswer, maxAPIs).
	LargeAnswers uint64
	// Clusters counts Metadata responses whose list of brokers is longer than what was read
	// (maxMetadataHead).
	Clusters uint64
	// WaitingExchanges counts exchanges that stopped waiting for a range to borrow (maxWaiting).
	WaitingExchanges uint64
	// Brokers counts advertisements that no connection can borrow, and exchanges that cannot wait for
	// one, because the Correlator holds too many brokers (maxBrokers).
	Brokers uint64
	// BrokerTables counts advertised ranges of a broker that newer ones evicted (maxHistory).
	BrokerTables uint64
}

// Hit returns the nonzero counts by name, as in the report's quality.limits_hit.
func (l Limits) Hit() map[string]uint64 {
	hit := map[string]uint64{
		"outstanding_requests": l.OutstandingRequests,
		"early_answers":        l.EarlyAnswers,
		"held_exchanges":       l.HeldExchanges,
		"long_texts":           l.LongTexts,
		"large_answers":        l.LargeAnswers,
		"clusters":             l.Clusters,
		"waiting_exchanges":    l.WaitingExchanges,
		"correlator_brokers":   l.Brokers,
		"correlator_tables":    l.BrokerTables,
	}
	maps.DeleteFunc(hit, func(_ string, n uint64) bool { return n == 0 })
	return hit
}
