package decode

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kafkavet/kafkavet/reassembly"
)

// metadataAnswer returns a Metadata response of brokers 1 to n, without its correlation id.
func metadataAnswer(version int16, n int) []byte {
	r := kmsg.NewMetadataResponse()
	r.Version = version
	for id := range n {
		b := kmsg.NewMetadataResponseBroker()
		b.NodeID, b.Host, b.Port, b.Rack = int32(id+1), fmt.Sprintf("kafka-%d.example", id+1), 9092, kmsg.StringPtr("r1")
		r.Brokers = append(r.Brokers, b)
	}
	r.ClusterID = kmsg.StringPtr("cluster-a")
	topic := kmsg.NewMetadataResponseTopic()
	topic.Topic = kmsg.StringPtr("orders")
	r.Topics = append(r.Topics, topic)
	var header []byte
	if r.IsFlexible() {
		header = []byte{0}
	}
	return r.AppendTo(header)
}

// TestMetadataNamesTheCluster in every version, also if the end of the response is missing or
// long.
func TestMetadataNamesTheCluster(t *testing.T) {
	for version := range int16(14) {
		s := NewShard(ShardOptions{})
		body := metadataAnswer(version, 3)
		c := s.cluster(version, body)
		id := "cluster-a"
		if version < 2 {
			id = ""
		}
		if c == nil || c.ID != id || len(c.Nodes) != 3 || c.Nodes[2] != (Node{3, "kafka-3.example", 9092}) {
			t.Errorf("v%d: %+v", version, c)
			continue
		}
		if again := s.cluster(version, append(body[:len(body):len(body)], 1, 2)); again != c {
			t.Errorf("v%d: an equal response is another cluster", version)
		}
		if s.cluster(version, body[:20]) != nil || s.cluster(version, nil) != nil {
			t.Errorf("v%d: a response that breaks off names a cluster", version)
		}
		if n := testing.AllocsPerRun(100, func() { s.cluster(version, body) }); n > 0 {
			t.Errorf("v%d: %v allocations for an equal response", version, n)
		}
		for i := range 2 * maxClusters {
			s.cluster(version, metadataAnswer(version, i+1))
		}
		if len(s.clusters) > maxClusters {
			t.Errorf("v%d: %d clusters are held", version, len(s.clusters))
		}
	}
}

// TestLargeMetadataIsReadFromItsBeginning: brokers come before topics.
func TestLargeMetadataIsReadFromItsBeginning(t *testing.T) {
	d := newNetwork().open(t)
	id := d.request(kmsg.NewPtrMetadataRequest())
	d.message(reassembly.ToClient, append(binary.BigEndian.AppendUint32(nil, uint32(id)), append(metadataAnswer(0, 4), make([]byte, 2*maxAnswerScan)...)...))
	e := exchanges(d.end(reassembly.Closed, reassembly.ToBroker))[0]
	if e.Cluster == nil || len(e.Cluster.Nodes) != 4 {
		t.Errorf("cluster %+v, outcome %v", e.Cluster, e.Outcome)
	}
}

// TestLongListsOfBrokers are read, or counted if they are too long.
func TestLongListsOfBrokers(t *testing.T) {
	for _, tt := range []struct {
		brokers, nodes int
		omitted        uint64
	}{{300, 300, 0}, {2000, 0, 1}} {
		d := newNetwork().open(t)
		id := d.request(kmsg.NewPtrMetadataRequest())
		d.message(reassembly.ToClient, append(binary.BigEndian.AppendUint32(nil, uint32(id)), metadataAnswer(0, tt.brokers)...))
		e := exchanges(d.end(reassembly.Closed, reassembly.ToBroker))[0]
		nodes := 0
		if e.Cluster != nil {
			nodes = len(e.Cluster.Nodes)
		}
		if got := d.net.shard.Limits().Clusters; nodes != tt.nodes || got != tt.omitted || d.net.shard.Limits().Hit()["clusters"] != tt.omitted {
			t.Errorf("%d brokers: %d nodes, %d responses counted", tt.brokers, nodes, got)
		}
	}
}
