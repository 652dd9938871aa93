package report

import (
	"github.com/Masterminds/semver/v3"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/report/history"
	"github.com/kafkavet/kafkavet/report/model"
)

// fate is the result of a request on the target.
type fate uint8

// The fates, best first.
const (
	// passes: the target supports this version.
	passes fate = iota
	// exempt: ApiVersions, and requests whose client expects a refusal.
	exempt
	// adapts: the client negotiates, and would send another version.
	adapts
	// unclear: the result is unknown.
	unclear
	// likely: it is refused, unless the client supports versions that it has not used so far.
	likely
	// certain: it is refused.
	certain
)

// reason says, as in JSON, why the target refuses a request, or why the result is unclear.
type reason string

// The reasons. The first four are certain, the next are only likely, and the last two are unclear.
const (
	noReason reason = ""
	// outsideAdvertised: it was sent outside the advertised range.
	outsideAdvertised reason = "against-offer"
	// noNewer: below the target's min, although the broker advertises versions from that min up.
	noNewer reason = "no-newer-version"
	// notAsked: the client does not request the ranges.
	notAsked reason = model.ReasonNotAsked
	// noSuchAPI: the target does not have the API, and nothing replaces it.
	noSuchAPI reason = "no-such-api"
	// someDoWithout: the target does not have the API, and some clients do not need it.
	someDoWithout reason = "no-such-api-some-do-without"
	// ignored: the client requests the ranges and is known to ignore them.
	ignored reason = "not-heeded"
	// advertisedLess: below the target's min, but the newest version that the broker advertised.
	advertisedLess reason = "offered-less"
	// advertisedUnknown: below the target's min, and the ranges of the broker were not captured.
	advertisedUnknown reason = model.ReasonOfferUnseen
	// guessed: sent before the broker's answer arrived.
	guessed reason = "sent-before-the-answer"
	// mayBeUnlisted: unclear, because the target may support the API without advertising it.
	mayBeUnlisted reason = model.ReasonMayBeUnlisted
	// negotiationUnseen: unclear, because it is above the target's max, and the client's
	// negotiation with the broker was not captured.
	negotiationUnseen reason = model.ReasonNegotiationUnseen
)

// targetRange is the range of an API that the target supports.
type targetRange struct {
	model.Range
	// listed: the target advertises the API. silent: it may omit an API that it supports.
	listed, silent bool
	// advertised is the advertised min. It can be below Min, the lowest accepted version.
	advertised int16
}

// rangeOn returns the range of an API that the target supports.
func rangeOn(r *decode.Reference, key int16) targetRange {
	found, ok := r.Table.Ranges.Find(key)
	t := targetRange{Range: model.Range{Min: found.Min, Max: found.Max}, listed: ok, silent: decode.MayOmit(key), advertised: found.Min}
	if lowest, phantom := r.Table.Ranges.PhantomMin(key); ok && phantom {
		t.Min = lowest
	}
	return t
}

// standIns are the APIs that a negotiating client can replace if a broker does not advertise them.
var standIns = map[int16]string{
	23: "KIP-320: a consumer that cannot validate its position goes on without",
	36: "KIP-152: SaslHandshake v0 and raw tokens",
	60: "KIP-700: the Java admin client asks for Metadata",
	71: "KIP-714: without a receiver no telemetry is sent",
	72: "KIP-714: without a receiver no telemetry is sent",
	75: "KIP-966: the Java admin client asks for Metadata",
}

// doneWithout are the APIs that some negotiating clients need and others do not, if a broker does
// not advertise them. The text says what was observed.
var doneWithout = map[int16]string{
	22: "franz-go 1.22 produces without idempotence then, the Java producer (idempotent by default since 3.0) does not produce",
}

// saramaNegotiates is the first release of sarama that respects the advertised ranges. Earlier
// releases send ApiVersions only to announce their name (https://github.com/IBM/sarama/pull/3158).
var saramaNegotiates = semver.MustParse("1.46.0")

// ignoresRanges reports whether a client requests the ranges and probably ignores them. It cannot
// be certain: before 1.47.0 sarama announced the version of its application, or "dev"
// (https://github.com/IBM/sarama/pull/3415).
func ignoresRanges(s decode.Software) bool {
	if s.Name != "sarama" {
		return false
	}
	v, err := semver.NewVersion(s.Version)
	return err != nil || v.LessThan(saramaNegotiates)
}

// judge returns the fate of x on a target that supports t of its API, and the reason. asked: the
// client is known to request ranges, on this connection or another.
//
// A client that requests ranges is assumed to choose the newest version that both sides support.
// If the broker advertised the target's min and the client sent less, it supports no version from
// that min up. If the broker advertised less, the client may support one.
func judge(x *decode.Exchange, t *targetRange, asked bool) (fate, reason) {
	known := x.Verdict != decode.Unknown
	switch {
	case x.Key == apiVersionsKey || history.IsProbe(x) && x.Key != metadataKey:
		return exempt, noReason
	case t.listed && t.Min <= x.Version && x.Version <= t.Max:
		return passes, noReason
	case x.IsLone:
		return unclear, noReason
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

// judgeMissing judges a possibly negotiating client's request for an API that the target lacks.
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

// judgeOld judges a request in a version below the target's min. The client may negotiate.
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
