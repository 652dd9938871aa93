package main

// A pairing is one line of the table below: which clients run on which brokers, and how.
type pairing struct {
	// brokers are nodes by their names, clients are clients by theirs; nil means all.
	brokers, clients []string
	listeners        []listener
	// why tells what the pairing is there to show.
	why string
}

// Nodes that several pairings name.
var (
	everywhere = []string{"0.10.2.2-zookeeper", "1.1.1-zookeeper", "2.1.1-zookeeper", "2.6.1-zookeeper", "2.8.2-zookeeper", "3.3.2-kraft", "3.9.2-zookeeper", "3.9.2-kraft", "4.0.0-kraft", "4.0.1-kraft", "4.1.2-kraft", "4.4.0-kraft"}
	kafka4     = []string{"4.0.0-kraft", "4.0.1-kraft", "4.1.2-kraft", "4.4.0-kraft"}
	sasls      = []listener{saslPlain, scram256, scram512, saslSSL, scramSSL}
)

// pairings are all combinations. Those that end badly are there for the known
// mismatches; the others show what goes well.
var pairings = []pairing{
	{[]string{"2.1.1-zookeeper", "3.9.2-kraft", "4.0.0-kraft"}, nil, []listener{plaintext}, "every client on the release of the report, on the last with ZooKeeper and on the first without"},
	{everywhere, []string{"java-3.9.2", "confluent-go-2.6.1", "franz-go-1.22.3"}, []listener{plaintext}, "clients that negotiate, on every broker"},
	{[]string{"0.10.2.2-zookeeper", "1.1.1-zookeeper", "2.6.1-zookeeper"}, []string{"confluent-go-2.6.0", "confluent-python-2.6.0"}, []listener{plaintext}, "librdkafka 2.6.0: Fetch v12 where the max is lower"},
	{[]string{"2.8.2-zookeeper"}, []string{"confluent-go-2.6.0"}, []listener{plaintext}, "librdkafka 2.6.0 where Fetch v12 is known"},
	{[]string{"2.6.1-zookeeper"}, []string{"confluent-go-2.5.3", "confluent-go-2.6.0", "confluent-go-2.6.1"}, []listener{ssl}, "the cluster of the first report"},
	{[]string{"2.1.1-zookeeper"}, []string{"confluent-go-2.6.0", "java-2.1.0"}, []listener{ssl, saslSSL}, "the bug inside TLS 1.2"},
	{[]string{"1.1.1-zookeeper"}, []string{"platformatic-1.35.0", "platformatic-2.12.1"}, []listener{saslPlain, scram256}, "@platformatic/kafka #350: SaslAuthenticate v2"},
	{[]string{"2.1.1-zookeeper"}, []string{"platformatic-1.35.0"}, []listener{saslPlain}, "the same"},
	{[]string{"0.10.2.2-zookeeper"}, []string{"sarama-1.45.2", "sarama-1.45.2-v0.10.2", "sarama-1.38.0"}, []listener{plaintext, saslPlain}, "sarama 1.41 and up: SaslHandshake v1 where only v0 is known; told the release, it gives up by itself"},
	{[]string{"1.1.1-zookeeper"}, []string{"sarama-1.45.2-v3.6", "sarama-1.61.1"}, []listener{plaintext}, "sarama before 1.46 does not negotiate"},
	{[]string{"2.6.1-zookeeper"}, []string{"sarama-1.45.2-v3.6"}, []listener{plaintext}, "the same where the broker tells its ranges"},
	{kafka4, []string{"segmentio-0.4.47", "segmentio-0.4.51"}, []listener{plaintext}, "segmentio/kafka-go #1378: JoinGroup v1; KAFKA-19444 brought it back"},
	{kafka4, []string{"sarama-1.30.1", "sarama-1.38.0"}, []listener{plaintext}, "OffsetCommit v1, which Kafka 4 removed"},
	{kafka4, []string{"kafka-python-2.0.2", "kafka-python-2.2.15", "kafka-python-3.0.12"}, []listener{plaintext}, "kafka-python #2679: ListOffsets v0"},
	{kafka4, []string{"java-0.10.2.2", "java-1.1.1", "java-2.1.0"}, []listener{plaintext}, "Java clients from before KIP-896's base line"},
	{[]string{"4.4.0-kraft"}, []string{"java-4.4.0"}, []listener{plaintext}, "ApiVersions v5"},
	{[]string{"0.10.2.2-zookeeper", "1.1.1-zookeeper"}, []string{"java-0.10.2.2", "java-1.1.1", "kafkajs-2.2.4"}, []listener{plaintext}, "old clients with old brokers"},
	{[]string{"2.1.1-zookeeper", "3.9.2-kraft", "4.0.0-kraft"}, []string{"java-3.9.2", "confluent-go-2.6.1"}, sasls, "authentication"},
	{[]string{"0.10.2.2-zookeeper"}, []string{"java-0.10.2.2", "confluent-go-2.6.1"}, []listener{saslPlain, scram256}, "SaslHandshake v0, behind which there are raw tokens"},
	{[]string{"3.9.2-kraft", "4.0.0-kraft"}, []string{"java-3.9.2", "confluent-go-2.6.1", "franz-go-1.22.3", "kafkajs-2.2.4"}, []listener{ssl}, "TLS 1.3"},
}
