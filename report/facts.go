package report

import (
	"net/netip"
	"slices"
	"strconv"

	"github.com/kafkavet/kafkavet/decode/sealed"
	"github.com/kafkavet/kafkavet/report/history"
)

// known are the accumulators that have facts about addresses and clients. The texts of findings and
// the decision about departures need them.
type known struct {
	*brokers
	*clients
	target *targetCheck // nil for none
}

// facts are all that rules may ask beyond what is in front of them.
type facts struct {
	known known
	// history decides about requests that were not served. sealed analyzes TLS connections without
	// a key.
	history *history.Book
	sealed  *sealed.Book
}

// addressFacts describes the protocols at a broker's address in the whole input.
type addressFacts struct {
	// clear: Kafka in plaintext was answered.
	clear bool
	// tls: a TLS handshake completed.
	tls bool
	// confused: Kafka in plaintext was answered with TLS.
	confused bool
	// deaf: it closed before it had received the ClientHello. A listener in plaintext reads that.
	deaf bool
	// failed counts the TLS handshakes that failed.
	failed uint64
	// shut: it closed on a ClientHello without a byte. mute: it closed on Kafka in plaintext.
	shut, mute bool
}

// about returns the facts about the address of g.
func (f *facts) about(g *group) (facts addressFacts) {
	if at := f.known.at(g.key.broker); at != nil {
		facts = at.facts
	}
	facts.clear = facts.clear && (g.sample == nil || !f.history.WantsTLS(g.sample))
	return facts
}

// gotThrough reports whether a client of g completed a TLS handshake with the broker, or got a
// plaintext answer; isLater: after the first occurrence.
func (f *facts) gotThrough(g *group, isLater bool) bool {
	at := f.known.at(g.key.broker)
	return at != nil && slices.ContainsFunc(g.first, func(o occurrence) bool {
		latest, ok := at.through[o.client.Addr()]
		return ok && (!isLater || latest > g.first[0].at.Time)
	})
}

// askedMore reports whether the client of g was answered more than ApiVersions.
func (f *facts) askedMore(g *group) bool {
	return slices.ContainsFunc(g.addresses.list, func(a netip.Addr) bool {
		return f.history.AskedMore(g.key.clientID, a, g.key.broker.Domain)
	})
}

// served reports whether the broker served the client of g, on other connections.
func (f *facts) served(g *group) bool {
	var clientIDs []string
	if g.key.hasClientID {
		clientIDs = []string{g.key.clientID}
	}
	return f.known.served(g.key.broker, g.key.software, clientIDs, g.addresses.list)
}

// serves reports whether the client of d was served within clusterWindow, by this broker or by
// another one of its cluster. What was before the broker advertised other ranges does not count.
func (f *facts) serves(d *departure) bool {
	var ids []string
	if d.hasClientID {
		ids = []string{d.clientID}
	}
	addr, since := d.client.Addr(), f.history.TableSince(d.broker, d.end.Time)
	return f.known.served(d.broker, d.software, ids, []netip.Addr{addr}) && !f.history.StoppedBy(d.clientID, addr, d.broker.Domain, since) || f.servesLately(d)
}

// servesLately is serves by the requests within clusterWindow alone.
func (f *facts) servesLately(d *departure) bool {
	return f.history.Served(d.clientID, d.client.Addr(), d.broker.Domain, f.lately(d), d.end.Time+clusterWindow)
}

// lately returns when the time began that counts for d: clusterWindow before it, or when the broker
// began to advertise its ranges.
func (f *facts) lately(d *departure) int64 {
	return max(f.history.TableSince(d.broker, d.end.Time), d.end.Time-clusterWindow)
}

// excused reports whether something else explains why the client sent nothing on the connection of
// d: it was served on another one, or was refused there. What was before the broker advertised
// other ranges explains nothing.
func (f *facts) excused(d *departure) bool {
	return f.history.Found(d.clientID, d.client.Addr(), d.broker.Domain, f.lately(d), d.end.Time+clusterWindow) || f.suspected(d)
}

// suspected reports whether the broker did not serve a request of the client of d since it
// advertised its ranges.
func (f *facts) suspected(d *departure) bool {
	return f.history.Suspected(d.clientID, d.client.Addr(), d.broker, f.history.TableSince(d.broker, d.end.Time))
}

// refusal returns the result of the book for a group of sealedRule.
func (f *facts) refusal(g *group) (sealed.Refusal, bool) {
	size, err := strconv.Atoi(g.key.detail)
	if err != nil {
		return sealed.Refusal{}, false
	}
	return f.sealed.Refusal(g.key.broker, size)
}
