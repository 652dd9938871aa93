package report

import (
	"regexp"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/report/history"
	"github.com/kafkavet/kafkavet/report/model"
)

// fate is what the target does with a request.
type fate uint8

// The fates, best first.
const (
	// passes: the target accepts this version.
	passes fate = iota
	// exempt: ApiVersions, and requests that their client expects to be refused.
	exempt
	// adapts: the client negotiates, and would send another version.
	adapts
	// unclear: it is unknown.
	unclear
	// likely: it is refused unless the client can do more than it showed.
	likely
	// certain: it is refused.
	certain
)

// reason says why a request is refused by the target, or why that is unclear, and what is known of it. The
// names are those in the JSON.
type reason string

// The reasons; what is certain about the first four is only likely about the others.
const (
	noReason reason = ""
	// outsideAdvertised: sent although outside what the broker advertised.
	outsideAdvertised reason = "against-offer"
	// noNewer: below the target's min, although the broker advertised that min.
	noNewer reason = "no-newer-version"
	// notAsked: the client does not ask for the ranges.
	notAsked reason = "not-negotiated"
	// noSuchAPI: the target has no such API, and nothing stands in for it.
	noSuchAPI reason = "no-such-api"
	// someDoWithout: the target has no such API, which some clients do without.
	someDoWithout reason = "no-such-api-some-do-without"
	// ignored: the client asks for the ranges and is known to ignore them.
	ignored reason = "not-heeded"
	// advertisedLess: below the target's min, the newest that the broker advertised.
	advertisedLess reason = "offered-less"
	// advertisedUnknown: below the target's min, and what the broker advertised was not seen.
	advertisedUnknown reason = "offer-not-seen"
	// guessed: sent before the broker's answer was there.
	guessed reason = "sent-before-the-answer"
	// mayBeUnlisted: unclear, because the target may have the API without advertising it.
	mayBeUnlisted reason = model.ReasonMayBeUnlisted
	// negotiationUnseen: unclear, because it is above the target's max, and what the client knew of the broker was
	// not captured.
	negotiationUnseen reason = model.ReasonNegotiationUnseen
)

// metadataKey is the key of Metadata, which kafka-python also sends to see whether a probe was refused.
const metadataKey = 3

// targetRange is what the target accepts of an API.
type targetRange struct {
	model.Range
	// listed: it has the API; silent: it need not say so even if it has.
	listed, silent bool
	// advertised is the min that it advertises, where that is below what it takes.
	advertised int16
}

// rangeOn is what the target accepts of an API.
func rangeOn(r *decode.Reference, key int16) targetRange {
	found, ok := r.Table.Ranges.Find(key)
	t := targetRange{Range: model.Range{Min: found.Min, Max: found.Max}, listed: ok, silent: r.Table.MayOmit(key), advertised: found.Min}
	if lowest, phantom := r.Table.Ranges.PhantomMin(key); ok && phantom {
		t.Min = lowest
	}
	return t
}

// standIns are the APIs that a client which negotiates does without, where a broker
// does not advertise them.
var standIns = map[int16]string{
	23: "KIP-320: a consumer that cannot validate its position goes on without",
	36: "KIP-152: SaslHandshake v0 and raw tokens",
	60: "KIP-700: the Java admin client asks for Metadata",
	71: "KIP-714: without a receiver no telemetry is sent",
	72: "KIP-714: without a receiver no telemetry is sent",
	75: "KIP-966: the Java admin client asks for Metadata",
}

// doneWithout are the APIs without which some clients that negotiate do, where a broker
// does not advertise them, and others fail; with what was seen of them.
var doneWithout = map[int16]string{
	22: "franz-go 1.22 produces without idempotence then, the Java producer (idempotent by default since 3.0) does not produce",
}

// The keys of WriteTxnMarkers, and of Vote, BeginQuorumEpoch, EndQuorumEpoch, FetchSnapshot and UpdateRaftVoter.
const writeTxnMarkersKey = 27

var quorumKeys = [...]int16{52, 53, 54, 59, 82}

// brokerKeys are the APIs that brokers and controllers use among themselves
// (Apache Kafka, clients/src/main/resources/common/message: requests without the listener
// "broker", or for other brokers only).
var brokerKeys = [...]int16{4, 5, 6, 7, 27, 52, 53, 54, 56, 58, 59, 62, 63, 67, 70, 73, 82, 83, 84, 85, 86, 87}

// The roles of brokers and controllers among themselves.
const (
	replicaFetcher    = "replica fetcher"
	markerSender      = "transaction marker sender"
	partitionsManager = "AddPartitionsManager"
	quorum            = "controller quorum"
	controller        = "controller"
)

// brokerIDs are the client ids of brokers among themselves (Apache Kafka: BrokerBlockingSender,
// TransactionMarkerChannelManager, AddPartitionsToTxnManager with NetworkUtils, KafkaRaftManager).
var brokerIDs = []struct {
	prefix, role string
	pattern      *regexp.Regexp
}{
	{"broker-", replicaFetcher, regexp.MustCompile(`^broker-[0-9]+-fetcher-[0-9]+$`)},
	{"broker-", markerSender, regexp.MustCompile(`^broker-[0-9]+-txn-marker-sender$`)},
	{"AddPartitionsManager-", partitionsManager, regexp.MustCompile(`^AddPartitionsManager-(client-)?[0-9]+$`)},
	{"raft-client-", quorum, regexp.MustCompile(`^raft-client-[0-9]+$`)},
}

// brokerRole is what a request of a broker or controller to another is for, empty for one of a client.
func brokerRole(x *decode.Exchange) string {
	for i := range brokerIDs {
		if id := &brokerIDs[i]; strings.HasPrefix(x.ClientID, id.prefix) && id.pattern.MatchString(x.ClientID) {
			return id.role
		}
	}
	switch {
	case !slices.Contains(brokerKeys[:], x.Key):
		return ""
	case x.Key == writeTxnMarkersKey:
		return markerSender
	case slices.Contains(quorumKeys[:], x.Key):
		return quorum
	}
	return controller
}

// saramaNegotiates is the first release of sarama that respects what the broker advertises; those before ask for it
// only to say who they are (https://github.com/IBM/sarama/pull/3158).
var saramaNegotiates = semver.MustParse("1.46.0")

// ignoresRanges reports whether a client asks for the ranges and is likely to ignore
// them. It cannot be certain: before 1.47.0 sarama announced the version of its application, or
// "dev" (https://github.com/IBM/sarama/pull/3415).
func ignoresRanges(s decode.Software) bool {
	if s.Name != "sarama" {
		return false
	}
	v, err := semver.NewVersion(s.Version)
	return err != nil || v.LessThan(saramaNegotiates)
}

// judge returns the fate of x on a target that accepts t of its API, and why. asked: the client is
// known to ask for ranges, on this connection or another.
//
// A client that asks is taken to choose the newest version that both sides know. So
// it has none at or above the target's min if the broker advertised that and it sent less;
// where the broker advertised less it may have one.
func judge(x *decode.Exchange, t *targetRange, asked bool) (fate, reason) {
	known := x.Verdict != decode.Unknown
	switch {
	case x.Key == apiVersionsKey || history.IsProbe(x) && x.Key != metadataKey:
		return exempt, noReason
	case t.listed && t.Min <= x.Version && x.Version <= t.Max:
		return passes, noReason
	case known && x.Verdict != decode.OK:
		return certain, outsideAdvertised
	case !asked && x.Asked == decode.NotAsked:
		if t.listed && x.Version < t.Min && known && x.Advertised.Max >= t.Min {
			return certain, noNewer
		}
		if !t.listed && t.silent {
			return unclear, mayBeUnlisted
		}
		return certain, notAsked
	case !t.listed:
		return judgeMissing(x.Key, t)
	case x.Version < t.Min:
		return judgeOld(x, t, known)
	case x.BeforeNegotiation:
		return likely, guessed
	case ignoresRanges(x.Software):
		return likely, ignored
	case asked && known:
		return adapts, noReason
	}
	return unclear, negotiationUnseen
}

// judgeMissing judges a request of a client that may negotiate, for an API that the target does not list.
func judgeMissing(key int16, t *targetRange) (fate, reason) {
	switch _, ok := standIns[key]; {
	case ok:
		return adapts, noReason
	case t.silent:
		return unclear, mayBeUnlisted
	case doneWithout[key] != "":
		return likely, someDoWithout
	}
	return certain, noSuchAPI
}

// judgeOld judges a request of a client that may negotiate, in a version below what the target accepts.
func judgeOld(x *decode.Exchange, t *targetRange, known bool) (fate, reason) {
	switch {
	case known && x.Advertised.Max >= t.Min:
		return certain, noNewer
	case x.BeforeNegotiation:
		return likely, guessed
	case ignoresRanges(x.Software):
		return likely, ignored
	case known:
		return likely, advertisedLess
	}
	return likely, advertisedUnknown
}
