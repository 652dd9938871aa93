package decode

import (
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// KeyAPIVersions is the API key of ApiVersions, which negotiates and is itself
// exempt from what it negotiates.
const KeyAPIVersions = int16(keyApiVersions)

// API keys that this package treats in a way of their own.
const (
	keyProduce            = 0
	keyFetch              = 1
	keyListOffsets        = 2
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
	// errUnsupportedForMessageFormat is about the message format of a topic (log.message.format.version),
	// not about the version of the request.
	errUnsupportedForMessageFormat = 43
)

// MaxKnownKey is the largest API key that APIName knows; they begin at 0 and have no holes.
const MaxKnownKey = int16(kmsg.MaxKey)

// APIName is Kafka's name of an API key, such as "Fetch" for 1, or "Unknown(123)" where
// there is none (ApiKeys in Apache Kafka 4.4).
func APIName(key int16) string {
	if l := layoutOf(key); l != nil {
		return l.name
	}
	return "Unknown(" + strconv.Itoa(int(key)) + ")"
}
