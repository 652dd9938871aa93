package report

// feature is a feature of a cluster that must be finalized before a broker serves a request.
type feature struct {
	name  string
	level int
	// instead says what the client can do without the feature.
	instead string
}

// Features by API. Sources: the KIPs, and Feature, GroupVersion, ShareVersion, StreamsVersion,
// TransactionVersion and KRaftVersion of Apache Kafka (org.apache.kafka.server.common).
var (
	groupFeature       = feature{"group.version", 1, "Or set group.protocol=classic in the client (KIP-848)."}
	shareFeature       = feature{"share.version", 1, "Or use a consumer group in place of the share group (KIP-932)."}
	streamsFeature     = feature{"streams.version", 1, "Or set group.protocol=classic in the client (KIP-1071)."}
	transactionFeature = feature{"transaction.version", 2, "Or use an older release of the client (KIP-890)."}
	quorumFeature      = feature{"kraft.version", 1, "Without it the voters are those of controller.quorum.voters (KIP-853)."}

	features = map[int16]feature{
		68: groupFeature, 69: groupFeature,
		76: shareFeature, 77: shareFeature, 78: shareFeature, 79: shareFeature,
		88: streamsFeature, 89: streamsFeature,
		80: quorumFeature, 81: quorumFeature, 82: quorumFeature,
	}
	// transactionVersions are the lowest versions of an API that need transactionFeature: Produce,
	// EndTxn, TxnOffsetCommit.
	transactionVersions = map[int16]int16{0: 12, 26: 5, 28: 5}
)

// olderThan are the lowest versions of an API that do not depend on a setting or a value of the
// request, and what to do instead of upgrading the client: brokers since 2.0 refuse Fetch v0 to v3
// with error 35 where records are not converted (KIP-283); ListOffsets needs higher versions for
// some offsets (KIP-734, KIP-405, KIP-1005); CreateTopics needs v4 for the default numbers (KIP-464).
var olderThan = map[int16]struct {
	lowest  int16
	instead string
}{
	1:  {4, "set log.message.downconversion.enable=true at the broker, and message.downconversion.enable=true at the topic"},
	2:  {9, "ask for another offset: the timestamps -3 (the highest), -4 (the earliest local one) and -5 (the latest remote one) need v7, v8 and v9"},
	19: {4, "name the number of partitions and the replication factor: -1, the default of the broker, needs v4"},
}

// featureOf returns the feature that a request needs. ok is false if none is known.
func featureOf(key, version int16) (f feature, ok bool) {
	if lowest, isTransactional := transactionVersions[key]; isTransactional && version >= lowest {
		return transactionFeature, true
	}
	f, ok = features[key]
	return f, ok
}
