package report

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
	"github.com/kafkavet/kafkavet/report/model"
)

const protocolCount = int(reassembly.Other) + 1

// brokers collects facts about each address of connections: Kafka brokers and others.
type brokers struct {
	records    map[decode.Endpoint]*brokerRecord
	last       *brokerRecord
	nonBrokers map[decode.Endpoint]*addressRecord
	// folded counts the brokers that were folded at the limit. tick counts the changes of last.
	folded model.FoldedRows
	tick   uint64
	limits hits
}

func newBrokers() brokers {
	return brokers{records: map[decode.Endpoint]*brokerRecord{}, nonBrokers: map[decode.Endpoint]*addressRecord{}, limits: hits{}}
}

func (b *brokers) exchange(x *decode.Exchange) {
	r := b.broker(x.Endpoint())
	r.requests++
	switch {
	case brokerRole(x) != "":
		r.between++
	case !isPrelude(x.Key):
		r.fromClients++
		if !r.use(x) {
			b.limits["broker_hours"]++
		}
	}
	if c := x.Cluster; c != nil && (r.cluster == nil || *r.cluster < c.ID) {
		r.cluster = new(c.ID)
	}
}

// advertisement adds an ApiVersions answer, and returns the previous one of the address; nil for
// none.
func (b *brokers) advertisement(a *decode.Advertisement) (before *decode.Ranges) {
	r := b.broker(a.Endpoint())
	before, full := r.advertised(a.Ranges)
	if full {
		b.limits["broker_tables"]++
	}
	return before
}

func (b *brokers) connection(c *decode.Connection) {
	if c.Bytes == [2]uint64{} && c.Protocol == reassembly.Undecided {
		return // no data was sent; a port scan makes many such connections
	}
	if s := b.addressRecord(c); s != nil {
		s.add(c)
	}
	if len(c.Odd().Behind) == 0 {
		return
	}
	if r := b.records[c.Endpoint()]; r != nil {
		for _, a := range c.Odd().Behind {
			if len(r.behind) < maxBehind && !slices.Contains(r.behind, a) {
				r.behind = append(r.behind, a)
			}
		}
	}
}

// behind returns the further addresses of a broker, sorted.
func (b *brokers) behind(at decode.Endpoint) []string {
	var out []string
	if r := b.records[at]; r != nil {
		for _, a := range slices.SortedFunc(slices.Values(r.behind), netip.AddrPort.Compare) {
			out = append(out, address(a))
		}
	}
	return out
}

// at returns the facts about an address; nil for none.
func (b *brokers) at(at decode.Endpoint) *addressRecord {
	if r := b.records[at]; r != nil {
		return &r.addressRecord
	}
	return b.nonBrokers[at]
}

// addressRecord returns the record of c's broker address. It creates it if necessary; nil at the
// limit.
func (b *brokers) addressRecord(c *decode.Connection) *addressRecord {
	at := c.Endpoint()
	if c.Protocol == reassembly.Kafka {
		r := b.broker(at)
		r.streams++
		return &r.addressRecord
	}
	if r := b.records[at]; r != nil {
		return &r.addressRecord
	}
	s := b.nonBrokers[at]
	if s == nil {
		if len(b.nonBrokers) >= maxNonBrokers {
			b.limits["other_addresses"]++
			return nil
		}
		s = &addressRecord{}
		b.nonBrokers[at] = s
	}
	return s
}

// broker returns the record of a broker. It creates it if necessary.
func (b *brokers) broker(at decode.Endpoint) *brokerRecord {
	if b.last != nil && b.last.Endpoint == at {
		return b.last
	}
	r := b.records[at]
	if r == nil {
		if len(b.records) >= maxBrokers {
			b.fold()
		}
		r = &brokerRecord{Endpoint: at}
		if s := b.nonBrokers[at]; s != nil {
			r.addressRecord = *s
			delete(b.nonBrokers, at)
		}
		b.records[at] = r
	}
	b.tick++
	r.touched, b.last = b.tick, r
	return r
}

func (b *brokers) fold() {
	all := slices.Collect(maps.Values(b.records))
	for _, r := range oldAndSmall(all, func(r *brokerRecord) (size, touched uint64) { return r.requests, r.touched }) {
		delete(b.records, r.Endpoint)
		b.folded.Add(r.requests)
	}
}

func (b *brokers) tables(at decode.Endpoint) []*decode.Ranges {
	if r := b.records[at]; r != nil {
		return r.tables
	}
	return nil
}

// serverName returns the name that TLS clients requested for a broker; empty if unknown.
func (b *brokers) serverName(at decode.Endpoint) string {
	if s := b.at(at); s != nil {
		return s.serverName
	}
	return ""
}

// release returns the most likely release of a broker. ok is false if the address is not a broker.
func (b *brokers) release(at decode.Endpoint) (r decode.Release, ok bool) {
	record := b.records[at]
	if record == nil {
		return r, false
	}
	return record.release(), true
}

// finish returns the brokers by address, as captures show them, and adds the exceeded limits to
// hit. hosts is Options.Hosts.
func (b *brokers) finish(hit hits, captures []model.Capture, hosts []netip.Prefix) []model.Broker {
	hit.add(b.limits)
	records := slices.SortedFunc(maps.Values(b.records), func(x, y *brokerRecord) int { return compareEndpoints(x.Endpoint, y.Endpoint) })
	out := make([]model.Broker, 0, len(records))
	known := map[*decode.Ranges]advertisedTable{} // brokers of a cluster share their tables
	listed, hours := 0, hoursOfHosts(records)
	for _, r := range records {
		t, ok := known[r.latest]
		if !ok {
			t = advertisedTable{r.release(), modelAPIs(r.latest)}
			known[r.latest] = t
		}
		if listed += len(t.apis); listed > maxListedAPIs {
			hit["broker_apis"]++
			t.apis = []model.API{}
		}
		m := r.finish(t)
		m.Behind = b.behind(r.Endpoint)
		isSelected := len(hosts) == 0 || slices.ContainsFunc(hosts, func(n netip.Prefix) bool { return n.Contains(r.Addr.Addr().Unmap()) })
		if isSelected && !m.BetweenBrokers {
			m.Watched = model.WatchedIn(captures, hours[r.host()])
		}
		out = append(out, m)
	}
	return out
}

// host identifies the host of brokers with several listeners.
type host struct {
	domain uint64
	addr   netip.Addr
}

func (b *brokerRecord) host() host { return host{b.Domain, b.Addr.Addr()} }

// hoursOfHosts returns the hours in which clients used any listener of each host. All of these show
// that the host was watched.
func hoursOfHosts(records []*brokerRecord) map[host][]int32 {
	hours := map[host][]int32{}
	for _, r := range records {
		all := append(hours[r.host()], r.hours...)
		slices.Sort(all)
		hours[r.host()] = slices.Compact(all)
	}
	return hours
}

// otherNames are the names of protocols that are reported on a broker's port.
var otherNames = map[reassembly.Protocol]string{
	reassembly.HTTP: "HTTP", reassembly.TLS: "TLS", reassembly.Other: "other",
}

func (b *brokers) otherProtocols() []model.OtherProtocol {
	out := []model.OtherProtocol{}
	for at, r := range b.records {
		for p, name := range otherNames {
			if n := r.addressRecord.streams[p]; n > 0 {
				out = append(out, model.OtherProtocol{Address: address(at.Addr), Protocol: name, Streams: n})
			}
		}
	}
	slices.SortFunc(out, func(x, y model.OtherProtocol) int {
		return cmp.Or(model.CompareOtherProtocols(x, y), cmp.Compare(x.Streams, y.Streams))
	})
	return out
}

// brokerRecord collects the data of a model.Broker.
type brokerRecord struct {
	decode.Endpoint
	addressRecord
	// tables are the different tables of ranges that it advertised, in order of appearance. latest
	// is the last answer: one of tables or, at the limit, another one.
	tables            []*decode.Ranges
	latest            *decode.Ranges
	streams, requests uint64
	// between counts its requests of other brokers. fromClients counts those of clients, without
	// their prelude: a controller's ApiVersions looks like a client's.
	between, fromClients uint64
	touched              uint64 // the tick at which it became the last one
	// hours are the hours since 1970 in which clients sent it such requests, in order, at most
	// maxHours. client is the first of the clients. severalClients: there are others.
	hours          []int32
	client         netip.Addr
	severalClients bool
	// cluster is the cluster id in its Metadata responses; nil without any.
	cluster *string
	// behind are its further addresses (reassembly.Oddities.Behind), at most maxBehind.
	behind []netip.AddrPort
}

// isBetweenBrokers reports whether only other brokers sent it requests: the host of any broker
// sees these, without the broker's clients.
func (b *brokerRecord) isBetweenBrokers() bool { return b.between > 0 && b.fromClients == 0 }

// use adds a request of a client. It returns false if the earliest hour was dropped at the limit.
func (b *brokerRecord) use(x *decode.Exchange) bool {
	if a := x.Client.Addr(); !b.client.IsValid() {
		b.client = a
	} else if a != b.client {
		b.severalClients = true
	}
	hour := int32(x.Request.Time / int64(time.Hour))
	if n := len(b.hours); n > 0 && b.hours[n-1] == hour {
		return true
	}
	if i, found := slices.BinarySearch(b.hours, hour); !found {
		b.hours = slices.Insert(b.hours, i, hour)
	}
	if len(b.hours) <= maxHours {
		return true
	}
	b.hours = slices.Delete(b.hours, 0, 1)
	return false
}

// maxBehind bounds the further addresses of one broker. A service with many pods may have more;
// further ones are not listed.
const maxBehind = 8

// addressRecord has the facts about any address of connections.
type addressRecord struct {
	facts addressFacts
	// streams counts the connections by protocol.
	streams [protocolCount]uint64
	// through has the clients that completed a TLS handshake or got a plaintext answer, with the
	// beginning of the latest such connection.
	through map[netip.Addr]int64
	// serverName is the first name that a TLS client requested (SNI).
	serverName string
}

func (s *addressRecord) add(c *decode.Connection) {
	s.streams[min(int(c.Protocol), protocolCount-1)]++
	s.facts.clear = s.facts.clear || c.Protocol == reassembly.Kafka && c.TLS == nil && c.Responses > 0
	speaksTLS := spokeTLS(c) || c.TLS != nil && c.Protocol == reassembly.TLS && c.Confusion == reassembly.NoConfusion && c.Bytes[reassembly.ToClient] > 0 && !answersForeign(c)
	s.facts.tls = s.facts.tls || speaksTLS
	s.facts.failed += uint64(b2i(handshakeFailed(c)))
	s.facts.deaf = s.facts.deaf || c.Confusion == reassembly.TLSToClear && c.End.HasAcked && c.End.Acked == 0
	isUnanswered := ended(c) && c.End.By == reassembly.ToClient && c.Bytes[reassembly.ToClient] == 0
	s.facts.shut = s.facts.shut || c.Confusion == reassembly.TLSToClear && isUnanswered && !isMute(c)
	s.facts.mute = s.facts.mute || c.Protocol == reassembly.Kafka && c.TLS == nil && c.Requests > 0 && isUnanswered
	s.facts.confused = s.facts.confused || c.Confusion == reassembly.ClearToTLS
	if speaksTLS && !handshakeFailed(c) || c.Protocol == reassembly.Kafka && c.TLS == nil && c.Responses > 0 {
		if s.through == nil {
			s.through = map[netip.Addr]int64{}
		}
		client := c.Client.Addr()
		if latest, known := s.through[client]; known || len(s.through) < maxClientMembers {
			s.through[client] = max(latest, c.First.Time)
		}
	}
	if c.TLS != nil && s.serverName == "" {
		s.serverName = ownText(c.TLS.ServerName)
	}
}

// advertised adds an ApiVersions answer, and returns the previous one. full: the limit is
// exceeded.
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

// release returns the most likely release by the latest advertised ranges.
func (b *brokerRecord) release() decode.Release {
	if b.latest == nil {
		return decode.Release{Text: model.ReleaseUnknown + ": no ApiVersions response with ranges was seen"}
	}
	return decode.GuessRelease(b.latest)
}

// splitRelease splits the text of an unknown release into ReleaseUnknown and its reason.
func splitRelease(text string) (release, reason string) {
	if rest, ok := strings.CutPrefix(text, model.ReleaseUnknown); ok {
		return model.ReleaseUnknown, strings.TrimLeft(rest, ": ")
	}
	return text, ""
}

// advertisedTable is what the report says about a table of ranges.
type advertisedTable struct {
	release decode.Release
	apis    []model.API
}

func modelAPIs(r *decode.Ranges) []model.API {
	if r == nil {
		return []model.API{}
	}
	out := make([]model.API, len(r.APIs))
	for i, a := range r.APIs {
		out[i] = model.API{Key: a.Key, Name: apiName(a.Key), Range: model.Range{Min: a.Min, Max: a.Max}}
	}
	return out
}

func (b *brokerRecord) finish(t advertisedTable) model.Broker {
	release := t.release
	out := model.Broker{
		Address: address(b.Addr), Network: networkName(b.Domain),
		ReleaseNames: append([]string{}, release.Names...), ReleaseRunnersUp: append([]string{}, release.RunnersUp...),
		APIs: t.apis, Tables: len(b.tables), Streams: b.streams, Requests: b.requests, TLS: b.facts.tls, BetweenBrokers: b.isBetweenBrokers(),
		Undecided: b.addressRecord.streams[reassembly.Undecided], SeveralClients: b.severalClients, Cluster: b.cluster,
	}
	out.Release, out.ReleaseReason = splitRelease(release.Text)
	return out
}

// networkName returns the name of a domain in the report; empty for the untagged network.
func networkName(domain uint64) string {
	if domain == 0 {
		return ""
	}
	return fmt.Sprintf("%016x", domain)
}

func compareEndpoints(a, b decode.Endpoint) int {
	return cmp.Or(compareAddrPorts(a.Addr, b.Addr), cmp.Compare(a.Domain, b.Domain))
}
