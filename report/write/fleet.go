package write

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/words"
)

// maxUncaptured is how many uncaptured brokers are named.
const maxUncaptured = 5

// fleetNotes describes the parts of a merged report, the connections that count once, how long
// each broker was watched, and the brokers that were not captured.
func fleetNotes(r *model.Report) (notes []string) {
	if !r.IsMerged() {
		return nil
	}
	notes = append(notes, fmt.Sprintf("merged from %s", words.Plural(uint64(len(r.Parts)), "report")))
	if n := r.CountParts(func(p *model.Part) bool { return p.SelectsHosts }); n > 0 {
		notes = append(notes, fmt.Sprintf("%s made with --host, --net or --bpf: other clients of a broker are not in it", words.Were(n, "report")))
	}
	notes = append(notes, redactedParts(r)...)
	notes = append(notes, sharedConnections(r)...)
	notes = append(notes, watchedBrokers(r)...)
	return append(notes, uncaptured(r)...)
}

// redactedParts says how many parts have pseudonyms. A name has several of them, unless the parts
// have one key.
func redactedParts(r *model.Report) []string {
	n := r.CountParts(func(p *model.Part) bool { return p.Redacted })
	switch {
	case n == 0 || len(r.Parts) == 1:
		return nil
	case n < uint64(len(r.Parts)):
		return []string{fmt.Sprintf("%s redacted, the others are not: a client or broker in both counts twice, by its name and by its pseudonym", words.Were(n, "report"))}
	}
	return []string{"all reports are redacted: a client or broker in several counts once only if they were made with one --redact-key"}
}

// sharedConnections describes the connections that several hosts captured, which count once, and
// those that could not be compared.
func sharedConnections(r *model.Report) (notes []string) {
	shared := uint64(0)
	for i := range r.Connections {
		if r.Connections[i].Hosts > 1 {
			shared++
		}
	}
	if shared > 0 {
		notes = append(notes, fmt.Sprintf("%s captured on several hosts: counted once in the totals, and on each of the hosts in findings, clients and requests that were not checked",
			words.Were(shared, "connection")))
	}
	if n, known := r.Summary.KafkaStreams, uint64(len(r.Connections)); n > known {
		notes = append(notes, fmt.Sprintf("%s cannot be compared with those of other hosts: the beginning was not captured, or there were too many",
			words.Plural(n-known, "Kafka connection")))
	}
	return notes
}

// watchedBrokers says how long each broker was watched, the shortest first.
func watchedBrokers(r *model.Report) []string {
	type watched struct {
		address string
		total   time.Duration
	}
	var all []watched
	for i, spans := range r.Watched() {
		if r.Brokers[i].BetweenBrokers {
			continue
		}
		w := watched{address: r.Brokers[i].Address}
		for _, s := range spans {
			w.total += time.Duration(s.Last - s.First)
		}
		all = append(all, w)
	}
	slices.SortStableFunc(all, func(a, b watched) int { return int(min(max(a.total-b.total, -1), 1)) })
	var parts []string
	for _, w := range all[:min(len(all), maxNotes)] {
		parts = append(parts, fmt.Sprintf("%s for %s", w.address, words.Humane(w.total)))
	}
	if len(parts) == 0 {
		return nil
	}
	if more := len(all) - len(parts); more > 0 {
		parts = append(parts, fmt.Sprintf("%s for longer", words.Plural(uint64(more), "more broker")))
	}
	return []string{"watched: " + strings.Join(parts, ", ")}
}

// uncaptured names the brokers in Metadata responses that were not captured.
func uncaptured(r *model.Report) (notes []string) {
	u := r.Uncaptured(0)
	for _, n := range u.Nodes[:min(len(u.Nodes), maxUncaptured)] {
		notes = append(notes, fmt.Sprintf("broker %d of %d was not captured at %s", n.NodeID, u.Named[n.Cluster], n.Address))
	}
	if u.Unknown > 0 {
		addresses := len(slices.DeleteFunc(slices.Clone(r.Brokers), func(b model.Broker) bool { return b.BetweenBrokers }))
		notes = append(notes, fmt.Sprintf("%s named in Metadata responses, %s captured: which one has which host name is unknown",
			words.Were(uint64(u.All), "broker"), words.Were(uint64(addresses), "broker address")))
	}
	if more := len(u.Nodes) - maxUncaptured; more > 0 {
		notes = append(notes, fmt.Sprintf("%s not captured", words.Were(uint64(more), "more broker")))
	}
	return notes
}
