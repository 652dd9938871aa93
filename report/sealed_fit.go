package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/decode/sealed"
	"github.com/kafkavet/kafkavet/report/model"
)

// sealedFit is a known issue that sizes can identify.
type sealedFit struct {
	// id is the id of the issue in the catalogue.
	id      string
	library sealed.Library
	// announced are the names and versions that clients with the bug announce. clientID is the
	// default of the library.
	announced []string
	clientID  string
	// unnegotiated: after ApiVersions is refused, the client continues without negotiation.
	unnegotiated bool
	// key and version are the API and version of a request that the bug sends.
	key, version int16
}

// sealedFits are ordered, the most specific first. The catalogue has the source of the names.
var sealedFits = []sealedFit{
	{
		id: "librdkafka-2.6.0-fetch-12", library: sealed.OpenSSL, clientID: "rdkafka", key: 1, version: 12,
		announced: []string{
			"librdkafka 2.6.0", "confluent-kafka-go 2.6.0", "confluent-kafka-dotnet 2.6.0",
			"confluent-kafka-python 2.6.0-rdkafka-2.6.0",
		},
	},
	{id: "sarama-1.45-no-negotiation-refused", library: sealed.Go, unnegotiated: true, key: metadataKey, version: 10},
}

// openingTexts is the size of an ApiVersions request v3 with empty client id and software.
const openingTexts = 4 + 8 + 2 + 1 + 3

// fitting returns the known issue for requests inside TLS, and the reason. id is empty for none.
func fitting(in *conclusion) (id, reason string) {
	for i := range sealedFits {
		f := &sealedFits[i]
		if f.library != in.library {
			continue
		}
		support, outside := f.outside(in.answer)
		if !outside {
			continue
		}
		c := &in.refusal.Cases[0]
		switch {
		case f.unnegotiated && c.Unnegotiated:
			return f.id, fmt.Sprintf("That fits the known issue %s: the broker refused its ApiVersions request, and it went on without another one.", f.id)
		case f.unnegotiated:
		case support == "":
		default:
			if name := f.names(c); name != "" {
				return f.id, fmt.Sprintf("That fits the known issue %s: %s, and name and version in its ApiVersions request are as long as those of %s.", f.id, support, name)
			}
		}
	}
	return "", ""
}

// names returns the announced names with the length of the client's announcement; empty for none.
func (f *sealedFit) names(c *sealed.Case) string {
	var fit []string
	for _, text := range f.announced {
		n := len(text) - 1 // without the blank
		if c.Software == n || c.Software < 0 && c.Opening == openingTexts+len(f.clientID)+n {
			fit = append(fit, text)
		}
	}
	return strings.Join(fit, " or ")
}

// outside reports whether the version is outside the range of a possible release of the broker.
// support says what these releases support.
func (f *sealedFit) outside(a *sealed.Answer) (support string, outside bool) {
	if a == nil {
		return "", false
	}
	if len(a.Releases) == 0 {
		return "", f.unnegotiated
	}
	var ranges []decode.Range
	for _, t := range decode.Tables() {
		if !slices.ContainsFunc(a.Releases, func(r string) bool { return t.Release == r || strings.HasPrefix(t.Release, r+".") }) {
			continue
		}
		r, ok := t.Ranges.Find(f.key)
		if ok && (f.version < r.Min || f.version > r.Max) {
			outside = true
			if !slices.Contains(ranges, r) {
				ranges = append(ranges, r)
			}
		}
	}
	if !outside {
		return "", false
	}
	highest := slices.MaxFunc(ranges, func(x, y decode.Range) int { return int(x.Max) - int(y.Max) })
	return fmt.Sprintf("Kafka %s supports %s up to v%d", decode.Alternatives(a.Releases), apiName(f.key), highest.Max), true
}

// fittingIssue returns the known issue of a finding of sealedRule; nil for none.
func (f *findings) fittingIssue(in *conclusion) *model.KnownIssue {
	known, ok := f.issues.ByID(in.issue)
	if !ok {
		return nil
	}
	known.Confidence, known.ConfidenceReason = model.MatchPossible, "only the sizes of encrypted messages fit"
	return &known
}
