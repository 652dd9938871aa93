package redact

import "testing"

// TestClientIDsThatNameNobodyStay: only ids that brokers and libraries choose stay.
func TestClientIDsThatNameNobodyStay(t *testing.T) {
	p := NewPseudonyms("")
	for _, id := range []string{
		"broker-2-fetcher-0", "broker-12-txn-marker-sender", "AddPartitionsManager", "AddPartitionsManager-3", "AddPartitionsManager-client-3", "raft-client-1",
		"producer-1", "consumer-12", "adminclient-3", "rdkafka", "sarama", "kafkajs", "kgo",
		"aiokafka-0.14.0", "aiokafka-producer-1", "kafka-python-2.0.2", "kafka-python-producer-1", "",
	} {
		if got := p.Client(id); got != id {
			t.Errorf("%q becomes %q, want it unchanged", id, got)
		}
	}
	for _, id := range []string{
		"orders-producer-1", "producer-1-orders", "producer-orders", "consumer-orders-1", "broker-orders-fetcher-0", "rdkafka-orders", "sarama ", "xkgo",
		"kafka-python-producer-alice", "aiokafka-alice", "PRODUCER-1",
	} {
		if got := p.Client(id); got == id || len(got) != len(id) {
			t.Errorf("%q becomes %q, want a pseudonym of %d bytes", id, got, len(id))
		}
	}
}
