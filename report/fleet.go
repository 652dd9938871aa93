package report

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
	"github.com/kafkavet/kafkavet/report/model"
)

const (
	// maxCounted bounds the open connections whose requests are counted: 65,536 of some 60 bytes
	// are 4 MiB. When it is reached, all of them are evicted, and count as "shared_connections". Their
	// earlier requests then count twice if another host also captured them.
	maxCounted = 1 << 16
	// maxClusters bounds the sets of brokers in Metadata responses: 1,024 sets of mostly some
	// dozen brokers. A set changes when a broker joins or leaves. Further sets count as
	// "clusters".
	maxClusters = 1024
)

// sharedConnections collects the Kafka connections that the report of another host may also
// contain.
type sharedConnections struct {
	counts map[uint32]connectionCounts
	// kept are the connections with the smallest ids, at most twice MaxConnections. Ids above
	// limit were dropped. limit is zero while all are kept.
	kept  map[connectionID]connectionCounts
	limit connectionID
	// evicted counts connections beyond maxCounted.
	evicted uint64
}

// connectionID is a salted hash of the initial sequence numbers, the hour of the first packet and
// the first client id. Address translation does not change these, and the numbers cannot be
// guessed. Simulated connections often have equal numbers.
type connectionID [12]byte

func newConnectionID(c *decode.Connection) (id connectionID) {
	text := []byte("kafkavet/connection/v2")
	text = binary.BigEndian.AppendUint32(text, c.Initial[0])
	text = binary.BigEndian.AppendUint32(text, c.Initial[1])
	text = binary.BigEndian.AppendUint64(text, uint64(c.First.Time/int64(time.Hour)))
	if len(c.ClientIDs) > 0 {
		text = append(text, c.ClientIDs[0]...)
	}
	sum := sha256.Sum256(text)
	copy(id[:], sum[:])
	return id
}

func (k connectionID) compare(o connectionID) int { return bytes.Compare(k[:], o[:]) }

// connectionCounts are the counters of model.Connection.
type connectionCounts struct{ requests, responses, checked, exempt uint64 }

func newSharedConnections() sharedConnections {
	return sharedConnections{counts: map[uint32]connectionCounts{}, kept: map[connectionID]connectionCounts{}}
}

func (s *sharedConnections) exchange(x *decode.Exchange) {
	c, isCounted := s.counts[x.Stream]
	if !isCounted && len(s.counts) >= maxCounted {
		s.evicted += maxCounted
		clear(s.counts)
	}
	c.requests++
	if x.IsAnswered() {
		c.responses++
	}
	switch x.Verdict {
	case decode.Exempt:
		c.exempt++
	case decode.Unknown:
	default:
		c.checked++
	}
	s.counts[x.Stream] = c
}

func (s *sharedConnections) connection(c *decode.Connection) {
	n := s.counts[c.Stream]
	delete(s.counts, c.Stream)
	if c.Protocol != reassembly.Kafka || !c.HasInitial {
		return
	}
	id := newConnectionID(c)
	if s.limit != (connectionID{}) && id.compare(s.limit) > 0 {
		return
	}
	s.kept[id] = n
	if len(s.kept) <= 2*model.MaxConnections {
		return
	}
	ids := s.sorted()
	for _, id := range ids[model.MaxConnections:] {
		delete(s.kept, id)
	}
	s.limit = ids[model.MaxConnections-1]
}

func (s *sharedConnections) sorted() []connectionID {
	return slices.SortedFunc(maps.Keys(s.kept), connectionID.compare)
}

// finish returns the connections with the smallest ids; nil for none. It adds the exceeded limit to
// hit.
func (s *sharedConnections) finish(hit hits) []model.Connection {
	hit.add(hits{"shared_connections": s.evicted})
	var out []model.Connection
	for _, id := range s.sorted() {
		if len(out) == model.MaxConnections {
			break
		}
		n := s.kept[id]
		out = append(out, model.Connection{
			ID: hex.EncodeToString(id[:]), Hosts: 1, Requests: n.requests, Responses: n.responses, Checked: n.checked, Exempt: n.exempt,
		})
	}
	return out
}

// clusters collects the brokers in Metadata responses.
type clusters struct {
	seen map[*decode.Cluster]*model.Span
	// omitted counts responses beyond the limit.
	omitted uint64
}

func newClusters() clusters { return clusters{seen: map[*decode.Cluster]*model.Span{}} }

func (c *clusters) exchange(x *decode.Exchange) {
	if x.Cluster == nil {
		return
	}
	at := model.Time(x.Decided.Time)
	if s := c.seen[x.Cluster]; s != nil {
		s.First, s.Last = min(s.First, at), max(s.Last, at)
		return
	}
	if len(c.seen) >= maxClusters {
		c.omitted++
		return
	}
	c.seen[x.Cluster] = &model.Span{First: at, Last: at}
}

// finish returns the brokers by cluster and node id. isCaptured says whether connections to a
// broker were captured; nil if unknown.
func (c *clusters) finish(hit hits, isCaptured func(host string, port uint16) *bool) []model.Node {
	hit.add(hits{"clusters": c.omitted})
	nodes := model.NewTable((*model.Node).Key, (*model.Node).Merge)
	for cluster, s := range c.seen {
		for _, n := range cluster.Nodes {
			node := model.Node{Cluster: cluster.ID, NodeID: n.ID, Address: net.JoinHostPort(n.Host, strconv.Itoa(int(n.Port))), First: s.First, Last: s.Last}
			if nodes.Get(node.Key()) == nil {
				node.Captured = isCaptured(n.Host, uint16(n.Port))
			}
			nodes.Add(&node)
		}
	}
	return nodes.Sorted()
}

// isCaptured reports whether Kafka connections of clients to a broker were captured, or TLS
// connections of clients that requested its name. It is nil for a host name that no client
// requested.
func (b *brokers) isCaptured(host string, port uint16) *bool {
	yes, no := true, false
	addr, err := netip.ParseAddr(host)
	for at, s := range b.nonBrokers {
		if s.serverName == host && at.Addr.Port() == port {
			return &yes
		}
	}
	for at, r := range b.records {
		if at.Addr.Port() != port || r.isBetweenBrokers() {
			continue
		}
		isBehind := slices.ContainsFunc(r.behind, func(a netip.AddrPort) bool { return a.Addr().Unmap() == addr })
		if err == nil && (at.Addr.Addr().Unmap() == addr.Unmap() || isBehind) || err != nil && r.serverName == host {
			return &yes
		}
	}
	if err != nil {
		return nil
	}
	return &no
}
