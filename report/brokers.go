package report

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/words"
)

// protocolCount is the number of protocols that reassembly tells apart.
const protocolCount = int(reassembly.Other) + 1

// brokerRecord is a Broker in the making.
type brokerRecord struct {
	endpoint
	stranger
	// tables are the different ranges it advertised, in order of appearance;
	// latest is the last answer, one of them or, where there was no room, another.
	tables            []*decode.Ranges
	latest            *decode.Ranges
	streams, requests uint64
}

// stranger is what is known of any address that connections went to.
type stranger struct {
	facts addressFacts
	// streams counts the connections by protocol.
	streams [protocolCount]uint64
	// through are the clients that came through a TLS handshake or were answered in the clear.
	through members[netip.Addr]
	// serverName is the first name by which a TLS client asked for it (SNI).
	serverName string
}

// add counts a connection that is over.
func (s *stranger) add(c *decode.Connection) {
	s.streams[min(int(c.Protocol), protocolCount-1)]++
	s.facts.clear = s.facts.clear || c.Protocol == reassembly.Kafka && c.TLS == nil && c.Responses > 0
	s.facts.tls = s.facts.tls || spokeTLS(c)
	s.facts.inside = s.facts.inside || c.Protocol == reassembly.Kafka && c.TLS != nil
	s.facts.confused = s.facts.confused || c.Confusion == reassembly.ClearToTLS
	if spokeTLS(c) || c.Protocol == reassembly.Kafka && c.TLS == nil && c.Responses > 0 {
		s.through.add(c.Client.Addr())
	}
	if c.TLS != nil && s.serverName == "" {
		s.serverName = ownText(c.TLS.ServerName)
	}
}

// advertised takes an ApiVersions answer. It reports whether it differs from
// the one before, and whether there was no room to keep it.
func (b *brokerRecord) advertised(r *decode.Ranges) (before *decode.Ranges, full bool) {
	before = b.latest
	b.latest = r
	for i, known := range b.tables {
		if known.Agrees(r) {
			if known.Partial && !r.Partial {
				b.tables[i] = r
			}
			b.latest = b.tables[i]
			return before, false
		}
	}
	if len(b.tables) >= maxTables {
		return before, true
	}
	b.tables = append(b.tables, r)
	return before, false
}

// maxDifferences is how many APIs a message about differing ranges names.
const maxDifferences = 3

// difference says in which APIs an answer differs from the one before:
// "Fetch v4 to v11, then v4 to v12; 3 more APIs".
func difference(before, after *decode.Ranges) string {
	var parts []string
	more := 0
	before.Compare(after, func(key int16, x, y *decode.Range) {
		if x != nil && y != nil && *x == *y || x == nil && before.Partial || y == nil && after.Partial {
			return
		}
		if len(parts) == maxDifferences {
			more++
			return
		}
		parts = append(parts, fmt.Sprintf("%s %s, then %s", apiName(key), rangeOrNone(x), rangeOrNone(y)))
	})
	if more > 0 {
		parts = append(parts, fmt.Sprintf("%s more", words.Plural(uint64(more), "API")))
	}
	return strings.Join(parts, "; ")
}

// tableDifferences says which APIs differ among the tables:
// "Fetch (v4 to v11, v4 to v12) and 3 more APIs".
func tableDifferences(tables []*decode.Ranges) string {
	var names []string
	for _, key := range tableKeys(tables) {
		var seen []string
		for _, t := range tables {
			text := rangeOrNone(nil)
			if r, ok := t.Find(key); ok {
				text = rangeText(r)
			} else if t.Partial {
				continue
			}
			if !slices.Contains(seen, text) {
				seen = append(seen, text)
			}
		}
		if len(seen) > 1 {
			names = append(names, fmt.Sprintf("%s (%s)", apiName(key), strings.Join(seen, ", ")))
		}
	}
	if len(names) <= maxDifferences {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %s", strings.Join(names[:maxDifferences], ", "), words.Plural(uint64(len(names)-maxDifferences), "more API"))
}

// tableKeys are the API keys that any of the tables names, in ascending order.
func tableKeys(tables []*decode.Ranges) []int16 {
	var keys []int16
	for _, t := range tables {
		for i := range t.APIs {
			keys = append(keys, t.APIs[i].Key)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// rangeOrNone is rangeText, or "none" without a range.
func rangeOrNone(r *decode.Range) string {
	if r == nil {
		return "none"
	}
	return rangeText(*r)
}

// release is the guess at the broker's release by what it advertised last.
func (b *brokerRecord) release() decode.Release {
	if b.latest == nil {
		return decode.Release{Text: model.ReleaseUnknown + ": no ApiVersions response was seen"}
	}
	return decode.GuessRelease(b.latest)
}

// splitRelease splits the text of a guess that is none into ReleaseUnknown and its reason.
func splitRelease(text string) (release, reason string) {
	if rest, ok := strings.CutPrefix(text, model.ReleaseUnknown); ok {
		return model.ReleaseUnknown, strings.TrimLeft(rest, ": ")
	}
	return text, ""
}

// finish turns b into its exported form.
func (b *brokerRecord) finish(release decode.Release) model.Broker {
	out := model.Broker{
		Address: address(b.addr), Network: networkName(b.domain),
		ReleaseNames: append([]string{}, release.Names...), ReleaseRunnersUp: append([]string{}, release.RunnersUp...),
		APIs: []model.API{}, Tables: len(b.tables), Streams: b.streams, Requests: b.requests, TLS: b.facts.tls,
	}
	out.Release, out.ReleaseReason = splitRelease(release.Text)
	if b.latest != nil {
		for _, a := range b.latest.APIs {
			out.APIs = append(out.APIs, model.API{Key: a.Key, Name: apiName(a.Key), Range: model.Range{Min: a.Min, Max: a.Max}})
		}
	}
	return out
}

// networkName is what a domain is called in the report, empty for the plain network.
func networkName(domain uint64) string {
	if domain == 0 {
		return ""
	}
	return fmt.Sprintf("%016x", domain)
}

// compareEndpoints orders brokers by address.
func compareEndpoints(a, b endpoint) int {
	return cmp.Or(compareAddrPorts(a.addr, b.addr), cmp.Compare(a.domain, b.domain))
}
