package report

import (
	"regexp"
	"slices"
	"strings"

	"github.com/kafkavet/kafkavet/decode"
)

// isPrelude reports whether an API is SaslHandshake, ApiVersions or SaslAuthenticate: any
// connection begins with them.
func isPrelude(key int16) bool {
	return key == saslHandshakeKey || key == apiVersionsKey || key == saslAuthenticateKey
}

// The roles of brokers and controllers among themselves.
const (
	replicaFetcher    = "replica fetcher"
	markerSender      = "transaction marker sender"
	partitionsManager = "AddPartitionsManager"
	quorum            = "controller quorum"
	controller        = "controller"
)

// brokerIDs are the client ids of brokers among themselves (Apache Kafka: BrokerBlockingSender,
// TransactionMarkerChannelManager, AddPartitionsToTxnManager with NetworkUtils, KafkaRaftManager),
// with the APIs that these use: Fetch, ListOffsets, OffsetForLeaderEpoch, AddPartitionsToTxn and
// those of the role.
var brokerIDs = []struct {
	prefix, role string
	pattern      *regexp.Regexp
	keys         []int16
}{
	{"broker-", replicaFetcher, regexp.MustCompile(`^broker-[0-9]+-fetcher-[0-9]+$`), []int16{1, 2, 23}},
	{"broker-", markerSender, regexp.MustCompile(`^broker-[0-9]+-txn-marker-sender$`), []int16{writeTxnMarkersKey}},
	{partitionsManager, partitionsManager, regexp.MustCompile(`^AddPartitionsManager(-(client-)?[0-9]+)?$`), []int16{24}},
	{"raft-client-", quorum, regexp.MustCompile(`^raft-client-[0-9]+$`), []int16{1, 52, 53, 54, 59, 82}},
}

// brokerSoftware is what brokers announce among themselves (Apache Kafka: NetworkClient).
const brokerSoftware = "apache-kafka-java"

// brokerRole returns the purpose of a request between brokers or controllers; empty for a
// client's. A client that has the id of a broker stays a client by its software or its API.
func brokerRole(x *decode.Exchange) string {
	if x.Software.Name == "" || x.Software.Name == brokerSoftware {
		for i := range brokerIDs {
			if id := &brokerIDs[i]; strings.HasPrefix(x.ClientID, id.prefix) && (slices.Contains(id.keys, x.Key) || isPrelude(x.Key)) &&
				id.pattern.MatchString(x.ClientID) {
				return id.role
			}
		}
	}
	switch x.Key {
	case writeTxnMarkersKey:
		return markerSender
	case 52, 53, 54, 59, 82: // Vote, BeginQuorumEpoch, EndQuorumEpoch, FetchSnapshot, UpdateRaftVoter
		return quorum
	// Requests without the listener "broker", or only for other brokers (Apache Kafka,
	// clients/src/main/resources/common/message).
	case 4, 5, 6, 7, 56, 58, 62, 63, 67, 70, 73, 83, 84, 85, 86, 87:
		return controller
	}
	if isNumber(x.ClientID) && isController(x.Ranges) {
		return controller // brokers also send CreateTopics
	}
	return ""
}

// isNumber reports whether a client id is the number of a broker.
func isNumber(id string) bool {
	return id != "" && !strings.ContainsFunc(id, func(r rune) bool { return r < '0' || r > '9' })
}
