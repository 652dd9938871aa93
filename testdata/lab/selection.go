package main

import "path"

// kept is a capture that has a place in testdata/captures.
type kept struct {
	// name is that of the file in -out; those of scenarios are in a folder: health/term_...
	name string
	// blind is why tshark sees something else in it than there is; then there is no oracle.
	blind string
}

// kept is the capture's name in testdata.
func (k kept) kept() string {
	base := path.Base(k.name)
	if base == k.name {
		return base
	}
	return "lab_" + base
}

// rawTokens is what tshark takes for requests behind SaslHandshake v0.
const rawTokens = "tshark takes the raw SASL tokens behind SaslHandshake v0 for requests"

// selection are the captures that are kept: every mismatch that the lab can bring about, near misses of
// them, and every library. testdata/README.md says what each must yield.
var selection = []kept{
	// librdkafka 2.6.0 and its neighbours
	{name: "lab_confluent-go-2.5.3_kafka-2.1.1"},
	{name: "lab_confluent-go-2.6.0_kafka-2.1.1"},
	{name: "lab_confluent-go-2.6.1_kafka-2.1.1"},
	{name: "lab_confluent-go-2.6.0_kafka-0.10.2.2"},
	{name: "lab_confluent-python-2.6.0_kafka-1.1.1"},
	{name: "lab_confluent-go-2.6.0_kafka-2.6.1_tls"},
	{name: "lab_confluent-go-2.6.0_kafka-2.1.1_tls_sasl-plain"},
	{name: "lab_confluent-go-2.6.0_kafka-2.8.2-zookeeper"},
	{name: "lab_confluent-go-2.11.1_kafka-4.0.0"},
	// clients that do not negotiate
	{name: "lab_sarama-1.45.2-v3.6_kafka-2.1.1"},
	{name: "lab_sarama-1.45.2-v3.6_kafka-2.6.1"},
	{name: "lab_sarama-1.45.2-v3.6_kafka-4.0.0"},
	{name: "lab_sarama-1.61.1_kafka-1.1.1"},
	{name: "lab_sarama-1.45.2_kafka-0.10.2.2_sasl-plain"},
	{name: "lab_sarama-1.45.2-v0.10.2_kafka-4.0.0"},
	{name: "lab_sarama-1.38.0_kafka-4.0.0"},
	{name: "lab_sarama-1.38.0_kafka-4.0.1"},
	{name: "lab_segmentio-0.4.47_kafka-4.0.0", blind: "the range of JoinGroup is known from another connection"},
	{name: "lab_segmentio-0.4.47_kafka-4.0.1"},
	{name: "lab_segmentio-0.4.51_kafka-4.0.0"},
	{name: "lab_platformatic-1.35.0_kafka-2.1.1"},
	{name: "lab_platformatic-1.35.0_kafka-1.1.1_sasl-plain"},
	{name: "lab_platformatic-2.12.1_kafka-1.1.1_sasl-plain"},
	// Java
	{name: "lab_java-0.10.2.2_kafka-4.0.0"},
	{name: "lab_java-1.1.1_kafka-4.0.0"},
	{name: "lab_java-2.1.0_kafka-2.1.1_tls_sasl-plain"},
	{name: "lab_java-3.9.2_kafka-2.1.1"},
	{name: "lab_java-3.9.2_kafka-4.0.0_sasl-scram-512"},
	{name: "lab_java-4.4.0_kafka-4.4.0"},
	{name: "lab_java-0.10.2.2_kafka-0.10.2.2_sasl-plain", blind: rawTokens},
	{name: "lab_java-0.10.2.2_kafka-0.10.2.2_sasl-scram-256", blind: rawTokens},
	// others, where nothing is wrong
	{name: "lab_confluent-go-2.6.1_kafka-0.10.2.2_sasl-scram-256", blind: rawTokens},
	{name: "lab_confluent-go-2.6.1_kafka-4.0.0_tls_sasl-scram-512"},
	{name: "lab_kafka-python-2.0.2_kafka-2.1.1"},
	{name: "lab_kafka-python-2.2.15_kafka-4.0.1"},
	{name: "lab_aiokafka-0.14.0_kafka-3.9.2-kraft"},
	{name: "lab_kafkajs-1.15.0_kafka-4.0.0"},
	{name: "lab_franz-go-1.22.3_kafka-4.4.0"},
	{name: "lab_franz-go-1.22.3_kafka-4.0.0_tls"},
	{name: "lab_rdkafka-0.39.0_kafka-2.1.1"},
}
