//go:build unix

package main

import (
	"errors"
	"net/netip"
	"time"

	"github.com/kafkavet/kafkavet/capture/capturetest"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// clientID is the client id of every request.
const clientID = "orders-svc"

// timestamps is the TCP option that most connections carry (RFC 7323), after
// two bytes of padding. Its values do not matter here.
var timestamps = []byte{1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 1}

// broker is the address that all connections go to.
var broker = netip.MustParseAddrPort("10.255.0.1:9092")

// client is the address of the n-th connection: 20,000 ports on each host.
func client(n int) netip.AddrPort {
	const ports = 20_000
	host := 1 + n/ports
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(host >> 16), byte(host >> 8), byte(host)}), uint16(20_000+n%ports))
}

// apis are the ranges that the broker advertises: those of Kafka 3.9 for the
// APIs of clients and some more.
func apis() []capturetest.API {
	list := []capturetest.API{
		{Key: 0, Min: 0, Max: 11}, {Key: 1, Min: 0, Max: 17}, {Key: 2, Min: 0, Max: 9}, {Key: 3, Min: 0, Max: 12},
		{Key: 8, Min: 0, Max: 9}, {Key: 9, Min: 0, Max: 9}, {Key: 10, Min: 0, Max: 6}, {Key: 11, Min: 0, Max: 9},
		{Key: 12, Min: 0, Max: 4}, {Key: 13, Min: 0, Max: 5}, {Key: 14, Min: 0, Max: 5}, {Key: 15, Min: 0, Max: 5},
		{Key: 16, Min: 0, Max: 5}, {Key: 17, Min: 0, Max: 1}, {Key: 18, Min: 0, Max: 4},
	}
	for key := int16(19); key < 52; key++ {
		list = append(list, capturetest.API{Key: key, Min: 0, Max: 2})
	}
	return list
}

// The messages that are exchanged, apart from the batches. Each pair is a
// request and its response with correlation id n.

func negotiation(n int32) (request, response []byte) {
	return capturetest.ApiVersionsRequest(3, n, clientID, "apache-kafka-java", "3.9.0"), capturetest.ApiVersionsResponse(3, n, 0, apis()...)
}

func metadata(n int32) (request, response []byte) {
	q := kmsg.NewPtrMetadataRequest()
	q.Version = 12
	topic := kmsg.NewMetadataRequestTopic()
	topic.Topic = kmsg.StringPtr("orders")
	q.Topics = append(q.Topics, topic)
	a := q.ResponseKind().(*kmsg.MetadataResponse)
	b := kmsg.NewMetadataResponseBroker()
	b.Host, b.Port = broker.Addr().String(), int32(broker.Port())
	a.Brokers = append(a.Brokers, b)
	t := kmsg.NewMetadataResponseTopic()
	t.Topic = kmsg.StringPtr("orders")
	for p := range int32(18) {
		partition := kmsg.NewMetadataResponseTopicPartition()
		partition.Partition, partition.Replicas, partition.ISR = p, []int32{0}, []int32{0}
		t.Partitions = append(t.Partitions, partition)
	}
	a.Topics = append(a.Topics, t)
	return capturetest.Request(q, n, clientID), capturetest.Response(a, n)
}

func coordinator(n int32) (request, response []byte) {
	q := kmsg.NewPtrFindCoordinatorRequest()
	q.Version, q.CoordinatorKey = 3, "billing"
	a := q.ResponseKind().(*kmsg.FindCoordinatorResponse)
	a.Host, a.Port = broker.Addr().String(), int32(broker.Port())
	return capturetest.Request(q, n, clientID), capturetest.Response(a, n)
}

func heartbeat(n int32) (request, response []byte) {
	q := kmsg.NewPtrHeartbeatRequest()
	q.Version, q.Group, q.MemberID, q.Generation = 4, "billing", "orders-svc-1f0c", 7
	return capturetest.Request(q, n, clientID), capturetest.Response(q.ResponseKind(), n)
}

// produce sends a batch, fetch receives one.

func produce(n int32, batch []byte) (request, response []byte) {
	q := kmsg.NewPtrProduceRequest()
	q.Version, q.Acks, q.TimeoutMillis = 9, -1, 30_000
	topic := kmsg.NewProduceRequestTopic()
	topic.Topic = "orders"
	partition := kmsg.NewProduceRequestTopicPartition()
	partition.Records = batch
	topic.Partitions = append(topic.Partitions, partition)
	q.Topics = append(q.Topics, topic)
	a := q.ResponseKind().(*kmsg.ProduceResponse)
	t := kmsg.NewProduceResponseTopic()
	t.Topic = "orders"
	t.Partitions = append(t.Partitions, kmsg.NewProduceResponseTopicPartition())
	a.Topics = append(a.Topics, t)
	return capturetest.Request(q, n, clientID), capturetest.Response(a, n)
}

func fetch(n int32, batch []byte) (request, response []byte) {
	q := kmsg.NewPtrFetchRequest()
	q.Version, q.MaxWaitMillis, q.MaxBytes = 12, 500, 50<<20
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic = "orders"
	topic.Partitions = append(topic.Partitions, kmsg.NewFetchRequestTopicPartition())
	q.Topics = append(q.Topics, topic)
	a := q.ResponseKind().(*kmsg.FetchResponse)
	t := kmsg.NewFetchResponseTopic()
	t.Topic = "orders"
	partition := kmsg.NewFetchResponseTopicPartition()
	partition.RecordBatches = batch
	t.Partitions = append(t.Partitions, partition)
	a.Topics = append(a.Topics, t)
	return capturetest.Request(q, n, clientID), capturetest.Response(a, n)
}

// transfer is one connection of the bulk corpus, in the middle of a message.
type transfer struct {
	*capturetest.Conversation
	exchange func(n int32, batch []byte) (request, response []byte)
	count    int32
	dir      capturetest.Direction
	pending  []byte // of the message that is being sent
	response []byte
}

// next begins the following message: a request, or the response to the last one.
func (t *transfer) next(batch []byte) {
	if t.response != nil {
		t.dir, t.pending, t.response = capturetest.ToClient, t.response, nil
		return
	}
	t.count++
	t.dir = capturetest.ToBroker
	t.pending, t.response = t.exchange(t.count, batch)
}

// burst sends up to n segments of the message, and the other side's acknowledgement.
func (t *transfer) burst(n int) {
	part := t.pending[:min(len(t.pending), n*capturetest.DefaultMSS)]
	t.pending = t.pending[len(part):]
	t.Send(t.dir, part)
}

// bulk writes size MB of batches, on three connections that produce and three that fetch.
func bulk(out *output, size int) error {
	const (
		connections = 6
		largest     = 1 << 20 // of a batch: max.partition.fetch.bytes and message.max.bytes are about that
		longest     = 44      // segments in a burst: 64 KiB, what segmentation offload hands over at once
		megabyte    = 1_000_000
	)
	pool := make([]byte, 4*largest) // batches are parts of it
	for i := range pool {
		pool[i] = byte(out.random.Uint32())
	}
	transfers := make([]transfer, connections)
	for i := range transfers {
		t := &transfers[i]
		t.Conversation = out.Open(client(i), broker)
		t.Exchange(negotiation(1))
		t.Exchange(metadata(2))
		t.count = 2
		t.exchange = produce
		if i%2 == 1 {
			t.exchange = fetch
		}
	}
	for written := 0; written < size*megabyte; {
		t := &transfers[out.random.IntN(connections)]
		if len(t.pending) == 0 {
			length := 1 + out.random.IntN(largest)
			from := out.random.IntN(len(pool) - length)
			t.next(pool[from : from+length])
		}
		before := len(t.pending)
		t.burst(1 + out.random.IntN(longest))
		written += before - len(t.pending)
		if err := out.flush(); err != nil {
			return err
		}
	}
	for _, t := range transfers {
		t.Close(capturetest.ToBroker)
	}
	return out.flush()
}

// swarm writes size connections of 18 packets: handshake, four exchanges with
// three acknowledgements, end.
func swarm(out *output, size int) error {
	const together = 64
	type short struct {
		*capturetest.Conversation
		done int
	}
	exchanges := []func(int32) (request, response []byte){negotiation, metadata, coordinator, heartbeat}
	var live []short
	for opened := 0; opened < size || len(live) > 0; {
		if opened < size && len(live) < together {
			c := out.Open(client(opened), broker)
			c.Silent, c.Options = true, timestamps
			live = append(live, short{Conversation: c})
			opened++
			continue
		}
		i := out.random.IntN(len(live))
		s := &live[i]
		if s.done == len(exchanges) {
			s.Close(capturetest.ToBroker)
			live[i] = live[len(live)-1]
			live = live[:len(live)-1]
		} else {
			s.Exchange(exchanges[s.done](int32(s.done)))
			if s.done > 0 {
				s.Ack(capturetest.ToBroker)
			}
			s.done++
		}
		if err := out.flush(); err != nil {
			return err
		}
	}
	return nil
}

// open writes size connections that are open at once: each negotiates and
// asks for metadata, and after all have done so each sends two heartbeats,
// with half a minute between the rounds.
func open(out *output, size int) error {
	all := make([]*capturetest.Conversation, size)
	err := out.each(size, func(i int) {
		all[i] = silent(out.Open(client(i), broker))
		all[i].Options = timestamps
		all[i].Exchange(negotiation(1))
		all[i].Exchange(metadata(2))
	})
	for round := range int32(2) {
		out.Wait(30 * time.Second)
		err = errors.Join(err, out.each(size, func(i int) { all[i].Exchange(heartbeat(3 + round)) }))
	}
	return err
}

// synflood writes size SYNs that are never answered.
func synflood(out *output, size int) error {
	return out.each(size, func(i int) { out.begun(i).Syn(capturetest.ToBroker) })
}
