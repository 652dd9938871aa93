package decode

import (
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// KeyAPIVersions is the API key of ApiVersions. Its requests have the verdict Exempt.
const KeyAPIVersions = int16(keyApiVersions)

// API keys that this package handles specially.
const (
	keyProduce            = 0
	keyFetch              = 1
	keyListOffsets        = 2
	keyMetadata           = 3
	keyControlledShutdown = 7
	keySaslHandshake      = 17
	keyApiVersions        = 18
	keySaslAuthenticate   = 36
	keyVote               = 52
)

// Error codes (Apache Kafka, org.apache.kafka.common.protocol.Errors).
const (
	errNone               = 0
	errUnsupportedVersion = 35
	// errUnsupportedForMessageFormat is about the message format of a topic
	// (log.message.format.version), not about the version of the request.
	errUnsupportedForMessageFormat = 43
	// errUnsupportedCompression is about the compression of records: Produce below v7 and Fetch below
	// v10 cannot carry zstd (KIP-110).
	errUnsupportedCompression = 76
)

// MaxKnownKey is the largest API key that APIName knows. The known keys begin at 0 without gaps.
const MaxKnownKey = int16(kmsg.MaxKey)

// APIName returns Kafka's name of an API key, such as "Fetch" for 1, or "Unknown(123)" for an
// unknown key (ApiKeys in Apache Kafka 4.4).
func APIName(key int16) string {
	if l := layoutOf(key); l != nil {
		return l.name
	}
	return "Unknown(" + strconv.Itoa(int(key)) + ")"
}

// IsFlexible reports whether a version of an API has tagged fields (KIP-482). It is false for an
// unknown API.
func IsFlexible(key, version int16) bool {
	l := layoutOf(key)
	return l != nil && version >= l.flexible
}
