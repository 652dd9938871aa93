package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/decode/sealed"
	"github.com/kafkavet/kafkavet/report/model"
)

// sealedFit is a known issue that can be recognised by sizes.
type sealedFit struct {
	// id is the issue's in the catalogue.
	id      string
	library sealed.Library
	// announced are what clients with the bug announce, name and version; clientID is the
	// library's default one.
	announced []string
	clientID  string
	// unnegotiated: the client goes on without a version after ApiVersions was refused.
	unnegotiated bool
	// key and version are of a request that the bug sends.
	key, version int16
}

// sealedFits are ordered by how narrow they are. What clients announce is in the catalogue, with its source.
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

// openingTexts is the size of an ApiVersions request of v3 without client id, software name and version.
const openingTexts = 4 + 8 + 2 + 1 + 3

// fitting finds the known issue that fits requests inside TLS, and says why. The id is empty for none.
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

// names returns what is announced in as many bytes as the client did, empty for nothing.
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

// outside reports whether the version is outside the range of a release that the broker can be, and says what
// these releases support.
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

// fittingIssue is the known issue of a finding of sealedRule, nil without one.
func (f *findings) fittingIssue(in *conclusion) *model.KnownIssue {
	known, ok := f.issues.ByID(in.issue)
	if !ok {
		return nil
	}
	known.Confidence, known.ConfidenceReason = model.MatchPossible, "only the sizes of encrypted messages fit"
	return &known
}
