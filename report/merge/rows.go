package merge

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/kafkavet/kafkavet/report/model"
)

// union is the sorted union of two lists, its first maxMembers texts.
func union(a, b []string) []string {
	out := slices.Concat(a, b)
	slices.Sort(out)
	out = slices.Compact(out)
	return out[:min(len(out), maxMembers)]
}

// addSummary adds what was counted. Counts of findings are made at the end.
func addSummary(s, t *model.Summary) {
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
}

// qualities adds up what could not be seen.
type qualities struct {
	sum        model.Quality
	unparsed   map[string]uint64
	others     map[model.OtherProtocol]uint64
	notChecked map[string]model.NotChecked
}

func newQualities() qualities {
	return qualities{
		sum: model.Quality{LimitsHit: map[string]uint64{}}, unparsed: map[string]uint64{}, others: map[model.OtherProtocol]uint64{},
		notChecked: map[string]model.NotChecked{},
	}
}

func (q *qualities) add(r *model.Quality) {
	s := &q.sum
	s.MissingBytes += r.MissingBytes
	s.Gaps += r.Gaps
	s.GapStreams += r.GapStreams
	s.MidstreamStreams += r.MidstreamStreams
	s.OneSidedStreams += r.OneSidedStreams
	s.Resyncs += r.Resyncs
	s.IncompleteRequests += r.IncompleteRequests
	s.ConflictingBytes += r.ConflictingBytes
	s.DisbelievedSegments += r.DisbelievedSegments
	s.UnparsedPackets += r.UnparsedPackets
	s.TruncatedPackets += r.TruncatedPackets
	s.DroppedPackets += r.DroppedPackets
	s.ExpectedRefusals += r.ExpectedRefusals
	for _, u := range r.UnparsedReasons {
		q.unparsed[u.Name] += u.Count
	}
	for _, o := range r.OtherProtocols {
		n := o.Streams
		o.Streams = 0
		q.others[o] += n
	}
	for _, n := range r.NotChecked {
		sum := q.notChecked[n.Reason]
		q.notChecked[n.Reason] = model.NotChecked{Reason: n.Reason, Streams: sum.Streams + n.Streams, Requests: sum.Requests + n.Requests}
	}
	for name, n := range r.LimitsHit {
		s.LimitsHit[name] += n
	}
}

func (q *qualities) finish() model.Quality {
	q.sum.UnparsedReasons, q.sum.OtherProtocols = []model.Count{}, []model.OtherProtocol{}
	for name, n := range q.unparsed {
		q.sum.UnparsedReasons = append(q.sum.UnparsedReasons, model.Count{Name: name, Count: n})
	}
	slices.SortFunc(q.sum.UnparsedReasons, func(a, b model.Count) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Name, b.Name)) })
	for o, n := range q.others {
		o.Streams = n
		q.sum.OtherProtocols = append(q.sum.OtherProtocols, o)
	}
	slices.SortFunc(q.sum.OtherProtocols, func(a, b model.OtherProtocol) int {
		return cmp.Or(cmp.Compare(a.Address, b.Address), cmp.Compare(a.Protocol, b.Protocol))
	})
	q.sum.NotChecked = slices.SortedFunc(maps.Values(q.notChecked), func(a, b model.NotChecked) int {
		return cmp.Or(slices.Index(model.NotCheckedReasons, a.Reason)-slices.Index(model.NotCheckedReasons, b.Reason), cmp.Compare(a.Reason, b.Reason))
	})
	if q.sum.NotChecked == nil {
		q.sum.NotChecked = []model.NotChecked{}
	}
	return q.sum
}

// brokerKey is what a broker is known by.
type brokerKey struct{ address, network string }

func (a *aggregate) addBroker(b *model.Broker) {
	key := brokerKey{b.Address, b.Network}
	own := a.brokers[key]
	if own == nil {
		a.brokers[key] = b
		return
	}
	streams, requests, tables := own.Streams+b.Streams, own.Requests+b.Requests, max(own.Tables, b.Tables)
	behind, watched, tls, inferred := own.Behind, spans(own.Watched, b.Watched), own.TLS || b.TLS, own.Inferred && b.Inferred
	if len(b.Behind) > 0 {
		behind = union(behind, b.Behind)
	}
	id := own.NodeID
	if id == nil || b.NodeID != nil && *b.NodeID > *id {
		id = b.NodeID
	}
	// What it advertised belongs together: that of the one with more APIs.
	if compareOffers(own, b) < 0 {
		*own = *b
	}
	own.Streams, own.Requests, own.Tables = streams, requests, tables
	own.Behind, own.Watched, own.TLS, own.Inferred, own.NodeID = behind, watched, tls, inferred, id
}

// compareOffers orders what reports say of the release of a broker.
func compareOffers(a, b *model.Broker) int {
	return cmp.Or(
		cmp.Compare(len(a.APIs), len(b.APIs)),
		slices.CompareFunc(a.APIs, b.APIs, func(x, y model.API) int {
			return cmp.Or(cmp.Compare(x.Key, y.Key), cmp.Compare(x.Max, y.Max), cmp.Compare(x.Min, y.Min))
		}),
		cmp.Compare(a.Release, b.Release), cmp.Compare(a.ReleaseReason, b.ReleaseReason),
		slices.Compare(a.ReleaseNames, b.ReleaseNames), slices.Compare(a.ReleaseRunnersUp, b.ReleaseRunnersUp),
	)
}

// spans is the union of two lists of times, in order, with none that overlap.
func spans(a, b []model.Span) []model.Span {
	all := slices.Concat(a, b)
	slices.SortFunc(all, func(x, y model.Span) int { return cmp.Or(cmp.Compare(x.First, y.First), cmp.Compare(x.Last, y.Last)) })
	out := all[:0]
	for _, s := range all {
		if n := len(out); n > 0 && s.First <= out[n-1].Last {
			out[n-1].Last = max(out[n-1].Last, s.Last)
		} else {
			out = append(out, s)
		}
	}
	for len(out) > maxSpans {
		nearest := 1
		for i := 2; i < len(out); i++ {
			if out[i].First-out[i-1].Last < out[nearest].First-out[nearest-1].Last {
				nearest = i
			}
		}
		out[nearest-1].Last = out[nearest].Last
		out = slices.Delete(out, nearest, nearest+1)
	}
	return out
}

func (a *aggregate) finishBrokers() []model.Broker {
	out := make([]model.Broker, 0, len(a.brokers))
	for _, b := range a.brokers {
		out = append(out, *b)
	}
	slices.SortFunc(out, func(x, y model.Broker) int {
		return cmp.Or(cmp.Compare(x.Address, y.Address), cmp.Compare(x.Network, y.Network))
	})
	return out
}

// nodeKey is what a broker that Metadata responses name is known by.
type nodeKey struct {
	cluster, address string
	id               int32
}

func (a *aggregate) addNode(n *model.Node) {
	key := nodeKey{n.Cluster, n.Address, n.NodeID}
	if own := a.nodes[key]; own != nil {
		own.First, own.Last = min(own.First, n.First), max(own.Last, n.Last)
		if own.Captured == nil || n.Captured != nil && *n.Captured {
			own.Captured = n.Captured
		}
		return
	}
	a.nodes[key] = n
}

func (a *aggregate) finishNodes() []model.Node {
	var out []model.Node
	for _, n := range a.nodes {
		out = append(out, *n)
	}
	slices.SortFunc(out, model.CompareNodes)
	return out
}

// clientKey is what a client program is known by: what it announced, or else its client ids.
type clientKey struct{ name, version, rest string }

// client is a Client in the making.
type client struct {
	model.Client
	apis map[usageKey]*model.VersionUsage
}

// usageKey is an API in a version.
type usageKey struct{ key, version int16 }

func keyOf(c *model.Client) clientKey {
	key := clientKey{name: c.SoftwareName, version: c.SoftwareVersion}
	switch {
	case c.Inferred != "":
		key.rest = "inferred\x00" + c.Inferred + "\x00" + strings.Join(c.Addresses, "\x00")
	case c.SoftwareName == "":
		key.rest = strings.Join(c.ClientIDs, "\x00")
	}
	return key
}

func (a *aggregate) addClient(c *model.Client) {
	key := keyOf(c)
	own := a.clients[key]
	if own == nil {
		own = &client{Client: *c, apis: map[usageKey]*model.VersionUsage{}}
		own.Requests, own.APIs = 0, nil
		a.clients[key] = own
	} else {
		own.ClientIDs = union(own.ClientIDs, c.ClientIDs)
		own.Addresses = union(own.Addresses, c.Addresses)
		own.BrokerAddresses = union(own.BrokerAddresses, c.BrokerAddresses)
	}
	own.Requests += c.Requests
	for i := range c.APIs {
		for _, v := range c.APIs[i].Versions {
			key := usageKey{c.APIs[i].Key, v.Version}
			sum := own.apis[key]
			if sum == nil {
				sum = &model.VersionUsage{Version: v.Version}
				own.apis[key] = sum
				own.name(key.key, c.APIs[i].Name)
			}
			sum.Requests += v.Requests
			sum.Outside += v.Outside
			sum.Unchecked += v.Unchecked
		}
	}
	if len(a.clients) > 2*maxClients {
		a.foldClients()
	}
}

// name notes the name of an API.
func (c *client) name(key int16, name string) {
	i, found := slices.BinarySearchFunc(c.APIs, key, func(u model.Usage, key int16) int { return int(u.Key) - int(key) })
	if !found {
		c.APIs = slices.Insert(c.APIs, i, model.Usage{Key: key, Name: name})
	}
}

// foldClients folds the clients with the fewest requests, until there are as many as there may be.
func (a *aggregate) foldClients() {
	for _, key := range smallest(a.clients, maxClients, func(x, y *client) int { return cmp.Compare(y.Requests, x.Requests) }, compareClientKeys) {
		a.folded.clients.Count++
		a.folded.clients.Requests += a.clients[key].Requests
		delete(a.clients, key)
	}
}

func compareClientKeys(a, b clientKey) int {
	return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.version, b.version), cmp.Compare(a.rest, b.rest))
}

// smallest are the keys of the entries that stand behind the first limit ones in the order of compare and of keys.
func smallest[K comparable, V any](m map[K]V, limit int, compare func(a, b V) int, keys func(a, b K) int) []K {
	if len(m) <= limit {
		return nil
	}
	return slices.SortedFunc(maps.Keys(m), func(a, b K) int { return cmp.Or(compare(m[a], m[b]), keys(a, b)) })[limit:]
}

func (a *aggregate) finishClients() []model.Client {
	a.foldClients()
	out := make([]model.Client, 0, len(a.clients))
	for _, key := range slices.SortedFunc(maps.Keys(a.clients), compareClientKeys) {
		c := a.clients[key]
		names := c.APIs
		c.APIs = []model.Usage{}
		for _, u := range names {
			for v := range c.apis {
				if v.key == u.Key {
					u.Versions = append(u.Versions, *c.apis[v])
				}
			}
			slices.SortFunc(u.Versions, func(x, y model.VersionUsage) int { return cmp.Compare(x.Version, y.Version) })
			c.APIs = append(c.APIs, u)
		}
		out = append(out, c.Client)
	}
	return out
}

// foldedRows adds up what is not listed.
type foldedRows struct {
	findings         map[foldKey]model.FoldedFindings
	clients, brokers model.FoldedRows
}

type foldKey struct {
	code     string
	severity model.Severity
}

func (f *foldedRows) add(r *model.Folded) {
	if r == nil {
		return
	}
	for _, x := range r.Findings {
		f.addFindings(x)
	}
	f.clients.Count, f.clients.Requests = f.clients.Count+r.Clients.Count, f.clients.Requests+r.Clients.Requests
	f.brokers.Count, f.brokers.Requests = f.brokers.Count+r.Brokers.Count, f.brokers.Requests+r.Brokers.Requests
}

func (f *foldedRows) addFindings(x model.FoldedFindings) {
	key := foldKey{x.Code, x.Severity}
	sum := f.findings[key]
	x.Findings, x.Count = x.Findings+sum.Findings, x.Count+sum.Count
	f.findings[key] = x
}

func (f *foldedRows) finish() *model.Folded {
	if len(f.findings) == 0 && f.clients.Count+f.brokers.Count == 0 {
		return nil
	}
	out := &model.Folded{Clients: f.clients, Brokers: f.brokers, Findings: slices.SortedFunc(maps.Values(f.findings), func(a, b model.FoldedFindings) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(a.Code, b.Code))
	})}
	if out.Findings == nil {
		out.Findings = []model.FoldedFindings{}
	}
	return out
}

// connections gathers the connections that can be recognised in the report of another host.
type connections struct{ byID map[string]*model.Connection }

// addConnections takes those of a report. What is counted of one that another report counted, too, is taken
// back: the larger count stays.
func (a *aggregate) addConnections(r *model.Report) {
	for i := range r.Connections {
		c := &r.Connections[i]
		own := a.connections.byID[c.ID]
		if own == nil {
			a.connections.byID[c.ID] = c
			continue
		}
		again := model.Connection{
			Requests: min(own.Requests, c.Requests), Responses: min(own.Responses, c.Responses), Checked: min(own.Checked, c.Checked), Exempt: min(own.Exempt, c.Exempt),
		}
		s := &a.summary
		s.Streams--
		s.KafkaStreams--
		s.Requests -= min(s.Requests, again.Requests)
		s.Responses -= min(s.Responses, again.Responses)
		s.RequestsChecked -= min(s.RequestsChecked, again.Checked)
		s.RequestsExempt -= min(s.RequestsExempt, again.Exempt)
		own.Requests, own.Responses = max(own.Requests, c.Requests), max(own.Responses, c.Responses)
		own.Checked, own.Exempt = max(own.Checked, c.Checked), max(own.Exempt, c.Exempt)
		own.Hosts += c.Hosts
	}
	if len(a.connections.byID) > 2*maxConnections {
		a.connections.trim()
	}
}

// trim keeps the smallest ids.
func (c *connections) trim() {
	for _, id := range smallest(c.byID, maxConnections, func(a, b *model.Connection) int { return 0 }, strings.Compare) {
		delete(c.byID, id)
	}
}

func (c *connections) finish() []model.Connection {
	c.trim()
	var out []model.Connection
	for _, id := range slices.Sorted(maps.Keys(c.byID)) {
		out = append(out, *c.byID[id])
	}
	return out
}

// encoded is a value as JSON, to order values that nothing else orders.
func encoded(v any) string {
	text, _ := json.Marshal(v, json.Deterministic(true)) // a part of a report always has a JSON form
	return string(text)
}
