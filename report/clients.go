package report

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/report/history"
	"github.com/kafkavet/kafkavet/report/model"
)

// members is a set of at most maxClientMembers values. Most sets have one or two members, and
// mostly the last member is added again.
type members[T comparable] struct {
	// list has the members in order of appearance. last is the index of the latest one.
	list []T
	last int
	// omitted counts calls with a new value at the limit.
	omitted uint64
}

// add adds v, and reports whether it is a member now.
func (m *members[T]) add(v T) bool {
	if m.has(v) {
		return true
	}
	if len(m.list) >= maxClientMembers {
		m.omitted++
		return false
	}
	m.last = len(m.list)
	m.list = append(m.list, v)
	return true
}

func (m *members[T]) merge(o *members[T]) {
	m.omitted += o.omitted
	for _, v := range o.list {
		m.add(v)
	}
}

func (m members[T]) clone() members[T] {
	m.list = slices.Clone(m.list)
	return m
}

func (m *members[T]) has(v T) bool {
	if m.last < len(m.list) && m.list[m.last] == v {
		return true
	}
	i := slices.Index(m.list, v)
	if i < 0 {
		return false
	}
	m.last = i
	return true
}

// texts returns the members as text, in the order of compare, without duplicates.
func (m *members[T]) texts(compare func(a, b T) int, text func(T) string) []string {
	sorted := slices.SortedFunc(slices.Values(m.list), compare)
	out := make([]string, 0, len(sorted))
	for _, v := range sorted {
		if t := text(v); len(out) == 0 || out[len(out)-1] != t {
			out = append(out, t)
		}
	}
	return out
}

func addrText(a netip.Addr) string { return a.Unmap().String() }

func truncate(s string) string { return s[:min(len(s), maxText)] }

// ownText returns truncate(s), copied so that it does not keep a longer text alive.
func ownText(s string) string {
	if len(s) <= maxText {
		return s
	}
	return strings.Clone(truncate(s))
}

func truncateSoftware(s decode.Software) decode.Software {
	return decode.Software{Name: truncate(s.Name), Version: truncate(s.Version)}
}

// ownSoftware returns truncateSoftware(s), copied so that it does not keep longer texts alive.
func ownSoftware(s decode.Software) decode.Software {
	return decode.Software{Name: ownText(s.Name), Version: ownText(s.Version)}
}

// programKey identifies a client program by its announced software or, without one, client id.
type programKey struct {
	software decode.Software
	clientID string
}

type clients struct {
	records map[programKey]*clientRecord
	last    *clientRecord
	// folded counts the clients that were folded at the limit. tick counts the changes of last.
	folded    model.FoldedRows
	tick      uint64
	limits    hits
	processAt ProcessAt
}

func newClients(at ProcessAt) clients {
	return clients{records: map[programKey]*clientRecord{}, processAt: at, limits: hits{}}
}

func (c *clients) exchange(x *decode.Exchange) {
	c.client(x).add(x, c.limits)
}

func (c *clients) connection(over *decode.Connection) {
	var p model.Process
	hasProcess := false
	if c.processAt != nil {
		p, hasProcess = c.processAt(over.Stream, over.Client)
	}
	if !hasProcess && len(over.Odd().Before) == 0 {
		return
	}
	for _, id := range append([]string{""}, over.ClientIDs...) {
		key := programKey{clientID: truncate(id)}
		if over.Software.Name != "" {
			key = programKey{software: truncateSoftware(over.Software)}
		}
		r := c.records[key]
		if r == nil || !r.addresses.has(over.Client.Addr()) {
			continue
		}
		if hasProcess {
			r.owners.add(p)
		}
		for _, a := range over.Odd().Before { // the addresses before translation
			if !r.addresses.add(a.Addr()) {
				c.limits["client_members"]++
			}
		}
	}
}

// clientKeyOfExchange returns the key of the client of x. It shares the texts of x.
func clientKeyOfExchange(x *decode.Exchange) programKey {
	key := programKey{software: truncateSoftware(x.Software)}
	if x.Software.Name == "" {
		key.clientID = truncate(x.ClientID)
	}
	return key
}

// client returns the record of the client of x. It creates it if necessary.
func (c *clients) client(x *decode.Exchange) *clientRecord {
	key := clientKeyOfExchange(x)
	if c.last != nil && c.last.key == key {
		return c.last
	}
	r := c.records[key]
	if r == nil {
		if len(c.records) >= maxClients {
			c.fold()
		}
		key = programKey{software: ownSoftware(key.software), clientID: ownText(key.clientID)}
		r = newClientRecord(key)
		c.records[key] = r
	}
	c.tick++
	r.touched, c.last = c.tick, r
	return r
}

func (c *clients) fold() {
	all := slices.Collect(maps.Values(c.records))
	for _, r := range oldAndSmall(all, func(r *clientRecord) (size, touched uint64) { return r.requests, r.touched }) {
		delete(c.records, r.key)
		c.folded.Add(r.requests)
	}
}

// served reports whether clientRecord.servedBy is true for any client.
func (c *clients) served(broker decode.Endpoint, software decode.Software, clientIDs []string, from []netip.Addr) bool {
	for _, r := range c.records {
		if r.servedBy(broker, software, clientIDs, from) {
			return true
		}
	}
	return false
}

// announced returns the software by client id and address; empty if two programs share both.
func (c *clients) announced() map[identity]decode.Software {
	out := map[identity]decode.Software{}
	for _, r := range c.records {
		if r.key.software.Name == "" {
			continue
		}
		for _, id := range r.clientIDs.list {
			for _, a := range r.addresses.list {
				w := identity{id, a}
				if s, ok := out[w]; ok && s != r.key.software {
					out[w] = decode.Software{} // two programs
				} else if !ok {
					out[w] = r.key.software
				}
			}
		}
	}
	return out
}

// finish returns the clients by software and client id, and adds the exceeded limits to hit.
func (c *clients) finish(hit hits) []model.Client {
	hit.add(c.limits)
	for _, r := range c.records {
		r.owners.find(c.processAt)
	}
	out := make([]model.Client, 0, len(c.records))
	for _, r := range c.programs() {
		out = append(out, r.finish())
	}
	return out
}

// programs returns the records by software and client id. A record without software is merged into
// a program that announced its software under the same client id at all of its addresses.
func (c *clients) programs() []*clientRecord {
	announced := c.announced()
	more := map[decode.Software][]*clientRecord{}
	var out []*clientRecord
	for _, r := range slices.SortedFunc(maps.Values(c.records), compareClients) {
		if software, ok := r.announcedAs(announced); ok {
			more[software] = append(more[software], r)
		} else {
			out = append(out, r)
		}
	}
	for i, r := range out {
		if list := more[r.key.software]; len(list) > 0 {
			out[i] = newClientRecord(r.key)
			out[i].merge(r)
			for _, o := range list {
				out[i].merge(o)
			}
		}
	}
	return out
}

// announcedAs returns the software that the client of c announced on other connections. ok is
// false if there is none, or more than one.
func (c *clientRecord) announcedAs(announced map[identity]decode.Software) (s decode.Software, ok bool) {
	if c.key.software.Name != "" || len(c.clientIDs.list) == 0 {
		return s, false
	}
	return announcedBy(announced, c.key.clientID, c.addresses.list)
}

// announcedBy returns the software that a client announced at all of these addresses.
func announcedBy(announced map[identity]decode.Software, clientID string, from []netip.Addr) (s decode.Software, ok bool) {
	if len(from) > 0 {
		s = announced[identity{clientID, from[0]}]
	}
	return s, s.Name != "" && !slices.ContainsFunc(from, func(a netip.Addr) bool { return announced[identity{clientID, a}] != s })
}

func (c *clientRecord) merge(o *clientRecord) {
	c.requests += o.requests
	c.clientIDs.merge(&o.clientIDs)
	c.addresses.merge(&o.addresses)
	c.brokers.merge(&o.brokers)
	c.principals.merge(&o.principals)
	c.owners.merge(&o.owners.members)
	for key, u := range o.usages {
		mine := c.usages[key]
		if mine == nil {
			mine = &usage{key: key}
			c.usages[key] = mine
		}
		mine.requests, mine.outside, mine.unchecked = mine.requests+u.requests, mine.outside+u.outside, mine.unchecked+u.unchecked
	}
}

// clientRecord collects the data of a model.Client.
type clientRecord struct {
	key       programKey
	requests  uint64
	touched   uint64 // the tick at which it became the last one
	clientIDs members[string]
	addresses members[netip.Addr]
	brokers   members[netip.AddrPort]
	// principals are the user names with which it authenticated.
	principals members[string]
	owners     owners
	// served are the brokers that answered its work, not only history.IsPreface.
	served members[served]
	// usages are the used API versions. last is the one that was found last.
	usages map[usageKey]*usage
	last   *usage
}

type served struct {
	client netip.Addr
	broker decode.Endpoint
}

type usageKey struct{ api, version int16 }

type usage struct {
	key                          usageKey
	requests, outside, unchecked uint64
}

// servedBy reports whether a broker answered the work of a client, not only history.IsPreface. The
// client announced software, or used one of the client ids, at one of the addresses from. The
// client ids are needed because a client that begins with ApiVersions v0 announces nothing.
func (c *clientRecord) servedBy(broker decode.Endpoint, software decode.Software, clientIDs []string, from []netip.Addr) bool {
	same := software.Name != "" && c.key.software == software || slices.ContainsFunc(clientIDs, c.clientIDs.has)
	return same && slices.ContainsFunc(from, func(a netip.Addr) bool { return c.served.has(served{a, broker}) })
}

// newClientRecord returns an empty record. It keeps the texts of key.
func newClientRecord(key programKey) *clientRecord {
	return &clientRecord{key: key, usages: map[usageKey]*usage{}}
}

func (c *clientRecord) add(x *decode.Exchange, limits hits) {
	c.requests++
	c.owners.exchange(x)
	if id := truncate(x.ClientID); x.HasClientID && !c.clientIDs.has(id) && !c.clientIDs.add(ownText(id)) {
		limits["client_members"]++
	}
	if !c.addresses.add(x.Client.Addr()) {
		limits["client_members"]++
	}
	if x.Principal != "" && !c.principals.add(truncate(x.Principal)) {
		limits["client_members"]++
	}
	if !c.brokers.add(x.Broker) {
		limits["client_members"]++
	}
	if x.Outcome == decode.Answered && !history.IsPreface(x.Key) {
		c.served.add(served{x.Client.Addr(), x.Endpoint()})
	}
	u := c.usage(usageKey{x.Key, x.Version})
	if u == nil {
		limits["client_versions"]++
		return
	}
	u.requests++
	switch {
	case x.Verdict.IsOutside():
		u.outside++
	case x.Verdict == decode.Unknown:
		u.unchecked++
	}
}

// usage returns the counts of an API version. It creates them if necessary; nil at the limit.
func (c *clientRecord) usage(key usageKey) *usage {
	if c.last != nil && c.last.key == key {
		return c.last
	}
	u := c.usages[key]
	if u == nil {
		if len(c.usages) >= maxUsages {
			return nil
		}
		u = &usage{key: key}
		c.usages[key] = u
	}
	c.last = u
	return u
}

func (c *clientRecord) finish() model.Client {
	out := model.Client{
		SoftwareName: c.key.software.Name, SoftwareVersion: c.key.software.Version,
		ClientIDs:       c.clientIDs.texts(strings.Compare, func(s string) string { return s }),
		Addresses:       c.addresses.texts(compareAddrs, addrText),
		BrokerAddresses: c.brokers.texts(compareAddrPorts, address),
		Principals:      principalNames(&c.principals),
		Processes:       c.owners.finish(),
		Requests:        c.requests,
		APIs:            []model.Usage{},
	}
	for _, u := range slices.SortedFunc(maps.Values(c.usages), func(a, b *usage) int {
		return cmp.Or(cmp.Compare(a.key.api, b.key.api), cmp.Compare(a.key.version, b.key.version))
	}) {
		if n := len(out.APIs); n == 0 || out.APIs[n-1].Key != u.key.api {
			out.APIs = append(out.APIs, model.Usage{Key: u.key.api, Name: apiName(u.key.api)})
		}
		api := &out.APIs[len(out.APIs)-1]
		api.Versions = append(api.Versions, model.VersionUsage{
			Version: u.key.version, Requests: u.requests, Outside: u.outside, Unchecked: u.unchecked,
		})
	}
	return out
}

func compareClients(a, b *clientRecord) int {
	return cmp.Or(
		strings.Compare(a.key.software.Name, b.key.software.Name),
		strings.Compare(a.key.software.Version, b.key.software.Version),
		strings.Compare(a.key.clientID, b.key.clientID),
	)
}

// compareAddrs orders addresses as they are written, IPv4 before IPv6.
func compareAddrs(a, b netip.Addr) int { return a.Unmap().Compare(b.Unmap()) }

// compareAddrPorts orders addresses with ports as they are written.
func compareAddrPorts(a, b netip.AddrPort) int {
	return cmp.Or(compareAddrs(a.Addr(), b.Addr()), cmp.Compare(a.Port(), b.Port()))
}
