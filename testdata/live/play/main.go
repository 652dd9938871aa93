// Command play is a Kafka broker or a client for live captures: for the
// benchmark, and to try kafkavet sniff by hand.
//
//	go run ./play broker -addr 127.0.0.1:19092 -release 2.1
//	go run ./play produce -addr 127.0.0.1:19092 -for 10s
//	go run ./play consume -addr 127.0.0.1:19092 -for 10s
//	go run ./play violate -addr 127.0.0.1:19092 -every 1s -for 10s
//	go run ./play replay -iface veth0 -file attack.pcap
//
// violate sends Fetch v12 whatever the broker advertised, as librdkafka 2.6.0 does.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/kafkavet/kafkavet/capture/capturetest"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"
)

const topic = "orders"

// options are the flags of all roles.
type options struct {
	addr, release string
	iface, file   string
	lasts, every  time.Duration
	size          int
}

func main() {
	roles := map[string]func(context.Context, options) error{
		"broker": broker, "produce": produce, "consume": consume, "violate": violate,
		"replay": replay,
	}
	if len(os.Args) < 2 || roles[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: play broker|produce|consume|violate|replay [flags]")
		os.Exit(2)
	}
	var o options
	f := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	f.StringVar(&o.addr, "addr", "127.0.0.1:19092", "the broker's address")
	f.StringVar(&o.release, "release", "", "the Kafka release whose ranges the broker has, the newest unless given")
	f.DurationVar(&o.lasts, "for", 0, "how long it goes on, 0 for ever")
	f.DurationVar(&o.every, "every", time.Second, "violate: how often")
	f.StringVar(&o.iface, "iface", "", "replay: the interface to send on")
	f.StringVar(&o.file, "file", "", "replay: the capture that is sent")
	f.IntVar(&o.size, "size", 10_000, "produce: the size of a record in bytes")
	_ = f.Parse(os.Args[2:]) // ExitOnError
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if o.lasts > 0 {
		ctx, stop = context.WithTimeout(ctx, o.lasts)
		defer stop()
	}
	if err := roles[os.Args[1]](ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "play:", err)
		os.Exit(1)
	}
}

// broker runs kfake.
func broker(ctx context.Context, o options) error {
	host, port, err := net.SplitHostPort(o.addr)
	if err != nil {
		return err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	opts := []kfake.Opt{
		kfake.NumBrokers(1), kfake.Ports(number), kfake.SeedTopics(1, topic),
		kfake.BrokerConfigs(map[string]string{"message.max.bytes": "10000000"}),
		kfake.ListenFn(func(network, address string) (net.Listener, error) {
			_, p, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			return net.Listen(network, net.JoinHostPort(host, p))
		}),
	}
	if o.release != "" {
		v := kversion.FromString("v" + o.release)
		if v == nil {
			return fmt.Errorf("-release %q is not known", o.release)
		}
		opts = append(opts, kfake.MaxVersions(v))
	}
	c, err := kfake.NewCluster(opts...)
	if err != nil {
		return err
	}
	defer c.Close()
	fmt.Println("broker at", c.ListenAddrs())
	<-ctx.Done()
	return nil
}

// client makes a franz-go client.
func client(o options, more ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(o.addr), kgo.ClientID("orders-svc"), kgo.DefaultProduceTopic(topic),
	}, more...)...)
}

// produce sends records as fast as the broker takes them.
func produce(ctx context.Context, o options) error {
	c, err := client(o, kgo.ProducerLinger(0), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.MaxBufferedRecords(1000))
	if err != nil {
		return err
	}
	defer c.Close()
	value, sent := make([]byte, o.size), 0
	for ctx.Err() == nil {
		c.Produce(ctx, &kgo.Record{Value: value}, func(_ *kgo.Record, err error) {
			if err == nil {
				sent++
			}
		})
	}
	_ = c.Flush(context.Background())
	fmt.Printf("produced %d records of %d bytes\n", sent, o.size)
	return nil
}

// consume reads records as they come.
func consume(ctx context.Context, o options) error {
	c, err := client(o, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd()), kgo.FetchMaxBytes(5<<20))
	if err != nil {
		return err
	}
	defer c.Close()
	got := 0
	for ctx.Err() == nil {
		fetches := c.PollFetches(ctx)
		if err := fetches.Err(); err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
			return err
		}
		got += fetches.NumRecords()
	}
	fmt.Printf("consumed %d records\n", got)
	return nil
}

// violate asks for the ranges and sends Fetch v12.
func violate(ctx context.Context, o options) error {
	for n := int32(0); ; n++ {
		conn, err := net.Dial("tcp", o.addr)
		if err != nil {
			return err
		}
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		buf := make([]byte, 64<<10)
		for _, request := range [][]byte{
			capturetest.ApiVersionsRequest(0, 2*n+1, "orders-svc", "", ""),
			capturetest.RequestHeader{Key: 1, Version: 12, CorrelationID: 2*n + 2, ClientID: "orders-svc", HeaderVersion: 2}.Frame(make([]byte, 30)),
		} {
			if _, err := conn.Write(request); err != nil {
				return err
			}
			_, _ = conn.Read(buf) // an answer, or the end
		}
		_ = conn.Close()
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(o.every):
		}
	}
}
