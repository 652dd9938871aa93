package model

import (
	"encoding/json"
	"slices"
)

// hour is an hour in nanoseconds.
const hour Time = 3600e9

// FormatLive is the Capture.Format of an interface.
const FormatLive = "live"

// Part is a run that made a report. Merging counts each part once.
type Part struct {
	// ID is a hash that identifies the input. For files, it covers times, sizes and the first
	// packets. For an interface, it covers only the first packet, so later reports of one run have
	// the same id. It also covers the flags that select connections.
	ID string `json:"id"`
	// Digest is a hash of the report, Size its length in bytes of JSON. Packets is the number of
	// packets so far, Requests the number of requests. Of parts with one ID, merging uses the one
	// with the most of these.
	Digest   string `json:"digest"`
	Size     int    `json:"size"`
	Packets  uint64 `json:"packets"`
	Requests uint64 `json:"requests"`
	// First and Last are the earliest and the latest timestamp; nil without packets.
	First *Time `json:"first"`
	Last  *Time `json:"last"`
	// Target is the release with which its requests were compared, or the name and the hash of the
	// ranges in a file; empty for none.
	Target string `json:"target"`
	// Keys is a hash of the names of the key logs; empty without any.
	Keys string `json:"keys,omitzero"`
	// Redacted: pseudonyms replace its names and addresses.
	Redacted bool `json:"redacted,omitempty"`
	// SelectsHosts and SelectsPorts: flags select connections by IP address, or by port.
	SelectsHosts bool `json:"selects_hosts,omitzero"`
	SelectsPorts bool `json:"selects_ports,omitzero"`
	// Report is the report of the part. Only a merged report that is small enough has it.
	Report json.RawMessage `json:"report,omitempty"`
}

// Span is a period from First to Last.
type Span struct {
	First Time `json:"first"`
	Last  Time `json:"last"`
}

// Node is a broker in Metadata responses.
type Node struct {
	// Cluster is the cluster id; empty if unknown. NodeID is the node id of the broker.
	Cluster string `json:"cluster" redact:"cluster"`
	NodeID  int32  `json:"node_id"`
	// Address is host:port, as the broker advertises it.
	Address string `json:"address" redact:"address"`
	// Captured says whether connections to it were captured. It is nil if that is unknown, because
	// its address is a host name without a TLS client that asked for it.
	Captured *bool `json:"captured"`
	// First and Last are the times of the first and the last response with the broker.
	First Time `json:"first"`
	Last  Time `json:"last"`
}

// MaxConnections bounds Report.Connections: 4,096 of some 120 bytes are 480 KiB.
const MaxConnections = 4096

// Connection is a Kafka connection that the report of another host may also contain.
type Connection struct {
	// ID is a salted hash of the initial sequence numbers, the hour of the first packet and the
	// first client id. Address translation keeps these.
	ID string `json:"id"`
	// Hosts counts the parts that captured it.
	Hosts uint64 `json:"hosts"`
	// Requests and the following fields are counted as in Summary.
	Requests  uint64 `json:"requests"`
	Responses uint64 `json:"responses"`
	Checked   uint64 `json:"checked"`
	Exempt    uint64 `json:"exempt"`
}

// IsMerged reports whether r is a merged report, also of one part.
func (r *Report) IsMerged() bool {
	return len(r.Parts) > 1 || slices.ContainsFunc(r.Captures, func(c Capture) bool { return c.Part != "" })
}

// CountParts returns the number of parts with a property.
func (r *Report) CountParts(has func(*Part) bool) (n uint64) {
	for i := range r.Parts {
		if has(&r.Parts[i]) {
			n++
		}
	}
	return n
}

// InputSpan returns the earliest and the latest time of all captures; nil without packets.
func InputSpan(captures []Capture) (first, last *Time) {
	for i := range captures {
		c := &captures[i]
		if c.First == nil || c.Last == nil {
			continue
		}
		if first == nil || *c.First < *first {
			first = c.First
		}
		if last == nil || *c.Last > *last {
			last = c.Last
		}
	}
	return first, last
}

// WatchedIn returns the periods of captures that are in hours since 1970, both in order; nil for
// none.
func WatchedIn(captures []Capture, hours []int32) (spans []Span) {
	var all []Span
	for i := range captures {
		if c := &captures[i]; c.First != nil && c.Last != nil {
			all = append(all, Span{*c.First, *c.Last})
		}
	}
	all = joinSpans(all, nil)
	for _, h := range hours {
		first, last := Time(h)*hour, Time(h+1)*hour
		for len(all) > 0 && all[0].Last < first {
			all = all[1:]
		}
		for i := 0; i < len(all) && all[i].First <= last; i++ {
			spans = append(spans, Span{max(first, all[i].First), min(last, all[i].Last)})
		}
	}
	return joinSpans(spans, nil)
}

// Watched returns the periods in which the host of each broker was watched, in the order of
// Brokers. A capture shows all listeners of a host, also one of which its part has no connection.
// With selected ports, each listener has only its own periods.
func (r *Report) Watched() [][]Span {
	type host struct{ name, network string }
	selectsPorts := r.CountParts(func(p *Part) bool { return p.SelectsPorts }) > 0
	of := func(b *Broker) host {
		name, _ := split(b.Address)
		if selectsPorts {
			name = b.Address
		}
		return host{name, b.Network}
	}
	spans := map[host][]Span{}
	for i := range r.Brokers {
		b := &r.Brokers[i]
		spans[of(b)] = append(spans[of(b)], b.Watched...)
	}
	out := make([][]Span, len(r.Brokers))
	for i := range r.Brokers {
		out[i] = joinSpans(spans[of(&r.Brokers[i])], nil)
	}
	return out
}
