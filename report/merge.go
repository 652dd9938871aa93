package report

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/kafkavet/kafkavet/report/model"
)

// Two accumulators of a kind that saw different connections of one input can be
// merged into what one of them would have been that saw both. The order of merges does
// not matter: where a bound is reached, what comes first in a fixed order stays, and what
// goes is counted. The second of the two must not be used afterwards.

// smallest removes from m what comes last in the order of compare, until at
// most limit entries are left, and returns what was removed.
func smallest[K comparable, V any](m map[K]V, limit int, compare func(a, b V) int) []V {
	if len(m) <= limit {
		return nil
	}
	type entry struct {
		key   K
		value V
	}
	entries := make([]entry, 0, len(m))
	for k, v := range m {
		entries = append(entries, entry{k, v})
	}
	slices.SortFunc(entries, func(a, b entry) int { return compare(a.value, b.value) })
	var removed []V
	for _, e := range entries[limit:] {
		delete(m, e.key)
		removed = append(removed, e.value)
	}
	return removed
}

// merge adds the members of o. Beyond the bound the smallest in the order of compare stay.
func (m *members[T]) merge(o *members[T], compare func(a, b T) int) {
	m.omitted += o.omitted
	for _, v := range o.list {
		if !slices.Contains(m.list, v) {
			m.list = append(m.list, v)
		}
	}
	if over := len(m.list) - maxClientMembers; over > 0 {
		slices.SortFunc(m.list, compare)
		m.list = m.list[:maxClientMembers]
		m.omitted += uint64(over)
	}
	m.last = 0
}

// merge adds what another coverage counted.
func (c *coverage) merge(o *coverage) {
	s, t := &c.summary, &o.summary
	s.Streams += t.Streams
	s.KafkaStreams += t.KafkaStreams
	s.EncryptedStreams += t.EncryptedStreams
	s.Requests += t.Requests
	s.Responses += t.Responses
	s.RequestsChecked += t.RequestsChecked
	s.RequestsExempt += t.RequestsExempt
	s.Evidence.Observed += t.Evidence.Observed
	s.Evidence.Borrowed += t.Evidence.Borrowed
	s.Evidence.Supplied += t.Evidence.Supplied
	s.DroppedInRange += t.DroppedInRange
	q, r := &c.quality, &o.quality
	q.MissingBytes += r.MissingBytes
	q.Gaps += r.Gaps
	q.GapStreams += r.GapStreams
	q.MidstreamStreams += r.MidstreamStreams
	q.OneSidedStreams += r.OneSidedStreams
	q.Resyncs += r.Resyncs
	q.IncompleteRequests += r.IncompleteRequests
	q.ConflictingBytes += r.ConflictingBytes
	q.ExpectedRefusals += r.ExpectedRefusals
	c.unknown += o.unknown
	c.encrypted += o.encrypted
	c.undecided += o.undecided
	for stream := range o.offenders {
		remember(c.offenders, stream)
	}
}

// merge adds the clients of o.
func (c *clients) merge(o *clients) {
	c.limits.clients += o.limits.clients
	c.limits.members += o.limits.members
	c.limits.usages += o.limits.usages
	for key, r := range o.records {
		if mine := c.records[key]; mine != nil {
			c.limits.usages += mine.merge(r)
		} else {
			c.records[key] = r
		}
	}
	for _, r := range smallest(c.records, maxClients, compareClients) {
		c.limits.clients += r.requests
	}
	c.last = nil
}

// merge adds what is known of the same client, and returns for how many requests there was no room.
func (c *clientRecord) merge(o *clientRecord) (usagesOmitted uint64) {
	c.requests += o.requests
	c.clientIDs.merge(&o.clientIDs, strings.Compare)
	c.addresses.merge(&o.addresses, netip.Addr.Compare)
	c.brokers.merge(&o.brokers, netip.AddrPort.Compare)
	c.served.merge(&o.served, func(a, b served) int {
		return cmp.Or(a.client.Compare(b.client), compareEndpoints(a.broker, b.broker))
	})
	for key, u := range o.usages {
		mine := c.usages[key]
		if mine == nil {
			c.usages[key] = u
			continue
		}
		mine.requests += u.requests
		mine.outside += u.outside
		mine.unchecked += u.unchecked
	}
	for _, u := range smallest(c.usages, maxUsages, func(a, b *usage) int {
		return cmp.Or(cmp.Compare(a.key.api, b.key.api), cmp.Compare(a.key.version, b.key.version))
	}) {
		usagesOmitted += u.requests
	}
	c.last = nil
	return usagesOmitted
}

// merge adds the connections of o.
func (t *timeline) merge(o *timeline) {
	for t.oldest != nil {
		t.retire(t.oldest)
	}
	for o.oldest != nil {
		o.retire(o.oldest)
	}
	maps.Copy(t.kept, o.kept)
	t.omitted += o.omitted
	flagged, plain := map[uint32]*lane{}, map[uint32]*lane{}
	for stream, l := range t.kept {
		if l.flagged {
			flagged[stream] = l
		} else {
			plain[stream] = l
		}
	}
	removed := append(smallest(flagged, model.MaxFlaggedLanes, compareLanes), smallest(plain, model.MaxPlainLanes, compareLanes)...)
	for _, l := range removed {
		delete(t.kept, l.stream)
	}
	t.flagged, t.plain, t.omitted = len(flagged), len(plain), t.omitted+uint64(len(removed))
}

// merge adds the clients of o.
func (t *targetCheck) merge(o *targetCheck) {
	t.limits.clients += o.limits.clients
	t.limits.uses += o.limits.uses
	t.limits.askers += o.limits.askers
	t.limits.members += o.limits.members
	for key, c := range o.clients {
		if mine := t.clients[key]; mine != nil {
			t.limits.uses += mine.merge(c)
		} else {
			mine = &targetClient{key: key}
			t.limits.uses += mine.merge(c)
			t.clients[key] = mine
		}
	}
	t.folded += o.folded
	for _, c := range smallest(t.clients, maxTargetClients, compareTargetClients) {
		t.limits.clients += c.requests
	}
	for key := range o.askers {
		if len(t.askers) < maxAskers {
			t.askers[key] = struct{}{}
		}
	}
	t.last = nil
}

// merge adds what is known of the same client, and returns for how many requests there was no room.
func (c *targetClient) merge(o *targetClient) (usesOmitted uint64) {
	c.requests += o.requests
	if c.uses == nil {
		c.uses = map[targetUse]uint64{}
	}
	if c.reached == nil {
		c.reached = map[int16]struct{}{}
	}
	for f, n := range o.fates {
		c.fates[f] += n
	}
	for use, n := range o.uses {
		c.uses[use] += n
	}
	for len(c.uses) > maxTargetUses {
		last := slices.MaxFunc(slices.Collect(maps.Keys(c.uses)), func(a, b targetUse) int {
			return cmp.Or(cmp.Compare(a.api, b.api), cmp.Compare(a.version, b.version), cmp.Compare(a.fate, b.fate), strings.Compare(string(a.reason), string(b.reason)))
		})
		usesOmitted += c.uses[last]
		delete(c.uses, last)
	}
	c.clientIDs.merge(&o.clientIDs, strings.Compare)
	c.addresses.merge(&o.addresses, netip.Addr.Compare)
	maps.Copy(c.reached, o.reached)
	return usesOmitted
}
