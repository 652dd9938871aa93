package decode

// Node is a broker that a Metadata response names.
type Node struct {
	ID   int32
	Host string
	Port int32
}

// Cluster is the part about the cluster in a Metadata response. It must not be changed.
type Cluster struct {
	// ID is the id of the cluster, empty if the response has none (before v2).
	ID    string
	Nodes []Node
}

const (
	// maxMetadataHead is how many bytes of a Metadata response are read. Its brokers come first
	// and take up to some 100 bytes each: 300 of them. Longer lists count as Limits.Clusters.
	maxMetadataHead = 32 << 10
	// maxNodes bounds the brokers of a response: more do not fit in maxMetadataHead.
	maxNodes = maxMetadataHead / 11
	// maxClusters bounds the clusters that a shard shares: 64 of at most 32 KiB.
	maxClusters = 64
)

// cluster reads the brokers and the cluster id of a Metadata response. It returns nil if some of
// them are missing. body begins after the correlation id. Equal responses share one Cluster.
func (s *Shard) cluster(version int16, body []byte) *Cluster {
	end, ok := walkBrokers(version, body, nil)
	if !ok {
		return nil
	}
	if c, ok := s.clusters[string(body[:end])]; ok {
		return c
	}
	c := &Cluster{}
	walkBrokers(version, body, func(id int32, host []byte, port int32, cluster []byte) {
		if host != nil {
			c.Nodes = append(c.Nodes, Node{id, s.share(host), port})
		} else {
			c.ID = s.share(cluster)
		}
	})
	if s.clusters == nil || len(s.clusters) >= maxClusters {
		s.clusters = map[string]*Cluster{}
	}
	s.clusters[string(body[:end])] = c
	return c
}

// walkBrokers reads the brokers of a Metadata response (kmsg, MetadataResponse) and passes each to
// use. At the end it passes the cluster id with a nil host. use may be nil. end is the offset in
// body after the cluster id.
func walkBrokers(version int16, body []byte, use func(id int32, host []byte, port int32, cluster []byte)) (end int, ok bool) {
	r := newFieldReader(body)
	isFlexible := version >= layouts[keyMetadata].flexible
	text := r.text
	if isFlexible {
		text = r.compactText
		r.tags(nil) // of the response header
	}
	if version >= 3 {
		r.Int32() // throttle time
	}
	n := r.count(isFlexible)
	if n < 1 || n > maxNodes {
		return 0, false
	}
	for range n {
		id, host, port := r.Int32(), text(), r.Int32()
		if version >= 1 {
			text() // rack
		}
		if isFlexible {
			r.tags(nil)
		}
		if !r.Ok() || len(host) == 0 || port < 1 || port > 65535 {
			return 0, false
		}
		if use != nil {
			use(id, host, port, nil)
		}
	}
	if version >= 2 {
		cluster := text()
		if use != nil {
			use(0, nil, 0, cluster)
		}
	}
	return len(body) - len(r.Src), r.Ok()
}
