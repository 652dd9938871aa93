package redact

import "regexp"

// impersonal matches the client ids that brokers and libraries choose. They identify nobody, and
// rules and known issues recognize them, so they stay.
var impersonal = regexp.MustCompile(`^(` +
	// Apache Kafka: ReplicaFetcherThread, TransactionMarkerChannelManager,
	// AddPartitionsToTxnManager, KafkaRaftManager.
	`broker-[0-9]+-fetcher-[0-9]+|broker-[0-9]+-txn-marker-sender|AddPartitionsManager(-(client-)?[0-9]+)?|raft-client-[0-9]+` +
	// kafka-clients: ProducerConfig, ConsumerConfig without a group, KafkaAdminClient.
	`|(producer|consumer|adminclient)-[0-9]+` +
	// librdkafka, sarama, kafkajs, franz-go, aiokafka, kafka-python.
	`|rdkafka|sarama|kafkajs|kgo|aiokafka-(producer-[0-9]+|[0-9.]+)|kafka-python-(producer-[0-9]+|[0-9.]+)` +
	`)$`)

// Client returns a client id's pseudonym of equal length. Ids that brokers and libraries choose
// stay.
func (p *Pseudonyms) Client(id string) string {
	if impersonal.MatchString(id) {
		return id
	}
	return p.Fitted("client", id)
}
