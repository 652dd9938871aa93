package report

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/report/model"
)

const (
	// maxTargetUses bounds the kinds of requests of a client that a target may refuse. A client
	// uses some 90 APIs of a few versions. Further ones count as "target_versions".
	maxTargetUses = 512
	// maxAskers bounds the known clients that request ranges: 16,384 of some 100 bytes are 1.6
	// MiB. Further ones count as "target_askers".
	maxAskers = 1 << 14
	// maxTargetClients bounds the clients: 8,192 of about 600 bytes are 5 MiB. At the limit, an
	// eighth of them is folded: fine ones before those that break, old ones before new ones.
	maxTargetClients = 1 << 13
	// maxTargetStreams bounds the open connections whose client is known: 65,536 of some 50 bytes
	// are 3 MiB. Further ones count as "target_connections". On these, a client counts again after
	// each change of connections.
	maxTargetStreams = 1 << 16
	// maxTargetAddresses bounds the addresses of clients beyond the listed ones: 65,536 of some 60
	// bytes are 4 MiB. Further ones are not counted.
	maxTargetAddresses = 1 << 16
	// maxTargetBefore bounds the connections on which nobody has authenticated yet: 4,096 of about
	// 600 bytes are 2.4 MiB. On further ones, these requests count without a user name.
	maxTargetBefore = 1 << 12
)

// targetCheck compares every request with a release other than the broker's.
type targetCheck struct {
	reference *decode.Reference
	// ranges are the target's ranges, for the APIs that were used so far and that it has.
	ranges  map[int16]*targetRange
	clients map[targetClientKey]*targetClient
	last    *targetClient
	// hasPrincipals: some clients have a principal.
	hasPrincipals bool
	processAt     ProcessAt
	askers        map[asker]struct{}
	// streams are the open connections with their clients, mostly one.
	streams map[uint32][]*targetClient
	// namesUsers: the requests have the names of users. before are then the latest requests of
	// their prelude, by connection: they belong to the client that sends the next request.
	namesUsers bool
	before     map[uint32]*targetClient
	// folded counts the folded clients by verdict. tick counts the changes of last.
	folded model.TargetSummary
	tick   uint64
	// more counts the addresses in targetClient.more.
	more   int
	limits hits
}

// asker is a client that requested the ranges.
type asker struct {
	clientID string
	address  netip.Addr
}

// targetClientKey identifies a client, or brokers among themselves.
type targetClientKey struct {
	programKey
	role string // of brokers; their requests for one purpose are one row
	// principal is the user name of the client; empty before it authenticated.
	principal string
}

// targetClient collects the data of a model.TargetClient.
type targetClient struct {
	key       targetClientKey
	requests  uint64
	fates     [certain + 1]uint64
	uses      map[targetUse]targetCount
	clientIDs members[string]
	// addresses are its first addresses, more the others. breaking are the first addresses that
	// sent a request with the fate certain, asking those that requested the ranges.
	addresses, breaking, asking members[netip.Addr]
	more                        map[netip.Addr]struct{}
	owners                      owners
	// reached are the APIs of which it sent, after ApiVersions, a version that the target
	// supports.
	reached map[int16]struct{}
	// connections counts its connections. stream is the connection of its latest request.
	connections uint64
	stream      uint32
	// later is the first client that it turned out to be on a connection (isBefore).
	later       *targetClient
	first, last int64 // times of requests
	touched     uint64
}

func newTargetClient(key targetClientKey) *targetClient {
	return &targetClient{key: key, uses: map[targetUse]targetCount{}, more: map[netip.Addr]struct{}{}, reached: map[int16]struct{}{}}
}

// targetUse is a kind of refused request.
type targetUse struct {
	api, version int16
	fate         fate
	reason       reason
}

// targetCount counts the requests of a kind. last is the time of the latest one.
type targetCount struct {
	requests uint64
	last     int64
}

func (n targetCount) plus(o targetCount) targetCount {
	return targetCount{n.requests + o.requests, max(n.last, o.last)}
}

func newTargetCheck(r *decode.Reference, at ProcessAt) *targetCheck {
	return &targetCheck{
		reference: r, processAt: at, ranges: map[int16]*targetRange{}, limits: hits{},
		clients: map[targetClientKey]*targetClient{}, askers: map[asker]struct{}{}, streams: map[uint32][]*targetClient{}, before: map[uint32]*targetClient{},
	}
}

// asks reports whether the client of x requests ranges on this connection.
func asks(x *decode.Exchange) bool { return x.Asked == decode.Asked || x.Key == apiVersionsKey }

// asked reports whether the client of x is known to request ranges, on this connection or another.
func (t *targetCheck) asked(x *decode.Exchange) bool {
	key := asker{truncate(x.ClientID), x.Client.Addr()}
	if _, ok := t.askers[key]; ok {
		return true
	}
	if !asks(x) {
		return false
	}
	if len(t.askers) >= maxAskers {
		t.limits["target_askers"]++
		return true
	}
	key.clientID = ownText(key.clientID)
	t.askers[key] = struct{}{}
	return true
}

func (t *targetCheck) rangeOf(key int16) *targetRange {
	r := t.ranges[key]
	if r == nil {
		found := rangeOn(t.reference, key)
		if r = &found; r.listed { // keys from the wire may have any value
			t.ranges[key] = r
		}
	}
	return r
}

// exchange judges x, counts it, and returns the result and its reason.
func (t *targetCheck) exchange(x *decode.Exchange) (fate, reason) {
	asked := t.asked(x)
	role := brokerRole(x)
	c := t.row(x, role)
	f, why := unclear, noReason
	if role == "" {
		f, why = judge(x, t.rangeOf(x.Key), asked)
	}
	c.requests++
	c.owners.exchange(x)
	if c != t.before[x.Stream] {
		t.connect(c, x.Stream)
	}
	c.extend(x.Request.Time, x.Request.Time)
	if id := truncate(x.ClientID); x.HasClientID && !c.clientIDs.has(id) && !c.clientIDs.add(ownText(id)) {
		t.limits["target_members"]++
	}
	t.address(c, x.Client.Addr())
	if f == certain {
		c.breaking.add(x.Client.Addr())
	}
	if asks(x) {
		c.asking.add(x.Client.Addr())
	}
	switch {
	case why != noReason:
		use := targetUse{x.Key, x.Version, f, why}
		if _, ok := c.uses[use]; !ok && len(c.uses) >= maxTargetUses {
			t.limits["target_versions"]++
		} else {
			c.uses[use] = c.uses[use].plus(targetCount{1, x.Request.Time})
		}
	case f == passes && asked:
		c.reached[x.Key] = struct{}{}
	}
	if why == noReason {
		c.fates[f]++
	}
	return f, why
}

func (t *targetCheck) address(c *targetClient, a netip.Addr) {
	if c.addresses.add(a) {
		return
	}
	t.limits["target_members"]++
	if _, ok := c.more[a]; !ok && t.more < maxTargetAddresses {
		t.more++
		c.more[a] = struct{}{}
	}
}

// extend extends the period in which the client was captured.
func (c *targetClient) extend(first, last int64) {
	if c.last == 0 || first < c.first {
		c.first = first
	}
	c.last = max(c.last, last)
}

// isBefore reports whether c and o can be one client on a connection, c before it authenticated or
// sent its client id: older Java clients authenticate without one. The client id of a broker is its
// number, so only what it sends next shows that it is one.
func (c *targetClient) isBefore(o *targetClient) bool {
	isNamed := c.key.clientID != "" || c.key.software.Name != ""
	switch {
	case c == o || c.key.role != "":
		return false
	case o.key.role != "":
		return len(c.uses) == 0
	case !isNamed && o.key.clientID != "":
		return c.key.principal == "" || c.key.principal == o.key.principal
	}
	return c.key.programKey == o.key.programKey && c.key.principal == "" && o.key.principal != ""
}

// connect counts the connection of a request once.
func (t *targetCheck) connect(c *targetClient, stream uint32) {
	if c.connections > 0 && c.stream == stream {
		return
	}
	c.stream = stream
	on := t.streams[stream]
	if slices.Contains(on, c) {
		return
	}
	if i := slices.IndexFunc(on, c.isBefore); i >= 0 { // it authenticates again
		c.later = cmp.Or(c.later, on[i])
		return
	}
	on = slices.DeleteFunc(on, func(o *targetClient) bool {
		isBefore := o.isBefore(c)
		if isBefore {
			o.connections--
			o.later = cmp.Or(o.later, c)
		}
		return isBefore
	})
	c.connections++
	if on == nil && len(t.streams) >= maxTargetStreams || len(on) >= maxClientMembers {
		t.limits["target_connections"]++
		return
	}
	t.streams[stream] = append(on, c)
}

func (t *targetCheck) connection(c *decode.Connection) {
	if before := t.before[c.Stream]; before != nil { // nobody authenticated
		delete(t.before, c.Stream)
		row := t.client(before.key)
		row.mergeBefore(before)
		t.address(row, c.Client.Addr())
		t.connect(row, c.Stream)
	}
	if t.processAt != nil {
		if p, ok := t.processAt(c.Stream, c.Client); ok {
			for _, row := range t.streams[c.Stream] {
				row.owners.add(p)
			}
		}
	}
	delete(t.streams, c.Stream)
}

// row returns the client of x or, before it authenticated, the row of its connection.
func (t *targetCheck) row(x *decode.Exchange, role string) *targetClient {
	key := targetClientKey{programKey{software: truncateSoftware(x.Software), clientID: truncate(x.ClientID)}, role, truncate(x.Principal)}
	if role != "" {
		key.programKey, key.principal = programKey{}, ""
	}
	before := t.before[x.Stream]
	if t.namesUsers && role == "" && isPrelude(x.Key) && (before != nil || len(t.before) < maxTargetBefore) {
		if before == nil {
			before = newTargetClient(key.own())
			t.before[x.Stream] = before
		}
		if before.key != key {
			before.key = key.own()
		}
		return before
	}
	c := t.client(key)
	if before != nil {
		delete(t.before, x.Stream)
		c.mergeBefore(before)
	}
	return c
}

// mergeBefore adds the requests of a connection before c authenticated. The connection and its
// address count with another request.
func (c *targetClient) mergeBefore(before *targetClient) {
	before.addresses = members[netip.Addr]{}
	c.merge(before)
}

func (k targetClientKey) own() targetClientKey {
	k.programKey, k.principal = programKey{ownSoftware(k.software), ownText(k.clientID)}, ownText(k.principal)
	return k
}

// client returns the client with a key. It creates it if necessary.
func (t *targetCheck) client(key targetClientKey) *targetClient {
	if t.last != nil && t.last.key == key {
		return t.last
	}
	c := t.clients[key]
	if c == nil {
		if len(t.clients) >= maxTargetClients {
			t.fold()
		}
		key = key.own()
		t.hasPrincipals = t.hasPrincipals || key.principal != ""
		c = newTargetClient(key)
		t.clients[key] = c
	}
	t.tick++
	c.touched, t.last = t.tick, c
	return c
}

// fold folds an eighth of the rows: fine ones before those that break, old ones before new ones.
// It reads 8,192 rows for 1,024 new clients. That is 8 rows and the sorting for each.
func (t *targetCheck) fold() {
	type row struct {
		*targetClient
		verdict string
	}
	var rows []row
	for _, c := range t.clients {
		if c.key.role == "" {
			counts := t.counts(c)
			rows = append(rows, row{c, c.verdict(&counts)})
		}
	}
	slices.SortFunc(rows, func(a, b row) int {
		return cmp.Or(model.CompareVerdicts(b.verdict, a.verdict), cmp.Compare(a.touched, b.touched))
	})
	for _, r := range rows[:len(rows)/8] {
		delete(t.clients, r.key)
		t.more -= len(r.more)
		t.folded.Count(r.verdict)
	}
}

// programs returns the clients in order. Rows of one client are merged.
func (t *targetCheck) programs() []*targetClient {
	sorted := slices.SortedFunc(maps.Values(t.clients), compareTargetClients)
	belongsTo := sameProgram(sorted)
	added := map[*targetClient][]*targetClient{}
	var out []*targetClient
	for _, c := range sorted {
		if to := belongsTo(c); to != c {
			added[to] = append(added[to], c)
			continue
		}
		out = append(out, c)
	}
	for i, c := range out {
		if more := added[c]; more != nil {
			all, row := newTargetClient(c.key), t.finishClient(c)
			for _, o := range append([]*targetClient{c}, more...) {
				if other := t.finishClient(o); o.key.software.Name == "" && row.IsBlamedBy(&other) {
					all.key.software = decode.Software{}
				}
				all.merge(o)
			}
			out[i] = all
		}
	}
	return out
}

// sameProgram returns a function that returns the row to which a row belongs. A client may
// announce its software on only some of its connections. Its requests on the other connections
// belong to the software with its client id, if there is exactly one. A client that turned out to
// be another one on each of its connections belongs to the first of these.
func sameProgram(sorted []*targetClient) func(c *targetClient) *targetClient {
	type user struct{ clientID, principal string }
	announced, isKept := map[user][]*targetClient{}, map[*targetClient]bool{}
	for _, c := range sorted {
		isKept[c] = true
		if c.key.software.Name != "" && c.key.clientID != "" && (c.connections > 0 || c.later == nil) {
			u := user{c.key.clientID, c.key.principal}
			announced[u] = append(announced[u], c)
		}
	}
	return func(c *targetClient) *targetClient {
		for c.connections == 0 && isKept[c.later] {
			c = c.later
		}
		same := announced[user{c.key.clientID, c.key.principal}]
		if c.key.software.Name == "" && c.key.role == "" && len(same) == 1 {
			return same[0]
		}
		return c
	}
}

func (c *targetClient) merge(o *targetClient) {
	c.requests += o.requests
	c.connections += o.connections
	c.extend(o.first, o.last)
	for f, n := range o.fates {
		c.fates[f] += n
	}
	for use, n := range o.uses {
		c.uses[use] = c.uses[use].plus(n)
	}
	if o.key.clientID != "" || o.key.role != "" { // otherwise it became a named one
		c.clientIDs.merge(&o.clientIDs)
	}
	c.breaking.merge(&o.breaking)
	c.asking.merge(&o.asking)
	for _, a := range slices.Concat(o.addresses.list, slices.Collect(maps.Keys(o.more))) {
		if !c.addresses.add(a) {
			c.more[a] = struct{}{}
		}
	}
	c.owners.merge(&o.owners.members)
	maps.Copy(c.reached, o.reached)
}

// finalFate returns the fate of a kind of request with the whole input known. If the broker
// advertised less than the target's min, the client adapts if it sent another broker a version
// that the target supports.
func (c *targetClient) finalFate(api int16, f fate, why reason) fate {
	if c != nil && why == advertisedLess {
		if _, ok := c.reached[api]; ok {
			return adapts
		}
	}
	return f
}

func (t *targetCheck) fateOf(g *group) fate {
	key := targetClientKey{programKey: programKey{software: g.key.software, clientID: g.key.clientID}}
	why := reason(g.key.detail)
	fate := t.clients[key].finalFate(g.key.api, why.fate(), why)
	if !t.hasPrincipals {
		return fate
	}
	for _, c := range t.clients {
		if c.key.programKey == key.programKey && c.key.role == "" && fate != adapts {
			fate = c.finalFate(g.key.api, why.fate(), why)
		}
	}
	return fate
}

// fate returns the fate of requests with a reason.
func (r reason) fate() fate {
	switch r {
	case outsideAdvertised, noNewer, notAsked, noSuchAPI:
		return certain
	}
	return likely
}

// finish returns the exported form of t, and adds the exceeded limits to hit.
func (t *targetCheck) finish(hit hits) *model.Target {
	hit.add(t.limits)
	r := t.reference
	out := &model.Target{Name: r.Name, Release: r.Release(), File: r.File, Source: r.Table.Source, Notes: append([]string{}, r.Notes...)}
	if r.File != "" {
		sum := sha256.Sum256(fmt.Append(nil, r.Table.Ranges.APIs))
		out.Ranges = hex.EncodeToString(sum[:4])
	}
	clients := []model.TargetClient{}
	for _, c := range t.clients {
		c.owners.find(t.processAt)
	}
	for _, c := range t.programs() {
		clients = append(clients, t.finishClient(c))
	}
	out.Finish(clients, t.folded)
	return out
}

// counts returns the requests of c by fate, with the whole input known.
func (t *targetCheck) counts(c *targetClient) (n model.TargetCounts) {
	fates := c.fates
	for use, n := range c.uses {
		fates[c.finalFate(use.api, use.fate, use.reason)] += n.requests
	}
	return model.TargetCounts{
		Breaks: fates[certain], Likely: fates[likely], Adapts: fates[adapts], Passes: fates[passes], Unclear: fates[unclear], Exempt: fates[exempt],
	}
}

func (t *targetCheck) finishClient(c *targetClient) model.TargetClient {
	out := model.TargetClient{
		SoftwareName: c.key.software.Name, SoftwareVersion: c.key.software.Version, Principal: c.key.principal, Role: c.key.role,
		ClientIDs: c.clientIDs.texts(cmp.Compare[string], func(s string) string { return s }),
		Addresses: c.addresses.texts(compareAddrs, addrText), AddressesOmitted: int64(len(c.more)),
		Connections: c.connections, FirstSeen: model.Time(c.first), LastSeen: model.Time(c.last),
		Requests: c.requests, APIs: []model.TargetUse{}, Processes: c.owners.finish(),
	}
	if len(out.ClientIDs) > 1 { // requests without an id belong to the others
		out.ClientIDs = slices.DeleteFunc(out.ClientIDs, func(id string) bool { return id == "" })
	}
	for use, n := range c.uses {
		f := c.finalFate(use.api, use.fate, use.reason)
		if f < unclear {
			continue
		}
		u := model.TargetUse{Key: use.api, Name: apiName(use.api), Version: use.version, Requests: n.requests, LastSeen: model.Time(n.last), Certain: f == certain, Reason: string(use.reason)}
		if r := rangeOn(t.reference, use.api); r.listed {
			u.Target = &model.Range{Min: r.Min, Max: r.Max}
		}
		if f == unclear {
			out.UnclearAPIs = append(out.UnclearAPIs, u)
		} else {
			out.APIs = append(out.APIs, u)
		}
	}
	if len(c.breaking.list) > 0 {
		out.BreakingAddresses = c.breaking.texts(compareAddrs, addrText)
	}
	if len(c.asking.list) > 0 {
		out.AskingAddresses = c.asking.texts(compareAddrs, addrText)
	}
	slices.SortFunc(out.APIs, model.CompareTargetUses)
	slices.SortFunc(out.UnclearAPIs, model.CompareTargetUses)
	out.Counts = t.counts(c)
	out.Verdict = c.verdict(&out.Counts)
	return out
}

func (c *targetClient) verdict(n *model.TargetCounts) string {
	if c.key.role != "" {
		return model.VerdictBrokers
	}
	return n.Verdict()
}

func compareTargetClients(a, b *targetClient) int {
	return cmp.Or(
		cmp.Compare(a.key.software.Name, b.key.software.Name),
		cmp.Compare(a.key.software.Version, b.key.software.Version),
		cmp.Compare(a.key.clientID, b.key.clientID),
		cmp.Compare(a.key.role, b.key.role),
		cmp.Compare(a.key.principal, b.key.principal),
	)
}
